/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* The stream of keys and lines; ../protocol.py explains it, and a test holds the
 * two together. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define KEY_TYPISTS 2
#define KEY_PRIME 47
#define KEY_BLOCKS (KEY_PRIME - 1)
#define KEY_PERIOD (KEY_PRIME * KEY_BLOCKS)
#define KEY_ASK 0x05
#define KEY_STOP 0x04
/* Of the screen, see ../protocol.py. Rows are counted from 1. */
#define SCREEN_RULER "0123456789abcdef"
#define SCREEN_NEXT_ROW 2
#define SCREEN_LEDGER_ROW 3
#define SCREEN_ECHO_ROW 5
/* Enough for any line that a helper prints. */
#define LINE_SPACE 256

uint32_t crc32_add(uint32_t crc, const void *data, size_t length);
/* The byte of a typist's numbered key. */
int key_value(int typist, long number);
/* Whose key a byte is; -1 if it is nobody's. */
int key_typist(int value);
/* Write a numbered line, or the answer to a key; return its length. */
int format_line(char *to, unsigned long number);
int format_answer(char *to, int typist, unsigned long count, int value);

#endif
