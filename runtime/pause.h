/* SPDX-License-Identifier: MIT
 *
 * A wait for which no event tells that another try makes sense: pauses between tries.
 */
#ifndef GREEN_PAUSE_H
#define GREEN_PAUSE_H

struct hub;

/* What a signal handler that runs meanwhile does to the call (signal(7)). */
enum pause_signals {
    PAUSE_RESTARTS, /* ends it only without SA_RESTART */
    PAUSE_ENDS,     /* ends it always */
};

enum pause_outcome {
    PAUSE_OVER,   /* try again */
    PAUSE_FAILED, /* the call fails with errno */
    PAUSE_BLOCKS, /* this flow cannot be suspended: make the call for real */
};

/* Seconds of the first pause, for pause_between_tries(). */
#define PAUSE_FIRST 0.001

/* Suspends for *seconds, which doubles up to 16 ms. */
enum pause_outcome pause_between_tries(struct hub *hub, const char *call, double *seconds,
                                       enum pause_signals signals);

#endif
