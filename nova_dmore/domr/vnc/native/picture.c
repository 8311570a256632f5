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
 * The picture: what Python tells, put where each session's thread finds it.
 */
#include <stdlib.h>
#include <string.h>
#include "internal.h"

/* The library sends shapes that fit into its buffer with their mask. */
#define CURSOR_BYTES_MAX (UPDATE_BUF_SIZE - 64)

/* Every session with a client, one after the other, its updateMutex held. */
#define FOR_EACH(server, session)					\
	for (struct session *session = first_session(server); session;	\
	     session = next_session(server, session))

static struct session *from_session(struct vnc_server *server, int number)
{
	struct session *session;

	for (; number < VNC_SESSIONS_MAX; number++) {
		session = &server->sessions[number];
		if (session->client != NULL) {
			pthread_mutex_lock(&session->client->updateMutex);
			return session;
		}
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static struct session *first_session(struct vnc_server *server)
{
	pthread_mutex_lock(&server->lock);
	return from_session(server, 0);
}

static struct session *next_session(struct vnc_server *server,
				    struct session *session)
{
	int asked = !sraRgnEmpty(session->client->requestedRegion);

	pthread_mutex_unlock(&session->client->updateMutex);
	if (asked)
		pthread_cond_signal(&session->client->updateCond);
	return from_session(server, session->number + 1);
}

static void mark(struct session *session, int x, int y, int width, int height)
{
	sraRegionPtr region = sraRgnCreateRect(x, y, x + width, y + height);

	sraRgnOr(session->client->modifiedRegion, region);
	sraRgnDestroy(region);
}

static void mark_all(struct session *session)
{
	mark(session, 0, 0, session->width, session->height);
}

void vnc_freeze(struct vnc_server *server, int everything)
{
	server->frozen = 1;
	FOR_EACH(server, session) {
		session->frozen = 1;
		if (session->sending || everything)
			session->stale = 1;
	}
}

void vnc_open(struct vnc_server *server)
{
	server->frozen = 0;
	FOR_EACH(server, session) {
		session->frozen = 0;
		if (session->stale)
			mark_all(session);
		session->stale = 0;
	}
}

void vnc_size(struct vnc_server *server, int width, int height)
{
	if (width > 0 && (size_t)width * height * PIXEL_SIZE > server->size)
		height = server->size / PIXEL_SIZE / width;
	if (width <= 0 || height <= 0)
		width = height = 0;
	server->width = width;
	server->height = height;
	FOR_EACH(server, session) {
		session->width = width;
		session->height = height;
		session->has_picture = width > 0;
	}
}

void vnc_cursor(struct vnc_server *server, int width, int height, int hot_x,
		int hot_y, const uint8_t *pixels)
{
	rfbCursor cursor = {.width = width, .xhot = hot_x, .yhot = hot_y};
	uint8_t *mask;
	int x, y, stride = (width + 7) / 8;

	free(server->cursor);
	server->cursor = NULL;
	if (width > 0 && height > 0) {
		/* One that is too large is cut at its bottom. */
		if (height > CURSOR_BYTES_MAX / (width * PIXEL_SIZE + stride))
			height = CURSOR_BYTES_MAX
				/ (width * PIXEL_SIZE + stride);
		cursor.height = height;
		mask = calloc(height, stride);
		if (mask == NULL)
			return;
		for (y = 0; y < height; y++)
			for (x = 0; x < width; x++)
				if (pixels[(y * width + x) * PIXEL_SIZE + 3])
					mask[y * stride + x / 8] |=
						0x80 >> x % 8;
		cursor.mask = mask;
		cursor.richSource = (unsigned char *)pixels;
		server->cursor = vnc_copy_cursor(&cursor);
		free(mask);
	}
	FOR_EACH(server, session) {
		free(session->next_cursor);
		session->next_cursor = vnc_copy_cursor(server->cursor);
		session->cursor_changed = 1;
	}
}

void vnc_damage(struct vnc_server *server, const uint16_t *rectangles,
		int count)
{
	const uint16_t *each;
	int number;

	FOR_EACH(server, session) {
		session->posted++;
		if (count < 0)
			mark_all(session);
		for (number = 0; number < count; number++) {
			each = rectangles + 4 * number;
			mark(session, each[0], each[1], each[2], each[3]);
		}
	}
}

int vnc_taken(struct vnc_server *server)
{
	int any = 0, taken = 0;

	FOR_EACH(server, session) {
		any = 1;
		if (session->taken == session->posted
		    || sraRgnEmpty(session->client->modifiedRegion))
			taken = 1;
	}
	return taken || !any;
}

void vnc_encrypt(uint8_t *challenge, const char *password)
{
	rfbEncryptBytes(challenge, (char *)password);
}
