#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <string.h>

#ifdef __APPLE__
#include <sys/mount.h>
#include <sys/param.h>
#else
#include <sys/statvfs.h>
#include <sys/vfs.h>
#endif

int jp_volume_of_path(const char *path, struct jp_volume *volume) {
    struct statfs info;
    int result;
    do result = statfs(path, &info);
    while (result == -1 && errno == EINTR);
    if (result == -1) return errno;
    memset(volume, 0, sizeof *volume);
#ifdef __APPLE__
    strncpy(volume->name, info.f_fstypename, sizeof volume->name - 1);
    volume->free_bytes = (uint64_t)info.f_bavail * (uint64_t)info.f_bsize;
    volume->is_read_only = (info.f_flags & MNT_RDONLY) != 0;
#else
    // f_type is signed on some machines; its magic numbers are 32 bits.
    volume->magic = (uint32_t)info.f_type;
    volume->free_bytes = (uint64_t)info.f_bavail * (uint64_t)(info.f_frsize ? info.f_frsize : info.f_bsize);
    volume->is_read_only = (info.f_flags & ST_RDONLY) != 0;
#endif
    return 0;
}
