/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
 *
 * The two threads of a client: one reads its messages, one sends pictures.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

#define CUT_TEXT_MAX (1 << 20)
#define QEMU_MESSAGE 255

/* -- pictures */

/* What came from the other threads; client->updateMutex is held. */
static void take_changes(struct session *session)
{
	rfbClientPtr client = session->client;
	rfbScreenInfoPtr screen = session->screen;
	int width = session->has_picture ? session->width : BLANK_WIDTH;
	int height = session->has_picture ? session->height : BLANK_HEIGHT;

	if (width != screen->width || height != screen->height) {
		screen->width = width;
		screen->height = height;
		screen->paddedWidthInBytes = width * 4;
		if (client->useNewFBSize)
			client->newFBSizePending = TRUE;
		sraRgnDestroy(client->modifiedRegion);
		client->modifiedRegion = sraRgnCreateRect(0, 0, width, height);
	}
	screen->frameBuffer = session->has_picture ?
		session->server->framebuffer : session->server->blank;
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

/* Whether an update is to be sent; client->updateMutex is held. */
static int is_due(struct session *session)
{
	rfbClientPtr client = session->client;
	sraRegionPtr region;
	int due;

	if (sraRgnEmpty(client->requestedRegion)
	    || (session->frozen && session->has_picture))
		return 0;
	take_changes(session);
	if ((client->useNewFBSize && client->newFBSizePending)
	    || (client->enableCursorShapeUpdates && client->cursorWasChanged
		&& client->readyForSetColourMapEntries))
		return 1;
	region = sraRgnCreateRgn(client->modifiedRegion);
	due = sraRgnAnd(region, client->requestedRegion);
	sraRgnDestroy(region);
	return due;
}

static long seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - began->tv_sec;
}

static void *output_thread(void *argument)
{
	struct session *session = argument;
	rfbClientPtr client = session->client;
	sraRegionPtr region, whole;
	struct timespec began;
	int told;

	pthread_mutex_lock(&client->updateMutex);
	for (;;) {
		while (!session->ending && !is_due(session))
			pthread_cond_wait(&client->updateCond,
					  &client->updateMutex);
		if (session->ending)
			break;
		session->sending = 1;
		told = session->taken == session->posted;
		session->taken = session->posted;
		/* A request that crossed a change of size may reach beyond
		 * the picture. */
		region = sraRgnCreateRgn(client->modifiedRegion);
		whole = sraRgnCreateRect(0, 0, session->screen->width,
					 session->screen->height);
		sraRgnAnd(region, whole);
		sraRgnDestroy(whole);
		pthread_mutex_unlock(&client->updateMutex);
		if (!told)
			vnc_wake(session->server);

		pthread_mutex_lock(&session->busy);
		clock_gettime(CLOCK_MONOTONIC, &began);
		rfbSendFramebufferUpdate(client, region);
		pthread_mutex_unlock(&session->busy);
		sraRgnDestroy(region);
		if (client->state == RFB_SHUTDOWN)
			vnc_stop(session, seconds_since(&began) < CLIENT_WAIT_S
				 ? VNC_CLOSED : VNC_STALLED);
		pthread_mutex_lock(&client->updateMutex);
		session->sending = 0;
	}
	pthread_mutex_unlock(&client->updateMutex);
	return NULL;
}

/* -- messages */

/* After SetPixelFormat or SetEncodings: take back what is not wanted. */
static int restrict_client(struct session *session)
{
	rfbClientPtr client = session->client;

	/* Advertises messages that are refused here. */
	client->enableSupportedMessages = FALSE;
	client->enableSupportedEncodings = FALSE;
	client->enableServerIdentity = FALSE;
	client->enableKeyboardLedState = FALSE;
	/* Would warp the client's pointer: the guest's is not known. */
	client->enableCursorPosUpdates = FALSE;
	/* Without loss, as QEMU does unless told otherwise. */
	client->tightQualityLevel = -1;
	client->turboQualityLevel = -1;
	/* Not every encoder of the library knows this size. */
	return client->format.bitsPerPixel != 24;
}

/* Tell the client that its extended key events are understood. */
static int confirm_extended_keys(struct session *session)
{
	struct {
		rfbFramebufferUpdateMsg update;
		rfbFramebufferUpdateRectHeader rectangle;
	} __attribute__((packed)) message = {
		.update = {.type = rfbFramebufferUpdate,
			   .nRects = Swap16IfLE(1)},
		.rectangle = {.encoding = Swap32IfLE(EXTENDED_KEY_EVENT)},
	};

	return rfbWriteExact(session->client, (char *)&message,
			     sizeof(message)) > 0;
}

static int read_format_or_encodings(struct session *session)
{
	int extended = session->extended_keys, good;

	pthread_mutex_lock(&session->busy);
	rfbProcessClientMessage(session->client);
	good = restrict_client(session);
	if (good && session->extended_keys && !extended)
		good = confirm_extended_keys(session);
	pthread_mutex_unlock(&session->busy);
	return good;
}

static int read_cut_text(struct session *session)
{
	rfbClientCutTextMsg message;
	char waste[4096];
	uint32_t length;
	int part;

	if (rfbReadExact(session->client, (char *)&message,
			 sz_rfbClientCutTextMsg) <= 0)
		return 0;
	length = Swap32IfLE(message.length);
	if ((int32_t)length < 0)	/* of the extended clipboard */
		length = -length;
	if (length > CUT_TEXT_MAX) {
		session->reason = VNC_CUT_TEXT;
		return 0;
	}
	/* There is nobody in the guest to give it to. */
	for (; length > 0; length -= part) {
		part = length < sizeof(waste) ? length : sizeof(waste);
		if (rfbReadExact(session->client, waste, part) <= 0)
			return 0;
	}
	return 1;
}

static int read_qemu_message(struct session *session)
{
	struct {
		uint8_t type, subtype;
		uint16_t down;
		uint32_t keysym, number;
	} __attribute__((packed)) message;

	if (rfbReadExact(session->client, (char *)&message,
			 sizeof(message)) <= 0)
		return 0;
	if (message.subtype != 0) {
		session->reason = VNC_NONSENSE;
		return 0;
	}
	if (!session->client->viewOnly)
		vnc_push(session, (struct vnc_event) {
			.kind = VNC_KEY,
			.state = message.down != 0,
			.first = Swap32IfLE(message.keysym),
			.second = Swap32IfLE(message.number)});
	return 1;
}

/* Handle one message of the client; returns 0 if the session is to end. */
static int read_message(struct session *session, uint8_t type)
{
	switch (type) {
	case rfbSetPixelFormat:
	case rfbSetEncodings:
	case rfbSetDesktopSize:
		return read_format_or_encodings(session);
	case rfbFramebufferUpdateRequest:
	case rfbKeyEvent:
	case rfbPointerEvent:
		rfbProcessClientMessage(session->client);
		return 1;
	case rfbClientCutText:
		return read_cut_text(session);
	case QEMU_MESSAGE:
		return read_qemu_message(session);
	default:
		/* The library knows more, for instance scaled screens that
		 * it never frees. Nobody needs them here. */
		session->reason = VNC_NONSENSE;
		return 0;
	}
}

static void read_messages(struct session *session)
{
	rfbClientPtr client = session->client;
	struct pollfd readable = {.fd = client->sock, .events = POLLIN};
	uint8_t type;
	ssize_t got;

	while (!session->ending && client->state == RFB_NORMAL) {
		got = recv(client->sock, &type, 1, MSG_PEEK);
		if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			poll(&readable, 1, -1);
			continue;
		}
		if (got <= 0 || !read_message(session, type))
			return;
	}
}

/* The library forgets to. */
static void free_extensions(rfbClientPtr client)
{
	rfbExtensionData *each;

	while ((each = client->extensions) != NULL) {
		client->extensions = each->next;
		free(each);
	}
}

void *vnc_input_thread(void *argument)
{
	struct session *session = argument;
	rfbClientPtr client = session->client;
	pthread_attr_t attributes;
	pthread_t output;
	int started;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	started = pthread_create(&output, &attributes, output_thread,
				 session) == 0;
	pthread_attr_destroy(&attributes);
	if (started) {
		read_messages(session);
		vnc_stop(session, session->reason);
		pthread_join(output, NULL);
	}
	pthread_mutex_lock(&session->server->lock);
	session->client = NULL;
	pthread_mutex_unlock(&session->server->lock);
	free_extensions(client);
	rfbClientConnectionGone(client);	/* closes the socket */
	free(session->cursor);
	free(session->next_cursor);
	session->cursor = session->next_cursor = NULL;
	pthread_mutex_lock(&session->server->lock);
	session->state = OVER;
	pthread_mutex_unlock(&session->server->lock);
	vnc_wake(session->server);
	return NULL;
}
