/* SPDX-License-Identifier: MIT
 *
 * One thread's way through parts of a recipe.
 */
#ifndef PATCHER_RECIPE_PASS_H
#define PATCHER_RECIPE_PASS_H

#include "io/recipe.h"

/* What all threads share. */
struct recipe_work {
    const struct recipe *recipe;
    const struct reader *input;
    int fd;                         /* of the new file, or -1: nothing is written */
    uint64_t shared[RECIPE_RANGES]; /* so many bytes of a range share their blocks already */
    bool sums_input;                /* which bytes go into recipe_pass.sum, where there is one */
};

struct recipe_pass {
    const struct recipe_work *work;
    uint64_t size;       /* of a part; a power of two */
    uint8_t *part;       /* so many bytes */
    struct summing *sum; /* or NULL */
    size_t piece;        /* the next one */
    uint64_t started;    /* up to here the disk was told to write */
    uint64_t shared;     /* up to here the new file has its bytes already */
    struct patch_error error;
};

/* All of the new file from `start` to `end`; what its base takes from the input between two places
 * of that; and the zeros between the ranges of the base. False: pass->error says why. */
PATCH_MUST_CHECK bool recipe_pass_output(struct recipe_pass *pass, uint64_t start, uint64_t end);
PATCH_MUST_CHECK bool recipe_pass_input(struct recipe_pass *pass, uint64_t start, uint64_t end);
PATCH_MUST_CHECK bool recipe_pass_gaps(struct recipe_pass *pass);

/* The bytes that stand in the new file a second time. */
PATCH_MUST_CHECK bool recipe_pass_copy(struct recipe_pass *pass);

#endif
