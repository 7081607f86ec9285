/* SPDX-License-Identifier: MIT
 *
 * The main() of every test program here: one test case, all its tests, an exit status.
 */
#ifndef TEST_RUN_SUITE_H
#define TEST_RUN_SUITE_H

#include <check.h>
#include <stddef.h>

/* `before` and `after` surround each test, in its own process; either may be NULL. */
int run_suite(const char *name, const TTest *const *tests, size_t count, void (*before)(void),
              void (*after)(void));

#endif
