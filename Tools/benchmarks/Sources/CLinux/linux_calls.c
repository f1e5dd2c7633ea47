#define _GNU_SOURCE
#include "linux_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int linux_fallocate(int fd, int64_t offset, int64_t length) { return fallocate(fd, 0, offset, length); }

int linux_file_system(const char *path, uint32_t *magic) {
    struct statfs info;
    if (statfs(path, &info) != 0) return -1;
    // Signed on some machines; the magic numbers are 32 bits.
    *magic = (uint32_t)info.f_type;
    return 0;
}

int linux_lock(int fd, int64_t offset, int is_taken) {
    struct flock lock = {
        .l_type = is_taken ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1, .l_pid = 0};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

int linux_look(int fd) {
    struct statx info;
    return statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &info);
}
