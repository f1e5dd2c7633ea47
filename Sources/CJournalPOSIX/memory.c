#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

int jp_map_shared(int fd, size_t length, bool writable, void **address) {
    void *mapped = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return errno;
    *address = mapped;
    return 0;
}

void jp_unmap(void *address, size_t length) { munmap(address, length); }

int jp_populate_shared(void *address, size_t length) {
#ifdef __linux__
    const int populate_write = 23;  // MADV_POPULATE_WRITE, which older headers lack
    int result;
    do result = madvise(address, length, populate_write);
    while (result == -1 && (errno == EINTR || errno == EAGAIN));
    if (result == -1 && errno != EINVAL) return errno;
#else
    (void)address;
    (void)length;
#endif
    return 0;
}

#ifdef __linux__

// Not FUTEX_PRIVATE: the waiters and the wakers are different processes.

void jp_wait32(const void *word, uint32_t value, int64_t timeout_milliseconds) {
    if (timeout_milliseconds <= 0) return;
    const struct timespec timeout = {
        .tv_sec = timeout_milliseconds / 1000, .tv_nsec = (timeout_milliseconds % 1000) * 1000000};
    const bool blocks = jp_blocking_begin();
    syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0);
    jp_blocking_end(blocks);
}

void jp_wake_all(const void *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

#else

// No futex that works between processes on every version: look again after a short sleep.

void jp_wait32(const void *word, uint32_t value, int64_t timeout_milliseconds) {
    if (timeout_milliseconds <= 0 || jp_load32_acquire(word) != value) return;
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 500000};
    const bool blocks = jp_blocking_begin();
    nanosleep(&pause, NULL);
    jp_blocking_end(blocks);
}

void jp_wake_all(const void *word) { (void)word; }

#endif
