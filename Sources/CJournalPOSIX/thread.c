#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#include <pthread/qos.h>
#else
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

struct start {
    int in_background;
    void (*body)(void *);
    void *context;
    char name[16];  // Linux takes 15 bytes and a zero
};

// Best effort: a thread that keeps its priority does the same work.
static void lower_priority(void) {
#ifdef __APPLE__
    pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0);
#else
    // Linux keeps a nice value for each thread. At 10 above the others a thread has a tenth of their share of a
    // processor that all of them want, and they need not wait for the end of its time slice.
    const id_t self = (id_t)syscall(SYS_gettid);
    errno = 0;
    const int present = getpriority(PRIO_PROCESS, self);
    if (errno == 0) setpriority(PRIO_PROCESS, self, present + 10);
#endif
}

static void *run(void *argument) {
    const struct start start = *(struct start *)argument;
    free(argument);
#ifdef __APPLE__
    pthread_setname_np(start.name);
#else
    pthread_setname_np(pthread_self(), start.name);
#endif
    if (start.in_background) lower_priority();
    const bool began = jp_uncut_begin();
    start.body(start.context);
    jp_uncut_end(began);
    return NULL;
}

// All but the signals a thread raises by its own fault: blocking those would end the process without the
// application's crash handler having run.
static void fill_blocked_signals(sigset_t *set) {
    sigfillset(set);
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    for (size_t index = 0; index < sizeof own / sizeof own[0]; index++) sigdelset(set, own[index]);
}

static int set_stack_size(pthread_attr_t *attributes, size_t stack_bytes) {
    if (stack_bytes == 0) return 0;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (stack_bytes < (size_t)PTHREAD_STACK_MIN) stack_bytes = (size_t)PTHREAD_STACK_MIN;
    return pthread_attr_setstacksize(attributes, (stack_bytes + page - 1) / page * page);
}

int jp_thread_start(
    struct jp_thread *thread, const char *name, size_t stack_bytes, int in_background, void (*body)(void *),
    void *context) {
    struct start *start = calloc(1, sizeof *start);
    if (start == NULL) return ENOMEM;
    start->in_background = in_background;
    start->body = body;
    start->context = context;
    strncpy(start->name, name, sizeof start->name - 1);

    pthread_attr_t attributes;
    int result = pthread_attr_init(&attributes);
    if (result != 0) {
        free(start);
        return result;
    }
    result = set_stack_size(&attributes, stack_bytes);
    if (result == 0) {
        // A thread inherits its creator's mask; set it before, so that no signal comes in between.
        sigset_t blocked, before;
        fill_blocked_signals(&blocked);
        pthread_sigmask(SIG_SETMASK, &blocked, &before);
        pthread_t created;
        result = pthread_create(&created, &attributes, run, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (result == 0) thread->handle = (uintptr_t)created;
    }
    pthread_attr_destroy(&attributes);
    if (result != 0) free(start);
    return result;
}

int jp_thread_join(struct jp_thread thread) {
    const bool blocks = jp_blocking_begin();
    const int result = pthread_join((pthread_t)thread.handle, NULL);
    jp_blocking_end(blocks);
    return result;
}

int jp_thread_detach(struct jp_thread thread) { return pthread_detach((pthread_t)thread.handle); }
