// A disk that says "synced" and does nothing: preloaded into the writer, to show that the power cuts would notice.
// Built by Tools/crash-tests/power_cuts.py with:  cc -shared -fPIC -o no-syncs.so no-syncs.c
#define _GNU_SOURCE
#include <stddef.h>

int fsync(int fd) { (void)fd; return 0; }
int fdatasync(int fd) { (void)fd; return 0; }
int syncfs(int fd) { (void)fd; return 0; }
int msync(void *address, size_t length, int flags) { (void)address; (void)length; (void)flags; return 0; }
