/* SPDX-License-Identifier: MIT
 *
 * The symbol versions that a file needs (DT_VERNEED) or defines (DT_VERDEF), by version index.
 */
#ifndef PATCHER_VERSIONS_H
#define PATCHER_VERSIONS_H

#include "elf/image.h"

struct versions {
    const char **names; /* in the image; NULL where no version has the index */
    size_t count;
};

/* PATCH_MALFORMED when a list runs out of its segment. */
PATCH_MUST_CHECK bool versions_load(const struct image *image, struct versions *versions,
                                    struct patch_error *error);
void versions_finish(struct versions *versions);

/* What .gnu.version says of a symbol, without the "hidden" bit; VER_NDX_GLOBAL without that table.
 */
unsigned versions_index(const struct image *image, uint32_t symbol);

/* "GLIBC_2.2.5", or NULL for a symbol without a version. */
const char *versions_name(const struct versions *versions, const struct image *image,
                          uint32_t symbol);

#endif
