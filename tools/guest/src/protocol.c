/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "protocol.h"

#include <stdio.h>
#include <string.h>

static const char *const alphabets[KEY_TYPISTS] = {
    "abcdefghijklmnopqrstuvwxyz0123456789-=[];',./\\`",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ)!@#$%^&*(_+{}:\"<>?|~",
};

uint32_t crc32_add(uint32_t crc, const void *data, size_t length)
{
    static uint32_t table[256];
    const unsigned char *byte = data;

    if (!table[1])
        for (uint32_t n = 0; n < 256; n++) {
            uint32_t value = n;
            for (int bit = 0; bit < 8; bit++)
                value = value & 1 ? 0xedb88320u ^ value >> 1 : value >> 1;
            table[n] = value;
        }
    crc = ~crc;
    while (length--)
        crc = table[(crc ^ *byte++) & 0xff] ^ crc >> 8;
    return ~crc;
}

int key_value(int typist, long number)
{
    long block = number / KEY_PRIME % KEY_BLOCKS;

    return alphabets[typist][number % KEY_PRIME * (block + 1) % KEY_PRIME];
}

int key_typist(int value)
{
    for (int typist = 0; typist < KEY_TYPISTS; typist++)
        if (value && strchr(alphabets[typist], value))
            return typist;
    return -1;
}

int format_line(char *to, unsigned long number)
{
    int head = sprintf(to, "L %08lu", number);

    return head + sprintf(to + head,
                          " %08x abcdefghijklmnopqrstuvwxyz0123456789\r\n",
                          (unsigned)crc32_add(0, to, head));
}

int format_answer(char *to, int typist, unsigned long count, int value)
{
    return sprintf(to, "K %d %08lu %c\r\n", typist, count, value);
}
