/*
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef HELPERS_H
#define HELPERS_H

int busy_main(int argc, char **argv);
int console_main(int argc, char **argv, int reads, int prints);
int dirty_main(int argc, char **argv);
int screen_main(void);
int switch_main(void);
int take_main(void);

#endif
