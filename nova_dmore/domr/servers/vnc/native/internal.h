/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the sessions share.
 *
 * A session has two threads: one reads its client's messages (input.c), one
 * sends pictures (output.c); the main thread tells both what the agent says
 * (picture.c). One screen of the library per client, so that none of its
 * lists, which threads would share, ever has more than one member.
 *
 * Locks are taken in this order: server->lock, session->busy,
 * client->updateMutex; the events' lock alone, or last.
 */
#include <pthread.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <stdatomic.h>
#include <stdint.h>
#include "messages.h"
#include "sessions.h"

#define PIXEL_SIZE 4
#ifndef SLICE_SIZE
#define SLICE_SIZE (8 << 20)	/* of a rectangle that is encoded, in bytes */
#endif
#define STACK_SIZE (256 << 10)	/* of a thread */
/* A message that stops in its middle, or a client that takes nothing. */
#define CLIENT_WAIT_S 120
#define SESSION_EVENTS 256	/* of a session; its client waits when full */
/* A region of more rectangles becomes its bounding box: a client that asks
 * for each second pixel would fill the memory. */
#define REQUESTED_MAX 64
#define MODIFIED_MAX 1024

struct session {
	struct vnc_server *server;
	unsigned number;
	rfbScreenInfoPtr screen;	/* kept for the next client */
	char name[VNC_NAME_SIZE];
	int view_only;
	int takes_text;
	pthread_t input;
	atomic_int ending;
	atomic_int reason;		/* of the first that ended it */

	/* Of the main thread alone. */
	int in_use;
	atomic_int over;		/* set by the input thread, its last act */

	/* Under server->lock: NULL once the client is being freed. */
	rfbClientPtr client;

	/* Held while a message to the client is written, or while what its
	 * encoding depends on is changed (together with the updateMutex if
	 * is_due reads it). */
	pthread_mutex_t busy;

	/* Under client->updateMutex. */
	uint32_t opened;	/* the count of the last VNC_OPEN */
	int closed;		/* there was none */
	int stale;		/* send everything once it is open again */
	int size_wanted;	/* by the client, unless it knows it */
	int told_width, told_height;	/* what the client believes */
	int width, height;	/* what the picture has; the screen follows */
	int has_picture;
	rfbCursorPtr next_cursor;
	int cursor_changed;
	/* The pointer: whether it is drawn into the picture, where it is, and
	 * the bounds of its shape from there. */
	int draws_pointer;
	int pointer_x, pointer_y;
	int hot_x, hot_y, cursor_width, cursor_height;
	int fresh;		/* it was never sent a picture of the guest */
	int shows_blank;	/* as the screen is set now */
	enum leds_encoding leds_encoding;
	int leds, told_leds;	/* -1: not known; not told */
	int size_answer;	/* to be told; 0: none */
	int banner_width;	/* of the pictures that it fits; 0: none */
	int banner_left;
	uint32_t posted, taken;	/* serial numbers of damage */

	/* Of the output thread alone. */
	rfbCursorPtr cursor;
	int cursor_shown;
	char *composed;		/* the pointer over what is under it */

	/* Of the input thread alone. */
	int extended_keys, extended_buttons, extended_clipboard;
	int pushed;		/* and not yet flushed */
	enum encoding preferred;

	/* Under server->events_lock. */
	pthread_cond_t room;
	struct vnc_event queue[SESSION_EVENTS];
	int first, count;
	enum { BUSY, LEFT, TOLD } farewell;	/* LEFT: tell VNC_GONE */
};

struct vnc_server {
	pthread_mutex_t lock;
	char *framebuffer;
	size_t size;
	char *blank;		/* shown while there is no picture */
	char *banner;
	int banner_width;	/* of the pictures that it fits; 0: none */
	int banner_left;
	int leds;
	const _Atomic uint32_t *freezes;
	uint32_t opened;
	int closed;
	uint32_t posted;
	int width, height;
	rfbCursorPtr cursor;
	atomic_int pointer_x, pointer_y;
	atomic_int drawers;	/* sessions whose pointer is drawn */
	atomic_uint controls;	/* the session, or VNC_SESSIONS_MAX: all */
	int wakeup;
	struct session sessions[VNC_SESSIONS_MAX];

	pthread_mutex_t events_lock;
	int link;
	int blocked;		/* the link takes no more at the moment */
	uint32_t credit;
	uint32_t taken;		/* the highest serial number */
	int tell_taken;
	struct vnc_event kept[VNC_EVENTS_MAX];	/* the next packet */
	int kept_count;
	unsigned turn;		/* whose events are the next to be sent */
};

/* -- events.c: to the agent */

/* Keep a key or motion until vnc_flush, or wait while the session's queue is
 * full. */
void vnc_push(struct session *session, struct vnc_event event);
/* A client was sent, or needs not be sent, this damage. */
void vnc_tell_taken(struct vnc_server *server, uint32_t serial);
/* Have the session's VNC_GONE follow its events. */
void vnc_tell_gone(struct session *session);
/* Send what is kept. */
void vnc_flush(struct vnc_server *server);

/* -- input.c, for text.c */

/* What was read and not yet used. */
struct input {
	uint8_t bytes[2 * MESSAGE_MAX];
	size_t start, end;
};

/* Have so many bytes; 0: there will be none, or not in time. inside: they
 * belong to a message that has begun, though nothing of it is in the input. */
int vnc_fill(struct session *session, struct input *input, size_t wanted,
	     int inside);
/* Wait for the update that is being sent, and hold busy. 0: the session ended
 * meanwhile. */
int vnc_take_turn(struct session *session);
/* Push an event that is flushed when all that came with it was read. */
void vnc_input_event(struct session *session, struct vnc_event event);

/* -- text.c */

/* Tell the client that the extended clipboard is served. busy is held. */
int vnc_offer_clipboard(rfbClientPtr client);
/* Take the text that follows a message; 0: the session is to end. */
int vnc_take_text(struct session *session, struct input *input,
		  const struct message *message);

/* -- overlay.c */

#define OVERLAYS 2

/* Pixels that are sent in the place of the picture's; region NULL: nothing. */
struct overlay {
	sraRegionPtr region;
	char *pixels;		/* rows as long as the screen's */
	int top;		/* the first row's place on the screen */
};

/* Take the overlays out of a region that is to be sent; overlays is zeros.
 * client->updateMutex is held, and busy, by the output thread; the regions are
 * the caller's. */
void vnc_claim_overlays(struct session *session, sraRegionPtr region,
			struct overlay overlays[OVERLAYS]);

/* -- update.c */

/* What is sent at once. It was taken out of what there is to be sent: whatever
 * changes or is asked for from then on is for the next one. */
struct update {
	int with_cursor;	/* the shape of the pointer */
	sraRegionPtr picture;
	struct overlay overlays[OVERLAYS];
	int with_pixels;	/* of the guest */
	uint32_t freezes;	/* the count that it has begun with */
};

/* Send it; 0: it could not be sent. busy is held. */
int vnc_write_update(struct session *session, struct update *update);
void vnc_free_update(struct update *update);

/* -- the rest */

/* A client has moved the pointer there, if it may; called by input threads. */
void vnc_moved(struct session *session, int x, int y);
/* The pointer's place has to be sent anew. client->updateMutex is held. */
void vnc_mark_pointer(struct session *session);
/* The bounds of the pointer are those of the server's. Main thread. */
void vnc_bound_pointer(struct session *session);

/* Whether the client is to be told the lights of the keyboard, or what has
 * become of a size that it has asked for. client->updateMutex is held. */
int vnc_is_to_be_told(const struct session *session);

void vnc_wake(struct vnc_server *server);
rfbCursorPtr vnc_copy_cursor(rfbCursorPtr cursor);
/* Let a region not become more than so many rectangles. */
void vnc_bound(sraRegionPtr *region, unsigned long most);
/* client->updateMutex is held. */
void vnc_mark_all(struct session *session);
/* Ask both threads to end; client->updateMutex must not be held. */
void vnc_stop(struct session *session, enum vnc_reason reason);
void *vnc_input_thread(void *session);
void *vnc_output_thread(void *session);
