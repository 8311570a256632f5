/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The messages of VNC clients that are past their handshake (RFC 6143, 7.5,
 * and the extensions that are served): what they may say.
 *
 * Pure functions on bytes. Nothing of a client reaches the library, or the
 * agent, that did not pass through here.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stddef.h>
#include <stdint.h>
#include "protocol.h"

/* Encodings that a client may list; real ones list a few dozen. */
#define ENCODINGS_MAX 1024
/* Bytes of text for the clipboard; what is too long to be passed on is thrown
 * away. People copy large texts that they mean for another program, and their
 * client sends them unasked, or because it was asked what there is. */
#define CUT_TEXT_MAX (1 << 28)
/* The longest message, the text for the clipboard apart. */
#define MESSAGE_MAX (4 + 4 * ENCODINGS_MAX)

struct pixel_format {
	uint8_t bits;			/* of a pixel: 8, 16 or 32 */
	uint8_t depth;			/* as the client says it; <= bits */
	uint8_t big_endian;		/* 0 or 1 */
	uint8_t mapped;			/* 1: pixels are indices of a map of
					 * colours; what follows is not said */
	uint16_t red_max, green_max, blue_max;		/* 2^n - 1, n > 0 */
	uint8_t red_shift, green_shift, blue_shift;
};

/* The encodings that may be used; their numbers are those of the RFC. */
enum encoding {
	ENCODING_NONE = -1,		/* the client named none of them */
	ENCODING_RAW = 0,
	ENCODING_RRE = 2,
	ENCODING_CORRE = 4,
	ENCODING_HEXTILE = 5,
	ENCODING_ZLIB = 6,
	ENCODING_TIGHT = 7,
	ENCODING_ULTRA = 9,
	ENCODING_ZRLE = 16
};

/* Pseudo-encodings that are confirmed or sent. */
enum {
	PSEUDO_EXTENDED_KEYS = -258,
	PSEUDO_QEMU_LEDS = -261,
	PSEUDO_EXTENDED_BUTTONS = -316,
	PSEUDO_VMWARE_LEDS = 0x574d5668,
	PSEUDO_EXTENDED_CLIPBOARD = (int32_t)0xc0a1e5ce
};

/* How a client wants to be told the lights of the keyboard. */
enum leds_encoding {
	LEDS_NONE,
	LEDS_QEMU,
	LEDS_VMWARE
};

struct encodings {
	enum encoding preferred;
	int level;			/* of compression, 0 to 9; -1: none */
	int cursor;			/* the rest: 0 or 1 */
	int new_size;
	int extended_size;
	int last_rectangle;
	int extended_keys;
	int extended_buttons;
	int extended_clipboard;
	enum leds_encoding leds;
};

enum message_kind {
	MESSAGE_FORMAT = 1,
	MESSAGE_ENCODINGS,
	MESSAGE_REQUEST,
	MESSAGE_KEY,
	MESSAGE_POINTER,
	MESSAGE_CUT_TEXT,
	MESSAGE_DESKTOP_SIZE
};

struct message {
	enum message_kind kind;
	union {
		struct pixel_format format;
		struct encodings encodings;
		struct {
			int incremental;
			uint16_t x, y, width, height;	/* may be empty */
		} request;
		struct {
			int down;
			uint32_t symbol;
			uint32_t number;	/* QEMU's; 0: not told */
		} key;
		struct {
			uint16_t buttons;
			uint16_t x, y;
		} pointer;
		struct {
			uint32_t length;	/* that follow the message */
			int extended;		/* it is no text in Latin-1 */
		} text;
		struct {
			/* Of the desktop. Its screens are not looked at, as QEMU
			 * does not: the guest has one. */
			uint16_t width, height;
		} size;
	};
};

/* How long the message is that begins with these bytes (at least one).
 * extended_buttons: the client was told that it may send such ones. *size may be more than what there is: so many are needed to go on, and
 * when there are as many as *size says, the message is whole. Never more
 * than MESSAGE_MAX. */
enum vnc_reason message_size(const uint8_t *bytes, size_t count,
			     int extended_buttons, size_t *size);

/* Read a whole message, of the size that message_size said. VNC_CLOSED: it is a good one. */
enum vnc_reason message_parse(const uint8_t *bytes, size_t size,
			      struct message *message);

/* Cut a request down to a picture that is not empty. 0: it asks for nothing.
 * One that lies outside, as may be when it crossed a change of size, becomes
 * one for the nearest pixel: its client waits for an answer. */
int message_clip(const struct message *request, int width, int height,
		 int *x1, int *y1, int *x2, int *y2);

#endif
