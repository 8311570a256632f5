/*
 * SPDX-License-Identifier: Apache-2.0
 */
/* One program under several names, since each static one is 700 KB. */
#include <stdio.h>
#include <string.h>

#include "helpers.h"

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    char *name = slash ? (char *)slash + 1 : argv[0];

    argv[0] = name;
    if (!strcmp(name, "dmore-count-in"))
        return console_main(argc, argv, 1, 0);
    if (!strcmp(name, "dmore-print"))
        return console_main(argc, argv, 0, 1);
    if (!strcmp(name, "dmore-echo-print"))
        return console_main(argc, argv, 1, 1);
    if (!strcmp(name, "dmore-screen"))
        return screen_main();
    if (!strcmp(name, "dmore-busy"))
        return busy_main(argc, argv);
    if (!strcmp(name, "dmore-dirty"))
        return dirty_main(argc, argv);
    if (!strcmp(name, "dmore-switch"))
        return switch_main();
    if (!strcmp(name, "dmore-take"))
        return take_main();
    fprintf(stderr, "%s: no helper of this name\n", name);
    return 2;
}
