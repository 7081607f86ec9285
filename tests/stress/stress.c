/* SPDX-License-Identifier: MIT */
#include "stress.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

long stress_count;
uint64_t stress_seed = 1;
atomic_ulong stress_progress;

enum { NAP = 200 /* ms */ };

static double began;
static long patience_left; /* naps */
static void (*tell_stuck)(void);

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* A thread of its own, without a hub. It counts its own naps, since a machine may stand still. */
static void *watch(void *unused)
{
    unsigned long seen = atomic_load(&stress_progress);

    for (long naps = 0; naps < patience_left; naps++) {
        unsigned long progress;

        usleep(NAP * 1000);
        progress = atomic_load(&stress_progress);
        if (progress != seen)
            naps = 0;
        seen = progress;
    }
    tell_stuck();
    stress_fail("nothing moves any more, after %lu steps", seen);
    return unused;
}

static long number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text != '\0' && *end == '\0' && value > 0)
        return value;
    fprintf(stderr, "usage: PROGRAM [COUNT [SEED]]\n");
    exit(2);
}

void stress_begin(int argc, char **argv, long count, double patience, void (*stuck)(void))
{
    pthread_t thread;

    stress_count = argc > 1 ? number(argv[1]) : count;
    if (argc > 2)
        stress_seed = (uint64_t)number(argv[2]);
    began = now();
    patience_left = (long)(patience * 1000 / NAP);
    tell_stuck = stuck;
    if (pthread_create(&thread, NULL, watch, NULL) != 0 || pthread_detach(thread) != 0)
        stress_fail("no watchdog");
}

/* xorshift64* */
uint64_t stress_dice(uint64_t *state, uint64_t sides)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 0x2545f4914f6cdd1d >> 32) % sides;
}

uint64_t stress_dice_of(uint64_t thrower)
{
    uint64_t state = (stress_seed + 1) * 0x9e3779b97f4a7c15 ^ (thrower + 1) * 0xbf58476d1ce4e5b9;

    return state == 0 ? 1 : state;
}

void stress_fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    flockfile(stderr);
    fprintf(stderr, "FAILED (seed %llu): ", (unsigned long long)stress_seed);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (errno: %s)\n", strerror(error));
    _exit(1);
}

void stress_end(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("; seed %llu, %.1f s\n", (unsigned long long)stress_seed, now() - began);
}
