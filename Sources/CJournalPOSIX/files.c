#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#endif

static void fill(struct jp_status *status, const struct stat *info) {
    status->device = (uint64_t)info->st_dev;
    status->inode = (uint64_t)info->st_ino;
    status->length = (uint64_t)info->st_size;
    status->allocated_bytes = (uint64_t)info->st_blocks * 512;
#ifdef __APPLE__
    const struct timespec modified = info->st_mtimespec;
#else
    const struct timespec modified = info->st_mtim;
#endif
    status->modified_microseconds = (int64_t)modified.tv_sec * 1000000 + modified.tv_nsec / 1000;
    status->kind = S_ISREG(info->st_mode)   ? JP_KIND_FILE
                   : S_ISDIR(info->st_mode) ? JP_KIND_DIRECTORY
                                            : JP_KIND_OTHER;
}

int jp_status_of_path(const char *path, struct jp_status *status) {
    struct stat info;
    if (stat(path, &info) != 0) return errno;
    fill(status, &info);
    return 0;
}

int jp_status_of_file(int fd, struct jp_status *status) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    fill(status, &info);
    return 0;
}

int jp_links_and_length(int fd, uint64_t *count, uint64_t *length) {
#ifdef __linux__
    // Whoever asks for a file's times (as fstat does) has the kernel give the next write a time of its own
    // (multigrain timestamps, Linux 6.13). On ext4 without a journal the inode then goes to the disk with each sync.
    struct statx only;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK | STATX_SIZE, &only) == 0) {
        *count = only.stx_nlink;
        *length = only.stx_size;
        return 0;
    }
    if (errno != ENOSYS) return errno;
#endif
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    *count = (uint64_t)info.st_nlink;
    *length = (uint64_t)info.st_size;
    return 0;
}

int jp_move_above_standard(int fd, int *moved) {
    *moved = fd;
    if (fd > STDERR_FILENO) return 0;
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int result = above == -1 ? errno : 0;
    close(fd);
    *moved = above;
    return result;
}

int jp_open_nameless(const char *directory, int *fd) {
#ifdef O_TMPFILE
    return jp_open(directory, O_TMPFILE | O_RDWR, 0600, fd);
#else
    (void)directory;
    (void)fd;
    return ENOTSUP;
#endif
}

int jp_make_directory(const char *path, uint32_t mode) {
    return mkdir(path, (mode_t)mode) == 0 ? 0 : errno;
}

int jp_rename(const char *from, const char *to) {
    return rename(from, to) == 0 ? 0 : errno;
}

int jp_exchange(const char *path, const char *other) {
#ifdef __linux__
    const unsigned exchange = 2;  // RENAME_EXCHANGE
    return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, exchange) == 0 ? 0 : errno;
#elif defined(__APPLE__)
    return renamex_np(path, other, RENAME_SWAP) == 0 ? 0 : errno;
#else
    (void)path;
    (void)other;
    return ENOTSUP;
#endif
}

int jp_unlink(const char *path) {
    return unlink(path) == 0 ? 0 : errno;
}

#ifdef __APPLE__

static int sync_file(int fd, bool only_data) {
    (void)only_data;
    int result;
    do result = fcntl(fd, F_FULLFSYNC);
    while (result == -1 && errno == EINTR);
    if (result != -1) return 0;
    if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY) return errno;
    // The file system has no F_FULLFSYNC; fsync is the most that can be asked of it.
    do result = fsync(fd);
    while (result == -1 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

int jp_fallocate(int fd, int64_t offset, int64_t length) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    const int64_t end = offset + length;
    if (end <= info.st_size) return 0;
    fstore_t store = {
        .fst_flags = F_ALLOCATEALL,
        .fst_posmode = F_PEOFPOSMODE,
        .fst_offset = 0,
        .fst_length = end - info.st_size,
    };
    if (fcntl(fd, F_PREALLOCATE, &store) == -1) return errno == ENOTSUP ? EOPNOTSUPP : errno;
    return ftruncate(fd, end) == 0 ? 0 : errno;
}

#else

static int sync_file(int fd, bool only_data) {
    int result;
    do result = only_data ? fdatasync(fd) : fsync(fd);
    while (result == -1 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

int jp_fallocate(int fd, int64_t offset, int64_t length) {
    int result;
    do result = fallocate(fd, 0, offset, length);
    while (result == -1 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

#endif

#ifdef __linux__
void jp_keep_blocks_in_place(int fd) {
    int saved = errno;
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NOCOW_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    errno = saved;
}
#else
void jp_keep_blocks_in_place(int fd) { (void)fd; }
#endif

static int sync_blocking(int fd, bool only_data) {
    const bool blocks = jp_blocking_begin();
    const int result = sync_file(fd, only_data);
    jp_blocking_end(blocks);
    return result;
}

int jp_fsync(int fd) { return sync_blocking(fd, false); }

int jp_fdatasync(int fd) { return sync_blocking(fd, true); }
