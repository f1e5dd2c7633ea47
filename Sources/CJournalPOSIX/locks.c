// F_OFD_SETLK and its like: locks that belong to the open file, not to the process as POSIX's own do (those are
// dropped when any descriptor of the file is closed, and do not exclude threads from each other).

#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__APPLE__) && !defined(F_OFD_SETLK)
// Older headers keep them private; the kernel has had them since macOS 10.15.
#define F_OFD_SETLK 90
#define F_OFD_SETLKW 91
#define F_OFD_GETLK 92
#endif

// l_pid must be 0 for locks of this kind.
static struct flock describe(int64_t offset, int64_t length, short type) {
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)length, .l_pid = 0};
}

static int set(int fd, int command, struct flock lock) {
    int result;
    do result = fcntl(fd, command, &lock);
    while (result == -1 && errno == EINTR);
    if (result != -1) return 0;
    return errno == EACCES ? EAGAIN : errno;
}

int jp_lock(int fd, int64_t offset, int64_t length, bool exclusive, bool wait) {
    const struct flock lock = describe(offset, length, exclusive ? F_WRLCK : F_RDLCK);
    if (!wait) return set(fd, F_OFD_SETLK, lock);
    const bool blocks = jp_blocking_begin();
    const int result = set(fd, F_OFD_SETLKW, lock);
    jp_blocking_end(blocks);
    return result;
}

int jp_unlock(int fd, int64_t offset, int64_t length) {
    return set(fd, F_OFD_SETLK, describe(offset, length, F_UNLCK));
}

int jp_is_locked(int fd, int64_t offset, int64_t length, bool exclusive, bool *locked) {
    struct flock lock = describe(offset, length, exclusive ? F_WRLCK : F_RDLCK);
    int result;
    do result = fcntl(fd, F_OFD_GETLK, &lock);
    while (result == -1 && errno == EINTR);
    if (result == -1) return errno;
    *locked = lock.l_type != F_UNLCK;
    return 0;
}
