/* SPDX-License-Identifier: MIT
 *
 * The file that a new version is written to before it takes its name. Where the file system can do
 * that it has no name until it is complete. A kill between the moment in which it gets one and the
 * rename leaves it behind; so its name follows from that of the destination, it is locked as long
 * as its maker lives, and the next run that writes the same destination removes what is not.
 */
#ifndef PATCHER_TEMPORARY_H
#define PATCHER_TEMPORARY_H

#include "patcher.h"

enum { TEMPORARY_NAME = 48 }; /* bytes that a name takes, with its NUL */

/* Opens one in `folder` for what shall be called `destination`; the caller closes *fd. `name` is ""
 * when the file has none, else the caller removes or renames it. */
PATCH_MUST_CHECK bool temporary_open(int folder, const char *destination, int *fd, char *name,
                                     struct patch_error *error);

/* Gives the nameless file a temporary name. */
PATCH_MUST_CHECK bool temporary_name(int folder, const char *destination, int fd, char *name,
                                     struct patch_error *error);

/* Path by which the nameless file can be linked, `size` bytes at most. */
void temporary_path(int fd, char *path, size_t size);

#endif
