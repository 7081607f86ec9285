/* SPDX-License-Identifier: MIT
 *
 * The processor's time counts, not the elapsed: the machine has other things to do.
 */
#include "contender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void contender_check(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static long kibibytes(const char *status, const char *name)
{
    const char *line = strstr(status, name);

    return line == NULL ? 0 : atol(line + strlen(name));
}

void contender_stage(const char *stage)
{
    char status[8192];
    FILE *file = fopen("/proc/self/status", "r");
    size_t length;

    contender_check(file != NULL, "/proc/self/status");
    length = fread(status, 1, sizeof status - 1, file);
    fclose(file);
    status[length] = '\0';
    printf("%s %ld %.6f %.6f\n", stage,
           (kibibytes(status, "VmRSS:") + kibibytes(status, "VmPTE:")) * 1024,
           clock_now(CLOCK_PROCESS_CPUTIME_ID), clock_now(CLOCK_MONOTONIC));
}

static void measure(const struct contender_measure *m, long flows, long count)
{
    double cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID), wall = clock_now(CLOCK_MONOTONIC);

    m->run(flows, count);
    cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_now(CLOCK_MONOTONIC) - wall;
    if (strcmp(m->name, "idle") != 0)
        printf("%.3f %.3f\n", cpu / (double)count * 1e9, wall / (double)count * 1e9);
}

unsigned long contender_flows(int argc, char **argv)
{
    return argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
}

int contender_main(int argc, char **argv, const struct contender_measure *measures)
{
    for (; measures->name != NULL; measures++) {
        if (argc < 4) {
            puts(measures->name);
        } else if (strcmp(measures->name, argv[1]) == 0) {
            measure(measures, atol(argv[2]), atol(argv[3]));
            return EXIT_SUCCESS;
        }
    }
    return argc < 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}
