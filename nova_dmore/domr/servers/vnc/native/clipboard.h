/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The text in a message of the extended clipboard (rfbproto): zlib's stream of
 * a length and of UTF-8. Pure functions on bytes, with bounded memory.
 */
#ifndef CLIPBOARD_H
#define CLIPBOARD_H

#include <stddef.h>
#include <stdint.h>
#include "protocol.h"

/* The first word of the message: formats, and what it is about. */
#define CLIPBOARD_TEXT (1u << 0)
#define CLIPBOARD_CAPS (1u << 24)
#define CLIPBOARD_REQUEST (1u << 25)
#define CLIPBOARD_NOTIFY (1u << 27)
#define CLIPBOARD_PROVIDE (1u << 28)

struct clipboard;

/* NULL: no memory. */
struct clipboard *clipboard_new(void);
void clipboard_free(struct clipboard *clipboard);
/* Take a part of the stream. */
void clipboard_feed(struct clipboard *clipboard, const uint8_t *bytes,
		    size_t size);
/* The characters of all that was fed, at most VNC_TEXT_MAX; returns how many,
 * 0 for what is no such text, or too long. */
size_t clipboard_text(const struct clipboard *clipboard, uint32_t *characters);
/* Decode UTF-8, at most so many characters, a line end being one; 0: it is
 * none, or too long. */
size_t clipboard_decode(const uint8_t *bytes, size_t size,
			uint32_t *characters, size_t most);

#endif
