// Keeps a fork from cutting off the library's threads where they may hold locks of Swift's runtime.
//
// The runtime has locks that nobody can take at a fork and give back in the child: one is held while a type is used for the
// first time. A child that is forked meanwhile waits for it for ever, the next time that it uses a type for the first time. So
// a thread says when it is in Swift's code, and a fork waits until none is: until each has ended, blocks, or passes a point
// where it lets forks go first. The allocator of the C library, which has locks of its own, does the like for itself.

#include "fork_gate.h"

#include "journal_posix.h"

#include <time.h>

// How long a fork waits for threads, and a thread for forks. Both go on then: another handler of pthread_atfork may wait for
// what a thread has that waits here, and to hang for ever is what all this is to prevent.
#define MOST_NANOSECONDS_OF_A_FORK UINT64_C(500000000)
#define MOST_NANOSECONDS_OF_A_THREAD UINT64_C(1000000000)

// How many threads are in code that is not to be cut off, and how many want to fork. Who comes in counts itself, then looks
// whether somebody forks; who forks says so, then looks who is in: in this order, one of the two sees the other.
static _Alignas(64) uint32_t inside;
static _Alignas(64) uint32_t forking;
// How many forks began so far.
static uint32_t forks;

// Whether this thread is counted; whether it is between the handlers before and after a fork, and was counted before.
static _Thread_local bool is_counted;
static _Thread_local bool is_forking;
static _Thread_local bool was_counted;
// How many forks had begun when this thread had waited for the last time that it may: for these it waits no more.
static _Thread_local uint32_t given_up;

static void come_in(void) {
    uint64_t limit = 0;
    for (;;) {
        __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        // Another's handler may call the library: the fork is this thread's own.
        if (__atomic_load_n(&forking, __ATOMIC_SEQ_CST) == 0 || is_forking) return;
        const uint32_t begun = __atomic_load_n(&forks, __ATOMIC_RELAXED);
        if (begun == given_up) return;
        const uint64_t now = jp_monotonic_nanoseconds();
        if (limit == 0) limit = now + MOST_NANOSECONDS_OF_A_THREAD;
        if (now >= limit) {
            given_up = begun;
            return;
        }
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        const struct timespec pause = {.tv_sec = 0, .tv_nsec = 50000};
        nanosleep(&pause, NULL);
    }
}

static void set_counted(bool counted) {
    if (counted) {
        come_in();
    } else {
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    }
    is_counted = counted;
}

bool jp_uncut_begin(void) {
    if (is_counted) return false;
    set_counted(true);
    return true;
}

void jp_uncut_end(bool began) {
    if (began) set_counted(false);
}

bool jp_blocking_begin(void) {
    if (!is_counted) return false;
    set_counted(false);
    return true;
}

void jp_blocking_end(bool began) {
    if (began) set_counted(true);
}

void jp_let_forks_go_first(void) {
    if (__atomic_load_n(&forking, __ATOMIC_RELAXED) != 0) jp_blocking_end(jp_blocking_begin());
}

void jp_gate_close(void) {
    // Where a thread forks in code of its own that the library called: nobody waits for who forks.
    was_counted = jp_blocking_begin();
    is_forking = true;
    __atomic_add_fetch(&forks, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&forking, 1, __ATOMIC_SEQ_CST);
    const uint64_t limit = jp_monotonic_nanoseconds() + MOST_NANOSECONDS_OF_A_FORK;
    while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) > 0 && jp_monotonic_nanoseconds() < limit) {
        const struct timespec pause = {.tv_sec = 0, .tv_nsec = 20000};
        nanosleep(&pause, NULL);
    }
}

void jp_gate_open_in_parent(void) {
    __atomic_sub_fetch(&forking, 1, __ATOMIC_SEQ_CST);
    is_forking = false;
    jp_blocking_end(was_counted);
}

void jp_gate_open_in_child(void) {
    inside = 0;
    forking = 0;
    is_forking = false;
    jp_blocking_end(was_counted);
}
