/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* The three helpers at a terminal: they read keys, print lines, or both at once.
 *
 *   dmore-count-in [--answer] [--to FILE] [--ledger FILE]
 *   dmore-print [--count LINES] [--seconds S] [--rate LINES_PER_SECOND]
 *   dmore-echo-print, with the options of both
 *
 * What READY and LEDGER lines say goes to the ledger's file, too: where keys are typed on
 * a screen, a serial line can tell what became of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "helpers.h"
#include "ledger.h"
#include "protocol.h"

/* Lines that are made ahead: more of them, and the answer to a key is late. */
#define BATCH 4
/* Answers that may wait while the terminal takes nothing. */
#define ANSWERS 65536

struct options {
    int print, answer;
    long count;
    double seconds, rate;
    const char *to, *ledger;
};

struct console {
    struct options options;
    int in, out, ledger;
    unsigned long lines, bytes;
    uint32_t crc;
    double begin;
    char buffer[BATCH * LINE_SPACE];
    int length, written;
    unsigned char answers[ANSWERS];
    unsigned long answered, asked;
    /* Of each typist. */
    unsigned long answered_to[KEY_TYPISTS];
    struct ledger ledgers[KEY_TYPISTS];
    long foreign;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Append to what is to be written; the checksum is over all of that. */
static void add(struct console *console, int length)
{
    console->crc = crc32_add(console->crc, console->buffer + console->length,
                             length);
    console->bytes += length;
    console->length += length;
}

static int lines_due(const struct console *console)
{
    double passed = now() - console->begin;

    if (!console->options.print)
        return 0;
    if (console->options.count && (long)console->lines >= console->options.count)
        return 0;
    return !console->options.rate
           || console->lines < passed * console->options.rate;
}

static void fill(struct console *console)
{
    console->length = console->written = 0;
    while (console->length < (BATCH - 1) * LINE_SPACE
           && console->answered < console->asked) {
        int value = console->answers[console->answered++ % ANSWERS];
        int typist = key_typist(value);
        add(console, format_answer(console->buffer + console->length, typist,
                                   console->answered_to[typist]++, value));
    }
    for (int i = 0; i < BATCH && lines_due(console); i++) {
        if (console->length > (BATCH - 1) * LINE_SPACE)
            return;
        add(console, format_line(console->buffer + console->length,
                                 console->lines));
        console->lines++;
    }
}

/* Write what the terminal takes now; 0 if it is gone. */
static int flush(struct console *console)
{
    ssize_t taken = write(console->out, console->buffer + console->written,
                          console->length - console->written);

    if (taken < 0)
        return errno == EAGAIN || errno == EINTR;
    console->written += taken;
    return 1;
}

static void flush_all(struct console *console)
{
    struct pollfd ready = {console->out, POLLOUT, 0};

    while (console->written < console->length && flush(console))
        poll(&ready, 1, -1);
    console->length = console->written = 0;
}

static int format_ledger(char *to, const struct ledger *ledger)
{
    return sprintf(
        to,
        "{\"received\": %ld, \"first\": %ld, \"last\": %ld, \"lost\": %ld, "
        "\"duplicated\": %ld, \"reordered\": %ld, \"foreign\": %ld, "
        "\"pending\": %d}",
        ledger->received, ledger->first, ledger->last, ledger->lost,
        ledger->duplicated, ledger->reordered, ledger->foreign,
        ledger->pending_length);
}

static void report(struct console *console)
{
    char *to = console->buffer;

    flush_all(console);
    while (console->answered < console->asked) {
        fill(console);
        flush_all(console);
    }
    to += sprintf(to, "LEDGER {\"lines\": %lu, \"bytes\": %lu, "
                      "\"crc32\": \"%08x\", \"foreign\": %ld, \"typists\": [",
                  console->lines, console->bytes, (unsigned)console->crc,
                  console->foreign);
    for (int typist = 0; typist < KEY_TYPISTS; typist++) {
        if (typist)
            to += sprintf(to, ", ");
        to += format_ledger(to, &console->ledgers[typist]);
    }
    to += sprintf(to, "]}\r\n");
    if (console->ledger >= 0)
        dprintf(console->ledger, "\r\n%s", console->buffer);
    add(console, to - console->buffer);
    flush_all(console);
}

/* Take what was typed; 0 when the program is to end. */
static int take_input(struct console *console)
{
    unsigned char typed[256];
    ssize_t length = read(console->in, typed, sizeof typed);

    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    for (ssize_t i = 0; i < length; i++) {
        if (typed[i] == KEY_STOP)
            return 0;
        if (typed[i] == KEY_ASK) {
            report(console);
            continue;
        }
        int typist = key_typist(typed[i]);
        if (typist < 0) {
            console->foreign++;
            continue;
        }
        ledger_feed(&console->ledgers[typist], typed[i]);
        if (console->options.answer
            && console->asked - console->answered < ANSWERS)
            console->answers[console->asked++ % ANSWERS] = typed[i];
    }
    if (!length && console->options.print && !isatty(console->in)) {
        /* Nobody can stop it from there; it ends by itself. */
        console->in = -1;
        return 1;
    }
    return length > 0;
}

static int over(const struct console *console)
{
    const struct options *options = &console->options;

    if (options->count && (long)console->lines >= options->count)
        return 1;
    return options->seconds && now() - console->begin >= options->seconds;
}

static void loop(struct console *console)
{
    for (;;) {
        if (console->written == console->length) {
            if (over(console))
                return;
            fill(console);
        }
        int waiting = console->written < console->length;
        struct pollfd ready[2] = {{console->in, POLLIN, 0},
                                  {console->out, waiting ? POLLOUT : 0, 0}};
        /* With a rate, the next line is due without any event. */
        poll(ready, 2, waiting || !console->options.print ? 1000 : 10);
        if (ready[0].revents && !take_input(console))
            return;
        if (ready[1].revents & (POLLOUT | POLLERR) && waiting
            && !flush(console))
            return;
    }
}

static int parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--answer")) {
            options->answer = 1;
            continue;
        }
        if (!value)
            return 0;
        if (!strcmp(argv[i], "--to"))
            options->to = value;
        else if (!strcmp(argv[i], "--ledger"))
            options->ledger = value;
        else if (!strcmp(argv[i], "--count"))
            options->count = atol(value);
        else if (!strcmp(argv[i], "--seconds"))
            options->seconds = atof(value);
        else if (!strcmp(argv[i], "--rate"))
            options->rate = atof(value);
        else
            return 0;
        i++;
    }
    return 1;
}

static struct termios *make_raw(int terminal, struct termios *saved)
{
    struct termios raw;

    if (tcgetattr(terminal, saved))
        return NULL;
    raw = *saved;
    cfmakeraw(&raw);
    tcsetattr(terminal, TCSANOW, &raw);
    return saved;
}

int console_main(int argc, char **argv, int reads, int prints)
{
    static struct console console;
    struct termios saved, saved_out, *in, *out;

    console.options.print = prints;
    console.options.answer = reads && prints;
    if (!parse(&console.options, argc, argv)) {
        fprintf(stderr, "usage: %s [--answer] [--to FILE] [--ledger FILE] "
                        "[--count LINES] [--seconds S] "
                        "[--rate LINES_PER_SECOND]\n", argv[0]);
        return 2;
    }
    console.in = STDIN_FILENO;
    console.out = STDOUT_FILENO;
    if (console.options.to
        && (console.out = open(console.options.to, O_WRONLY | O_NOCTTY)) < 0) {
        perror(console.options.to);
        return 1;
    }
    console.ledger = -1;
    if (console.options.ledger
        && (console.ledger = open(console.options.ledger,
                                  O_WRONLY | O_NOCTTY | O_APPEND)) < 0) {
        perror(console.options.ledger);
        return 1;
    }
    in = make_raw(console.in, &saved);
    out = console.options.to ? make_raw(console.out, &saved_out) : NULL;
    for (int typist = 0; typist < KEY_TYPISTS; typist++)
        ledger_begin(&console.ledgers[typist], typist);
    dprintf(console.out, "READY %s\r\n", argv[0]);
    if (console.ledger >= 0)
        dprintf(console.ledger, "\r\nREADY %s\r\n", argv[0]);
    fcntl(console.out, F_SETFL, fcntl(console.out, F_GETFL) | O_NONBLOCK);
    console.begin = now();
    loop(&console);
    for (int typist = 0; typist < KEY_TYPISTS; typist++)
        ledger_finish(&console.ledgers[typist]);
    report(&console);
    fcntl(console.out, F_SETFL, fcntl(console.out, F_GETFL) & ~O_NONBLOCK);
    if (in)
        tcsetattr(console.in, TCSADRAIN, in);
    if (out)
        tcsetattr(console.out, TCSADRAIN, out);
    return 0;
}
