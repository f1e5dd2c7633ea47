#include "journal_posix.h"

#include <stdlib.h>

// Swift reads the arguments from /proc, which is not mounted in a chroot and in some containers. The C library hands them to
// constructors, as it does to main.

static int argument_count;
static char **argument_values;

#ifdef __GLIBC__
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    argument_values = values;
}
#endif

char **jp_arguments(int *count) {
    *count = argument_count;
    return argument_values;
}
