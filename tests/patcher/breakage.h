/* SPDX-License-Identifier: MIT
 *
 * Ways to break a file, each for one check of verify.
 */
#ifndef TESTS_BREAKAGE_H
#define TESTS_BREAKAGE_H

#include "fixture.h"

/* How a file is broken: from which fixture, patched or not, and what else must notice. */
struct breakage {
    const char *check;
    const char *fixture;
    void (*apply)(struct fixture *f);
    const char *companions;                     /* names of checks, each with a space behind it */
    enum { PATCHED, UNPATCHED, COMPARED } kind; /* the last: with the fixture itself */
};

extern const struct breakage breakages[]; /* ended by check == NULL */

#endif
