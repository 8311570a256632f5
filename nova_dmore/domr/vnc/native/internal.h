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
 * One screen of the library per client, so that none of its lists, which
 * threads would share, ever has more than one member.
 */
#include <pthread.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <stdint.h>
#include "sessions.h"

#define PIXEL_SIZE 4
#define STACK_SIZE (256 << 10)	/* of a thread */
/* A message that stops in its middle, or a client that takes nothing. */
#define CLIENT_WAIT_S 120
#define EXTENDED_KEY_EVENT (-258)	/* QEMU's pseudo-encoding */
#define EVENTS_MAX 64		/* per session; its client waits when full */

struct session {
	struct vnc_server *server;
	int number;
	rfbScreenInfoPtr screen;	/* kept for the next client */
	char name[128];
	pthread_t input;
	enum { FREE, RUNNING, OVER } state;	/* server->lock */
	volatile int ending;
	volatile int reason;

	/* Under server->lock: NULL once the client is being freed. */
	rfbClientPtr client;

	/* Held while a message to the client is written, or while what its
	 * encoding depends on is changed. */
	pthread_mutex_t busy;

	/* Under client->updateMutex. */
	int frozen;
	int sending;
	int stale;		/* send everything once it is open again */
	int width, height;	/* what the picture has; the screen follows */
	int has_picture;
	rfbCursorPtr next_cursor;
	int cursor_changed;
	uint32_t posted, taken;	/* damage */

	/* Of the output thread alone. */
	rfbCursorPtr cursor;
	int cursor_shown;

	/* Of the input thread alone. */
	int extended_keys;

	pthread_mutex_t queue_lock;
	pthread_cond_t room;
	struct vnc_event queue[EVENTS_MAX];
	int first, count;
};

struct vnc_server {
	pthread_mutex_t lock;
	char *framebuffer;
	size_t size;
	char *blank;		/* shown while there is no picture */
	int wakeup;
	int frozen;
	int width, height;
	rfbCursorPtr cursor;
	struct session sessions[VNC_SESSIONS_MAX];
};

#define BLANK_WIDTH 640
#define BLANK_HEIGHT 400

void vnc_wake(struct vnc_server *server);
void vnc_push(struct session *session, struct vnc_event event);
rfbCursorPtr vnc_copy_cursor(rfbCursorPtr cursor);
/* Ask both threads to end; client->updateMutex must not be held. */
void vnc_stop(struct session *session, int reason);
void *vnc_input_thread(void *session);
