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
 * What Python sees of the VNC sessions. cffi reads this file too, which knows
 * no other preprocessor lines than constants.
 *
 * All functions are to be called from one thread. None of them waits for a
 * client.
 */

/* What a session tells; see the fields of struct vnc_event. */
enum vnc_kind {
	VNC_KEY = 1,
	VNC_POINTER = 2,
	VNC_GONE = 3		/* the last one; the number may be used again */
};

/* Why a session ended. */
enum vnc_reason {
	VNC_CLOSED = 0,		/* by the client, or by vnc_end */
	VNC_NONSENSE = 1,	/* the client sent what makes no sense */
	VNC_CUT_TEXT = 2,	/* the client sent too long a text */
	VNC_STALLED = 3		/* the client took nothing for too long */
};

struct vnc_event {
	int32_t session;
	int32_t kind;
	/* VNC_KEY: whether it went down; VNC_POINTER: buttons;
	 * VNC_GONE: reason */
	uint32_t state;
	/* VNC_KEY: the symbol; VNC_POINTER: x */
	uint32_t first;
	/* VNC_KEY: QEMU's number, 0 if the client did not tell; VNC_POINTER: y */
	uint32_t second;
	/* VNC_POINTER: size of the picture that x and y belong to */
	uint32_t width;
	uint32_t height;
};

struct vnc_server;

/* Sessions that there can be at a time. */
#define VNC_SESSIONS_MAX 16

/* NULL: no memory. The frame buffer is read, never written. */
struct vnc_server *vnc_new(void *framebuffer, size_t size);
/* Every session must have told VNC_GONE. */
void vnc_free(struct vnc_server *server);
/* Becomes readable when there are events, or damage was taken. */
int vnc_wakeup(struct vnc_server *server);

/* Begin a session on a connection whose client has sent its ClientInit.
 * The socket belongs to the session from then on, unless -1 is returned. */
int vnc_add(struct vnc_server *server, int socket, const char *name,
	    int view_only);
void vnc_end(struct vnc_server *server, int session);
/* Take at most so many events; returns how many. */
int vnc_events(struct vnc_server *server, struct vnc_event *events, int most);

/* Send no more pixels; everything: what clients have is worth nothing. */
void vnc_freeze(struct vnc_server *server, int everything);
/* Pixels may be sent again. */
void vnc_open(struct vnc_server *server);
/* Size of the picture, 0 for none. */
void vnc_size(struct vnc_server *server, int width, int height);
/* Shape of the pointer, width 0 for none; see display.Cursor. */
void vnc_cursor(struct vnc_server *server, int width, int height, int hot_x,
		int hot_y, const uint8_t *pixels);
/* x, y, width, height of each rectangle; count -1: the whole picture. */
void vnc_damage(struct vnc_server *server, const uint16_t *rectangles,
		int count);
/* Whether a client has been sent, or is being sent, all damage so far. */
int vnc_taken(struct vnc_server *server);

/* Encrypt the 16 bytes of VNC authentication in place. */
void vnc_encrypt(uint8_t *challenge, const char *password);
