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

int vnc_is_to_be_told(const struct session *session)
{
	return session->leds_encoding != LEDS_NONE && session->leds >= 0
		&& session->leds != session->told_leds;
}

/* What is to be sent of the pixels, all inside the picture; NULL: no memory,
 * or nothing is due. */
static sraRegionPtr begin(struct session *session)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	sraRegionPtr region, whole;

	/* Anything may have changed while busy was waited for. */
	if (atomic_load(&session->ending) || !is_due(session))
		return NULL;
	/* What crossed a change of size may reach beyond the picture. */
	whole = sraRgnCreateRect(0, 0, screen->width, screen->height);
	sraRgnAnd(client->requestedRegion, whole);
	sraRgnAnd(client->modifiedRegion, whole);
	sraRgnDestroy(whole);
	region = sraRgnCreateRgn(client->modifiedRegion);
	if (client->newFBSizePending) {
		session->told_width = screen->width;
		session->told_height = screen->height;
		session->size_wanted = 0;
	}
	session->taken = session->posted;
	return region;
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

/* Tell the client the lights of the keyboard: it needs not have asked. */
static void send_leds(struct session *session)
{
	rfbClientPtr client = session->client;
	/* One rectangle of 1 x 1, as QEMU has it. */
	unsigned char message[20] = {
		0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1};
	enum leds_encoding encoding;
	uint32_t number;
	size_t size = 16;
	int due, failed = 0;

	pthread_mutex_lock(&session->busy);
	pthread_mutex_lock(&client->updateMutex);
	due = vnc_is_to_be_told(session);
	encoding = session->leds_encoding;
	if (due)
		session->told_leds = session->leds;
	pthread_mutex_unlock(&client->updateMutex);
	if (due) {
		number = htonl(encoding == LEDS_QEMU ? PSEUDO_QEMU_LEDS
			       : PSEUDO_VMWARE_LEDS);
		memcpy(message + 12, &number, sizeof(number));
		if (encoding == LEDS_VMWARE)
			size += 3;
		message[size++] = session->told_leds;
		failed = rfbWriteExact(client, (char *)message, size) <= 0;
	}
	pthread_mutex_unlock(&session->busy);
	if (failed)
		vnc_stop(session, VNC_CLOSED);
}

/* Send one slice as an update of its own. What the client has asked for since
 * the first one began is not answered by it. busy is held. */
static void send_slice(rfbClientPtr client, sraRegionPtr slice, int is_first)
{
	sraRegionPtr later;

	pthread_mutex_lock(&client->updateMutex);
	later = is_first ? sraRgnCreate()
		: sraRgnCreateRgn(client->requestedRegion);
	sraRgnOr(client->requestedRegion, slice);
	pthread_mutex_unlock(&client->updateMutex);
	rfbSendFramebufferUpdate(client, slice);
	pthread_mutex_lock(&client->updateMutex);
	sraRgnOr(client->requestedRegion, later);
	pthread_mutex_unlock(&client->updateMutex);
	sraRgnDestroy(later);
}

/* Send what the client has asked for of a region, in slices if the picture is
 * large: the encoders of RRE and ZRLE keep all that they make of a rectangle
 * before they send it, and Domain R has not as much memory. After a freeze no
 * further slice begins. busy is held.
 * freezes: the count that the update has begun with. */
static void send_picture(struct session *session, sraRegionPtr region,
			 uint32_t freezes)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	int rows = SLICE_SIZE / screen->paddedWidthInBytes, top, sent = 0;
	sraRegionPtr due, slice;

	if (rows == 0)
		rows = 1;
	pthread_mutex_lock(&client->updateMutex);
	due = sraRgnCreateRgn(client->requestedRegion);
	pthread_mutex_unlock(&client->updateMutex);
	if (rows >= screen->height || client->newFBSizePending
	    || !sraRgnAnd(due, region)) {
		rfbSendFramebufferUpdate(client, region);
		sraRgnDestroy(due);
		return;
	}
	for (top = 0; top < screen->height; top += rows) {
		if (client->state == RFB_SHUTDOWN
		    || (!session->shows_blank
			&& atomic_load(session->server->freezes) != freezes))
			break;
		/* What of it is below the picture is in no region. */
		slice = sraRgnCreateRect(0, top, screen->width, top + rows);
		if (sraRgnAnd(slice, due))
			send_slice(client, slice, sent++ == 0);
		sraRgnDestroy(slice);
	}
	sraRgnDestroy(due);
}

/* Send an update if one is due. The input thread changes what the encoders
 * run with only while it holds busy, and this thread changes the size and the
 * picture: nothing of that moves while an encoder runs. */
static void send_update(struct session *session)
{
	rfbClientPtr client = session->client;
	struct vnc_server *server = session->server;
	struct timespec began;
	struct overlay overlays[OVERLAYS];
	sraRegionPtr region;
	uint32_t freezes = 0, taken = 0;
	int with_pixels = 0, failed = 0, only_overlays = 0, index;

	pthread_mutex_lock(&session->busy);
	pthread_mutex_lock(&client->updateMutex);
	region = begin(session);
	if (region != NULL) {
		/* The count that is_open has seen, or else it is over. */
		freezes = session->opened;
		with_pixels = !session->shows_blank;
		if (with_pixels)
			session->fresh = 0;
		taken = session->taken;
		only_overlays = vnc_claim_overlays(session, region, overlays)
			&& sraRgnEmpty(region);
	}
	pthread_mutex_unlock(&client->updateMutex);
	if (region != NULL) {
		vnc_tell_taken(server, taken);
		clock_gettime(CLOCK_MONOTONIC, &began);
		hold_segments(client, 1);
		if (!only_overlays)
			send_picture(session, region, freezes);
		for (index = 0; index < OVERLAYS; index++) {
			if (overlays[index].region == NULL)
				continue;
			if (client->state != RFB_SHUTDOWN)
				vnc_send_overlay(session, &overlays[index]);
			sraRgnDestroy(overlays[index].region);
		}
		hold_segments(client, 0);
		sraRgnDestroy(region);
		failed = client->state == RFB_SHUTDOWN;
	}
	pthread_mutex_unlock(&session->busy);
	if (region == NULL)
		return;
	/* The pixels were read before the count is. */
	atomic_thread_fence(memory_order_seq_cst);
	if (with_pixels && atomic_load(server->freezes) != freezes) {
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
		if (told)
			send_leds(session);
		send_update(session);
	}
	return NULL;
}
