/* SPDX-License-Identifier: MIT
 *
 * The checks of patch_verify(): rows of one table.
 */
#ifndef PATCHER_VERIFY_H
#define PATCHER_VERIFY_H

#include "image.h"
#include "imports.h"
#include "versions.h"

enum { VERIFY_DETAIL = 320 };

/* What every check may look at. */
struct verify_subject {
    const struct image *image;
    const struct imports *imports;
    const struct versions *versions;
    const struct patch_options *options;
};

struct verify_check {
    const char *name;
    /* `detail` has VERIFY_DETAIL bytes and holds "" before the call. */
    enum patch_verdict (*run)(const struct verify_subject *subject, char *detail);
};

extern const struct verify_check verify_checks[]; /* ended by name == NULL */

#endif
