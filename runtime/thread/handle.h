/* SPDX-License-Identifier: MIT
 *
 * What stands behind the pthread_t of a coroutine: memory in which libc finds a thread that does
 * not exist. Code that is not patched gets ESRCH for it, as a rule, and no crash.
 */
#ifndef GREEN_THREAD_HANDLE_H
#define GREEN_THREAD_HANDLE_H

#include <pthread.h>
#include <stdint.h>

/* To be freed with free(). NULL with ENOMEM. */
void *handle_create(void);

static inline pthread_t handle_of(const void *target)
{
    return (pthread_t)(uintptr_t)target;
}

#endif
