/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * nova-dmore-vnc: the VNC sessions of Domain R, in a process of their own. If
 * it fails, the VNC clients are cut, and nothing else happens: the agent has
 * it started again for the next client. See protocol.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "filter.h"
#include "sessions.h"

#define PAGE VNC_PAGE
#define CURSOR_PIXELS (VNC_CURSOR_SIDE_MAX * VNC_CURSOR_SIDE_MAX)

union packet {
	uint32_t type;
	struct vnc_start start;
	struct vnc_add add;
	struct vnc_end end;
	struct vnc_open open;
	struct vnc_size size;
	struct {
		struct vnc_cursor head;
		uint8_t pixels[4 * CURSOR_PIXELS];
	} cursor;
	struct {
		struct vnc_damage head;
		uint16_t rectangles[4 * VNC_RECTANGLES_MAX];
	} damage;
	struct vnc_more more;
	struct vnc_leds leds;
	struct vnc_drawn drawn;
	struct vnc_size_answer size_answer;
	struct vnc_control control;
};

static union packet packet;

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list arguments;

	fputs("nova-dmore-vnc: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/* Receive a packet, and its file, else -1. Returns its size, 0 at the end. */
static size_t receive(int *file)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vector = {&packet, sizeof(packet)};
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *each;
	ssize_t size;

	*file = -1;
	do
		size = recvmsg(VNC_LINK, &message, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size <= 0)
		return 0;	/* the agent has gone */
	for (each = CMSG_FIRSTHDR(&message); each;
	     each = CMSG_NXTHDR(&message, each))
		if (each->cmsg_level == SOL_SOCKET
		    && each->cmsg_type == SCM_RIGHTS
		    && each->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(file, CMSG_DATA(each), sizeof(int));
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
	    || size < (ssize_t)sizeof(packet.type))
		fail("a packet of %zd bytes", size);
	return size;
}

static void demand(int condition)
{
	if (!condition)
		fail("the agent's message of type %u makes no sense",
		     packet.type);
}

/* -- the start */

/* Map the frame buffer, and nothing else of the region. */
static const char *map_framebuffer(const struct vnc_start *start)
{
	uint64_t first = start->start / PAGE * PAGE, end, past;
	char *region;

	demand(start->length <= SIZE_MAX / 2 && start->start < start->length
	       && start->size <= start->length - start->start
	       && start->size > 0);
	region = mmap(NULL, start->length, PROT_READ, MAP_SHARED, VNC_REGION,
		      start->offset);
	if (region == MAP_FAILED)
		fail("the region cannot be mapped: %s", strerror(errno));
	close(VNC_REGION);
	end = (start->start + start->size + PAGE - 1) / PAGE * PAGE;
	past = (start->length + PAGE - 1) / PAGE * PAGE;
	if ((first > 0 && munmap(region, first) < 0)
	    || (past > end && munmap(region + end, past - end) < 0))
		fail("the region cannot be unmapped: %s", strerror(errno));
	return region + start->start;
}

static struct vnc_server *begin(void)
{
	struct vnc_server *server;
	const char *framebuffer;
	const void *drawn;
	int file;
	size_t size = receive(&file);

	if (size == 0)
		exit(0);
	demand(packet.type == VNC_START && size == sizeof(packet.start)
	       && packet.start.version == VNC_VERSION && file >= 0);
	framebuffer = map_framebuffer(&packet.start);
	drawn = mmap(NULL, VNC_DRAWN_SIZE, PROT_READ, MAP_SHARED, file, 0);
	if (drawn == MAP_FAILED)
		fail("the page of freezes cannot be mapped: %s",
		     strerror(errno));
	close(file);
	server = vnc_new(framebuffer, packet.start.size, VNC_LINK, drawn);
	if (server == NULL)
		fail("no memory");
	return server;
}

/* -- messages */

static void add(struct vnc_server *server, size_t size, int file)
{
	const struct vnc_add *message = &packet.add;

	demand(size == sizeof(*message) && file >= 0
	       && message->session < VNC_SESSIONS_MAX
	       && memchr(message->name, 0, sizeof(message->name)));
	demand(vnc_add(server, message->session, file, message->name,
		       message->view_only != 0, message->takes_text != 0));
}

static void set_cursor(struct vnc_server *server, size_t size)
{
	const struct vnc_cursor *head = &packet.cursor.head;

	demand(size >= sizeof(*head) && head->width <= VNC_CURSOR_SIDE_MAX
	       && head->height <= VNC_CURSOR_SIDE_MAX
	       && head->hot_x <= UINT16_MAX && head->hot_y <= UINT16_MAX
	       && size == sizeof(*head) + 4 * head->width * head->height);
	vnc_cursor(server, head->width, head->height, head->hot_x,
		   head->hot_y, packet.cursor.pixels);
}

static void damage(struct vnc_server *server, size_t size)
{
	const struct vnc_damage *head = &packet.damage.head;
	size_t count;

	demand(size >= sizeof(*head) && head->count >= -1
	       && head->count <= VNC_RECTANGLES_MAX);
	count = head->count < 0 ? 0 : head->count;
	demand(size == sizeof(*head) + 8 * count);
	vnc_damage(server, head->serial, packet.damage.rectangles,
		   head->count);
}

static void handle(struct vnc_server *server, size_t size, int file)
{
	if (packet.type == VNC_ADD) {
		add(server, size, file);
		return;
	}
	demand(file < 0);
	switch (packet.type) {
	case VNC_END:
		demand(size == sizeof(packet.end));
		vnc_end(server, packet.end.session);
		break;
	case VNC_OPEN:
		demand(size == sizeof(packet.open));
		vnc_open(server, packet.open.freezes,
			 packet.open.everything != 0);
		break;
	case VNC_SIZE:
		demand(size == sizeof(packet.size));
		vnc_size(server, packet.size.width, packet.size.height);
		break;
	case VNC_CURSOR:
		set_cursor(server, size);
		break;
	case VNC_DAMAGE:
		damage(server, size);
		break;
	case VNC_MORE:
		demand(size == sizeof(packet.more));
		vnc_more(server, packet.more.credit);
		break;
	case VNC_LEDS:
		demand(size == sizeof(packet.leds));
		vnc_leds(server, packet.leds.leds);
		break;
	case VNC_DRAWN:
		demand(size == sizeof(packet.drawn)
		       && packet.drawn.banner_width <= VNC_BANNER_WIDTH_MAX
		       && packet.drawn.banner_left
		       <= packet.drawn.banner_width);
		vnc_drawn(server, packet.drawn.banner_width,
			  packet.drawn.banner_left);
		break;
	case VNC_SIZE_ANSWER:
		demand(size == sizeof(packet.size_answer)
		       && packet.size_answer.session < VNC_SESSIONS_MAX
		       && packet.size_answer.answer > 0
		       && packet.size_answer.answer <= UINT16_MAX);
		vnc_answer_size(server, packet.size_answer.session,
				packet.size_answer.answer);
		break;
	case VNC_CONTROL:
		demand(size == sizeof(packet.control)
		       && packet.control.session <= VNC_SESSIONS_MAX);
		vnc_control(server, packet.control.session);
		break;
	default:
		demand(0);
	}
}

int main(void)
{
	struct pollfd files[2] = {{.fd = VNC_LINK}, {.events = POLLIN}};
	struct vnc_server *server;
	const char *unfiltered;
	size_t size;
	int file;

	signal(SIGPIPE, SIG_IGN);
	server = begin();
	unfiltered = filter_system_calls();
	if (unfiltered != NULL)
		fprintf(stderr, "nova-dmore-vnc: system calls are not "
			"filtered: %s\n", unfiltered);
	files[1].fd = vnc_wakeup(server);
	for (;;) {
		files[0].events = POLLIN
			| (vnc_is_blocked(server) ? POLLOUT : 0);
		if (poll(files, 2, -1) < 0)
			continue;
		if (files[1].revents || files[0].revents & POLLOUT)
			vnc_tend(server);
		if (files[0].revents & ~POLLOUT) {
			size = receive(&file);
			if (size == 0)
				break;
			handle(server, size, file);
		}
	}
	/* What the kernel frees need not be freed here, unless a sanitizer
	 * checks for leaks. */
#ifdef NO_FILTER
	vnc_free(server);
#endif
	return 0;
}
