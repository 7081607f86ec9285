/* SPDX-License-Identifier: MIT
 *
 * What every contender of switch.py, spawn.py and idle.py is: a program with a table of measures.
 *
 *      PROGRAM                       the names of its measures, one a line
 *      PROGRAM MEASURE FLOWS COUNT   runs one, prints what it took
 */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#ifdef __cplusplus
extern "C" {
#endif

/* Does `count` steps (switches, spawns) among `flows` coroutines or threads. */
struct contender_measure {
    const char *name;
    void (*run)(long flows, long count);
};

/* Prints nanoseconds for each of the steps: of the processor, and elapsed. `measures` ends with a
 * name of NULL. */
int contender_main(int argc, char **argv, const struct contender_measure *measures);

/* How many coroutines or threads the measure is asked for; 1 at least. */
unsigned long contender_flows(int argc, char **argv);

/* In a measure `idle`: called once before anything is made, once when all `flows` wait, and once
 * after all have ended. Prints memory (resident pages and page tables, in bytes) and seconds. */
void contender_stage(const char *stage);

/* What did not work is said, and the program ends. */
void contender_check(int holds, const char *what);

#ifdef __cplusplus
}
#endif

#endif
