// Locks that say "taken" and keep nobody out: preloaded into the processes, to show that their histories would tell.
// Built by Tools/crash-tests/processes.py with:  cc -shared -fPIC -o no-locks.so no-locks.c
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    // Whatever it is, it passes as a pointer does.
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_OFD_SETLK || command == F_OFD_SETLKW) return 0;
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl");
    return real(fd, command, argument);
}
