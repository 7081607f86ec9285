/* SPDX-License-Identifier: MIT
 *
 * The content of one input file, read into memory: a mapping would fault when somebody truncates
 * the file meanwhile. Of a file that is not ELF only the beginning is read.
 */
#ifndef PATCHER_FILE_H
#define PATCHER_FILE_H

#include "patcher.h"

#include <sys/stat.h>

struct file {
    char *path; /* resolved: no symbolic links */
    int fd;     /* open for reading; for the extended attributes */
    struct stat status;
    uint8_t *bytes;
    uint64_t size;
};

/* Refuses what is no regular file, without waiting on a FIFO. */
PATCH_MUST_CHECK bool file_read(struct file *file, const char *path, struct patch_error *error);
void file_finish(struct file *file);

/* What stands behind the last slash. */
const char *file_base_name(const char *path);

#endif
