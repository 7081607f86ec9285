/* SPDX-License-Identifier: MIT
 *
 * What the stress programs share: PROGRAM [COUNT [SEED]], dice that fall again as before with the
 * same seed, and a watchdog for wake-ups that never come.
 */
#ifndef TEST_STRESS_H
#define TEST_STRESS_H

#include <stdatomic.h>
#include <stdint.h>

/* How much is to be done, and from which seed. */
extern long stress_count;
extern uint64_t stress_seed;

/* Whoever gets on adds to it; the watchdog looks. */
extern atomic_ulong stress_progress;

/* Reads the arguments, and starts the watchdog: after so many seconds without progress it calls
 * stuck(), which tells who waits for what, and ends the program. */
void stress_begin(int argc, char **argv, long count, double patience, void (*stuck)(void));

/* A number below `sides`; *state is the thrower's own, and not 0. */
uint64_t stress_dice(uint64_t *state, uint64_t sides);

/* A state of dice for the thrower with this number. */
uint64_t stress_dice_of(uint64_t number);

/* Ends the program with a message, the seed and errno. */
_Noreturn void stress_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last line: what ran, and how long it took. */
void stress_end(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
