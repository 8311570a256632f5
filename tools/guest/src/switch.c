/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* dmore-switch: a process that wakes 500 times a second and does nothing.
 *
 * QEMU 7.2 under TCG clears the dirty bits of the guest's memory in a migration without
 * telling the emulated CPU's TLB; what is written through a stale entry is not sent, and
 * the guest's kernel is corrupted (fixed upstream for 9.0: "physmem: Fix migration dirty
 * bitmap coherency with TCG memory access"). A change of the address space empties the
 * TLB. A guest with a usual number of processes changes it all the time; one in which a
 * single program prints without a pause hardly ever does, and this makes up for it.
 */
#include <time.h>

#include "helpers.h"

int switch_main(void)
{
    const struct timespec pause = {0, 2 * 1000 * 1000};

    for (;;)
        nanosleep(&pause, NULL);
}
