/* SPDX-License-Identifier: MIT
 *
 * Thread-specific data of coroutines: what pthread_getspecific() and tss_get() find there. The keys
 * are libc's, so that they are valid everywhere; a key that patched code made has values of its own
 * in each coroutine, any other one those of the thread.
 */
#ifndef GREEN_THREAD_KEYS_H
#define GREEN_THREAD_KEYS_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct key_values;

/* By its number. As in libc a key carries a count that is odd while the key is in use, and each
 * value the count that it was set under: the values of a key that was deleted are not those of the
 * next one with its number. */
extern struct key {
    atomic_uintptr_t count;
    void (*_Atomic destructor)(void *);
} keys[PTHREAD_KEYS_MAX] __attribute__((visibility("hidden")));

static inline bool key_count_is_used(uintptr_t count)
{
    return (count & 1) != 0;
}

/* The next two in any thread, and in one at a time for each number: between its making and its
 * deletion a key belongs to who made it, so that plain loads and stores will do. Here, not in
 * keys.c, because they happen in threads without a hub, where a hook has 3 ns. */

/* libc made the key for patched code. The number may have been deleted by code that is not patched,
 * then it is odd already; the count comes first, as destroy_value() in keys.c has it. */
static inline void key_born(pthread_key_t key, void (*destructor)(void *))
{
    uintptr_t count = atomic_load_explicit(&keys[key].count, memory_order_relaxed);

    atomic_store_explicit(&keys[key].count, (count + 1) | 1, memory_order_release);
    atomic_store_explicit(&keys[key].destructor, destructor, memory_order_release);
}

/* libc is about to delete it: later the number may be somebody else's already. A number that is not
 * in use is left alone for the same reason. */
static inline void key_gone(pthread_key_t key)
{
    uintptr_t count;

    if (key >= PTHREAD_KEYS_MAX)
        return;
    count = atomic_load_explicit(&keys[key].count, memory_order_relaxed);
    if (key_count_is_used(count))
        atomic_store_explicit(&keys[key].count, count + 1, memory_order_release);
}

/* Whether patched code made it. */
bool key_is_ours(pthread_key_t key);

/* Values of one coroutine; *values is NULL as long as it has none. Only for keys that are ours.
 * -1: no memory. */
void *key_values_get(const struct key_values *values, pthread_key_t key);
int key_values_set(struct key_values **values, pthread_key_t key, const void *value);

/* The coroutine ends: calls the destructors, in rounds as POSIX has it, and frees the values. */
void key_values_finish(struct key_values **values);

/* In the child of a fork, where the coroutine is the thread's main flow: libc has its values. */
void key_values_hand_over(const struct key_values *values);

/* Frees them without a call. Accepts NULL. */
void key_values_destroy(struct key_values *values);

#endif
