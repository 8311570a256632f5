/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A libFuzzer target: clients past their handshake, on real sessions with
 * their threads and the library's encoders, and what the agent says meanwhile.
 *
 * An input is a sequence of steps: a byte that says which, a byte that says
 * for which of the clients, then what the step wants. Two clients, so that
 * threads can be in each other's way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

#define CLIENTS 2
#define WIDTH_MAX 200
#define HEIGHT_MAX 150
#define FRAMEBUFFER (WIDTH_MAX * HEIGHT_MAX * PIXEL_SIZE)
#define STEPS_MAX 200
/* What a client's bytes, and its update, may take to be dealt with. */
#define SETTLE_TRIES 400
#define SETTLE_PAUSE_NS 50000
/* Between two times that the guest paints by itself. */
#define PAINT_PAUSE_NS 20000

enum step {
	STEP_BYTES,		/* a length, bytes of the client */
	STEP_SLICES,		/* the same, one by one */
	STEP_FORMAT,		/* a good SetPixelFormat */
	STEP_ENCODING,		/* one that the library has */
	STEP_REQUEST,
	STEP_SIZE,
	STEP_DAMAGE,
	STEP_FREEZE,
	STEP_OPEN,
	STEP_CURSOR,
	STEP_PAINT,
	STEP_SETTLE,
	STEP_JOIN,
	STEP_END,
	STEP_CREDIT,
	STEP_LEDS,
	STEP_DRAWN,
	STEP_ASK_SIZE,		/* a client, for another size */
	STEP_ANSWER_SIZE,
	STEP_COUNT
};

static const uint8_t formats[][16] = {
	{32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0},
	{32, 24, 1, 1, 0, 255, 0, 255, 0, 255, 24, 16, 8},
	{32, 32, 0, 1, 7, 255, 7, 255, 3, 255, 0, 11, 22},
	{16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0},
	{16, 15, 1, 1, 0, 31, 0, 31, 0, 31, 10, 5, 0},
	{8, 8, 0, 1, 0, 7, 0, 7, 0, 3, 0, 3, 6},
	{8, 3, 1, 1, 0, 1, 0, 1, 0, 1, 2, 1, 0},
};

static const int8_t encodings[] = {0, 2, 4, 5, 6, 7, 9, 16};
static const int32_t pseudo[] = {-239, -223, -308, -224, -256, -252, -247,
				 -258, -261, -316, 0x574d5668};
#define PSEUDO_COUNT (sizeof(pseudo) / sizeof(*pseudo))

struct run {
	const uint8_t *next, *end;
	struct vnc_server *server;
	int link;
	int clients[CLIENTS];		/* our ends, -1: none */
	uint32_t serial;
};

static uint8_t framebuffer[FRAMEBUFFER];
/* Its first word counts the freezes. */
static _Alignas(4096) uint8_t drawn[VNC_DRAWN_SIZE];
#define freezes (*(_Atomic uint32_t *)drawn)

static uint8_t take(struct run *run)
{
	return run->next < run->end ? *run->next++ : 0;
}

static size_t take_bytes(struct run *run, const uint8_t **bytes)
{
	size_t length = take(run), left = run->end - run->next;

	if (length > left)
		length = left;
	*bytes = run->next;
	run->next += length;
	return length;
}

/* Read what was sent to the clients and to the agent. */
static void drain(struct run *run)
{
	static char waste[1 << 16];
	int index;

	for (index = 0; index < CLIENTS; index++)
		while (run->clients[index] >= 0
		       && recv(run->clients[index], waste, sizeof(waste),
			       MSG_DONTWAIT) > 0)
			;
	while (recv(run->link, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
	vnc_tend(run->server);
}

/* Whether a session has read all, and sends nothing. */
static int is_settled(struct run *run, int index)
{
	struct session *session = &run->server->sessions[index];
	int unread = 0;

	if (run->clients[index] < 0 || !session->in_use
	    || atomic_load(&session->over))
		return 1;
	if (ioctl(run->clients[index], SIOCOUTQ, &unread) < 0 || unread > 0)
		return 0;
	if (pthread_mutex_trylock(&session->busy) != 0)
		return 0;
	pthread_mutex_unlock(&session->busy);
	return 1;
}

static void settle(struct run *run)
{
	const struct timespec pause = {.tv_nsec = SETTLE_PAUSE_NS};
	int index, settled, tries;

	for (tries = 0; tries < SETTLE_TRIES; tries++) {
		drain(run);
		settled = 1;
		for (index = 0; index < CLIENTS; index++)
			settled = settled && is_settled(run, index);
		nanosleep(&pause, NULL);
		if (settled)
			break;
	}
	drain(run);
}

static void write_client(struct run *run, int index, const void *bytes,
			 size_t length)
{
	if (run->clients[index] >= 0)
		(void)!send(run->clients[index], bytes, length,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void join(struct run *run, int index)
{
	int pair[2];

	settle(run);
	if (run->clients[index] >= 0) {
		if (run->server->sessions[index].in_use)
			return;
		close(run->clients[index]);
		run->clients[index] = -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	if (!vnc_add(run->server, index, pair[1], "fuzzed", take(run) & 1, 1)) {
		close(pair[0]);
		close(pair[1]);
		return;
	}
	run->clients[index] = pair[0];
}

static void choose_encodings(struct run *run, int index)
{
	uint8_t message[4 + 4 * (PSEUDO_COUNT + 1)] = {2};
	uint8_t *each = message + 4;
	unsigned wanted, bit;
	int32_t number = encodings[take(run) % sizeof(encodings)];

	memcpy(each, (uint8_t [4]) {0, 0, 0, number}, 4);
	each += 4;
	wanted = take(run);
	wanted |= take(run) << 8;
	for (bit = 0; bit < PSEUDO_COUNT; bit++)
		if (wanted >> bit & 1) {
			number = pseudo[bit];
			memcpy(each, (uint8_t [4]) {
				number >> 24, number >> 16, number >> 8,
				number}, 4);
			each += 4;
		}
	message[3] = (each - message) / 4 - 1;
	write_client(run, index, message, each - message);
}

static void request_update(struct run *run, int index)
{
	uint8_t message[10] = {3};

	message[1] = take(run) & 1;
	message[3] = take(run);
	message[5] = take(run);
	message[7] = take(run);
	message[9] = take(run);
	write_client(run, index, message, sizeof(message));
}

static void ask_size(struct run *run, int index)
{
	uint8_t message[8 + 4 * 16] = {251};

	message[3] = take(run);
	message[5] = take(run);
	message[6] = take(run) % 5;
	write_client(run, index, message, 8 + 16 * message[6]);
}

static void set_cursor(struct run *run)
{
	static uint8_t pixels[4 * VNC_CURSOR_SIDE_MAX * VNC_CURSOR_SIDE_MAX];
	int width = take(run) % (VNC_CURSOR_SIDE_MAX + 1);
	int height = take(run) % (VNC_CURSOR_SIDE_MAX + 1);

	memset(pixels, take(run), 4 * width * height);
	vnc_cursor(run->server, width, height, take(run), take(run), pixels);
}

static void damage(struct run *run)
{
	uint16_t rectangles[4 * 4];
	int count = take(run) % 5 - 1, index;

	for (index = 0; index < 4 * count; index++)
		rectangles[index] = take(run);
	vnc_damage(run->server, ++run->serial, rectangles, count);
}

/* Noise, one colour, or few: each encoder has its own way with these. */
static void paint_area(size_t start, uint8_t colours, uint8_t first)
{
	size_t index;
	uint32_t noise = first;

	for (index = start; index < start + FRAMEBUFFER / 4
	     && index < FRAMEBUFFER; index++) {
		noise = noise * 1103515245 + 12345;
		framebuffer[index] = colours ? first + (noise >> 16) % colours
			: first;
	}
}

/* A guest paints whenever it likes, so also while an encoder runs: where it
 * does, and with how many colours; 0: it does not. A sanitizer for threads
 * would see nothing else. */
static _Atomic uint32_t painting;

static void *paint_on(void *unused)
{
	const struct timespec pause = {.tv_nsec = PAINT_PAUSE_NS};
	uint32_t what;
	uint8_t first = 0;

	(void)unused;
	while ((what = atomic_load(&painting)) != UINT32_MAX) {
		if (what > 0)
			paint_area((what & 0xff) * (FRAMEBUFFER / 256),
				   what >> 8 & 0xff, first++);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void paint(struct run *run)
{
	uint8_t colours = take(run), first = take(run), where = take(run);

	paint_area(where * (FRAMEBUFFER / 256), colours, first);
#if !__has_feature(thread_sanitizer)
	atomic_store(&painting, first & 1 ? 0
		     : 1 << 16 | colours << 8 | where);
#endif
}

static void step(struct run *run)
{
	enum step kind = take(run) % STEP_COUNT;
	int index = take(run) % CLIENTS;
	const uint8_t *bytes;
	size_t length, at;

	switch (kind) {
	case STEP_BYTES:
		length = take_bytes(run, &bytes);
		write_client(run, index, bytes, length);
		break;
	case STEP_SLICES:
		length = take_bytes(run, &bytes);
		for (at = 0; at < length; at++) {
			write_client(run, index, bytes + at, 1);
			sched_yield();
		}
		break;
	case STEP_FORMAT:
		write_client(run, index, "\0\0\0\0", 4);
		write_client(run, index, formats[
			take(run) % (sizeof(formats) / sizeof(*formats))],
			sizeof(*formats));
		break;
	case STEP_ENCODING:
		choose_encodings(run, index);
		break;
	case STEP_REQUEST:
		request_update(run, index);
		break;
	case STEP_SIZE:
		/* As the agent does it. */
		freezes++;
		vnc_size(run->server, take(run) % (WIDTH_MAX + 1),
			 take(run) % (HEIGHT_MAX + 1));
		vnc_damage(run->server, ++run->serial, NULL, -1);
		vnc_open(run->server, freezes, 0);
		break;
	case STEP_DAMAGE:
		damage(run);
		break;
	case STEP_FREEZE:
		freezes++;
		break;
	case STEP_OPEN:
		vnc_open(run->server, freezes, take(run) & 1);
		break;
	case STEP_CURSOR:
		set_cursor(run);
		break;
	case STEP_PAINT:
		paint(run);
		break;
	case STEP_SETTLE:
		settle(run);
		break;
	case STEP_JOIN:
		join(run, index);
		break;
	case STEP_END:
		vnc_end(run->server, index);
		break;
	case STEP_CREDIT:
		vnc_more(run->server, take(run));
		break;
	case STEP_LEDS:
		vnc_leds(run->server, take(run));
		break;
	case STEP_DRAWN:
		length = take(run);
		vnc_drawn(run->server, length, take(run) % (length + 1));
		break;
	case STEP_ASK_SIZE:
		ask_size(run, index);
		break;
	case STEP_ANSWER_SIZE:
		vnc_answer_size(run->server, index, 1 + take(run));
		break;
	case STEP_COUNT:
		break;
	}
	drain(run);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	(void)count;
	(void)arguments;
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.next = data, .end = data + size,
			  .clients = {-1, -1}};
	int link[2], index, steps;
	pthread_t guest;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
		abort();
	run.link = link[0];
	run.server = vnc_new(framebuffer, FRAMEBUFFER, link[1], drawn);
	if (run.server == NULL)
		abort();
	vnc_size(run.server, 100, 75);
	vnc_open(run.server, freezes, 0);
	atomic_store(&painting, 0);
	if (pthread_create(&guest, NULL, paint_on, NULL))
		abort();
	join(&run, 0);
	for (steps = 0; steps < STEPS_MAX && run.next < run.end; steps++)
		step(&run);
	settle(&run);
	vnc_free(run.server);
	atomic_store(&painting, UINT32_MAX);
	pthread_join(guest, NULL);
	for (index = 0; index < CLIENTS; index++)
		if (run.clients[index] >= 0)
			close(run.clients[index]);
	close(link[0]);
	close(link[1]);
	return 0;
}
