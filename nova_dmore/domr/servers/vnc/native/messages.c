/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * See messages.h.
 */
#include <string.h>
#include "messages.h"

/* Of messages to the server. */
enum {
	SET_PIXEL_FORMAT = 0,
	SET_ENCODINGS = 2,
	UPDATE_REQUEST = 3,
	KEY_EVENT = 4,
	POINTER_EVENT = 5,
	CLIENT_CUT_TEXT = 6,
	SET_DESKTOP_SIZE = 251,
	QEMU = 255
};

enum { QEMU_EXTENDED_KEY = 0 };

enum {
	PSEUDO_CURSOR = -239,
	PSEUDO_NEW_SIZE = -223,
	PSEUDO_LAST_RECTANGLE = -224,
	PSEUDO_LEVEL_0 = -256,
	PSEUDO_LEVEL_9 = -247,
	PSEUDO_EXTENDED_SIZE = -308
};

#define SCREEN_SIZE 16		/* of one screen in SetDesktopSize */
#define POINTER_SIZE 6
/* A mask of buttons that is followed by one of the eighth and those after. */
#define MORE_BUTTONS 0x80

static uint16_t get16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

/* -- lengths */

static size_t size_of_encodings(const uint8_t *bytes)
{
	return 4 + 4 * (size_t)get16(bytes + 2);
}

static size_t size_of_desktop(const uint8_t *bytes)
{
	return 8 + SCREEN_SIZE * (size_t)bytes[6];
}

/* Others are known to the library, for instance scaled screens that it never
 * frees, and transfer of files. Nobody needs them here. */
static const struct {
	uint8_t type;
	size_t fixed;		/* bytes that there are in any case */
	size_t (*whole)(const uint8_t *bytes);
} types[] = {
	{SET_PIXEL_FORMAT, 20, NULL},
	{SET_ENCODINGS, 4, size_of_encodings},
	{UPDATE_REQUEST, 10, NULL},
	{KEY_EVENT, 8, NULL},
	{POINTER_EVENT, POINTER_SIZE, NULL},
	{CLIENT_CUT_TEXT, 8, NULL},	/* the text is not part of it */
	{SET_DESKTOP_SIZE, 8, size_of_desktop},
	{QEMU, 12, NULL},		/* the extended key event */
};

enum vnc_reason message_size(const uint8_t *bytes, size_t count,
			     int extended_buttons, size_t *size)
{
	size_t index;

	for (index = 0; index < sizeof(types) / sizeof(*types); index++)
		if (types[index].type == bytes[0])
			break;
	if (index == sizeof(types) / sizeof(*types))
		return VNC_NONSENSE;
	/* Others of QEMU's have other lengths, and are not served. */
	if (bytes[0] == QEMU && count > 1 && bytes[1] != QEMU_EXTENDED_KEY)
		return VNC_NONSENSE;
	*size = types[index].fixed;
	if (types[index].whole != NULL && count >= *size)
		*size = types[index].whole(bytes);
	if (bytes[0] == POINTER_EVENT && extended_buttons && count > 1
	    && bytes[1] & MORE_BUTTONS)
		*size = POINTER_SIZE + 1;
	return *size > MESSAGE_MAX ? VNC_TOO_MANY_ENCODINGS : VNC_CLOSED;
}

/* -- contents */

static int bits_of(uint16_t max)
{
	int bits = 0;

	for (; max & 1; max >>= 1)
		bits++;
	return max == 0 ? bits : 0;	/* 0 also if it is not 2^n - 1 */
}

/* The bits of a pixel that a colour takes; 0 if that cannot be. */
static uint64_t mask_of(const struct pixel_format *format, uint16_t max,
			uint8_t shift)
{
	int bits = bits_of(max);

	if (bits == 0 || bits + shift > format->bits)
		return 0;
	return (uint64_t)max << shift;
}

static enum vnc_reason parse_format(const uint8_t *bytes,
				    struct pixel_format *format)
{
	uint64_t red, green, blue;

	*format = (struct pixel_format) {
		.bits = bytes[4], .depth = bytes[5],
		.big_endian = bytes[6] != 0, .mapped = bytes[7] == 0,
		.red_max = get16(bytes + 8), .green_max = get16(bytes + 10),
		.blue_max = get16(bytes + 12),
		.red_shift = bytes[14], .green_shift = bytes[15],
		.blue_shift = bytes[16]};
	if (format->bits != 8 && format->bits != 16 && format->bits != 32)
		return VNC_PIXEL_FORMAT;
	if (format->depth > format->bits)
		return VNC_PIXEL_FORMAT;
	/* The library has a map for pixels of 8 bits, as QEMU has. */
	if (format->mapped)
		return format->bits == 8 ? VNC_CLOSED : VNC_PIXEL_FORMAT;
	red = mask_of(format, format->red_max, format->red_shift);
	green = mask_of(format, format->green_max, format->green_shift);
	blue = mask_of(format, format->blue_max, format->blue_shift);
	if (!red || !green || !blue || (red & green) || (red & blue)
	    || (green & blue))
		return VNC_PIXEL_FORMAT;
	return VNC_CLOSED;
}

static void parse_encodings(const uint8_t *bytes, struct encodings *encodings)
{
	const uint8_t *each = bytes + 4, *end = each + 4 * get16(bytes + 2);
	int32_t number;

	*encodings = (struct encodings) {
		.preferred = ENCODING_NONE, .level = -1};
	for (; each < end; each += 4) {
		number = (int32_t)get32(each);
		switch (number) {
		case ENCODING_RAW:
		case ENCODING_RRE:
		case ENCODING_CORRE:
		case ENCODING_HEXTILE:
		case ENCODING_ZLIB:
		case ENCODING_TIGHT:
		case ENCODING_ULTRA:
		case ENCODING_ZRLE:
			/* The first is the one that the client likes best. */
			if (encodings->preferred == ENCODING_NONE)
				encodings->preferred = number;
			break;
		case PSEUDO_CURSOR:
			encodings->cursor = 1;
			break;
		case PSEUDO_NEW_SIZE:
			encodings->new_size = 1;
			break;
		case PSEUDO_EXTENDED_SIZE:
			encodings->new_size = encodings->extended_size = 1;
			break;
		case PSEUDO_LAST_RECTANGLE:
			encodings->last_rectangle = 1;
			break;
		case PSEUDO_EXTENDED_KEYS:
			encodings->extended_keys = 1;
			break;
		case PSEUDO_EXTENDED_BUTTONS:
			encodings->extended_buttons = 1;
			break;
		case PSEUDO_EXTENDED_CLIPBOARD:
			encodings->extended_clipboard = 1;
			break;
		case PSEUDO_QEMU_LEDS:
			encodings->leds = LEDS_QEMU;
			break;
		case PSEUDO_VMWARE_LEDS:
			if (encodings->leds == LEDS_NONE)
				encodings->leds = LEDS_VMWARE;
			break;
		default:
			if (number >= PSEUDO_LEVEL_0
			    && number <= PSEUDO_LEVEL_9)
				encodings->level = number - PSEUDO_LEVEL_0;
			/* Else it is not known, which is no fault. */
		}
	}
}

enum vnc_reason message_parse(const uint8_t *bytes, size_t size,
			      struct message *message)
{
	uint32_t length;

	memset(message, 0, sizeof(*message));
	switch (bytes[0]) {
	case SET_PIXEL_FORMAT:
		message->kind = MESSAGE_FORMAT;
		return parse_format(bytes, &message->format);
	case SET_ENCODINGS:
		message->kind = MESSAGE_ENCODINGS;
		parse_encodings(bytes, &message->encodings);
		return VNC_CLOSED;
	case UPDATE_REQUEST:
		message->kind = MESSAGE_REQUEST;
		message->request.incremental = bytes[1] != 0;
		message->request.x = get16(bytes + 2);
		message->request.y = get16(bytes + 4);
		message->request.width = get16(bytes + 6);
		message->request.height = get16(bytes + 8);
		return VNC_CLOSED;
	case KEY_EVENT:
		message->kind = MESSAGE_KEY;
		message->key.down = bytes[1] != 0;
		message->key.symbol = get32(bytes + 4);
		return VNC_CLOSED;
	case POINTER_EVENT:
		message->kind = MESSAGE_POINTER;
		message->pointer.buttons = bytes[1];
		if (size > POINTER_SIZE)
			message->pointer.buttons = (bytes[1] & ~MORE_BUTTONS)
				| bytes[POINTER_SIZE] << 7;
		message->pointer.x = get16(bytes + 2);
		message->pointer.y = get16(bytes + 4);
		return VNC_CLOSED;
	case CLIENT_CUT_TEXT:
		message->kind = MESSAGE_CUT_TEXT;
		length = get32(bytes + 4);
		message->text.extended = length > INT32_MAX;
		if (message->text.extended)
			length = -length;
		message->text.length = length;
		return length > CUT_TEXT_MAX ? VNC_CUT_TEXT : VNC_CLOSED;
	case SET_DESKTOP_SIZE:
		message->kind = MESSAGE_DESKTOP_SIZE;
		message->size.width = get16(bytes + 2);
		message->size.height = get16(bytes + 4);
		return VNC_CLOSED;
	case QEMU:
		message->kind = MESSAGE_KEY;
		message->key.down = get16(bytes + 2) != 0;
		message->key.symbol = get32(bytes + 4);
		message->key.number = get32(bytes + 8);
		return VNC_CLOSED;
	default:
		return VNC_NONSENSE;
	}
}

int message_clip(const struct message *request, int width, int height,
		 int *x1, int *y1, int *x2, int *y2)
{
	if (request->request.width == 0 || request->request.height == 0)
		return 0;
	*x1 = request->request.x < width ? request->request.x : width - 1;
	*y1 = request->request.y < height ? request->request.y : height - 1;
	*x2 = *x1 + request->request.width;
	*y2 = *y1 + request->request.height;
	if (*x2 > width)
		*x2 = width;
	if (*y2 > height)
		*y2 = height;
	return 1;
}
