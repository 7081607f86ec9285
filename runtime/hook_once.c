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
typedef int guard_function(long long *guard);

static guard_function *find_guard(const char *name)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    void *found = dlsym(RTLD_DEFAULT, name);
    guard_function *function;

    for (size_t i = 0; found == NULL && i < sizeof runtimes / sizeof runtimes[0]; i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);

        if (runtime == NULL)
            continue;
        found = dlsym(runtime, name);
        dlclose(runtime);
    }
    if (found == NULL)
        abort(); /* nobody can have imported what is nowhere */
    *(void **)&function = found;
    return function;
}

/* The C++ runtime's own, for the entries of the hooks as well; at first they lead to who finds it.
 * Those that return nothing return something that nobody looks at. */
#define GUARD(name)                                                                                \
    static guard_function find_##name;                                                             \
    guard_function *_Atomic function_##name = find_##name;                                         \
    static int find_##name(long long *guard)                                                       \
    {                                                                                              \
        guard_function *function = find_guard(#name);                                              \
                                                                                                   \
        function_##name = function;                                                                \
        return function(guard);                                                                    \
    }
GUARD(__cxa_guard_acquire)
GUARD(__cxa_guard_release)
GUARD(__cxa_guard_abort)
#undef GUARD

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

int greenify___cxa_guard_acquire(long long *guard)
{
    struct hub *hub = hub_current();
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
        return function___cxa_guard_acquire(guard);
    if (result == MINE) {
        result = function___cxa_guard_acquire(guard);
        claim_drop(guard);
    }
    return result;
}

static void guard_released(long long *guard)
{
    if (!lot_is_empty())
        lot_wake(guard, SIZE_MAX);
}

void greenify___cxa_guard_release(long long *guard)
{
    (void)function___cxa_guard_release(guard);
    guard_released(guard);
}

void greenify___cxa_guard_abort(long long *guard)
{
    (void)function___cxa_guard_abort(guard);
    guard_released(guard);
}
