/* SPDX-License-Identifier: MIT
 *
 * Hooks of what is done once: pthread_once, call_once, and the guards of C++ statics. libc and the
 * C++ runtime do it; who comes while it is being done must not enter them, as they would block the
 * very thread that does it. A claim covers the moment from the look at the object until the object
 * itself shows that it is being done.
 */
#include "claims.h"
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* What an attempt can say besides "done" and EBUSY: the caller does it. */
enum { DONE = 0, MINE = -3 };

/* --- pthread_once ----------------------------------------------------------------------------- */

/* libc's values of a pthread_once_t: 0, done, or "in progress" with the number of forks before, so
 * that the child of a fork begins anew. */
enum { ONCE_DONE = 2 };

static __thread struct {
    pthread_once_t *control;
    void (*routine)(void);
} beginning;

static __thread struct {
    pthread_once_t control;
    int value;
} probe;

static void read_probe(void)
{
    probe.value = probe.control;
}

/* What "in progress" looks like in this process. */
static int in_progress(void)
{
    probe.control = PTHREAD_ONCE_INIT;
    pthread_once(&probe.control, read_probe);
    return probe.value;
}

static int attempt_once(void *control)
{
    int value = __atomic_load_n((pthread_once_t *)control, __ATOMIC_ACQUIRE);

    if (value == ONCE_DONE)
        return DONE;
    if (value != 0 && value == in_progress())
        return EBUSY;
    return claim_take(control) ? MINE : EBUSY;
}

/* Now the object itself says that it is being done. */
static void begin(void)
{
    void (*routine)(void) = beginning.routine;

    claim_drop(beginning.control);
    routine();
}

static int do_once(pthread_once_t *control, void (*routine)(void))
{
    int result;

    beginning.control = control;
    beginning.routine = routine;
    result = pthread_once(control, begin);
    claim_drop(control);
    if (!lot_is_empty())
        lot_wake(control, SIZE_MAX);
    return result;
}

static int once(struct hub *hub, const char *name, pthread_once_t *control, void (*routine)(void),
                int *deferred)
{
    const struct lot_call call = {
        .name = name,
        .object = control,
        .attempt = attempt_once,
        .kind = LOT_SHARED,
        .impatient = true,
        .deferred = deferred,
    };
    int result = lot_await(hub, &call);

    if (result == LOT_REFUSED)
        return pthread_once(control, routine);
    return result == MINE ? do_once(control, routine) : result;
}

static int once_in_thread(pthread_once_t *control, void (*routine)(void))
{
    int result = pthread_once(control, routine);

    if (!lot_is_empty())
        lot_wake(control, SIZE_MAX);
    return result;
}

int greenify_pthread_once(pthread_once_t *control, void (*routine)(void))
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return once_in_thread(control, routine);
    return once(hub, "pthread_once", control, routine, NULL);
}

/* The same type under another name. */
void greenify_call_once(once_flag *flag, void (*routine)(void))
{
    pthread_once_t *control = (pthread_once_t *)(void *)flag;
    struct hub *hub = hub_current();
    int deferred = 0;

    if (hub == NULL) {
        (void)once_in_thread(control, routine);
        return;
    }
    (void)once(hub, "call_once", control, routine, &deferred);
    hub_defer(hub, deferred);
}

/* --- C++ statics ------------------------------------------------------------------------------ */

/* libgreen is not linked to a C++ runtime; whoever calls these hooks is. */
enum guard { ACQUIRE, RELEASE, ABORT, GUARDS };
static const char *const guard_names[GUARDS] = {
    [ACQUIRE] = "__cxa_guard_acquire",
    [RELEASE] = "__cxa_guard_release",
    [ABORT] = "__cxa_guard_abort",
};
static void *_Atomic guard_functions[GUARDS];

static void *find_guard(enum guard which)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    void *function = dlsym(RTLD_DEFAULT, guard_names[which]);

    for (size_t i = 0; function == NULL && i < sizeof runtimes / sizeof runtimes[0]; i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);

        if (runtime == NULL)
            continue;
        function = dlsym(runtime, guard_names[which]);
        dlclose(runtime);
    }
    if (function == NULL)
        abort(); /* nobody can have imported what is nowhere */
    return function;
}

static __attribute__((noinline)) void *look_up_guard(enum guard which)
{
    void *function = find_guard(which);

    atomic_store_explicit(&guard_functions[which], function, memory_order_release);
    return function;
}

/* The C++ runtime's own; those that return nothing return something that nobody looks at. */
static inline int call_guard(enum guard which, long long *guard)
{
    void *found = atomic_load_explicit(&guard_functions[which], memory_order_acquire);
    int (*function)(long long *);

    *(void **)&function = found != NULL ? found : look_up_guard(which);
    return function(guard);
}

IN_HUB void guard_end(enum guard which, long long *guard)
{
    (void)call_guard(which, guard);
    if (!lot_is_empty())
        lot_wake(guard, SIZE_MAX);
}

/* The C++ ABI's first byte: it is done. In the second both runtimes note that somebody is at it. */
static int attempt_guard(void *guard)
{
    const unsigned char *bytes = guard;

    if (__atomic_load_n(&bytes[0], __ATOMIC_ACQUIRE) != 0)
        return DONE;
    if (__atomic_load_n(&bytes[1], __ATOMIC_ACQUIRE) != 0)
        return EBUSY;
    return claim_take(guard) ? MINE : EBUSY;
}

IN_HUB int guard_acquire_in_hub(struct hub *hub, long long *guard)
{
    int deferred = 0, result;
    const struct lot_call call = {
        .name = "__cxa_guard_acquire",
        .object = guard,
        .attempt = attempt_guard,
        .kind = LOT_SHARED,
        .impatient = true,
        .deferred = &deferred,
    };

    result = lot_await(hub, &call);
    hub_defer(hub, deferred);
    if (result == LOT_REFUSED)
        return call_guard(ACQUIRE, guard);
    if (result == MINE) {
        result = call_guard(ACQUIRE, guard);
        claim_drop(guard);
    }
    return result;
}

int greenify___cxa_guard_acquire(long long *guard)
{
    struct hub *hub = hub_current();

    return hub == NULL ? call_guard(ACQUIRE, guard) : guard_acquire_in_hub(hub, guard);
}

void greenify___cxa_guard_release(long long *guard)
{
    if (hub_ever)
        guard_end(RELEASE, guard);
    else
        (void)call_guard(RELEASE, guard);
}

void greenify___cxa_guard_abort(long long *guard)
{
    if (hub_ever)
        guard_end(ABORT, guard);
    else
        (void)call_guard(ABORT, guard);
}
