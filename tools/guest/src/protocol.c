#include "protocol.h"

#include <stdio.h>

static const char alphabet[] =
    "abcdefghijklmnopqrstuvwxyz0123456789-=[];',./\\`";

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

int key_value(long number)
{
    long block = number / KEY_PRIME % KEY_BLOCKS;

    return alphabet[number % KEY_PRIME * (block + 1) % KEY_PRIME];
}

int format_line(char *to, unsigned long number)
{
    int head = sprintf(to, "L %08lu", number);

    return head + sprintf(to + head,
                          " %08x abcdefghijklmnopqrstuvwxyz0123456789\r\n",
                          (unsigned)crc32_add(0, to, head));
}

int format_answer(char *to, unsigned long count, int value)
{
    return sprintf(to, "K %08lu %c\r\n", count, value);
}
