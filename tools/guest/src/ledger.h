/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
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
