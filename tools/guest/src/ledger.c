/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger.h"

#include <string.h>

#include "protocol.h"

void ledger_begin(struct ledger *ledger, int typist)
{
    memset(ledger, 0, sizeof *ledger);
    ledger->typist = typist;
    ledger->first = ledger->last = -1;
}

static void take(struct ledger *ledger, long number)
{
    if (number >= LEDGER_KEYS) {
        ledger->foreign++;
        return;
    }
    if (ledger->counts[number]) {
        ledger->duplicated++;
    } else if (number > ledger->last) {
        ledger->lost += number - ledger->last - 1;
        ledger->last = number;
    } else {
        ledger->reordered++;
        ledger->lost--;
    }
    if (ledger->counts[number] < 255)
        ledger->counts[number]++;
    if (ledger->first < 0 || number < ledger->first)
        ledger->first = number;
}

static int follows(const struct ledger *ledger, long number,
                   const unsigned char *values, int length)
{
    if (number < 0)
        return 0;
    for (int i = 0; i < length; i++)
        if (values[i] != key_value(ledger->typist, number + i))
            return 0;
    return 1;
}

static long nearest(const struct ledger *ledger, int length)
{
    const unsigned char *values =
        ledger->pending + ledger->pending_length - length;

    for (long distance = 0; distance <= KEY_PERIOD / 2; distance++) {
        if (follows(ledger, ledger->next + distance, values, length))
            return ledger->next + distance;
        if (follows(ledger, ledger->next - distance, values, length))
            return ledger->next - distance;
    }
    return -1;
}

static int counted(const struct ledger *ledger, long number)
{
    return number < LEDGER_KEYS && ledger->counts[number];
}

static long stray(const struct ledger *ledger, int value, long place, long end)
{
    long lowest = ledger->next - KEY_PRIME;

    for (long number = place; number < end; number++)
        if (!counted(ledger, number)
            && key_value(ledger->typist, number) == value)
            return number;
    for (long number = (place > end ? place : end) - 1;
         number >= (lowest > 0 ? lowest : 0); number--)
        if (key_value(ledger->typist, number) == value)
            return number;
    return -1;
}

static void resolve(struct ledger *ledger, long number, int length)
{
    int strays = ledger->pending_length - length;
    long place = ledger->next < number ? ledger->next : number;

    for (int i = 0; i < strays; i++) {
        long found = stray(ledger, ledger->pending[i], place, number);
        if (found < 0) {
            ledger->foreign++;
            continue;
        }
        take(ledger, found);
        if (found >= place)
            place = found + 1;
    }
    for (int i = 0; i < length; i++)
        take(ledger, number + i);
    ledger->next = number + length;
    ledger->pending_length = 0;
}

void ledger_feed(struct ledger *ledger, int value)
{
    long found;

    ledger->received++;
    if (!ledger->pending_length
        && value == key_value(ledger->typist, ledger->next)) {
        take(ledger, ledger->next++);
        return;
    }
    if (ledger->pending_length == LEDGER_PENDING) {
        /* Nothing in it made sense: forget the oldest. */
        memmove(ledger->pending, ledger->pending + 1, LEDGER_PENDING - 1);
        ledger->pending_length--;
        ledger->foreign++;
    }
    ledger->pending[ledger->pending_length++] = value;
    if (ledger->pending_length >= 3 && (found = nearest(ledger, 3)) >= 0)
        resolve(ledger, found, 3);
}

void ledger_finish(struct ledger *ledger)
{
    int length = ledger->pending_length < 3 ? ledger->pending_length : 3;

    for (; length > 0; length--) {
        long found = nearest(ledger, length);
        if (found >= 0) {
            resolve(ledger, found, length);
            return;
        }
    }
    ledger->foreign += ledger->pending_length;
    ledger->pending_length = 0;
}
