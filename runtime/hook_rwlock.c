/* SPDX-License-Identifier: MIT
 *
 * Hooks of reader-writer locks. As in libc, readers go before writers unless the lock was made to
 * prefer writers; so a flow may always take its read lock once more.
 */
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "owners.h"

#include <errno.h>

static bool prefers_writers(const pthread_rwlock_t *lock)
{
    return lock->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

static struct owner *find_writer(struct hub *hub, const pthread_rwlock_t *lock)
{
    return owner_find(hub, lock, __atomic_load_n(&lock->__data.__cur_writer, __ATOMIC_RELAXED));
}

/* Its holder would wait for itself. */
static int check_self(struct hub *hub, const pthread_rwlock_t *lock, int result)
{
    struct owner *writer;

    if (result != EBUSY)
        return result;
    writer = find_writer(hub, lock);
    return writer != NULL && owner_is_self(hub, writer) ? EDEADLK : EBUSY;
}

static int attempt_read(void *lock)
{
    return check_self(hub_current(), lock, pthread_rwlock_tryrdlock(lock));
}

static int write_taken(struct hub *hub, pthread_rwlock_t *lock, int result)
{
    if (result != 0 || owner_add(hub, lock) == 0)
        return result;
    (void)pthread_rwlock_unlock(lock);
    return ENOMEM;
}

static int attempt_write(void *lock)
{
    struct hub *hub = hub_current();

    return check_self(hub, lock, write_taken(hub, lock, pthread_rwlock_trywrlock(lock)));
}

static int lock_read(struct hub *hub, const char *name, pthread_rwlock_t *lock, struct until until)
{
    const struct lot_call call = {
        .name = name,
        .object = lock,
        .attempt = attempt_read,
        .until = until,
        .kind = prefers_writers(lock) ? LOT_SHARED_IN_TURN : LOT_SHARED,
        .impatient = !prefers_writers(lock),
    };
    int result = lot_await(hub, &call);

    if (result != LOT_REFUSED)
        return result;
    return until.time == NULL ? pthread_rwlock_rdlock(lock)
                              : pthread_rwlock_clockrdlock(lock, until.clock, until.time);
}

static int lock_write(struct hub *hub, const char *name, pthread_rwlock_t *lock, struct until until)
{
    const struct lot_call call = {
        .name = name,
        .object = lock,
        .attempt = attempt_write,
        .until = until,
    };
    int result = lot_await(hub, &call);

    if (result != LOT_REFUSED)
        return result;
    result = until.time == NULL ? pthread_rwlock_wrlock(lock)
                                : pthread_rwlock_clockwrlock(lock, until.clock, until.time);
    return write_taken(hub, lock, result);
}

/* Readers wait for each other at times, so that none may be left behind a writer. */
static void released(const pthread_rwlock_t *lock)
{
    if (prefers_writers(lock))
        lot_wake(lock, 1);
    else
        lot_wake_sharer(lock);
}

/* libc refuses such times before it tries. */
static bool is_valid(struct until until)
{
    return (until.clock == CLOCK_REALTIME || until.clock == CLOCK_MONOTONIC) &&
           until.time->tv_nsec >= 0 && until.time->tv_nsec < 1000000000;
}

int greenify_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_rwlock_rdlock(lock);
    return lock_read(hub, "pthread_rwlock_rdlock", lock, UNTIL_EVER);
}

int greenify_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {CLOCK_REALTIME, time};

    if (hub == NULL || !is_valid(until))
        return pthread_rwlock_timedrdlock(lock, time);
    return lock_read(hub, "pthread_rwlock_timedrdlock", lock, until);
}

int greenify_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {clock, time};

    if (hub == NULL || !is_valid(until))
        return pthread_rwlock_clockrdlock(lock, clock, time);
    return lock_read(hub, "pthread_rwlock_clockrdlock", lock, until);
}

int greenify_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_rwlock_wrlock(lock);
    return lock_write(hub, "pthread_rwlock_wrlock", lock, UNTIL_EVER);
}

int greenify_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {CLOCK_REALTIME, time};

    if (hub == NULL || !is_valid(until))
        return pthread_rwlock_timedwrlock(lock, time);
    return lock_write(hub, "pthread_rwlock_timedwrlock", lock, until);
}

int greenify_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *time)
{
    struct hub *hub = hub_current();
    struct until until = {clock, time};

    if (hub == NULL || !is_valid(until))
        return pthread_rwlock_clockwrlock(lock, clock, time);
    return lock_write(hub, "pthread_rwlock_clockwrlock", lock, until);
}

int greenify_pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    struct hub *hub = hub_current();
    int result = pthread_rwlock_trywrlock(lock);

    return hub == NULL ? result : write_taken(hub, lock, result);
}

int greenify_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    struct hub *hub = hub_current();
    struct owner *writer = hub == NULL ? NULL : find_writer(hub, lock);
    int result;

    if (writer != NULL)
        owner_remove(hub, writer);
    result = pthread_rwlock_unlock(lock);
    if (result == 0 && !lot_is_empty())
        released(lock);
    return result;
}
