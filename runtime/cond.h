/* SPDX-License-Identifier: MIT */
#ifndef GREEN_COND_H
#define GREEN_COND_H

#include "lot.h"

#include <pthread.h>

/* Waits as pthread_cond_clockwait(3) does. Returns an error number and leaves errno alone. */
int cond_wait(struct hub *hub, const char *call, pthread_cond_t *cond, pthread_mutex_t *mutex,
              struct until until);

#endif
