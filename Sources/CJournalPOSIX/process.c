#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#include <libproc.h>
#include <sys/sysctl.h>
#endif

int32_t jp_process_id(void) { return (int32_t)getpid(); }

bool jp_process_exists(int32_t pid) {
    if (pid <= 0) return false;
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

int jp_host_name(char *buffer, size_t capacity) {
    if (gethostname(buffer, capacity) != 0) return errno;
    // A name that was cut need not be terminated.
    buffer[capacity - 1] = 0;
    return 0;
}

#ifdef __APPLE__

int jp_process_start_microseconds(int32_t pid, uint64_t *start) {
    struct proc_bsdinfo info;
    const int size = proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &info, sizeof info);
    if (size != (int)sizeof info) return ESRCH;
    *start = info.pbi_start_tvsec * 1000000 + info.pbi_start_tvusec;
    return 0;
}

int jp_boot_identifier(char *buffer, size_t capacity) {
    size_t size = capacity;
    return sysctlbyname("kern.bootsessionuuid", buffer, &size, NULL, 0) == 0 ? 0 : errno;
}

#else

int jp_process_start_microseconds(int32_t pid, uint64_t *start) {
    (void)pid;
    (void)start;
    return ENOSYS;
}

int jp_boot_identifier(char *buffer, size_t capacity) {
    (void)buffer;
    (void)capacity;
    return ENOSYS;
}

#endif

bool jp_working_directory(char *buffer, size_t length) { return getcwd(buffer, length) != NULL; }
