#define _GNU_SOURCE
#include "journal_posix.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
    status->links = (uint64_t)info->st_nlink;
    status->owner = (uint32_t)info->st_uid;
    status->group = (uint32_t)info->st_gid;
    status->mode = (uint32_t)info->st_mode & 07777;
    status->kind = S_ISREG(info->st_mode)   ? JP_KIND_FILE
                   : S_ISDIR(info->st_mode) ? JP_KIND_DIRECTORY
                   : S_ISLNK(info->st_mode) ? JP_KIND_LINK
                                            : JP_KIND_OTHER;
}

int jp_status_of_path(const char *path, size_t root, struct jp_status *status) {
    struct jp_place place;
    int result = jp_place_enter(path, root, &place);
    if (result != 0) return result;
    struct stat info;
    // The root itself may be a link.
    const int flags = root == 0 || root >= strlen(path) ? 0 : AT_SYMLINK_NOFOLLOW;
    result = fstatat(place.directory, place.name, &info, flags) == 0 ? 0 : errno;
    jp_place_leave(&place);
    if (result == 0) fill(status, &info);
    return result;
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

int jp_open_nameless(const char *directory, size_t root, int *fd) {
#ifdef O_TMPFILE
    return jp_open(directory, root, O_TMPFILE | O_RDWR, 0600, NULL, fd);
#else
    (void)directory;
    (void)root;
    (void)fd;
    return ENOTSUP;
#endif
}

int jp_make_directory(const char *path, size_t root, uint32_t mode, const struct jp_owner *owner) {
    struct jp_place place;
    int result = jp_place_enter(path, root, &place);
    if (result != 0) return result;
    if (mkdirat(place.directory, place.name, (mode_t)mode) != 0) {
        result = errno;
    } else if (owner != NULL) {
        // By its descriptor: whoever may write the directory above may have put something else there meanwhile.
        const int made = openat(place.directory, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        result = made == -1 ? errno : jp_give(made, owner);
        if (made != -1) close(made);
        if (result != 0) unlinkat(place.directory, place.name, AT_REMOVEDIR);
    }
    jp_place_leave(&place);
    return result;
}

int jp_give(int fd, const struct jp_owner *owner) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    const bool is_given = (uint32_t)info.st_uid == owner->user && (uint32_t)info.st_gid == owner->group;
    if (!is_given && fchown(fd, (uid_t)owner->user, (gid_t)owner->group) != 0) return errno;
    const mode_t mode = (mode_t)owner->mode & 07777;
    if ((info.st_mode & 0777) == (mode & 0777)) return 0;
    // Who made it may set its permissions, unless they are the same for the whole file system, as on FAT.
    return fchmod(fd, (info.st_mode & 07000) | (mode & 0777)) == 0 || errno == EPERM ? 0 : errno;
}

int jp_exchange(const char *path, size_t root, const char *other, size_t other_root) {
#ifdef __linux__
    struct jp_place source, target;
    int result = jp_place_enter_two(path, root, &source, other, other_root, &target);
    if (result != 0) return result;
    const unsigned exchange = 2;  // RENAME_EXCHANGE
    if (syscall(SYS_renameat2, source.directory, source.name, target.directory, target.name, exchange) != 0) {
        result = errno;
    }
    jp_place_leave_two(&source, &target);
    return result;
#elif defined(__APPLE__)
    struct jp_place source, target;
    int result = jp_place_enter_two(path, root, &source, other, other_root, &target);
    if (result != 0) return result;
    if (renameatx_np(source.directory, source.name, target.directory, target.name, RENAME_SWAP) != 0) result = errno;
    jp_place_leave_two(&source, &target);
    return result;
#else
    (void)path;
    (void)root;
    (void)other;
    (void)other_root;
    return ENOTSUP;
#endif
}

int jp_rename(const char *from, size_t from_root, const char *to, size_t to_root) {
    struct jp_place source, target;
    int result = jp_place_enter_two(from, from_root, &source, to, to_root, &target);
    if (result != 0) return result;
    if (renameat(source.directory, source.name, target.directory, target.name) != 0) result = errno;
    jp_place_leave_two(&source, &target);
    return result;
}

int jp_unlink(const char *path, size_t root) {
    struct jp_place place;
    int result = jp_place_enter(path, root, &place);
    if (result != 0) return result;
    if (unlinkat(place.directory, place.name, 0) != 0) result = errno;
    jp_place_leave(&place);
    return result;
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
