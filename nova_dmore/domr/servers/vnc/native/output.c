/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The thread that sends a client its pictures.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include "internal.h"

/* -- client->updateMutex is held */

/* Whether pixels may be sent; see protocol.h. */
static int is_open(struct session *session)
{
	return !session->has_picture
		|| (!session->closed && atomic_load(session->server->freezes)
		    == session->opened);
}

/* What came from the other threads. */
static void take_changes(struct session *session)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	int width = session->has_picture ? session->width : BLANK_WIDTH;
	int height = session->has_picture ? session->height : BLANK_HEIGHT;

	screen->frameBuffer = session->has_picture ?
		session->server->framebuffer : session->server->blank;
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

	if (sraRgnEmpty(client->requestedRegion) || !is_open(session))
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

/* Send an update if one is due. The input thread changes what the encoders
 * run with only while it holds busy, and this thread changes the size and the
 * picture: nothing of that moves while an encoder runs. */
static void send_update(struct session *session)
{
	rfbClientPtr client = session->client;
	struct vnc_server *server = session->server;
	struct timespec began;
	sraRegionPtr region;
	uint32_t freezes = 0, taken = 0;
	int with_pixels = 0, failed = 0;

	pthread_mutex_lock(&session->busy);
	pthread_mutex_lock(&client->updateMutex);
	region = begin(session);
	if (region != NULL) {
		/* The count that is_open has seen, or else it is over. */
		freezes = session->opened;
		with_pixels = session->has_picture;
		taken = session->taken;
	}
	pthread_mutex_unlock(&client->updateMutex);
	if (region != NULL) {
		vnc_tell_taken(server, taken);
		clock_gettime(CLOCK_MONOTONIC, &began);
		hold_segments(client, 1);
		rfbSendFramebufferUpdate(client, region);
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

	while (!atomic_load(&session->ending)) {
		pthread_mutex_lock(&client->updateMutex);
		while (!atomic_load(&session->ending) && !is_due(session))
			pthread_cond_wait(&client->updateCond,
					  &client->updateMutex);
		pthread_mutex_unlock(&client->updateMutex);
		send_update(session);
	}
	return NULL;
}
