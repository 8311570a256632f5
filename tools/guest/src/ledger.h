/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* What became of a typist's numbered keys; KeyLedger in ../protocol.py in C. */
#ifndef LEDGER_H
#define LEDGER_H

/* Keys that a run can count: 14 hours at one per 50 ms. */
#define LEDGER_KEYS (1L << 20)
#define LEDGER_PENDING 4096

struct ledger {
    int typist;
    long next, received, lost, duplicated, reordered, foreign;
    /* The lowest and the highest number that came, -1 at first. */
    long first, last;
    int pending_length;
    unsigned char pending[LEDGER_PENDING];
    unsigned char counts[LEDGER_KEYS];
};

void ledger_begin(struct ledger *ledger, int typist);
void ledger_feed(struct ledger *ledger, int value);
/* Place what is pending at the end of the stream. */
void ledger_finish(struct ledger *ledger);

#endif
