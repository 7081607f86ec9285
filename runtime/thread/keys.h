/* SPDX-License-Identifier: MIT
 *
 * Thread-specific data of coroutines: what pthread_getspecific() and tss_get() find there. The keys
 * are libc's, so that they are valid everywhere; a key that patched code made has values of its own
 * in each coroutine, any other one those of the thread.
 */
#ifndef GREEN_THREAD_KEYS_H
#define GREEN_THREAD_KEYS_H

#include <pthread.h>
#include <stdbool.h>

struct key_values;

/* From any thread: libc made the key for patched code, or is about to delete it. */
void key_born(pthread_key_t key, void (*destructor)(void *));
void key_gone(pthread_key_t key);

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
