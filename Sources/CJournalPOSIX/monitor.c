#define _GNU_SOURCE
#include "journal_posix.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct jp_monitor {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

// None of these calls fails but for a mistake in this program, and then nothing can be kept safe.
static void must(int result, const char *call) {
    if (result == 0) return;
    fprintf(stderr, "AgentJournal: %s failed: %s\n", call, strerror(result));
    abort();
}

jp_monitor *jp_monitor_create(void) {
    jp_monitor *monitor = malloc(sizeof *monitor);
    if (monitor == NULL) abort();
    must(pthread_mutex_init(&monitor->mutex, NULL), "pthread_mutex_init");
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes), "pthread_condattr_init");
#ifndef __APPLE__
    // The wall clock may be set while somebody waits.
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), "pthread_condattr_setclock");
#endif
    must(pthread_cond_init(&monitor->condition, &attributes), "pthread_cond_init");
    pthread_condattr_destroy(&attributes);
    return monitor;
}

void jp_monitor_destroy(jp_monitor *monitor) {
    // Neither is destroyed, which on these systems frees nothing: in the child of a fork, threads that waited here
    // are gone but still counted, and pthread_cond_destroy would wait for them for ever.
    free(monitor);
}

void jp_monitor_lock(jp_monitor *monitor) {
    jp_let_forks_go_first();
    if (pthread_mutex_trylock(&monitor->mutex) == 0) return;
    // Who has it may wait for a fork to be over.
    const bool blocks = jp_blocking_begin();
    must(pthread_mutex_lock(&monitor->mutex), "pthread_mutex_lock");
    jp_blocking_end(blocks);
}

bool jp_monitor_try_lock(jp_monitor *monitor) {
    jp_let_forks_go_first();
    return pthread_mutex_trylock(&monitor->mutex) == 0;
}

void jp_monitor_unlock(jp_monitor *monitor) {
    must(pthread_mutex_unlock(&monitor->mutex), "pthread_mutex_unlock");
}

void jp_monitor_wait(jp_monitor *monitor) {
    const bool blocks = jp_blocking_begin();
    must(pthread_cond_wait(&monitor->condition, &monitor->mutex), "pthread_cond_wait");
    jp_blocking_end(blocks);
}

static int wait_until(jp_monitor *monitor, uint64_t deadline_nanoseconds) {
#ifdef __APPLE__
    const uint64_t now = jp_monotonic_nanoseconds();
    if (now >= deadline_nanoseconds) return ETIMEDOUT;
    const uint64_t left = deadline_nanoseconds - now;
    const struct timespec time = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    return pthread_cond_timedwait_relative_np(&monitor->condition, &monitor->mutex, &time);
#else
    const struct timespec time = {
        .tv_sec = (time_t)(deadline_nanoseconds / 1000000000), .tv_nsec = (long)(deadline_nanoseconds % 1000000000)};
    return pthread_cond_timedwait(&monitor->condition, &monitor->mutex, &time);
#endif
}

bool jp_monitor_wait_until(jp_monitor *monitor, uint64_t deadline_nanoseconds) {
    const bool blocks = jp_blocking_begin();
    const int result = wait_until(monitor, deadline_nanoseconds);
    jp_blocking_end(blocks);
    if (result == ETIMEDOUT) return false;
    must(result, "pthread_cond_timedwait");
    return true;
}

void jp_monitor_signal(jp_monitor *monitor) {
    must(pthread_cond_signal(&monitor->condition), "pthread_cond_signal");
}

void jp_monitor_broadcast(jp_monitor *monitor) {
    must(pthread_cond_broadcast(&monitor->condition), "pthread_cond_broadcast");
}

uint64_t jp_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
