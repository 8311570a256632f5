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
 * The functions that Python calls, and what they share with the threads.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"


/* -- called by the library in a session's input thread */

static struct session *session_of(rfbClientPtr client)
{
	return client->screen->screenData;
}

static void on_key(rfbBool down, rfbKeySym symbol, rfbClientPtr client)
{
	vnc_push(session_of(client), (struct vnc_event) {
		.kind = VNC_KEY, .state = down != 0, .first = symbol});
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
	vnc_push(session_of(client), (struct vnc_event) {
		.kind = VNC_POINTER, .state = buttons, .first = x,
		.second = y, .width = client->screen->width,
		.height = client->screen->height});
}

static rfbCursorPtr on_cursor(rfbClientPtr client)
{
	return session_of(client)->cursor;
}

static enum rfbNewClientAction on_client(rfbClientPtr client)
{
	return RFB_CLIENT_ON_HOLD;
}

static rfbBool on_extended_keys(rfbClientPtr client, void **data, int encoding)
{
	session_of(client)->extended_keys = 1;
	return TRUE;
}

static int extended_key_encodings[] = {EXTENDED_KEY_EVENT, 0};
static rfbProtocolExtension extended_keys = {
	.pseudoEncodings = extended_key_encodings,
	.enablePseudoEncoding = on_extended_keys,
};

/* -- shared with the threads */

void vnc_wake(struct vnc_server *server)
{
	eventfd_write(server->wakeup, 1);
}

void vnc_push(struct session *session, struct vnc_event event)
{
	int was_empty;

	event.session = session->number;
	pthread_mutex_lock(&session->queue_lock);
	while (session->count == EVENTS_MAX && !session->ending)
		pthread_cond_wait(&session->room, &session->queue_lock);
	was_empty = session->count == 0;
	if (session->count < EVENTS_MAX)
		session->queue[(session->first + session->count++)
			       % EVENTS_MAX] = event;
	pthread_mutex_unlock(&session->queue_lock);
	if (was_empty)
		vnc_wake(session->server);
}

rfbCursorPtr vnc_copy_cursor(rfbCursorPtr from)
{
	size_t pixels, mask;
	rfbCursorPtr cursor;

	if (from == NULL)
		return NULL;
	pixels = from->width * from->height * PIXEL_SIZE;
	mask = (from->width + 7) / 8 * from->height;
	cursor = malloc(sizeof(*cursor) + pixels + mask);
	if (cursor == NULL)
		return NULL;
	*cursor = *from;
	cursor->richSource = (unsigned char *)(cursor + 1);
	cursor->mask = cursor->richSource + pixels;
	memcpy(cursor->richSource, from->richSource, pixels);
	memcpy(cursor->mask, from->mask, mask);
	return cursor;
}

void vnc_stop(struct session *session, int reason)
{
	rfbClientPtr client = session->client;

	if (!session->ending)
		session->reason = reason;
	pthread_mutex_lock(&client->updateMutex);
	session->ending = 1;
	pthread_cond_broadcast(&client->updateCond);
	pthread_mutex_unlock(&client->updateMutex);
	pthread_mutex_lock(&session->queue_lock);
	pthread_cond_broadcast(&session->room);
	pthread_mutex_unlock(&session->queue_lock);
	shutdown(client->sock, SHUT_RDWR);
}

/* -- the server */

static int make_session(struct vnc_server *server, int number)
{
	struct session *session = &server->sessions[number];
	rfbScreenInfoPtr screen;

	session->server = server;
	session->number = number;
	pthread_mutex_init(&session->busy, NULL);
	pthread_mutex_init(&session->queue_lock, NULL);
	pthread_cond_init(&session->room, NULL);
	session->screen = screen = rfbGetScreen(
		NULL, NULL, BLANK_WIDTH, BLANK_HEIGHT, 8, 3, PIXEL_SIZE);
	if (screen == NULL)
		return 0;
	screen->screenData = session;
	screen->desktopName = session->name;
	screen->frameBuffer = server->blank;
	screen->depth = screen->serverFormat.depth = 24;
	screen->serverFormat.redShift = 16;
	screen->serverFormat.greenShift = 8;
	screen->serverFormat.blueShift = 0;
	/* With a shape here the library would draw it into the picture. */
	screen->cursor = NULL;
	screen->dontConvertRichCursorToXCursor = TRUE;
	screen->getCursorPtr = on_cursor;
	screen->kbdAddEvent = on_key;
	screen->ptrAddEvent = on_pointer;
	screen->newClientHook = on_client;
	screen->deferPtrUpdateTime = 0;
	screen->maxClientWait = CLIENT_WAIT_S * 1000;
	/* rfbCloseClient then marks the client and leaves its socket alone. */
	screen->backgroundLoop = TRUE;
	return 1;
}

struct vnc_server *vnc_new(void *framebuffer, size_t size)
{
	struct vnc_server *server = calloc(1, sizeof(*server));
	int number;

	if (server == NULL)
		return NULL;
	rfbLogEnable(0);
	/* One heap for all threads, the machine is small. */
	mallopt(M_ARENA_MAX, 1);
	rfbRegisterProtocolExtension(&extended_keys);
	pthread_mutex_init(&server->lock, NULL);
	server->framebuffer = framebuffer;
	server->size = size;
	server->frozen = 1;
	server->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* Only read, so it stays the kernel's page of zeros. */
	server->blank = mmap(NULL, BLANK_WIDTH * BLANK_HEIGHT * PIXEL_SIZE,
			     PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (server->wakeup < 0 || server->blank == MAP_FAILED)
		return NULL;
	for (number = 0; number < VNC_SESSIONS_MAX; number++)
		if (!make_session(server, number))
			return NULL;
	return server;
}

void vnc_free(struct vnc_server *server)
{
	int number;

	for (number = 0; number < VNC_SESSIONS_MAX; number++)
		rfbScreenCleanup(server->sessions[number].screen);
	munmap(server->blank, BLANK_WIDTH * BLANK_HEIGHT * PIXEL_SIZE);
	close(server->wakeup);
	free(server->cursor);
	free(server);
}

int vnc_wakeup(struct vnc_server *server)
{
	return server->wakeup;
}

/* -- sessions */

/* A client of the library that is past its handshake, on a socket. The
 * library would begin with the version and with looking for a web socket: it
 * gets a socket of its own for that. NULL: failed, the socket is untouched. */
static rfbClientPtr make_client(struct session *session, int socket)
{
	static const char version[] = "RFB ";
	rfbClientPtr client;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	if (pair[0] >= FD_SETSIZE
	    || write(pair[1], version, sizeof(version) - 1) < 0) {
		close(pair[0]);
		close(pair[1]);
		return NULL;
	}
	client = rfbNewClient(session->screen, pair[0]);
	close(pair[1]);
	if (client == NULL)
		return NULL;
	if (dup3(socket, client->sock, O_CLOEXEC) < 0) {
		rfbClientConnectionGone(client);
		return NULL;
	}
	return client;
}

int vnc_add(struct vnc_server *server, int socket, const char *name,
	    int view_only)
{
	struct session *session = NULL;
	rfbClientPtr client;
	pthread_attr_t attributes;
	sigset_t all, old;
	int number, failed;

	for (number = 0; number < VNC_SESSIONS_MAX && !session; number++)
		if (server->sessions[number].state == FREE)
			session = &server->sessions[number];
	if (session == NULL)
		return -1;
	strncpy(session->name, name, sizeof(session->name) - 1);
	session->ending = session->reason = session->extended_keys = 0;
	session->sending = session->stale = session->cursor_shown = 0;
	session->first = session->count = 0;
	session->posted = session->taken = 0;
	session->frozen = server->frozen;
	session->width = server->width;
	session->height = server->height;
	session->has_picture = server->width > 0;
	session->next_cursor = vnc_copy_cursor(server->cursor);
	session->cursor_changed = session->next_cursor != NULL;
	session->screen->pointerClient = NULL;
	session->screen->width =
		server->width ? server->width : BLANK_WIDTH;
	session->screen->height =
		server->width ? server->height : BLANK_HEIGHT;
	session->screen->paddedWidthInBytes =
		session->screen->width * PIXEL_SIZE;

	client = make_client(session, socket);
	if (client == NULL)
		return -1;
	client->viewOnly = view_only != 0;
	client->protocolMajorVersion = 3;
	client->protocolMinorVersion = 8;
	client->state = RFB_INITIALISATION_SHARED;
	rfbProcessClientMessage(client);	/* sends ServerInit */
	session->client = client;
	session->state = RUNNING;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&session->input, &attributes,
				vnc_input_thread, session);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	if (failed) {
		session->client = NULL;
		session->state = FREE;
		rfbClientConnectionGone(client);
		return -1;
	}
	close(socket);
	return session->number;
}

void vnc_end(struct vnc_server *server, int number)
{
	struct session *session = &server->sessions[number];

	pthread_mutex_lock(&server->lock);
	if (session->client != NULL)
		vnc_stop(session, VNC_CLOSED);
	pthread_mutex_unlock(&server->lock);
}

int vnc_events(struct vnc_server *server, struct vnc_event *events, int most)
{
	struct session *session;
	int number, taken = 0, over;

	for (number = 0; number < VNC_SESSIONS_MAX; number++) {
		session = &server->sessions[number];
		pthread_mutex_lock(&server->lock);
		over = session->state == OVER;
		pthread_mutex_unlock(&server->lock);
		pthread_mutex_lock(&session->queue_lock);
		for (; session->count > 0 && taken < most; session->count--) {
			events[taken++] = session->queue[session->first];
			session->first = (session->first + 1) % EVENTS_MAX;
		}
		over = over && session->count == 0 && taken < most;
		pthread_cond_signal(&session->room);
		pthread_mutex_unlock(&session->queue_lock);
		if (over) {
			pthread_join(session->input, NULL);
			session->state = FREE;
			events[taken++] = (struct vnc_event) {
				.session = number, .kind = VNC_GONE,
				.state = session->reason};
		}
	}
	return taken;
}
