/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The thread that sends a client its pictures.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "internal.h"

/* -- client->updateMutex is held */

/* Whether the guest's pixels may be read; see protocol.h. */
static int is_open(struct session *session)
{
	return session->has_picture && !session->closed
		&& atomic_load(session->server->freezes) == session->opened;
}

/* Whether the picture is shown that stands for one that there is not: a new
 * client would wait for nobody knows how long. */
static int is_blank(struct session *session)
{
	return !session->has_picture
		|| (session->fresh && !is_open(session));
}

/* What came from the other threads. */
static void take_changes(struct session *session)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	int blank = is_blank(session);
	int width = blank ? VNC_BLANK_WIDTH : session->width;
	int height = blank ? VNC_BLANK_HEIGHT : session->height;

	screen->frameBuffer = blank ? session->server->blank
		: session->server->framebuffer;
	if (blank != session->shows_blank)
		vnc_mark_all(session);
	session->shows_blank = blank;
	if (width != screen->width || height != screen->height) {
		screen->width = width;
		screen->height = height;
		screen->paddedWidthInBytes = width * PIXEL_SIZE;
		vnc_mark_all(session);
	}
	if (session->stale)
		vnc_mark_all(session);
	session->stale = 0;
	client->newFBSizePending = client->useNewFBSize
		&& (width != session->told_width
		    || height != session->told_height
		    || (session->size_wanted && client->useExtDesktopSize));
	if (session->cursor_changed) {
		free(session->cursor);
		session->cursor = session->next_cursor;
		session->next_cursor = NULL;
		session->cursor_changed = 0;
		client->cursorWasChanged = TRUE;
	}
	if (session->cursor)
		session->cursor_shown = 1;
	else if (!session->cursor_shown)
		/* The guest never had one: leave the client its own. */
		client->cursorWasChanged = FALSE;
}

/* Whether an update is to be sent. */
static int is_due(struct session *session)
{
	rfbClientPtr client = session->client;
	sraRegionPtr region;
	int due;

	if (sraRgnEmpty(client->requestedRegion)
	    || !(is_blank(session) || is_open(session)))
		return 0;
	take_changes(session);
	if (client->newFBSizePending
	    || (client->enableCursorShapeUpdates && client->cursorWasChanged))
		return 1;
	region = sraRgnCreateRgn(client->modifiedRegion);
	due = sraRgnAnd(region, client->requestedRegion);
	sraRgnDestroy(region);
	return due;
}

static int is_leds_due(const struct session *session)
{
	return session->leds_encoding != LEDS_NONE && session->leds >= 0
		&& session->leds != session->told_leds;
}

static int is_answer_due(const struct session *session)
{
	return session->size_answer != 0 && session->client->useExtDesktopSize;
}

int vnc_is_to_be_told(const struct session *session)
{
	return is_leds_due(session) || is_answer_due(session);
}

/* Take what is to be sent now, all of it inside the picture. Returns 0 if it is
 * nothing.
 * resizes: only the new size is sent, and what was asked for is not answered. */
static int begin(struct session *session, struct update *update, int *resizes)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	sraRegionPtr whole;

	*update = (struct update) {.with_cursor = 0};
	/* Anything may have changed while busy was waited for. */
	if (atomic_load(&session->ending) || !is_due(session))
		return 0;
	/* What crossed a change of size may reach beyond the picture. */
	whole = sraRgnCreateRect(0, 0, screen->width, screen->height);
	sraRgnAnd(client->requestedRegion, whole);
	sraRgnAnd(client->modifiedRegion, whole);
	sraRgnDestroy(whole);
	update->picture = sraRgnCreateRgn(client->modifiedRegion);
	/* The count that is_open has seen, or else it is over. */
	update->freezes = session->opened;
	update->with_pixels = !session->shows_blank;
	if (update->with_pixels)
		session->fresh = 0;
	session->taken = session->posted;
	*resizes = client->newFBSizePending;
	if (*resizes) {
		session->told_width = screen->width;
		session->told_height = screen->height;
		session->size_wanted = 0;
		return 1;
	}
	sraRgnAnd(update->picture, client->requestedRegion);
	sraRgnSubtract(client->modifiedRegion, update->picture);
	sraRgnMakeEmpty(client->requestedRegion);
	update->with_cursor = client->enableCursorShapeUpdates
		&& client->cursorWasChanged;
	if (update->with_cursor)
		client->cursorWasChanged = FALSE;
	vnc_claim_overlays(session, update->picture, update->overlays);
	return 1;
}

/* -- the thread */

static long seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - began->tv_sec;
}

/* The library writes the head of an update and each rectangle by itself. Nova's
 * proxies leave Nagle's algorithm on: they pass the first of these on, and keep
 * the next until the client has acknowledged that one, which has nothing to say
 * to half an update: 40 ms (TCP_DELACK_MIN of Linux). So the kernel is to make
 * as few segments of it as there can be. The local socket of an encrypted
 * session knows no such option. */
static void hold_segments(rfbClientPtr client, int hold)
{
	(void)setsockopt(client->sock, IPPROTO_TCP, TCP_CORK, &hold,
			 sizeof(hold));
}

/* Most bytes of what a client is told beside its updates. */
#define TOLD_MAX 64

/* Write what is to be told, and note that it is; client->updateMutex is held.
 * Returns the size, 0 if it is nothing. */
typedef size_t make_message(struct session *session, unsigned char *message);

/* The lights of the keyboard, in one rectangle of 1 x 1, as QEMU has it. */
static size_t make_leds(struct session *session, unsigned char *message)
{
	static const unsigned char head[] = {
		0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1};
	int is_qemus = session->leds_encoding == LEDS_QEMU;
	uint32_t number = htonl(is_qemus ? PSEUDO_QEMU_LEDS
				: PSEUDO_VMWARE_LEDS);
	size_t size = sizeof(head) + sizeof(number);

	if (!is_leds_due(session))
		return 0;
	session->told_leds = session->leds;
	memcpy(message, head, sizeof(head));
	memcpy(message + sizeof(head), &number, sizeof(number));
	if (!is_qemus) {
		/* A number of 32 bits. */
		memset(message + size, 0, 3);
		size += 3;
	}
	message[size++] = session->told_leds;
	return size;
}

/* What has become of the size that the client has asked for. Not with the
 * library's rectangle, which would take the place of the one that tells a new
 * size: clients do not follow that of an answer that is no plain yes. */
static size_t make_size_answer(struct session *session, unsigned char *message)
{
	struct {
		rfbFramebufferUpdateMsg update;
		rfbFramebufferUpdateRectHeader rectangle;
		rfbExtDesktopSizeMsg screens;
		rfbExtDesktopScreen screen;
	} __attribute__((packed)) answer = {
		.update = {.type = rfbFramebufferUpdate,
			   .nRects = htons(1)},
		.rectangle = {.encoding = htonl(rfbEncodingExtDesktopSize)},
		.screens = {.numberOfScreens = 1},
		/* The library's number of the one that there is. */
		.screen = {.id = htonl(1)}};

	_Static_assert(sizeof(answer) <= TOLD_MAX, "an answer has room");
	if (!is_answer_due(session))
		return 0;
	answer.rectangle.r.x = htons(rfbExtDesktopSize_ClientRequestedChange);
	answer.rectangle.r.y = htons(session->size_answer);
	answer.rectangle.r.w = answer.screen.width =
		htons(session->told_width);
	answer.rectangle.r.h = answer.screen.height =
		htons(session->told_height);
	session->size_answer = 0;
	memcpy(message, &answer, sizeof(answer));
	return sizeof(answer);
}

/* Tell the client something, if it is to be told: it needs not have asked for
 * an update. */
static void tell(struct session *session, make_message *make)
{
	rfbClientPtr client = session->client;
	unsigned char message[TOLD_MAX];
	size_t size;
	int failed;

	pthread_mutex_lock(&session->busy);
	pthread_mutex_lock(&client->updateMutex);
	size = make(session, message);
	pthread_mutex_unlock(&client->updateMutex);
	failed = size && rfbWriteExact(client, (char *)message, size) <= 0;
	pthread_mutex_unlock(&session->busy);
	if (failed)
		vnc_stop(session, VNC_CLOSED);
}

/* Send an update if one is due. The input thread changes what the encoders
 * run with only while it holds busy, and this thread changes the size and the
 * picture: nothing of that moves while an encoder runs. */
static void send_update(struct session *session)
{
	rfbClientPtr client = session->client;
	struct vnc_server *server = session->server;
	struct timespec began;
	struct update update;
	uint32_t taken;
	int due, resizes, failed = 0;

	pthread_mutex_lock(&session->busy);
	pthread_mutex_lock(&client->updateMutex);
	due = begin(session, &update, &resizes);
	taken = session->taken;
	pthread_mutex_unlock(&client->updateMutex);
	if (due) {
		vnc_tell_taken(server, taken);
		clock_gettime(CLOCK_MONOTONIC, &began);
		hold_segments(client, 1);
		failed = resizes
			? !rfbSendFramebufferUpdate(client, update.picture)
			: !vnc_write_update(session, &update);
		hold_segments(client, 0);
		vnc_free_update(&update);
	}
	pthread_mutex_unlock(&session->busy);
	if (!due)
		return;
	/* The pixels were read before the count is. */
	atomic_thread_fence(memory_order_seq_cst);
	if (update.with_pixels
	    && atomic_load(server->freezes) != update.freezes) {
		pthread_mutex_lock(&client->updateMutex);
		session->stale = 1;
		pthread_mutex_unlock(&client->updateMutex);
	}
	if (failed)
		vnc_stop(session, seconds_since(&began) < CLIENT_WAIT_S
			 ? VNC_CLOSED : VNC_STALLED);
}

void *vnc_output_thread(void *argument)
{
	struct session *session = argument;
	rfbClientPtr client = session->client;
	int told;

	while (!atomic_load(&session->ending)) {
		pthread_mutex_lock(&client->updateMutex);
		while (!atomic_load(&session->ending) && !is_due(session)
		       && !vnc_is_to_be_told(session))
			pthread_cond_wait(&client->updateCond,
					  &client->updateMutex);
		told = vnc_is_to_be_told(session);
		pthread_mutex_unlock(&client->updateMutex);
		if (told) {
			tell(session, make_leds);
			tell(session, make_size_answer);
		}
		send_update(session);
	}
	return NULL;
}
