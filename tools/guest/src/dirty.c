/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* dmore-dirty MIB PAGES_PER_10MS: keep writing to so much memory, page by page. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "helpers.h"

#define PAGE 4096

int dirty_main(int argc, char **argv)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    uint64_t value = 1;

    if (argc != 3 || atol(argv[1]) < 1 || atol(argv[2]) < 1) {
        fprintf(stderr, "usage: %s MIB PAGES_PER_10MS\n", argv[0]);
        return 2;
    }
    size_t size = (size_t)atol(argv[1]) << 20;
    long pages = atol(argv[2]);
    volatile char *memory = malloc(size);
    if (!memory) {
        perror("malloc");
        return 1;
    }
    /* Different everywhere, so that no page is sent as a page of zeros. */
    for (size_t at = 0; at < size; at += sizeof value)
        *(volatile uint64_t *)(memory + at) = at * 11400714819323198485ull;
    for (size_t at = 0;;) {
        for (long page = 0; page < pages; page++) {
            at = (at + PAGE) % size;
            *(volatile uint64_t *)(memory + at) = value++;
        }
        nanosleep(&pause, NULL);
    }
}
