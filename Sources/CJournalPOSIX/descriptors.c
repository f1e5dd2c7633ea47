// The descriptors that this process opened, and what becomes of them at a fork.
//
// An open-file-description lock belongs to the open file, which the child of a fork shares: its copy of the descriptor
// would hold the parent's locks beyond the parent's end. So the child closes them all, at once, also when it never uses a
// journal. It does not unlock: that would take the locks from the parent.

#define _GNU_SOURCE
#include "fork_gate.h"
#include "journal_posix.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { WORD_BITS = 64, MOST_DESCRIPTORS = 1 << 20 };

// A bit for each descriptor. Pages of it that were never written take no memory.
static uint64_t is_open[MOST_DESCRIPTORS / WORD_BITS];
// How many of its words may have bits.
static int used_words;

// Held shared while a descriptor is opened or closed, and alone while the process forks: in between, the table would say
// something else than the system, and the child would keep a descriptor or close another's. No other lock is taken
// under it.
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
// Who forks must not wait for ever while others go on opening.
#define TABLE_UNLOCKED PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define TABLE_UNLOCKED PTHREAD_RWLOCK_INITIALIZER
#endif
static pthread_rwlock_t table = TABLE_UNLOCKED;

uint32_t jp_forks;

static void before_fork(void) {
    jp_gate_close();
    pthread_rwlock_wrlock(&table);
}

static void after_fork_in_parent(void) {
    pthread_rwlock_unlock(&table);
    jp_gate_open_in_parent();
}

// Only what may be called in a signal handler: the other threads are gone, whatever they held.
static void after_fork_in_child(void) {
    const int error = errno;
    for (int word = 0; word < used_words; word++) {
        for (uint64_t bits = is_open[word]; bits != 0; bits &= bits - 1) close(word * WORD_BITS + __builtin_ctzll(bits));
        is_open[word] = 0;
    }
    used_words = 0;
    __atomic_add_fetch(&jp_forks, 1, __ATOMIC_RELEASE);
    // Made anew, not unlocked: it is owned by a thread of the parent, whose number the child's only thread does not have.
    static const pthread_rwlock_t unlocked = TABLE_UNLOCKED;
    table = unlocked;
    jp_gate_open_in_child();
    errno = error;
}

static int registration;

__attribute__((constructor)) static void register_handlers(void) {
    registration = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static int remember(int fd) {
    if (fd >= MOST_DESCRIPTORS) return EMFILE;
    const int word = fd / WORD_BITS;
    __atomic_fetch_or(&is_open[word], UINT64_C(1) << fd % WORD_BITS, __ATOMIC_RELAXED);
    int used = __atomic_load_n(&used_words, __ATOMIC_RELAXED);
    while (used <= word
           && !__atomic_compare_exchange_n(&used_words, &used, word + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return 0;
}

// Keeps track of a descriptor that was just opened; closes it where that cannot be. Under the table's lock.
static int keep(int *fd) {
    const int result = jp_move_above_standard(*fd, fd);
    if (result != 0) return result;
    const int refused = remember(*fd);
    if (refused != 0) close(*fd);
    return refused;
}

int jp_place_enter(const char *path, size_t root, struct jp_place *place) {
    // Where no descriptor is needed, no fork need wait.
    if (jp_place_is_shallow(path, root)) return jp_place_find(path, root, place);
    pthread_rwlock_rdlock(&table);
    const int result = jp_place_find(path, root, place);
    if (result != 0) pthread_rwlock_unlock(&table);
    return result;
}

void jp_place_leave(const struct jp_place *place) {
    if (place->directory == AT_FDCWD) return;
    jp_place_close(place);
    pthread_rwlock_unlock(&table);
}

int jp_place_enter_two(
    const char *path, size_t root, struct jp_place *place, const char *path2, size_t root2, struct jp_place *place2) {
    pthread_rwlock_rdlock(&table);
    int result = jp_place_find(path, root, place);
    if (result == 0) {
        result = jp_place_find(path2, root2, place2);
        if (result != 0) jp_place_close(place);
    }
    if (result != 0) pthread_rwlock_unlock(&table);
    return result;
}

void jp_place_leave_two(const struct jp_place *place, const struct jp_place *place2) {
    jp_place_close(place);
    jp_place_close(place2);
    pthread_rwlock_unlock(&table);
}

static int open_at(const struct jp_place *place, int flags, uint32_t mode) {
    int opened;
    do opened = openat(place->directory, place->name, flags | O_CLOEXEC, (mode_t)mode);
    while (opened == -1 && errno == EINTR);
    return opened;
}

// Creates what is not there, and knows that it did: a new file is given to its owner before anybody is told of it.
static int open_or_create(const struct jp_place *place, int flags, uint32_t mode, const struct jp_owner *owner) {
    for (;;) {
        int opened = -1;
        if ((flags & O_EXCL) == 0) opened = open_at(place, flags & ~O_CREAT, 0);
        if (opened != -1 || ((flags & O_EXCL) == 0 && errno != ENOENT)) return opened;
        opened = open_at(place, flags | O_EXCL, mode);
        // Another process was faster.
        if (opened == -1 && errno == EEXIST && (flags & O_EXCL) == 0) continue;
        if (opened == -1 || owner == NULL) return opened;
        const int refused = jp_give(opened, owner);
        if (refused == 0) return opened;
        close(opened);
        unlinkat(place->directory, place->name, 0);
        errno = refused;
        return -1;
    }
}

int jp_open(const char *path, size_t root, int flags, uint32_t mode, const struct jp_owner *owner, int *fd) {
    *fd = -1;
    if (registration != 0) return registration;
    pthread_rwlock_rdlock(&table);
    struct jp_place place;
    int opened = -1;
    int result = jp_place_find(path, root, &place);
    if (result == 0) {
        opened = (flags & O_CREAT) != 0 ? open_or_create(&place, flags, mode, owner) : open_at(&place, flags, mode);
        result = opened == -1 ? errno : keep(&opened);
        jp_place_close(&place);
    }
    pthread_rwlock_unlock(&table);
    if (result == 0) *fd = opened;
    return result;
}

int jp_block(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags == -1) return errno;
    return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1 ? errno : 0;
}

static void forget(int fd) {
    __atomic_fetch_and(&is_open[fd / WORD_BITS], ~(UINT64_C(1) << fd % WORD_BITS), __ATOMIC_RELAXED);
}

static int make_pipe(int ends[2]) {
#ifdef __linux__
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
#else
    if (pipe(ends) != 0) return errno;
    for (int index = 0; index < 2; index++) {
        if (fcntl(ends[index], F_SETFD, FD_CLOEXEC) == -1 || fcntl(ends[index], F_SETFL, O_NONBLOCK) == -1) {
            const int error = errno;
            close(ends[0]);
            close(ends[1]);
            return error;
        }
    }
    return 0;
#endif
}

void jp_close(int fd) {
    pthread_rwlock_rdlock(&table);
    forget(fd);
    // What close can report (EIO of earlier writes) is of no use here: whatever must be durable was synced.
    close(fd);
    pthread_rwlock_unlock(&table);
}

int jp_pipe(int ends[2]) {
    if (registration != 0) return registration;
    pthread_rwlock_rdlock(&table);
    int made[2];
    int result = make_pipe(made);
    if (result == 0) {
        result = keep(&made[0]);
        if (result != 0) {
            close(made[1]);
        } else {
            result = keep(&made[1]);
            if (result != 0) {
                forget(made[0]);
                close(made[0]);
            }
        }
    }
    pthread_rwlock_unlock(&table);
    if (result != 0) return result;
    ends[0] = made[0];
    ends[1] = made[1];
    return 0;
}

void jp_ring(int fd) {
    const char byte = 0;
    // A full pipe is one that rings already.
    while (write(fd, &byte, 1) == -1 && errno == EINTR) {}
}

void jp_silence(int fd) {
    char bytes[64];
    ssize_t count;
    do count = read(fd, bytes, sizeof bytes);
    while (count == (ssize_t)sizeof bytes || (count == -1 && errno == EINTR));
}

int jp_list_directory(
    const char *path, size_t root, void *context, void (*visit)(void *context, const char *name)) {
    int fd;
    const int follow = root == 0 || root >= strlen(path) ? 0 : O_NOFOLLOW;
    int result = jp_open(path, root, O_RDONLY | O_DIRECTORY | follow, 0, NULL, &fd);
    if (result != 0) return result;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        result = errno;
        jp_close(fd);
        return result;
    }
    for (;;) {
        // readdir tells an error from the end only by errno.
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        visit(context, entry->d_name);
    }
    pthread_rwlock_rdlock(&table);
    forget(fd);
    closedir(directory);
    pthread_rwlock_unlock(&table);
    return result;
}
