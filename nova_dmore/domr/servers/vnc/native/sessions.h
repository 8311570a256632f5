/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The sessions of all clients on one frame buffer.
 *
 * All functions are to be called from one thread. None of them waits for a
 * client, nor for the agent.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <stddef.h>
#include "protocol.h"

struct vnc_server;

/* NULL: no memory. The frame buffer is read, never written. Events go to the
 * link; drawn is VNC_DRAWN_SIZE bytes, see protocol.h. */
struct vnc_server *vnc_new(const void *framebuffer, size_t size, int link,
			   const void *drawn);
/* Cut all clients, and free everything. */
void vnc_free(struct vnc_server *server);

/* Becomes readable when vnc_tend is to be called. */
int vnc_wakeup(struct vnc_server *server);
/* See to sessions that ended, and to what the link did not take. */
void vnc_tend(struct vnc_server *server);
/* Whether vnc_tend is to be called when the link takes more. */
int vnc_is_blocked(struct vnc_server *server);

/* Begin a session on a connection; the socket belongs to it from then on. 0:
 * the number is in use. */
int vnc_add(struct vnc_server *server, unsigned number, int socket,
	    const char *name, int view_only, int takes_text);
void vnc_end(struct vnc_server *server, unsigned number);

void vnc_open(struct vnc_server *server, uint32_t freezes, int everything);
void vnc_size(struct vnc_server *server, uint32_t width, uint32_t height);
/* Sides up to VNC_CURSOR_SIDE_MAX. */
void vnc_cursor(struct vnc_server *server, int width, int height, int hot_x,
		int hot_y, const uint8_t *pixels);
/* count -1: the whole picture. */
void vnc_damage(struct vnc_server *server, uint32_t serial,
		const uint16_t *rectangles, int count);
void vnc_leds(struct vnc_server *server, uint32_t leds);
/* Tell a client what has become of the size that it has asked for: RFB's
 * number, not 0. */
void vnc_answer_size(struct vnc_server *server, unsigned number, int answer);
/* Who moves the pointer that is drawn; VNC_SESSIONS_MAX: all. */
void vnc_control(struct vnc_server *server, unsigned number);
/* 0: no banner. */
void vnc_drawn(struct vnc_server *server, uint32_t banner_width,
	       uint32_t banner_left);
void vnc_more(struct vnc_server *server, uint32_t credit);

#endif
