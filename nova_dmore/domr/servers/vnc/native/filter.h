/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the process may still ask of the kernel once it serves.
 */
#ifndef FILTER_H
#define FILTER_H

/* No new privileges, and no system calls but those that are needed, for all
 * threads from now on; another one ends the process. NULL, or why not. */
const char *filter_system_calls(void);

#endif
