/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A VNC client for tests, around libvncclient: keeps the picture, and writes
 * it to standard output (width, height, 32-bit pixels) for each byte read.
 *
 * usage: vnc_client PORT ENCODINGS QUALITY COMPRESSION
 */
#include <poll.h>
#include <rfb/rfbclient.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_all(const void *data, size_t length)
{
	ssize_t done;

	for (; length > 0; length -= done, data = (const char *)data + done)
		if ((done = write(STDOUT_FILENO, data, length)) < 0)
			exit(1);
}

static rfbBool resize(rfbClient *client)
{
	free(client->frameBuffer);
	client->frameBuffer = calloc(client->width * client->height, 4);
	return client->frameBuffer != NULL;
}

int main(int argc, char **argv)
{
	rfbClient *client = rfbGetClient(8, 3, 4);
	struct pollfd ready[2] = {{.fd = STDIN_FILENO, .events = POLLIN}};
	int32_t size[2];
	char byte;

	rfbEnableClientLogging = FALSE;
	client->serverHost = strdup("127.0.0.1");
	client->serverPort = atoi(argv[1]);
	client->MallocFrameBuffer = resize;
	client->canHandleNewFBSize = TRUE;
	client->appData.encodingsString = argv[2];
	client->appData.qualityLevel = atoi(argv[3]);
	client->appData.enableJPEG = client->appData.qualityLevel > 0;
	client->appData.compressLevel = atoi(argv[4]);
	client->format.redShift = 16;
	client->format.greenShift = 8;
	client->format.blueShift = 0;
	if (!rfbInitClient(client, NULL, NULL))
		return 1;
	ready[1] = (struct pollfd) {.fd = client->sock, .events = POLLIN};
	while (poll(ready, 2, client->buffered > 0 ? 0 : -1) >= 0) {
		if ((ready[1].revents || client->buffered > 0)
		    && !HandleRFBServerMessage(client))
			return 1;
		if (ready[0].revents) {
			if (read(STDIN_FILENO, &byte, 1) != 1)
				return 0;
			size[0] = client->width;
			size[1] = client->height;
			write_all(size, sizeof(size));
			write_all(client->frameBuffer,
				  client->width * client->height * 4);
		}
	}
	return 1;
}
