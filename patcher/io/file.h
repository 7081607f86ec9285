/* SPDX-License-Identifier: MIT
 *
 * One input file: its path, its attributes, and a reader of its content.
 */
#ifndef PATCHER_FILE_H
#define PATCHER_FILE_H

#include "io/reader.h"
#include "patcher.h"

#include <sys/stat.h>

struct file {
    char *path; /* resolved: no symbolic links */
    int fd;     /* open for reading */
    struct stat status;
    uint64_t size; /* in bytes */
    struct reader reader;
};

/* Refuses what is no regular file, without waiting on a FIFO. Reads nothing yet. */
PATCH_MUST_CHECK bool file_open(struct file *file, const char *path, struct patch_error *error);
void file_finish(struct file *file);

/* What stands behind the last slash. */
const char *file_base_name(const char *path);

#endif
