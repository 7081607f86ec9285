/* SPDX-License-Identifier: MIT
 *
 * What a coroutine does with a mutex, for the calls that lock one on the way (condition variables,
 * C11). All return an error number and leave errno alone.
 */
#ifndef GREEN_MUTEX_H
#define GREEN_MUTEX_H

#include "lot.h"

#include <pthread.h>

/* deferred: as in struct lot_call. */
int mutex_lock(struct hub *hub, const char *call, pthread_mutex_t *mutex, struct until until,
               int *deferred);
int mutex_trylock(struct hub *hub, pthread_mutex_t *mutex);
int mutex_unlock(struct hub *hub, pthread_mutex_t *mutex);

#endif
