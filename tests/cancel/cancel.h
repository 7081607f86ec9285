/* SPDX-License-Identifier: MIT
 *
 * Every point at which a call can be suspended, with all that is needed to bring a call there, to
 * let it succeed, and to take away what was set up.
 */
#ifndef TEST_CANCEL_H
#define TEST_CANCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct point {
    const char *name;
    void (*hook)(void);
    bool (*set_up)(void);  /* false: the system has nothing of the kind; NULL: nothing to do */
    int (*call)(void);     /* waits; 0, or what it failed with */
    void (*proceed)(void); /* lets a call that waits succeed; NULL: it does so by itself */
    void (*tear_down)(void);
    int success;      /* what call() returns then */
    bool rounds;      /* of the loop are needed until it is there */
    bool by_handler;  /* succeeds when a handler ran, of which a foreign host tells nobody */
    bool may_be_done; /* before the kill comes: a worker is asked, and has the answer */
    bool cannot_fail; /* goes on waiting: the kill ends the next call of the flow */
};

extern const struct point points_net[], points_wait[], points_file[], points_name[], points_sync[];
extern const size_t points_net_count, points_wait_count, points_file_count, points_name_count,
    points_sync_count;

#define HOOK_OF(function) ((void (*)(void))greenify_##function)
#define POINT_OF(of_hook, of_name, setting_up, calling, proceeding, tearing_down, ...)             \
    {                                                                                              \
        .name = (of_name), .hook = (of_hook), .set_up = (setting_up), .call = (calling),           \
        .proceed = (proceeding), .tear_down = (tearing_down), __VA_ARGS__                          \
    }
#define POINT(function, ...) POINT_OF(HOOK_OF(function), #function, __VA_ARGS__, )
#define COUNT_OF(array)      (sizeof(array) / sizeof(array)[0])

/* What flows are killed with: functions of C11 have one error for everything. */
extern int killed_with;

/* errno of a call that returned -1. */
int failure(long result);

/* A point on the clock that is far off. */
struct timespec far_off(clockid_t clock);

/* --- whose flows wait ------------------------------------------------------------------------- */

enum { FLOWS = 2 };

struct host {
    const char *name;
    void (*begin)(void);
    void (*end)(void);
    /* Starts a flow and runs it until it waits, without a round of the loop. */
    void (*start)(int number, void (*function)(int number));
    void (*kill)(int number, int error);
    bool (*join)(int number, double limit); /* false: it has not ended */
};

extern const struct host native, foreign;

#endif
