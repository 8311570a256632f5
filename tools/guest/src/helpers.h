#ifndef HELPERS_H
#define HELPERS_H

int console_main(int argc, char **argv, int reads, int prints);
int dirty_main(int argc, char **argv);

#endif
