/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What sessions tell the agent; see protocol.h for the credit.
 */
#include <errno.h>
#include <sys/socket.h>
#include "internal.h"

/* The next record to send: 0 if there is none. events_lock is held. */
static int next_event(struct vnc_server *server, struct vnc_event *event)
{
	struct session *session;
	unsigned index;

	if (server->tell_taken) {
		server->tell_taken = 0;
		*event = (struct vnc_event) {.kind = VNC_TAKEN,
					     .state = server->taken};
		return 1;
	}
	for (index = 0; index < VNC_SESSIONS_MAX; index++) {
		session = &server->sessions[(server->turn + index)
					    % VNC_SESSIONS_MAX];
		if (session->count > 0 && server->credit > 0) {
			*event = session->queue[session->first];
			session->first = (session->first + 1) % SESSION_EVENTS;
			session->count--;
			server->credit--;
			server->turn = session->number + 1;
			pthread_cond_signal(&session->room);
			return 1;
		}
		if (session->count == 0 && session->farewell == LEFT) {
			session->farewell = TOLD;
			*event = (struct vnc_event) {
				.kind = VNC_GONE, .session = session->number,
				.state = atomic_load(&session->reason)};
			return 1;
		}
	}
	return 0;
}

/* Send what may be sent; events_lock is held. What credit, sessions and the
 * one VNC_TAKEN allow fits into the socket; an agent that takes even that not
 * has the link blocked, and the records are kept for the next time. */
static void flush(struct vnc_server *server)
{
	struct vnc_event *kept = server->kept;
	ssize_t sent;

	for (;;) {
		while (server->kept_count < VNC_EVENTS_MAX
		       && next_event(server, &kept[server->kept_count]))
			server->kept_count++;
		if (server->kept_count == 0)
			break;
		sent = send(server->link, kept,
			    server->kept_count * sizeof(*kept),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			if (!server->blocked)
				vnc_wake(server);
			server->blocked = 1;
			return;
		}
		/* Another fault: the agent has gone, and this is to end. */
		server->kept_count = 0;
	}
	server->blocked = 0;
}

void vnc_flush(struct vnc_server *server)
{
	pthread_mutex_lock(&server->events_lock);
	flush(server);
	pthread_mutex_unlock(&server->events_lock);
}

int vnc_is_blocked(struct vnc_server *server)
{
	int blocked;

	pthread_mutex_lock(&server->events_lock);
	blocked = server->blocked;
	pthread_mutex_unlock(&server->events_lock);
	return blocked;
}

void vnc_more(struct vnc_server *server, uint32_t credit)
{
	pthread_mutex_lock(&server->events_lock);
	server->credit += credit;
	if (server->credit > VNC_CREDIT)
		server->credit = VNC_CREDIT;
	flush(server);
	pthread_mutex_unlock(&server->events_lock);
}

void vnc_push(struct session *session, struct vnc_event event)
{
	struct vnc_server *server = session->server;

	event.session = session->number;
	pthread_mutex_lock(&server->events_lock);
	if (session->count == SESSION_EVENTS)
		flush(server);
	while (session->count == SESSION_EVENTS
	       && !atomic_load(&session->ending))
		pthread_cond_wait(&session->room, &server->events_lock);
	if (session->count < SESSION_EVENTS)
		session->queue[(session->first + session->count++)
			       % SESSION_EVENTS] = event;
	pthread_mutex_unlock(&server->events_lock);
}

void vnc_tell_taken(struct vnc_server *server, uint32_t serial)
{
	pthread_mutex_lock(&server->events_lock);
	if ((int32_t)(serial - server->taken) > 0) {
		server->taken = serial;
		server->tell_taken = 1;
		flush(server);
	}
	pthread_mutex_unlock(&server->events_lock);
}

void vnc_tell_gone(struct session *session)
{
	pthread_mutex_lock(&session->server->events_lock);
	session->farewell = LEFT;
	flush(session->server);
	pthread_mutex_unlock(&session->server->events_lock);
}
