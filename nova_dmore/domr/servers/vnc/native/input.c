/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The thread that reads a client's messages. Each is whole and found good
 * (messages.c) before anything is done with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "internal.h"

static int is_ending(struct session *session)
{
	return atomic_load(&session->ending);
}

/* -- reading */

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/* Wait for bytes until a time, or for ever if that is 0. */
static enum vnc_reason wait_readable(int socket, long until)
{
	struct pollfd readable = {.fd = socket, .events = POLLIN};
	long left = -1;

	if (until != 0) {
		left = until - milliseconds();
		if (left <= 0)
			return VNC_STALLED;
	}
	poll(&readable, 1, left);
	return VNC_CLOSED;
}

int vnc_fill(struct session *session, struct input *input, size_t wanted,
	     int inside)
{
	int socket = session->client->sock;
	enum vnc_reason reason;
	long until = 0;
	ssize_t got;

	if (input->start + wanted > sizeof(input->bytes)) {
		memmove(input->bytes, input->bytes + input->start,
			input->end - input->start);
		input->end -= input->start;
		input->start = 0;
	}
	while (input->end - input->start < wanted && !is_ending(session)) {
		/* All that came together goes to the agent together. */
		if (session->pushed) {
			session->pushed = 0;
			vnc_flush(session->server);
		}
		got = recv(socket, input->bytes + input->end,
			   sizeof(input->bytes) - input->end, MSG_DONTWAIT);
		if (got > 0) {
			input->end += got;
			continue;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return 0;
		/* A client may be silent, but not in the middle of one. */
		if (until == 0 && (inside || input->end > input->start))
			until = milliseconds() + CLIENT_WAIT_S * 1000;
		reason = wait_readable(socket, until);
		if (reason != VNC_CLOSED) {
			vnc_stop(session, reason);
			return 0;
		}
	}
	return !is_ending(session);
}

void vnc_input_event(struct session *session, struct vnc_event event)
{
	vnc_push(session, event);
	session->pushed = 1;
}

/* -- what the encoders run with: changed while none of them does */

int vnc_take_turn(struct session *session)
{
	pthread_mutex_lock(&session->busy);
	if (!is_ending(session))
		return 1;
	pthread_mutex_unlock(&session->busy);
	return 0;
}

/* The library's RRE and CoRRE count colours of 8 bits in a table that all
 * threads share: such a client gets raw pixels. busy is held. */
static void choose_encoding(struct session *session)
{
	enum encoding preferred = session->preferred;

	if (preferred == ENCODING_NONE
	    || (session->client->format.bitsPerPixel == 8
		&& (preferred == ENCODING_RRE
		    || preferred == ENCODING_CORRE)))
		preferred = ENCODING_RAW;
	session->client->preferredEncoding = preferred;
}

static int set_format(struct session *session,
		      const struct pixel_format *format)
{
	rfbClientPtr client = session->client;
	int good;

	if (!vnc_take_turn(session))
		return 0;
	client->format = (rfbPixelFormat) {
		.bitsPerPixel = format->bits, .depth = format->depth,
		.bigEndian = format->big_endian, .trueColour = !format->mapped,
		.redMax = format->red_max, .greenMax = format->green_max,
		.blueMax = format->blue_max, .redShift = format->red_shift,
		.greenShift = format->green_shift,
		.blueShift = format->blue_shift};
	/* If there is to be a map of colours, this sends it. */
	good = rfbSetTranslateFunction(client);
	choose_encoding(session);
	pthread_mutex_unlock(&session->busy);
	if (!good)
		vnc_stop(session, format->mapped ? VNC_CLOSED
			 : VNC_PIXEL_FORMAT);
	return good;
}

/* Tell the client that a kind of messages is understood. */
static int confirm(rfbClientPtr client, int32_t encoding)
{
	/* An update of one rectangle that is empty, of this pseudo-encoding.
	 */
	unsigned char message[16] = {0, 0, 0, 1};
	uint32_t swapped = htonl((uint32_t)encoding);

	memcpy(message + 12, &swapped, sizeof(swapped));
	return rfbWriteExact(client, (const char *)message,
			     sizeof(message)) > 0;
}

static int set_encodings(struct session *session,
			 const struct encodings *encodings)
{
	rfbClientPtr client = session->client;
	int good = 1;

	if (!vnc_take_turn(session))
		return 0;
	pthread_mutex_lock(&client->updateMutex);
	client->useNewFBSize = encodings->new_size;
	client->useExtDesktopSize = encodings->extended_size;
	client->enableCursorShapeUpdates = encodings->cursor;
	client->useRichCursorEncoding = encodings->cursor;
	client->cursorWasChanged = encodings->cursor;
	client->enableLastRectEncoding = encodings->last_rectangle;
	if (session->draws_pointer == encodings->cursor) {
		vnc_mark_pointer(session);
		session->draws_pointer = !encodings->cursor;
		vnc_mark_pointer(session);
		atomic_fetch_add(&session->server->drawers,
				 session->draws_pointer ? 1 : -1);
	}
	if (session->leds_encoding != encodings->leds)
		session->told_leds = -1;
	session->leds_encoding = encodings->leds;
	if (encodings->preferred != ENCODING_NONE)
		session->preferred = encodings->preferred;
	choose_encoding(session);
	client->tightCompressLevel = TIGHT_DEFAULT_COMPRESSION;
	if (encodings->level >= 0)
		client->tightCompressLevel = client->zlibCompressLevel =
			encodings->level;
	pthread_cond_signal(&client->updateCond);
	pthread_mutex_unlock(&client->updateMutex);
	if (encodings->extended_keys && !session->extended_keys) {
		session->extended_keys = 1;
		good = confirm(client, PSEUDO_EXTENDED_KEYS);
	}
	if (encodings->extended_buttons && !session->extended_buttons) {
		session->extended_buttons = 1;
		good = good && confirm(client, PSEUDO_EXTENDED_BUTTONS);
	}
	if (encodings->extended_clipboard && !session->extended_clipboard
	    && session->takes_text) {
		session->extended_clipboard = 1;
		good = good && vnc_offer_clipboard(client);
	}
	pthread_mutex_unlock(&session->busy);
	return good;
}

/* -- the other messages */

static void request(struct session *session, const struct message *message)
{
	rfbClientPtr client = session->client;
	sraRegionPtr region;
	int x1, y1, x2, y2;

	pthread_mutex_lock(&client->updateMutex);
	if (message_clip(message, session->screen->width,
			 session->screen->height, &x1, &y1, &x2, &y2)) {
		region = sraRgnCreateRect(x1, y1, x2, y2);
		sraRgnOr(client->requestedRegion, region);
		vnc_bound(&client->requestedRegion, REQUESTED_MAX);
		if (!message->request.incremental) {
			sraRgnOr(client->modifiedRegion, region);
			vnc_bound(&client->modifiedRegion, MODIFIED_MAX);
			session->size_wanted = 1;
		}
		sraRgnDestroy(region);
		pthread_cond_signal(&client->updateCond);
	}
	pthread_mutex_unlock(&client->updateMutex);
}

static void push_key(struct session *session, const struct message *message)
{
	struct vnc_event event = {
		.kind = VNC_KEY, .state = message->key.down ? VNC_KEY_DOWN : 0,
		.first = message->key.symbol, .second = message->key.number};

	pthread_mutex_lock(&session->client->updateMutex);
	if (session->told_leds >= 0)
		event.state |= VNC_KEY_KNOWS_LOCKS;
	pthread_mutex_unlock(&session->client->updateMutex);
	vnc_input_event(session, event);
}

static void push_pointer(struct session *session,
			 const struct message *message)
{
	struct vnc_event event = {
		.kind = VNC_POINTER, .state = message->pointer.buttons,
		.first = message->pointer.x, .second = message->pointer.y};

	pthread_mutex_lock(&session->client->updateMutex);
	event.width = session->screen->width;
	event.height = session->screen->height;
	pthread_mutex_unlock(&session->client->updateMutex);
	vnc_moved(session, message->pointer.x, message->pointer.y);
	vnc_input_event(session, event);
}

static void push_size(struct session *session, const struct message *message)
{
	rfbClientPtr client = session->client;

	if (!session->view_only) {
		vnc_input_event(session, (struct vnc_event) {
			.kind = VNC_SIZE_WANTED, .first = message->size.width,
			.second = message->size.height});
		return;
	}
	pthread_mutex_lock(&client->updateMutex);
	session->size_answer = rfbExtDesktopSize_ResizeProhibited;
	pthread_cond_signal(&client->updateCond);
	pthread_mutex_unlock(&client->updateMutex);
}

/* Do what a good message says; returns 0 if the session is to end. */
static int handle(struct session *session, struct input *input,
		  const struct message *message)
{
	switch (message->kind) {
	case MESSAGE_FORMAT:
		return set_format(session, &message->format);
	case MESSAGE_ENCODINGS:
		return set_encodings(session, &message->encodings);
	case MESSAGE_DESKTOP_SIZE:
		push_size(session, message);
		return 1;
	case MESSAGE_CUT_TEXT:
		return vnc_take_text(session, input, message);
	case MESSAGE_REQUEST:
		request(session, message);
		return 1;
	case MESSAGE_KEY:
		if (!session->view_only)
			push_key(session, message);
		return 1;
	case MESSAGE_POINTER:
		if (!session->view_only)
			push_pointer(session, message);
		return 1;
	}
	return 0;
}

static void read_messages(struct session *session)
{
	struct input input;
	struct message message;
	enum vnc_reason reason;
	size_t have, size;

	input.start = input.end = 0;
	for (;;) {
		if (input.start == input.end)
			input.start = input.end = 0;
		if (!vnc_fill(session, &input, 1, 0))
			return;
		for (have = 0, size = 1; have < size;) {
			if (!vnc_fill(session, &input, size, 0))
				return;
			have = input.end - input.start;
			reason = message_size(input.bytes + input.start, have,
					      session->extended_buttons,
					      &size);
			if (reason != VNC_CLOSED)
				goto wrong;
		}
		reason = message_parse(input.bytes + input.start, size,
				       &message);
		if (reason != VNC_CLOSED)
			goto wrong;
		input.start += size;
		if (!handle(session, &input, &message))
			return;
	}
wrong:
	vnc_stop(session, reason);
}

/* -- the thread */

/* ServerInit: what follows the client's ClientInit. */
static int greet(struct session *session)
{
	rfbScreenInfoPtr screen = session->screen;
	size_t length = strlen(session->name);
	struct {
		rfbServerInitMsg init;
		char name[VNC_NAME_SIZE];
	} __attribute__((packed)) message = {.init = {
		.framebufferWidth = Swap16IfLE(screen->width),
		.framebufferHeight = Swap16IfLE(screen->height),
		.format = screen->serverFormat,
		.nameLength = Swap32IfLE(length)}};

	message.init.format.redMax = Swap16IfLE(screen->serverFormat.redMax);
	message.init.format.greenMax =
		Swap16IfLE(screen->serverFormat.greenMax);
	message.init.format.blueMax = Swap16IfLE(screen->serverFormat.blueMax);
	memcpy(message.name, session->name, length);
	return rfbWriteExact(session->client, (char *)&message,
			     sizeof(message.init) + length) > 0;
}

void *vnc_input_thread(void *argument)
{
	struct session *session = argument;
	struct vnc_server *server = session->server;
	rfbClientPtr client = session->client;
	pthread_attr_t attributes;
	pthread_t output;
	int failed;

	if (greet(session)) {
		pthread_attr_init(&attributes);
		pthread_attr_setstacksize(&attributes, STACK_SIZE);
		failed = pthread_create(&output, &attributes,
					vnc_output_thread, session);
		pthread_attr_destroy(&attributes);
		if (failed) {
			vnc_stop(session, VNC_NO_MEMORY);
		} else {
			read_messages(session);
			vnc_stop(session, VNC_CLOSED);
			pthread_join(output, NULL);
		}
	}
	pthread_mutex_lock(&server->lock);
	session->client = NULL;
	pthread_mutex_unlock(&server->lock);
	if (session->draws_pointer)
		atomic_fetch_sub(&server->drawers, 1);
	rfbClientConnectionGone(client);	/* closes the socket */
	free(session->composed);
	session->composed = NULL;
	free(session->cursor);
	free(session->next_cursor);
	session->cursor = session->next_cursor = NULL;
	atomic_store(&session->over, 1);
	vnc_wake(server);
	return NULL;
}
