/* SPDX-License-Identifier: MIT
 *
 * What a file was before it was patched: another file, or what its undo record leads to.
 */
#ifndef PATCHER_ORIGIN_H
#define PATCHER_ORIGIN_H

#include "check/verify.h"
#include "elf/image.h"
#include "io/file.h"
#include "io/recipe.h"

struct origin {
    struct image *image; /* NULL: there is none, and `reason` says why */
    char source[160];    /* where it comes from, for messages */
    char reason[VERIFY_DETAIL];
    bool unusable;           /* it was named, but cannot be read */
    struct verify_undo undo; /* what the record in the file came to */
    struct file file;        /* where it is one */
    bool opened;
    struct recipe recipe; /* where it is a view of the patched file, without what was added */
    struct recipe_reader reader;
};

/* `path` is that of the original, or NULL for the undo record. The caller finishes *origin, which
 * must not be moved, before `image` goes. */
void origin_find(const struct image *image, const char *path, struct origin *origin);
void origin_finish(struct origin *origin);

#endif
