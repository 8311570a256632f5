/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What lies over the picture: a banner, and the guest's pointer for a client
 * that draws none. Neither is written into the frame buffer, which others see,
 * too: what of an update touches one is taken from other pixels.
 */
#include <stdlib.h>
#include <string.h>
#include "internal.h"

/* Let a rectangle of a region be an overlay's; what of it is outside the
 * region is not sent. client->updateMutex is held. */
static void claim(struct overlay *overlay, sraRegionPtr region, int x1,
		  int y1, int x2, int y2)
{
	overlay->region = sraRgnCreateRect(x1, y1, x2, y2);
	if (sraRgnAnd(overlay->region, region)) {
		sraRgnSubtract(region, overlay->region);
	} else {
		sraRgnDestroy(overlay->region);
		overlay->region = NULL;
	}
}

static void claim_banner(struct session *session, sraRegionPtr region,
			 struct overlay *overlay)
{
	rfbScreenInfoPtr screen = session->screen;

	if (session->banner_width != screen->width
	    || screen->height < VNC_BANNER_ROWS)
		return;
	overlay->pixels = session->server->banner;
	claim(overlay, region, session->banner_left, 0, screen->width,
	      VNC_BANNER_ROWS);
}

/* The picture's pixels under the pointer, and the pointer over them, in rows
 * as long as those of the picture. */
static char *compose(struct session *session, int x1, int y1, int x2, int y2,
		     int left, int top)
{
	size_t stride = session->screen->paddedWidthInBytes;
	rfbCursorPtr cursor = session->cursor;
	int mask_stride = (cursor->width + 7) / 8, x, y, column;
	char *pixels = realloc(session->composed, stride * (y2 - y1));
	char *row;

	if (pixels == NULL)
		return NULL;
	session->composed = pixels;
	for (y = y1; y < y2; y++) {
		row = pixels + stride * (y - y1);
		memcpy(row + x1 * PIXEL_SIZE, session->server->framebuffer
		       + stride * y + x1 * PIXEL_SIZE,
		       (x2 - x1) * PIXEL_SIZE);
		for (x = x1; x < x2; x++) {
			column = x - left;
			if (cursor->mask[(y - top) * mask_stride + column / 8]
			    & 0x80 >> column % 8)
				memcpy(row + x * PIXEL_SIZE,
				       cursor->richSource
				       + ((y - top) * cursor->width + column)
				       * PIXEL_SIZE, PIXEL_SIZE);
		}
	}
	return pixels;
}

static void claim_pointer(struct session *session, sraRegionPtr region,
			  struct overlay *overlay)
{
	rfbScreenInfoPtr screen = session->screen;
	rfbCursorPtr cursor = session->cursor;
	int left, top, x1, y1, x2, y2;

	if (!session->draws_pointer || cursor == NULL)
		return;
	left = session->pointer_x - cursor->xhot;
	top = session->pointer_y - cursor->yhot;
	x1 = left > 0 ? left : 0;
	y1 = top > 0 ? top : 0;
	x2 = left + cursor->width;
	y2 = top + cursor->height;
	if (x2 > screen->width)
		x2 = screen->width;
	if (y2 > screen->height)
		y2 = screen->height;
	if (x1 >= x2 || y1 >= y2)
		return;
	overlay->top = y1;
	claim(overlay, region, x1, y1, x2, y2);
	if (overlay->region == NULL)
		return;		/* most updates do not touch it */
	overlay->pixels = compose(session, x1, y1, x2, y2, left, top);
	if (overlay->pixels == NULL) {
		/* No memory: the picture alone. */
		sraRgnOr(region, overlay->region);
		sraRgnDestroy(overlay->region);
		overlay->region = NULL;
	}
}

void vnc_claim_overlays(struct session *session, sraRegionPtr region,
			struct overlay overlays[OVERLAYS])
{
	if (session->shows_blank)
		return;
	claim_banner(session, region, &overlays[0]);
	claim_pointer(session, region, &overlays[1]);
}
