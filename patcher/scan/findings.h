/* SPDX-License-Identifier: MIT
 *
 * What waits in an image without being a redirected import.
 */
#ifndef PATCHER_FINDINGS_H
#define PATCHER_FINDINGS_H

#include "elf/image.h"
#include "scan/survey.h"

struct findings {
    struct patch_finding *items; /* by kind, then by address */
    size_t count;
    size_t capacity;
};

PATCH_MUST_CHECK bool findings_collect(const struct image *image, const struct survey *survey,
                                       struct findings *findings, struct patch_error *error);
void findings_finish(struct findings *findings);

#endif
