/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * An update as it is written to a client: one message, whatever it is made of,
 * for a client may take the first one for all that it has asked for. The
 * library's own function would begin one for each part.
 */
#include <stdlib.h>
#include "internal.h"

/* Not known before it is encoded. */
#define UNKNOWN (-1)
#define FAILED (-1)
/* Rectangles of an update that a last one of no encoding ends. */
#define ENDLESS 0xffff
/* So many a picture has not: overlays have less than a thousand. */
#define RECTANGLES_END (ENDLESS - 1000)

typedef int (*do_piece)(rfbClientPtr client, int x, int y, int width,
			int height);

/* How many rectangles the encoder makes of one. */
static int count_piece(rfbClientPtr client, int x, int y, int width,
		       int height)
{
	int count;

	switch (client->preferredEncoding) {
	case ENCODING_CORRE:
		return ((width - 1) / client->correMaxWidth + 1)
			* ((height - 1) / client->correMaxHeight + 1);
	case ENCODING_ULTRA:
		return (height - 1) / (ULTRA_MAX_SIZE(width) / width) + 1;
	case ENCODING_ZLIB:
		return (height - 1) / (ZLIB_MAX_SIZE(width) / width) + 1;
	case ENCODING_TIGHT:
		count = rfbNumCodedRectsTight(client, x, y, width, height);
		return count > 0 ? count : UNKNOWN;
	default:
		return 1;
	}
}

typedef rfbBool (*encoder)(rfbClientPtr client, int x, int y, int width,
			   int height);

static encoder encoder_of(int encoding)
{
	switch (encoding) {
	case ENCODING_RRE:
		return rfbSendRectEncodingRRE;
	case ENCODING_CORRE:
		return rfbSendRectEncodingCoRRE;
	case ENCODING_HEXTILE:
		return rfbSendRectEncodingHextile;
	case ENCODING_ZLIB:
		return rfbSendRectEncodingZlib;
	case ENCODING_TIGHT:
		return rfbSendRectEncodingTight;
	case ENCODING_ULTRA:
		return rfbSendRectEncodingUltra;
	case ENCODING_ZRLE:
		return rfbSendRectEncodingZRLE;
	default:
		return rfbSendRectEncodingRaw;
	}
}

static int send_piece(rfbClientPtr client, int x, int y, int width, int height)
{
	encoder encode = encoder_of(client->preferredEncoding);

	return encode(client, x, y, width, height) ? 1 : FAILED;
}

/* Do something with a region, in pieces: the encoders of RRE and ZRLE keep all
 * that they make of a rectangle before they send it, and Domain R has not as
 * much memory. Returns the sum, or the first result that is negative.
 * freezes: no piece begins after a freeze; NULL: all do. */
static int do_pieces(struct session *session, sraRegionPtr region,
		     do_piece function, const uint32_t *freezes)
{
	sraRectangleIterator *iterator = sraRgnGetIterator(region);
	sraRect each;
	int y, width, rows, left, result, sum = 0;

	while (sum >= 0 && sraRgnIteratorNext(iterator, &each)) {
		width = each.x2 - each.x1;
		rows = SLICE_SIZE / (width * PIXEL_SIZE);
		if (rows == 0)
			rows = 1;
		for (y = each.y1; sum >= 0 && y < each.y2; y += rows) {
			if (freezes != NULL && *freezes
			    != atomic_load(session->server->freezes))
				break;
			left = each.y2 - y;
			result = function(session->client, each.x1, y, width,
					  left < rows ? left : rows);
			sum = result < 0 ? result : sum + result;
		}
	}
	sraRgnReleaseIterator(iterator);
	return sum;
}

/* How many rectangles an update has. If they are more than it can say, it
 * becomes one of fewer. */
static int count_rectangles(struct session *session, struct update *update)
{
	rfbClientPtr client = session->client;
	int count, index, sum = update->with_cursor;
	sraRegionPtr box;
	sraRect bounds;

	count = do_pieces(session, update->picture, count_piece, NULL);
	if (count < 0)
		return ENDLESS;
	if (sum + count >= RECTANGLES_END) {
		/* As much has to be sent, and what is between. */
		vnc_bound(&update->picture, 1);
		count = do_pieces(session, update->picture, count_piece,
				  NULL);
	}
	sum += count;
	for (index = 0; index < OVERLAYS; index++) {
		if (update->overlays[index].region == NULL)
			continue;
		count = do_pieces(session, update->overlays[index].region,
				  count_piece, NULL);
		if (count < 0)
			return ENDLESS;
		sum += count;
	}
	/* So that one that is large can be ended by a freeze. */
	box = sraRgnBBox(update->picture);
	if (client->enableLastRectEncoding && sraRgnPopRect(box, &bounds, 0)
	    && (bounds.x2 - bounds.x1) * (bounds.y2 - bounds.y1)
	    > SLICE_SIZE / PIXEL_SIZE)
		sum = ENDLESS;
	sraRgnDestroy(box);
	return sum;
}

/* The library finds pixels by their place on the screen, so the screen is made
 * to lie where those of an overlay are. */
static int send_overlay(struct session *session, const struct overlay *overlay)
{
	rfbScreenInfoPtr screen = session->screen;
	char *framebuffer = screen->frameBuffer;
	int result;

	screen->frameBuffer = overlay->pixels
		- (size_t)overlay->top * screen->paddedWidthInBytes;
	result = do_pieces(session, overlay->region, send_piece, NULL);
	screen->frameBuffer = framebuffer;
	return result;
}

int vnc_write_update(struct session *session, struct update *update)
{
	rfbClientPtr client = session->client;
	rfbFramebufferUpdateMsg *head = (void *)client->updateBuf;
	int count = count_rectangles(session, update), index;

	*head = (rfbFramebufferUpdateMsg) {
		.type = rfbFramebufferUpdate, .nRects = Swap16IfLE(count)};
	client->ublen = sz_rfbFramebufferUpdateMsg;
	if (update->with_cursor && !rfbSendCursorShape(client))
		return 0;
	if (do_pieces(session, update->picture, send_piece,
		      count == ENDLESS && update->with_pixels
		      ? &update->freezes : NULL) < 0)
		return 0;
	for (index = 0; index < OVERLAYS; index++)
		if (update->overlays[index].region != NULL
		    && send_overlay(session, &update->overlays[index]) < 0)
			return 0;
	if (count == ENDLESS && !rfbSendLastRectMarker(client))
		return 0;
	return rfbSendUpdateBuf(client);
}

void vnc_free_update(struct update *update)
{
	int index;

	sraRgnDestroy(update->picture);
	for (index = 0; index < OVERLAYS; index++)
		if (update->overlays[index].region != NULL)
			sraRgnDestroy(update->overlays[index].region);
}
