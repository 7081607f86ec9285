/* SPDX-License-Identifier: MIT
 *
 * How scenarios show what they see, and the scenarios of all files.
 */
#ifndef TEST_SCENARIOS_H
#define TEST_SCENARIOS_H

#include "flow.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* The one that runs. */
extern const char *scenario;

/* The calls return errors; errno has to stay what it was. */
#define SHOW(call)                                                                                 \
    do {                                                                                           \
        long shown_;                                                                               \
        errno = 1234;                                                                              \
        shown_ = (long)(call);                                                                     \
        printf("%s: %s = %ld%s\n", scenario, #call, shown_, errno == 1234 ? "" : " errno!");       \
    } while (0)

/* Those that return -1 and set it. */
#define SHOW_ERRNO(call)                                                                           \
    do {                                                                                           \
        long shown_;                                                                               \
        errno = 1234;                                                                              \
        shown_ = (long)(call);                                                                     \
        printf("%s: %s = %ld, errno %d\n", scenario, #call, shown_, errno);                        \
    } while (0)

/* A time from now, and whether it has come. */
struct timespec after(clockid_t clock, long milliseconds);
bool is_over(clockid_t clock, const struct timespec *time);

/* scenarios_mutex.c */
extern pthread_mutex_t mutex;
void mutex_prepare(int type, int robust, int protocol);
void plain_mutex(void);
void adaptive_mutex(void);
void errorcheck_mutex(void);
void recursive_mutex(void);
void robust_mutex(void);
void robust_mutex_of_the_dead(void);
void inheriting_mutex(void);
void spin_lock(void);

/* scenarios_wait.c */
void cond_times(void);
void cond_without_mutex(void);
void cond_signals(void);
void rwlock_all(void);
void semaphores(void);

#endif
