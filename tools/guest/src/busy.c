/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* dmore-busy FRAMES_PER_SECOND: a screen on which every character changes all the time.
 *
 * Debian's cloud kernel has no driver of a display with pixels, so this program sets the
 * mode of QEMU's standard VGA itself (docs/specs/standard-vga.txt) and writes to its
 * memory. Keys: 1 for 1024x768, 2 for 1920x1080, s to stop, g to go on. Text mode does
 * not come back.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "helpers.h"
#include "protocol.h"

/* The display of a "pc" machine with libvirt's or QEMU's own choice of slots. */
#define MEMORY "/sys/bus/pci/devices/0000:00:02.0/resource0"
#define MEMORY_SIZE (16 << 20)
#define PORT_INDEX 0x1ce
#define PORT_DATA 0x1cf
#define GLYPHS 64
#define GLYPH_WIDTH 8
#define GLYPH_HEIGHT 16

static uint32_t glyphs[GLYPHS][GLYPH_HEIGHT][GLYPH_WIDTH];

static void set(int index, int value)
{
    outw(index, PORT_INDEX);
    outw(value, PORT_DATA);
}

static void set_mode(int width, int height)
{
    set(4, 0);
    set(1, width);
    set(2, height);
    set(3, 32);
    set(4, 0x41);   /* enabled, with a linear framebuffer */
}

/* Strokes like those of letters, in eight colours on black. */
static void make_glyphs(void)
{
    uint32_t chance = 1;

    for (int glyph = 0; glyph < GLYPHS; glyph++) {
        uint32_t colour = (glyph & 1 ? 0xc0 : 0x40) | (glyph & 2 ? 0xc000 : 0x4000)
                          | (glyph & 4 ? 0xc00000 : 0x400000);
        unsigned bits = 0;
        for (int row = 2; row < GLYPH_HEIGHT - 3; row++) {
            if (row % 3 == 2) {
                chance = chance * 1664525 + 1013904223;
                bits = chance >> 24 & 0x7e;
            }
            for (int x = 0; x < GLYPH_WIDTH; x++)
                glyphs[glyph][row][x] = bits >> x & 1 ? colour : 0;
        }
    }
}

static void draw(uint32_t *memory, int width, int height, unsigned frame)
{
    for (int y = 0; y < height; y++) {
        unsigned row = y / GLYPH_HEIGHT;
        for (int column = 0; column < width / GLYPH_WIDTH; column++) {
            unsigned glyph = (row * 31 + column * 7 + (row * column >> 3) + frame)
                             % GLYPHS;
            memcpy(memory + (size_t)y * width + column * GLYPH_WIDTH,
                   glyphs[glyph][y % GLYPH_HEIGHT], GLYPH_WIDTH * 4);
        }
    }
}

static uint32_t *map_memory(void)
{
    int file = open(MEMORY, O_RDWR);
    void *memory = file < 0 ? MAP_FAILED
                            : mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, file, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int busy_main(int argc, char **argv)
{
    double period = argc == 2 && atof(argv[1]) > 0 ? 1 / atof(argv[1]) : 0;
    int width = 0, height = 0, going = 0;
    struct termios raw;
    uint32_t *memory;
    double due = now();

    if (!period) {
        fprintf(stderr, "usage: %s FRAMES_PER_SECOND\n", argv[0]);
        return 2;
    }
    if (iopl(3) || !(memory = map_memory())) {
        perror(argv[0]);
        return 1;
    }
    if (!tcgetattr(STDIN_FILENO, &raw)) {
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    make_glyphs();
    for (unsigned frame = 0;;) {
        struct pollfd ready = {STDIN_FILENO, POLLIN, 0};
        int wait = going ? (due - now()) * 1000 : -1;
        char key = 0;

        if (poll(&ready, 1, going && wait < 0 ? 0 : wait) > 0
            && read(STDIN_FILENO, &key, 1) != 1)
            return 0;
        if (key == KEY_STOP)
            return 0;
        if (key == '1' || key == '2') {
            width = key == '1' ? 1024 : 1920;
            height = key == '1' ? 768 : 1080;
            set_mode(width, height);
            draw(memory, width, height, frame);
            due = now();
        }
        if (key == 's' || (key == 'g' && width))
            going = key == 'g';
        if (!going || now() < due)
            continue;
        draw(memory, width, height, ++frame);
        due = due + period > now() ? due + period : now();
    }
}
