/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: begun, ended, and the library's objects that each has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

/* -- called by the library */

static rfbCursorPtr on_cursor(rfbClientPtr client)
{
	struct session *session = client->screen->screenData;

	return session->cursor;
}

static enum rfbNewClientAction on_client(rfbClientPtr client)
{
	(void)client;
	return RFB_CLIENT_ON_HOLD;
}

/* -- shared with the threads */

void vnc_wake(struct vnc_server *server)
{
	eventfd_write(server->wakeup, 1);
}

void vnc_stop(struct session *session, enum vnc_reason reason)
{
	rfbClientPtr client = session->client;

	pthread_mutex_lock(&client->updateMutex);
	if (!atomic_load(&session->ending))
		atomic_store(&session->reason, reason);
	atomic_store(&session->ending, 1);
	pthread_cond_broadcast(&client->updateCond);
	pthread_mutex_unlock(&client->updateMutex);
	pthread_mutex_lock(&session->server->events_lock);
	pthread_cond_broadcast(&session->room);
	pthread_mutex_unlock(&session->server->events_lock);
	shutdown(client->sock, SHUT_RDWR);
}

/* -- the server */

static int make_session(struct vnc_server *server, unsigned number)
{
	struct session *session = &server->sessions[number];
	rfbScreenInfoPtr screen;

	session->server = server;
	session->number = number;
	pthread_mutex_init(&session->busy, NULL);
	pthread_cond_init(&session->room, NULL);
	session->screen = screen = rfbGetScreen(
		NULL, NULL, VNC_BLANK_WIDTH, VNC_BLANK_HEIGHT, 8, 3, PIXEL_SIZE);
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
	screen->newClientHook = on_client;
	screen->maxClientWait = CLIENT_WAIT_S * 1000;
	/* rfbCloseClient then marks the client and leaves its socket alone. */
	screen->backgroundLoop = TRUE;
	return 1;
}

struct vnc_server *vnc_new(const void *framebuffer, size_t size, int link,
			   const void *drawn)
{
	struct vnc_server *server = calloc(1, sizeof(*server));
	unsigned number;

	if (server == NULL)
		return NULL;
	rfbLogEnable(0);
	/* One heap for all threads, the machine is small. */
	mallopt(M_ARENA_MAX, 1);
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->events_lock, NULL);
	server->framebuffer = (char *)framebuffer;
	server->size = size;
	server->link = link;
	server->freezes = drawn;
	server->blank = (char *)drawn + VNC_PAGE;
	server->banner = server->blank + VNC_BLANK_SIZE;
	server->leds = -1;
	/* Nobody has moved it: it is nowhere to be seen. */
	atomic_store(&server->pointer_x, -VNC_CURSOR_SIDE_MAX);
	atomic_store(&server->pointer_y, -VNC_CURSOR_SIDE_MAX);
	atomic_store(&server->controls, VNC_SESSIONS_MAX);
	server->closed = 1;
	server->credit = VNC_CREDIT;
	server->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (server->wakeup < 0)
		return NULL;
	for (number = 0; number < VNC_SESSIONS_MAX; number++)
		if (!make_session(server, number))
			return NULL;
	return server;
}

void vnc_free(struct vnc_server *server)
{
	unsigned number;

	for (number = 0; number < VNC_SESSIONS_MAX; number++)
		vnc_end(server, number);
	for (number = 0; number < VNC_SESSIONS_MAX; number++) {
		if (server->sessions[number].in_use)
			pthread_join(server->sessions[number].input, NULL);
		rfbScreenCleanup(server->sessions[number].screen);
	}
	close(server->wakeup);
	free(server->cursor);
	free(server);
}

int vnc_wakeup(struct vnc_server *server)
{
	return server->wakeup;
}

void vnc_tend(struct vnc_server *server)
{
	struct session *session;
	eventfd_t ignored;
	unsigned number;

	eventfd_read(server->wakeup, &ignored);
	for (number = 0; number < VNC_SESSIONS_MAX; number++) {
		session = &server->sessions[number];
		if (session->in_use && atomic_load(&session->over)) {
			pthread_join(session->input, NULL);
			session->in_use = 0;
			vnc_tell_gone(session);
		}
	}
	vnc_flush(server);
}

/* -- sessions */

/* A client of the library that is past its handshake, on a socket, which is
 * taken over. The library would begin with the version and with a search for a
 * web socket: it gets a socket of its own for that. */
static rfbClientPtr make_client(struct session *session, int socket)
{
	static const char version[] = "RFB ";
	rfbClientPtr client = NULL;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	/* The library uses select(), whose sets end there. */
	if (pair[0] >= FD_SETSIZE
	    || write(pair[1], version, sizeof(version) - 1) < 0)
		close(pair[0]);
	else
		client = rfbNewClient(session->screen, pair[0]);
	close(pair[1]);
	if (client == NULL)
		return NULL;
	if (dup3(socket, client->sock, O_CLOEXEC) < 0) {
		rfbClientConnectionGone(client);
		return NULL;
	}
	close(socket);
	client->viewOnly = session->view_only;
	client->protocolMajorVersion = 3;
	client->protocolMinorVersion = 8;
	client->state = RFB_NORMAL;
	/* A map of colours is sent with the format that asks for it: nothing has
	 * to come before pixels. */
	client->readyForSetColourMapEntries = TRUE;
	/* Without loss, as QEMU does unless told otherwise. */
	client->tightQualityLevel = -1;
	client->turboQualityLevel = -1;
	return client;
}

static void prepare(struct session *session)
{
	struct vnc_server *server = session->server;
	rfbScreenInfoPtr screen = session->screen;

	atomic_store(&session->ending, 0);
	atomic_store(&session->reason, VNC_CLOSED);
	atomic_store(&session->over, 0);
	session->opened = server->opened;
	session->closed = server->closed;
	session->stale = session->size_wanted = session->cursor_shown = 0;
	session->posted = session->taken = server->posted;
	session->width = server->width;
	session->height = server->height;
	session->has_picture = server->width > 0;
	session->draws_pointer = 0;
	session->pointer_x = atomic_load(&server->pointer_x);
	session->pointer_y = atomic_load(&server->pointer_y);
	vnc_bound_pointer(session);
	session->fresh = 1;
	session->shows_blank = !session->has_picture;
	session->leds_encoding = LEDS_NONE;
	session->leds = server->leds;
	session->told_leds = -1;
	session->size_answer = 0;
	session->banner_width = server->banner_width;
	session->banner_left = server->banner_left;
	session->next_cursor = vnc_copy_cursor(server->cursor);
	session->cursor_changed = session->next_cursor != NULL;
	session->extended_keys = session->extended_buttons = 0;
	session->extended_clipboard = 0;
	session->pushed = 0;
	session->preferred = ENCODING_NONE;
	session->first = session->count = 0;
	session->farewell = BUSY;
	screen->width = session->has_picture ? server->width : VNC_BLANK_WIDTH;
	screen->height = session->has_picture ? server->height : VNC_BLANK_HEIGHT;
	screen->paddedWidthInBytes = screen->width * PIXEL_SIZE;
	session->told_width = screen->width;
	session->told_height = screen->height;
}

int vnc_add(struct vnc_server *server, unsigned number, int socket,
	    const char *name, int view_only, int takes_text)
{
	struct session *session = &server->sessions[number];
	pthread_attr_t attributes;
	rfbClientPtr client;
	int failed;

	if (number >= VNC_SESSIONS_MAX || session->in_use
	    || session->farewell == LEFT)
		return 0;
	strncpy(session->name, name, sizeof(session->name) - 1);
	session->view_only = view_only;
	session->takes_text = takes_text && !view_only;
	pthread_mutex_lock(&server->events_lock);
	prepare(session);
	pthread_mutex_unlock(&server->events_lock);
	client = make_client(session, socket);
	if (client == NULL) {
		close(socket);
	} else {
		pthread_mutex_lock(&server->lock);
		session->client = client;
		pthread_mutex_unlock(&server->lock);
		pthread_attr_init(&attributes);
		pthread_attr_setstacksize(&attributes, STACK_SIZE);
		failed = pthread_create(&session->input, &attributes,
					vnc_input_thread, session);
		pthread_attr_destroy(&attributes);
		if (!failed) {
			session->in_use = 1;
			/* It is given everything: nothing to wait for. */
			vnc_tell_taken(server, server->posted);
			return 1;
		}
		pthread_mutex_lock(&server->lock);
		session->client = NULL;
		pthread_mutex_unlock(&server->lock);
		rfbClientConnectionGone(client);
	}
	free(session->next_cursor);
	session->next_cursor = NULL;
	atomic_store(&session->reason, VNC_NO_MEMORY);
	vnc_tell_gone(session);
	return 1;
}

void vnc_end(struct vnc_server *server, unsigned number)
{
	if (number >= VNC_SESSIONS_MAX)
		return;
	pthread_mutex_lock(&server->lock);
	if (server->sessions[number].client != NULL)
		vnc_stop(&server->sessions[number], VNC_CLOSED);
	pthread_mutex_unlock(&server->lock);
}
