/* SPDX-License-Identifier: MIT
 *
 * What every test program here needs: its main(), child processes, and system calls that fail on
 * demand. Each test runs in a process of its own (libcheck's fork mode), so it begins without a hub.
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

/* All tests in one case; returns what main() returns. */
int run_suite(const char *name, const TTest *const *tests, size_t count);

/* Runs function() in a child and returns its wait status. */
int child_status(void (*function)(void));

/* From now on in this process: system call `number` fails with `error` where its argument `index`
 * has all the bits of `bits` (bits 0: always). false: the system lets nobody filter. */
bool make_fail(int number, unsigned index, unsigned bits, int error);

/* How many descriptors this process has. */
int open_descriptors(void);

/* CLOCK_MONOTONIC, seconds. */
double now(void);

/* Whether this program was built with AddressSanitizer. */
bool is_sanitized(void);

#endif
