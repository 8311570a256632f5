/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* dmore-screen: at a screen, read the first typist's keys and show what became of
 * them, so that a client finds it in the picture. "Screen" in ../protocol.py says how.
 */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "helpers.h"
#include "ledger.h"
#include "protocol.h"

#define SPACE 4096
/* Keys in a row of the echo: with a full row, the place to go on would be lost when
 * the cursor goes to another row and back. */
#define ECHO_WIDTH 72

struct screen {
    struct ledger ledger;
    long foreign, asked, echoed;
    /* What is to be written. */
    char buffer[SPACE];
    int length;
};

static void flush(struct screen *screen)
{
    int written = 0;

    while (written < screen->length) {
        ssize_t taken = write(STDOUT_FILENO, screen->buffer + written,
                              screen->length - written);
        if (taken <= 0)
            break;
        written += taken;
    }
    screen->length = 0;
}

/* Add a row of numbers with their checksum, for a place that is not the cursor's. */
static void add_row(struct screen *screen, int row, const long *numbers,
                    int count)
{
    char *start, *to = screen->buffer + screen->length;

    to += sprintf(to, "\0337\033[%d;1H", row);
    start = to;
    for (int i = 0; i < count; i++)
        to += sprintf(to, "%08lx ", numbers[i] & 0xffffffff);
    to += sprintf(to, "%08x\0338",
                  (unsigned)crc32_add(row, start, to - start));
    screen->length = to - screen->buffer;
}

static void show_next(struct screen *screen)
{
    add_row(screen, SCREEN_NEXT_ROW, &screen->ledger.next, 1);
}

static void show_ledger(struct screen *screen)
{
    const struct ledger *ledger = &screen->ledger;
    const long numbers[] = {
        ++screen->asked, ledger->next, ledger->received, ledger->lost,
        ledger->duplicated, ledger->reordered,
        ledger->foreign + screen->foreign};

    add_row(screen, SCREEN_LEDGER_ROW, numbers,
            sizeof numbers / sizeof *numbers);
}

/* Take one key; 0 when the program is to end. */
static int take(struct screen *screen, int value)
{
    if (value == KEY_STOP)
        return 0;
    if (value == KEY_ASK) {
        show_ledger(screen);
        return 1;
    }
    if (key_typist(value) != 0) {
        screen->foreign++;
        return 1;
    }
    ledger_feed(&screen->ledger, value);
    if (screen->echoed && screen->echoed % ECHO_WIDTH == 0)
        screen->length += sprintf(screen->buffer + screen->length, "\r\n");
    screen->buffer[screen->length++] = value;
    screen->echoed++;
    show_next(screen);
    return 1;
}

int screen_main(void)
{
    static struct screen screen;
    struct termios saved, raw;
    unsigned char typed[16];
    int terminal = !tcgetattr(STDIN_FILENO, &saved), going = 1;

    if (terminal) {
        raw = saved;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    ledger_begin(&screen.ledger, 0);
    /* A cursor that blinks would be in some of the pictures that are compared. */
    screen.length = sprintf(screen.buffer,
                            "\033[2J\033[?25l\033[1;1H" SCREEN_RULER
                            "  dmore-screen\033[%d;r\033[%d;1H",
                            SCREEN_ECHO_ROW, SCREEN_ECHO_ROW);
    show_next(&screen);
    flush(&screen);
    while (going) {
        ssize_t length = read(STDIN_FILENO, typed, sizeof typed);
        if (length <= 0)
            break;
        for (ssize_t i = 0; i < length && going; i++)
            going = take(&screen, typed[i]);
        flush(&screen);
    }
    ledger_finish(&screen.ledger);
    show_ledger(&screen);
    screen.length += sprintf(screen.buffer + screen.length,
                             "\033[r\033[?25h\033[%d;1H\033[J",
                             SCREEN_ECHO_ROW);
    flush(&screen);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    return 0;
}
