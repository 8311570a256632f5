/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The picture: what the agent tells, put where each session's thread finds it.
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

static struct session *from_session(struct vnc_server *server,
				    unsigned number)
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
	int asked = !sraRgnEmpty(session->client->requestedRegion)
		|| vnc_is_to_be_told(session);

	if (asked)
		pthread_cond_signal(&session->client->updateCond);
	pthread_mutex_unlock(&session->client->updateMutex);
	return from_session(server, session->number + 1);
}

rfbCursorPtr vnc_copy_cursor(rfbCursorPtr from)
{
	size_t pixels, mask;
	rfbCursorPtr cursor;

	if (from == NULL)
		return NULL;
	pixels = from->width * from->height * PIXEL_SIZE;
	mask = (from->width + 7) / 8 * from->height;
	cursor = malloc(sizeof(*cursor) + pixels + mask);
	if (cursor == NULL)
		return NULL;
	*cursor = *from;
	cursor->richSource = (unsigned char *)(cursor + 1);
	cursor->mask = cursor->richSource + pixels;
	memcpy(cursor->richSource, from->richSource, pixels);
	memcpy(cursor->mask, from->mask, mask);
	return cursor;
}

void vnc_bound(sraRegionPtr *region, unsigned long most)
{
	sraRegionPtr box;

	if (sraRgnCountRects(*region) <= most)
		return;
	box = sraRgnBBox(*region);
	sraRgnDestroy(*region);
	*region = box;
}

static void mark(struct session *session, int x, int y, int width, int height)
{
	sraRegionPtr region;

	if (width <= 0 || height <= 0)
		return;
	region = sraRgnCreateRect(x, y, x + width, y + height);
	sraRgnOr(session->client->modifiedRegion, region);
	sraRgnDestroy(region);
}

void vnc_mark_all(struct session *session)
{
	rfbScreenInfoPtr screen = session->screen;

	sraRgnMakeEmpty(session->client->modifiedRegion);
	mark(session, 0, 0, screen->width, screen->height);
}

void vnc_mark_pointer(struct session *session)
{
	if (session->draws_pointer)
		mark(session, session->pointer_x - session->hot_x,
		     session->pointer_y - session->hot_y,
		     session->cursor_width, session->cursor_height);
}

void vnc_bound_pointer(struct session *session)
{
	rfbCursorPtr cursor = session->server->cursor;

	session->hot_x = cursor ? cursor->xhot : 0;
	session->hot_y = cursor ? cursor->yhot : 0;
	session->cursor_width = cursor ? cursor->width : 0;
	session->cursor_height = cursor ? cursor->height : 0;
}

void vnc_control(struct vnc_server *server, unsigned number)
{
	atomic_store(&server->controls, number);
}

void vnc_moved(struct session *mover, int x, int y)
{
	struct vnc_server *server = mover->server;
	unsigned controls = atomic_load(&server->controls);

	if (controls != VNC_SESSIONS_MAX && controls != mover->number)
		return;
	atomic_store(&server->pointer_x, x);
	atomic_store(&server->pointer_y, y);
	if (atomic_load(&server->drawers) == 0)
		return;
	FOR_EACH(server, session) {
		vnc_mark_pointer(session);
		session->pointer_x = x;
		session->pointer_y = y;
		vnc_mark_pointer(session);
		vnc_bound(&session->client->modifiedRegion, MODIFIED_MAX);
	}
}

void vnc_open(struct vnc_server *server, uint32_t freezes, int everything)
{
	server->opened = freezes;
	server->closed = 0;
	FOR_EACH(server, session) {
		session->opened = freezes;
		session->closed = 0;
		if (everything)
			session->stale = 1;
	}
}

void vnc_size(struct vnc_server *server, uint32_t width, uint32_t height)
{
	if (width > UINT16_MAX || height > UINT16_MAX)
		width = height = 0;
	if (width > 0 && (size_t)width * height * PIXEL_SIZE > server->size)
		height = server->size / PIXEL_SIZE / width;
	if (width == 0 || height == 0)
		width = height = 0;
	server->width = width;
	server->height = height;
	FOR_EACH(server, session) {
		session->width = width;
		session->height = height;
		session->has_picture = width > 0;
		/* Be it of the size of the blank one. */
		session->stale = 1;
	}
}

void vnc_leds(struct vnc_server *server, uint32_t leds)
{
	server->leds = leds & 7;
	FOR_EACH(server, session)
		session->leds = server->leds;
}

void vnc_answer_size(struct vnc_server *server, unsigned number, int answer)
{
	FOR_EACH(server, session)
		if (session->number == number)
			session->size_answer = answer;
}

void vnc_drawn(struct vnc_server *server, uint32_t banner_width,
	       uint32_t banner_left)
{
	server->banner_width = banner_width;
	server->banner_left = banner_left;
	FOR_EACH(server, session) {
		session->banner_width = banner_width;
		session->banner_left = banner_left;
		if (session->shows_blank)
			session->stale = 1;
		else
			mark(session, 0, 0, session->width, VNC_BANNER_ROWS);
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
		vnc_mark_pointer(session);
		vnc_bound_pointer(session);
		vnc_mark_pointer(session);
	}
}

void vnc_damage(struct vnc_server *server, uint32_t serial,
		const uint16_t *rectangles, int count)
{
	const uint16_t *each;
	int number, taken = 0;

	server->posted = serial;
	FOR_EACH(server, session) {
		session->posted = serial;
		if (count < 0)
			session->stale = 1;
		for (number = 0; number < count; number++) {
			each = rectangles + 4 * number;
			mark(session, each[0], each[1], each[2], each[3]);
		}
		vnc_bound(&session->client->modifiedRegion, MODIFIED_MAX);
		/* Nothing to send: there is nothing to wait for. */
		if (!session->stale
		    && sraRgnEmpty(session->client->modifiedRegion))
			taken = 1;
	}
	if (taken)
		vnc_tell_taken(server, serial);
}
