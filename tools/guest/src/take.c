/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* dmore-take: pass on what is typed or pasted, as it is, until KEY_STOP.
 *
 * What a serial line has no room for any more the kernel of the guest drops, whoever sent
 * it: that is told as well, so that nobody else is blamed for it.
 */
#include <errno.h>
#include <linux/serial.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "helpers.h"
#include "protocol.h"

#define SPACE 4096

/* Bytes that the terminal's driver has dropped so far, as it tells; -1: not a driver that
 * does. */
static long dropped(void)
{
    struct serial_icounter_struct count;

    if (ioctl(STDIN_FILENO, TIOCGICOUNT, &count))
        return -1;
    return (long)count.overrun + count.buf_overrun;
}

static int pass_on(const char *data, ssize_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, data, length);
        if (written < 0 && errno != EINTR)
            return 0;
        if (written > 0) {
            data += written;
            length -= written;
        }
    }
    return 1;
}

int take_main(void)
{
    struct termios saved, raw;
    int terminal = !tcgetattr(STDIN_FILENO, &saved);
    long before = dropped();
    unsigned long bytes = 0;
    char data[SPACE], *end = NULL;

    if (terminal) {
        raw = saved;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fprintf(stderr, "READY dmore-take\r\n");
    while (!end) {
        ssize_t length = read(STDIN_FILENO, data, sizeof data);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            break;
        end = memchr(data, KEY_STOP, length);
        if (end)
            length = end - data;
        if (!pass_on(data, length))
            break;
        bytes += length;
    }
    fprintf(stderr, "TAKEN %lu %ld\r\n", bytes, before < 0 ? -1 : dropped() - before);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    return 0;
}
