// The few calls that Swift's System lacks, made the same on Linux and macOS.
//
// Functions that can fail return 0 or the errno; none of them leaves the reason in the global errno.
// They repeat themselves when a signal interrupts them.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Descriptors and fork (descriptors.c)

// To whom something new is given, and with which permissions.
struct jp_owner {
    uint32_t user;
    uint32_t group;
    uint32_t mode;
};

// Opens a file, close-on-exec and above the standard streams' descriptors. The child of a fork closes it at once.
// EMFILE also for a descriptor beyond those that are kept track of (a million).
//
// Here and below, the first `root` bytes of a path may lead through links, and the directories below may be none: ELOOP or
// ENOTDIR then. 0 follows them all. Whether the last name may be a link is said by `flags`.
// What is created is given to `owner`, unless that is NULL; where that fails, nothing is created.
int jp_open(const char *path, size_t root, int flags, uint32_t mode, const struct jp_owner *owner, int *fd);
// Makes a descriptor that was opened with O_NONBLOCK one that waits, as others are.
int jp_block(int fd);
// Gives an open file or directory to `owner`, where it is not theirs already.
int jp_give(int fd, const struct jp_owner *owner);
// Makes a pipe whose ends do not block, as `jp_open` opens a file: the one to read from, and the one to write to.
int jp_pipe(int ends[2]);
// Closes what the two opened in this process, not in one that it was forked from.
void jp_close(int fd);
// Writes a byte to a pipe that is empty.
void jp_ring(int fd);
// Reads what is in a pipe.
void jp_silence(int fd);
// Calls `visit` with each name but "." and "..".
int jp_list_directory(
    const char *path, size_t root, void *context, void (*visit)(void *context, const char *name));

extern uint32_t jp_forks;

// How many forks lie between the first process and this one. A parent and its child never have the same number.
static inline uint32_t jp_fork_generation(void) { return __atomic_load_n(&jp_forks, __ATOMIC_ACQUIRE); }

// MARK: What a fork must not cut off (fork_gate.c)

// Between these two a thread is in Swift's code, and may hold locks of Swift's runtime, which the child of a fork would find
// held for ever: a fork waits for it, half a second at most. In a process that forks just now, the first waits for that. A
// thread that `jp_thread_start` started is in such code from its beginning to its end. The first returns what the second is to
// be given; the pairs may be nested, also with those below.
bool jp_uncut_begin(void);
void jp_uncut_end(bool began);
// Between these two a thread blocks in a call of the system, or runs the caller's code, and no fork waits for it.
bool jp_blocking_begin(void);
void jp_blocking_end(bool began);
// A point where a fork that waits may take place. For where a thread would go on for long.
void jp_let_forks_go_first(void);

// MARK: Files (files.c)

enum jp_kind { JP_KIND_FILE = 0, JP_KIND_DIRECTORY = 1, JP_KIND_OTHER = 2, JP_KIND_LINK = 3 };

struct jp_status {
    uint64_t device;
    uint64_t inode;
    uint64_t length;
    uint64_t allocated_bytes;
    int64_t modified_microseconds;
    uint64_t links;  // how many names lead to it
    uint32_t owner;
    uint32_t group;
    uint32_t mode;  // the permissions
    int32_t kind;   // enum jp_kind
};

// With a `root` it is the last name itself that is asked about, also where that is a link.
int jp_status_of_path(const char *path, size_t root, struct jp_status *status);
int jp_status_of_file(int fd, struct jp_status *status);
// How many names lead to the file, and how long it is in bytes.
int jp_links_and_length(int fd, uint64_t *count, uint64_t *length);

// Moves a descriptor above those of the standard streams, which others write to, whether open or not. Closes `fd` when it
// has another number; `*moved` is then that.
int jp_move_above_standard(int fd, int *moved);
// Opens a file that never has a name, in a directory, as `jp_open` opens one. ENOTSUP and others where that cannot be had.
int jp_open_nameless(const char *directory, size_t root, int *fd);

int jp_make_directory(const char *path, size_t root, uint32_t mode, const struct jp_owner *owner);
int jp_rename(const char *from, size_t from_root, const char *to, size_t to_root);
// Exchanges two names in one step. EINVAL, ENOSYS or ENOTSUP where that cannot be done.
int jp_exchange(const char *path, size_t root, const char *other, size_t other_root);
int jp_unlink(const char *path, size_t root);

// The arguments of the process, as main gets them, its name first; NULL where the C library does not tell.
char **jp_arguments(int *count);

// fdatasync; on macOS F_FULLFSYNC, since its fsync leaves the data in the drive's cache.
int jp_fdatasync(int fd);
// fsync; on macOS F_FULLFSYNC.
int jp_fsync(int fd);

// Reserves blocks and extends the file: fallocate with mode 0; on macOS F_PREALLOCATE and ftruncate.
// EOPNOTSUPP (or ENOSYS, EINVAL) where the file system cannot.
int jp_fallocate(int fd, int64_t offset, int64_t length);

// Asks a file system that copies on write not to do so with this file, which must be empty (FS_NOCOW_FL on Linux). No effect
// where that is not to be had.
void jp_keep_blocks_in_place(int fd);

// MARK: Open-file-description locks (locks.c)

// Takes (or drops) a lock. A length of 0 reaches to the end of all offsets. EAGAIN when another excludes it.
int jp_lock(int fd, int64_t offset, int64_t length, bool exclusive, bool wait);
int jp_unlock(int fd, int64_t offset, int64_t length);
// Sets `locked` when another open file holds a lock that excludes the one described.
int jp_is_locked(int fd, int64_t offset, int64_t length, bool exclusive, bool *locked);

// MARK: Volumes (volume.c)

struct jp_volume {
    uint64_t magic;       // f_type on Linux, 0 on macOS
    uint64_t free_bytes;  // for an ordinary user
    bool is_read_only;
    char name[32];        // f_fstypename on macOS, empty on Linux
};

int jp_volume_of_path(const char *path, struct jp_volume *volume);

// MARK: Shared memory (memory.c)

// Maps the first `length` bytes of the file, shared between processes.
int jp_map_shared(int fd, size_t length, bool writable, void **address);
void jp_unmap(void *address, size_t length);
// Sees to it that stores to the mapping find their blocks: EFAULT where they would be a SIGBUS. Where the system cannot
// tell (before Linux 5.14, not on Linux) it says 0.
int jp_populate_shared(void *address, size_t length);

// Sleeps while the word equals `value`, until woken or for the given time. May return early.
void jp_wait32(const void *word, uint32_t value, int64_t timeout_milliseconds);
// Wakes all who sleep on the word, in every process that maps it.
void jp_wake_all(const void *word);

static inline uint64_t jp_load64_acquire(const void *word) {
    return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

static inline void jp_store64_release(void *word, uint64_t value) {
    __atomic_store_n((uint64_t *)word, value, __ATOMIC_RELEASE);
}

static inline uint32_t jp_load32_acquire(const void *word) {
    return __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE);
}

// Returns the new value.
static inline uint32_t jp_add32(void *word, uint32_t value) {
    return __atomic_add_fetch((uint32_t *)word, value, __ATOMIC_ACQ_REL);
}

// MARK: Processes (process.c)

int32_t jp_process_id(void);
// The working directory into `buffer`; false when it cannot be told.
bool jp_working_directory(char *buffer, size_t length);
// True also for a process that belongs to somebody else, and for one that has ended and was not yet waited for.
bool jp_process_exists(int32_t pid);
int jp_host_name(char *buffer, size_t capacity);
// On macOS, where there is no /proc; ENOSYS elsewhere.
int jp_process_start_microseconds(int32_t pid, uint64_t *start);
int jp_boot_identifier(char *buffer, size_t capacity);

// MARK: Monitors (monitor.c)

// A mutex and a condition variable at a fixed address.
typedef struct jp_monitor jp_monitor;

jp_monitor *jp_monitor_create(void);
void jp_monitor_destroy(jp_monitor *monitor);
void jp_monitor_lock(jp_monitor *monitor);
// Whether it was free, and is locked now.
bool jp_monitor_try_lock(jp_monitor *monitor);
void jp_monitor_unlock(jp_monitor *monitor);
// The monitor must be locked. May return without a signal.
void jp_monitor_wait(jp_monitor *monitor);
// As `jp_monitor_wait`, but returns false when `jp_monotonic_nanoseconds` has passed the deadline.
bool jp_monitor_wait_until(jp_monitor *monitor, uint64_t deadline_nanoseconds);
void jp_monitor_signal(jp_monitor *monitor);
void jp_monitor_broadcast(jp_monitor *monitor);

// A clock that is never set, from some point in the past.
uint64_t jp_monotonic_nanoseconds(void);

// MARK: Threads (thread.c)

// A pthread_t, whatever its type is here.
struct jp_thread {
    uintptr_t handle;
};

// Starts a thread that runs `body(context)`, with signals blocked but those that report a fault of the thread's own.
// `name` is cut to what the system takes. A `stack_bytes` of 0 means the system's default.
int jp_thread_start(
    struct jp_thread *thread, const char *name, size_t stack_bytes, int in_background, void (*body)(void *),
    void *context);
int jp_thread_join(struct jp_thread thread);
int jp_thread_detach(struct jp_thread thread);
