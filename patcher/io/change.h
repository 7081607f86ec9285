/* SPDX-License-Identifier: MIT
 *
 * A new version of one file: written without a name in the folder of its destination (or, where the
 * file system cannot do that, under a temporary one), with the attributes of the input, synced.
 */
#ifndef PATCHER_CHANGE_H
#define PATCHER_CHANGE_H

#include "io/file.h"
#include "patcher.h"

/* Where the result for `input` goes: `output` with its symbolic links resolved, or the input itself
 * when `output` is NULL. Refuses a hard-linked file unless the options allow it. The caller frees
 * *path. */
PATCH_MUST_CHECK bool change_destination(const struct file *input, const char *output,
                                         const struct patch_options *options, char **path,
                                         struct patch_error *error);

/* An empty new version. Takes `path` over, also on failure. The caller owns *change. */
PATCH_MUST_CHECK bool change_create(const struct file *input, char *path,
                                    struct patch_change **change, struct patch_error *error);

/* When its content is written: gives it the attributes of the input, which must still be the file
 * that was read. */
PATCH_MUST_CHECK bool change_complete(struct patch_change *change, const struct file *input,
                                      struct patch_error *error);

/* Of the new content, open for reading and writing; owned by the change. */
int change_descriptor(const struct patch_change *change);

#endif
