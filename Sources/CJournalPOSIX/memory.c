#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

// A file that is cut off while it is mapped has no page any more where the mapping has one: whoever touches it there gets a SIGBUS,
// which ends the process. So the library answers that signal for its own mappings: it puts zeros in the place of the page. A page
// of zeros is of no boot, which the library notices at its next call. After wl_shm_buffer_begin_access of Wayland.
// Other places that raise SIGBUS are left to whoever handled it before.

enum { most_mappings = 4096 };
static struct {
    _Atomic(uintptr_t) address;
    _Atomic(size_t) length;
} mappings[most_mappings];
static struct sigaction previous;
static pthread_once_t handled = PTHREAD_ONCE_INIT;

static void on_bus_error(int number, siginfo_t *info, void *context) {
    const int saved = errno;
    const uintptr_t at = (uintptr_t)info->si_addr;
    for (int slot = 0; slot < most_mappings; slot++) {
        const uintptr_t start = atomic_load_explicit(&mappings[slot].address, memory_order_acquire);
        const size_t length = atomic_load_explicit(&mappings[slot].length, memory_order_acquire);
        if (start == 0 || at < start || at - start >= length) continue;
        void *zeros = mmap(
            (void *)start, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED) break;
        errno = saved;
        return;
    }
    errno = saved;
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else {
        // The instruction is done again, and ends the process as it would have.
        signal(SIGBUS, SIG_DFL);
    }
}

static void handle_bus_errors(void) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    // Where it fails, a file that is cut off ends the process, as without the library.
    (void)sigaction(SIGBUS, &action, &previous);
}

int jp_map_shared(int fd, size_t length, bool writable, void **address) {
    pthread_once(&handled, handle_bus_errors);
    void *mapped = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return errno;
    for (int slot = 0; slot < most_mappings; slot++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&mappings[slot].address, &none, (uintptr_t)mapped)) continue;
        atomic_store_explicit(&mappings[slot].length, length, memory_order_release);
        *address = mapped;
        return 0;
    }
    munmap(mapped, length);
    return ENOMEM;
}

void jp_unmap(void *address, size_t length) {
    for (int slot = 0; slot < most_mappings; slot++) {
        if (atomic_load_explicit(&mappings[slot].address, memory_order_acquire) != (uintptr_t)address) continue;
        atomic_store_explicit(&mappings[slot].length, 0, memory_order_release);
        munmap(address, length);
        atomic_store_explicit(&mappings[slot].address, 0, memory_order_release);
        return;
    }
}

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
