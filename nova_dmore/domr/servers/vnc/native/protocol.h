/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the agent and nova-dmore-vnc say to each other; nova_dmore/domr/servers/vnc/
 * protocol.py is the agent's side of it.
 *
 * nova-dmore-vnc is started without arguments and environment, with two
 * open files: VNC_LINK, a SOCK_SEQPACKET socket to the agent, and VNC_REGION,
 * the device whose memory holds the frame buffer, open for reading only. Both
 * ends run on the same machine: numbers are the machine's own, and messages
 * are whole packets.
 *
 * Neither end ever waits for the other. The agent keeps what does not fit into
 * the socket: not messages, but the newest state. Keys and motions need
 * credit: VNC_CREDIT of them may be on their way that the agent has not dealt
 * with; for more the clients wait. Everything else that is sent to the agent
 * is bounded by the number of sessions.
 *
 * Freezing needs no message. In the page that VNC_START brings, which the
 * agent writes, the first word counts the freezes; VNC_OPEN names the freeze
 * that it ends. An update may begin only if the count is the one that the last
 * VNC_OPEN named. Whoever reads the count before that of a freeze, and then
 * encodes, sees it changed when the update is through, and that client is sent
 * the whole picture after the next VNC_OPEN. So for each update that was not
 * over when the agent wrote the count (the moment of the freeze) either the
 * client gets everything once more, or the update never began, however late
 * the process is.
 *
 * Behind that page lies what the agent has drawn: the picture that is shown
 * while there is no other (to new clients also while pixels may not be read),
 * and behind it a banner that is laid over the picture's upper right corner,
 * with rows as wide as the picture. They are read at any time: one that is being drawn
 * is sent again after the next message about it.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

#define VNC_LINK 3
#define VNC_REGION 4

#define VNC_VERSION 5

/* Sessions that there can be at a time; they are numbered from 0. */
#define VNC_SESSIONS_MAX 16
#define VNC_NAME_SIZE 128
#define VNC_CREDIT 1024
#define VNC_CURSOR_SIDE_MAX 128
#define VNC_RECTANGLES_MAX 1024
/* Records in one packet to the agent. */
#define VNC_EVENTS_MAX 128

/* The page of freezes, and the pictures behind it, of pixels of 4 bytes. */
#define VNC_PAGE 4096
#define VNC_BLANK_WIDTH 640
#define VNC_BLANK_HEIGHT 400
#define VNC_BLANK_SIZE (VNC_BLANK_WIDTH * VNC_BLANK_HEIGHT * 4)
#define VNC_BANNER_ROWS 24
#define VNC_BANNER_WIDTH_MAX 8192
#define VNC_BANNER_SIZE (VNC_BANNER_WIDTH_MAX * VNC_BANNER_ROWS * 4)
#define VNC_DRAWN_SIZE (VNC_PAGE + VNC_BLANK_SIZE + VNC_BANNER_SIZE)

/* Characters in one record of text. */
#define VNC_TEXT_CHARACTERS 4
/* Longest text of a client's clipboard that is passed on, in characters. */
#define VNC_TEXT_MAX 10000

/* -- from the agent; each begins with its type */

enum vnc_type {
	VNC_START = 1,	/* the first one; with a file: the page of freezes */
	VNC_ADD = 2,	/* with a file: the client's socket */
	VNC_END = 3,
	VNC_OPEN = 4,
	VNC_SIZE = 5,
	VNC_CURSOR = 6,
	VNC_DAMAGE = 7,
	VNC_MORE = 8,	/* more credit */
	VNC_LEDS = 9,
	VNC_DRAWN = 10,	/* the pictures that the agent draws are others */
	VNC_SIZE_ANSWER = 11,
	VNC_CONTROL = 12
};

struct vnc_start {
	uint32_t type;
	uint32_t version;
	uint64_t offset;	/* to map VNC_REGION at */
	uint64_t length;	/* bytes to map */
	uint64_t start;		/* of the frame buffer in these bytes */
	uint64_t size;		/* of the frame buffer */
};

/* A client that is past its handshake; its ServerInit comes next. */
struct vnc_add {
	uint32_t type;
	uint32_t session;	/* one that is not in use */
	uint32_t view_only;
	uint32_t takes_text;	/* whether to offer the extended clipboard */
	char name[VNC_NAME_SIZE];	/* of the desktop, ends with a 0 */
};

struct vnc_end {		/* VNC_GONE follows */
	uint32_t type;
	uint32_t session;
};

struct vnc_open {
	uint32_t type;
	uint32_t freezes;	/* the count that it answers */
	uint32_t everything;	/* what clients have is worth nothing */
};

struct vnc_size {		/* of the picture, 0 for none */
	uint32_t type;
	uint32_t width;
	uint32_t height;
};

/* Shape of the pointer, 0 for none; then width * height pixels of 4 bytes:
 * blue, green, red, and whether it is to be seen. */
struct vnc_cursor {
	uint32_t type;
	uint32_t width;
	uint32_t height;
	uint32_t hot_x;
	uint32_t hot_y;
};

/* What has changed; then so many times x, y, width, height, of 16 bits. */
struct vnc_damage {
	uint32_t type;
	uint32_t serial;	/* grows by 1, and wraps */
	int32_t count;		/* -1: the whole picture */
};

struct vnc_more {
	uint32_t type;
	uint32_t credit;
};

/* The lights of the guest's keyboard: 1 Scroll Lock, 2 Num Lock, 4 Caps Lock. */
struct vnc_leds {
	uint32_t type;
	uint32_t leds;
};

struct vnc_drawn {
	uint32_t type;
	uint32_t banner_width;	/* of its picture; 0: there is no banner */
	uint32_t banner_left;	/* from where on its rows are to be shown */
};

/* What has become of VNC_SIZE_WANTED; the newest of a session answers all. */
struct vnc_size_answer {
	uint32_t type;
	uint32_t session;
	uint32_t answer;	/* RFB's number in ExtendedDesktopSize, not 0 */
};

/* Who has control. What others do is dropped by the agent, so it does not move
 * the pointer that is drawn. */
struct vnc_control {
	uint32_t type;
	uint32_t session;	/* VNC_SESSIONS_MAX: all have it */
};

/* -- to the agent: packets of 1 to VNC_EVENTS_MAX of these */

enum vnc_kind {
	VNC_KEY = 1,		/* needs credit */
	VNC_POINTER = 2,	/* likewise */
	VNC_GONE = 3,		/* the session's last; it can be added anew */
	VNC_TAKEN = 4,		/* a client was sent, or is being sent, all
				 * damage up to a serial number */
	VNC_TEXT = 5,		/* of a client's clipboard; needs credit */
	VNC_SIZE_WANTED = 6	/* for the desktop; needs credit */
};

/* VNC_KEY: bits of the state. */
#define VNC_KEY_DOWN 1
#define VNC_KEY_KNOWS_LOCKS 2	/* its client was told the lights */

/* VNC_TEXT: the number of characters, and whether more of the text follows. */
#define VNC_TEXT_COUNT 7
#define VNC_TEXT_GOES_ON 8

/* Why a session ended. */
enum vnc_reason {
	VNC_CLOSED = 0,		/* by the client, or by VNC_END */
	VNC_NONSENSE = 1,	/* the client sent a message of no known type */
	VNC_CUT_TEXT = 2,	/* the client sent too long a text */
	VNC_STALLED = 3,	/* the client took nothing for too long, or
				 * stopped in the middle of a message */
	VNC_PIXEL_FORMAT = 4,	/* the client asked for one that cannot be */
	VNC_TOO_MANY_ENCODINGS = 5,
	VNC_NO_MEMORY = 6
};

struct vnc_event {
	uint32_t kind;
	uint32_t session;	/* not with VNC_TAKEN */
	/* VNC_KEY, VNC_TEXT: see above; VNC_POINTER: buttons;
	 * VNC_GONE: reason; VNC_TAKEN: serial number */
	uint32_t state;
	/* VNC_TEXT: this and what follows are characters of Unicode */
	/* VNC_KEY: the symbol; VNC_POINTER: x; VNC_SIZE_WANTED: width */
	uint32_t first;
	/* VNC_KEY: QEMU's number, 0 if the client did not tell; VNC_POINTER: y;
	 * VNC_SIZE_WANTED: height */
	uint32_t second;
	/* VNC_POINTER: size of the picture that x and y belong to */
	uint32_t width;
	uint32_t height;
};

#endif
