/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * See clipboard.h.
 */
#include <stdlib.h>
#include <zlib.h>
#include "clipboard.h"

#define LENGTH_SIZE 4
/* Four bytes for a character, and a 0 at the end. */
#define STREAM_MAX (LENGTH_SIZE + 4 * VNC_TEXT_MAX + 1)

struct clipboard {
	z_stream stream;
	int bad;		/* it is no such stream, or too long */
	size_t size;
	uint8_t bytes[STREAM_MAX];
};

struct clipboard *clipboard_new(void)
{
	struct clipboard *clipboard = calloc(1, sizeof(*clipboard));

	if (clipboard != NULL && inflateInit(&clipboard->stream) != Z_OK) {
		free(clipboard);
		return NULL;
	}
	return clipboard;
}

void clipboard_free(struct clipboard *clipboard)
{
	inflateEnd(&clipboard->stream);
	free(clipboard);
}

void clipboard_feed(struct clipboard *clipboard, const uint8_t *bytes,
		    size_t size)
{
	z_stream *stream = &clipboard->stream;
	int result;

	stream->next_in = (uint8_t *)bytes;
	stream->avail_in = size;
	while (!clipboard->bad && stream->avail_in > 0) {
		stream->next_out = clipboard->bytes + clipboard->size;
		stream->avail_out = STREAM_MAX - clipboard->size;
		result = inflate(stream, Z_NO_FLUSH);
		clipboard->size = STREAM_MAX - stream->avail_out;
		if (result == Z_STREAM_END)
			break;		/* what follows is no part of it */
		/* One that fills the buffer is too long. */
		clipboard->bad = result != Z_OK || stream->avail_out == 0;
	}
}

size_t clipboard_text(const struct clipboard *clipboard, uint32_t *characters)
{
	const uint8_t *bytes = clipboard->bytes;
	size_t length;

	if (clipboard->bad || clipboard->size < LENGTH_SIZE)
		return 0;
	length = (size_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8
		| bytes[3];
	if (length > clipboard->size - LENGTH_SIZE)
		return 0;
	bytes += LENGTH_SIZE;
	if (length > 0 && bytes[length - 1] == 0)
		length--;
	return clipboard_decode(bytes, length, characters, VNC_TEXT_MAX);
}

size_t clipboard_decode(const uint8_t *bytes, size_t size,
			uint32_t *characters, size_t most)
{
	/* The least character of so many bytes: a longer form is none. */
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	size_t at = 0, count = 0, more, index;
	uint32_t character;

	while (at < size) {
		character = bytes[at++];
		more = character < 0x80 ? 0 : character < 0xc0 ? 4
			: character < 0xe0 ? 1 : character < 0xf0 ? 2
			: character < 0xf8 ? 3 : 4;
		if (more == 4 || more > size - at)
			return 0;
		if (more > 0)
			character &= 0x3f >> more;
		for (index = 0; index < more; index++) {
			if ((bytes[at] & 0xc0) != 0x80)
				return 0;
			character = character << 6 | (bytes[at++] & 0x3f);
		}
		if (character < least[more] || character > 0x10ffff
		    || (character >= 0xd800 && character < 0xe000))
			return 0;
		/* The extended clipboard has lines end in two. */
		if (character == '\n' && count > 0
		    && characters[count - 1] == '\r')
			count--;
		if (count == most)
			return 0;
		characters[count++] = character;
	}
	return count;
}
