/* SPDX-License-Identifier: MIT
 *
 * A wait for which no event tells that another try makes sense: pauses between tries.
 */
#ifndef GREEN_PAUSE_H
#define GREEN_PAUSE_H

struct hub;

enum pause_outcome {
    PAUSE_OVER,   /* try again */
    PAUSE_FAILED, /* the call fails with errno: EINTR after a signal handler without SA_RESTART */
    PAUSE_BLOCKS, /* this flow cannot be suspended: make the call for real */
};

/* Seconds of the first pause, and what they grow to. */
#define PAUSE_FIRST   0.001
#define PAUSE_LONGEST 0.016

/* Suspends for *seconds, which doubles. */
enum pause_outcome pause_between_tries(struct hub *hub, const char *call, double *seconds);

#endif
