/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts of a client's clipboard: passed on, or thrown away.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "clipboard.h"
#include "internal.h"

/* Some of the next bytes of a message that has so many left; 0: there will be
 * none. */
static size_t take_some(struct session *session, struct input *input,
			size_t left, const uint8_t **bytes)
{
	size_t part;

	if (input->start == input->end)
		input->start = input->end = 0;
	if (!vnc_fill(session, input, 1, 1))
		return 0;
	part = input->end - input->start;
	if (part > left)
		part = left;
	*bytes = input->bytes + input->start;
	input->start += part;
	return part;
}

static int skip(struct session *session, struct input *input, size_t length)
{
	const uint8_t *bytes;
	size_t part;

	for (; length > 0; length -= part) {
		part = take_some(session, input, length, &bytes);
		if (part == 0)
			return 0;
	}
	return 1;
}

/* Pass a text on; one of no characters takes the place of the one before, too.
 */
static void push_text(struct session *session, const uint32_t *characters,
		      size_t count)
{
	uint32_t four[VNC_TEXT_CHARACTERS];
	size_t part, done = 0;

	do {
		part = count - done < VNC_TEXT_CHARACTERS ? count - done
			: VNC_TEXT_CHARACTERS;
		memset(four, 0, sizeof(four));
		if (part > 0)
			memcpy(four, characters + done, part * sizeof(*four));
		done += part;
		vnc_input_event(session, (struct vnc_event) {
			.kind = VNC_TEXT, .state = part
			| (count > done ? VNC_TEXT_GOES_ON : 0),
			.first = four[0], .second = four[1],
			.width = four[2], .height = four[3]});
	} while (count > done);
}

/* Take a text in Latin-1. */
static int take_latin(struct session *session, struct input *input,
		      size_t length)
{
	uint32_t *characters = malloc(length * sizeof(*characters) + 1);
	const uint8_t *bytes;
	size_t done, part, index;

	if (characters == NULL) {
		vnc_stop(session, VNC_NO_MEMORY);
		return 0;
	}
	for (done = 0; done < length; done += part) {
		part = take_some(session, input, length - done, &bytes);
		if (part == 0)
			break;
		for (index = 0; index < part; index++)
			characters[done + index] = bytes[index];
	}
	if (done == length)
		push_text(session, characters, length);
	free(characters);
	return done == length;
}

/* A message of the extended clipboard: a word, and the largest text that is
 * wanted unasked if it is about that. */
static int send_clipboard(rfbClientPtr client, uint32_t word)
{
	uint32_t size = word & CLIPBOARD_CAPS ? 8 : 4;
	uint32_t message[4] = {htonl(3u << 24), htonl(-size), htonl(word), 0};

	return rfbWriteExact(client, (const char *)message, 8 + size) > 0;
}

int vnc_offer_clipboard(rfbClientPtr client)
{
	return send_clipboard(client, CLIPBOARD_CAPS | CLIPBOARD_NOTIFY
			      | CLIPBOARD_PROVIDE | CLIPBOARD_TEXT);
}

/* Take the text that a client provides. */
static int take_provided(struct session *session, struct input *input,
			 size_t length)
{
	struct clipboard *clipboard = clipboard_new();
	uint32_t *characters = malloc(VNC_TEXT_MAX * sizeof(*characters));
	const uint8_t *bytes;
	size_t part = 1;

	if (clipboard == NULL || characters == NULL)
		vnc_stop(session, VNC_NO_MEMORY);
	else
		for (; length > 0; length -= part) {
			part = take_some(session, input, length, &bytes);
			if (part == 0)
				break;
			clipboard_feed(clipboard, bytes, part);
		}
	if (length == 0)
		push_text(session, characters,
			  clipboard_text(clipboard, characters));
	free(characters);
	if (clipboard != NULL)
		clipboard_free(clipboard);
	return length == 0;
}

/* Take a message of the extended clipboard. */
static int take_extended(struct session *session, struct input *input,
			 size_t length)
{
	uint32_t word;
	int good = 1;

	if (!vnc_fill(session, input, sizeof(word), 1))
		return 0;
	memcpy(&word, input->bytes + input->start, sizeof(word));
	word = ntohl(word);
	input->start += sizeof(word);
	length -= sizeof(word);
	if (word & CLIPBOARD_TEXT && word & CLIPBOARD_PROVIDE && length > 0)
		return take_provided(session, input, length);
	if (word & CLIPBOARD_TEXT && word & CLIPBOARD_NOTIFY) {
		if (!vnc_take_turn(session))
			return 0;
		good = send_clipboard(session->client,
				      CLIPBOARD_REQUEST | CLIPBOARD_TEXT);
		pthread_mutex_unlock(&session->busy);
	}
	return good && skip(session, input, length);
}

int vnc_take_text(struct session *session, struct input *input,
		  const struct message *message)
{
	size_t length = message->text.length;

	if (!session->view_only && message->text.extended
	    && session->extended_clipboard && length >= sizeof(uint32_t))
		return take_extended(session, input, length);
	if (!session->view_only && !message->text.extended) {
		if (length <= VNC_TEXT_MAX)
			return take_latin(session, input, length);
		push_text(session, NULL, 0);
	}
	return skip(session, input, length);
}
