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
