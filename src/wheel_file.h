/* SPDX-License-Identifier: MIT
 *
 * The bytes of a wheel for libarchive, which forgets why it could not read them: it takes the rest
 * for an archive that is broken, or no archive.
 */
#ifndef GREENIFY_WHEEL_FILE_H
#define GREENIFY_WHEEL_FILE_H

#include "archive_library.h"

struct wheel_file {
    struct archive *archive; /* at its start; freed by wheel_file_close() */
    int fd;
    int failure; /* errno of the first read that failed; 0: none did */
    unsigned char block[1 << 16];
};

/* NULL and the error. */
struct wheel_file *wheel_file_open(const char *path, struct patch_error *error);

/* Accepts NULL. False and the error when some of it could not be read, whatever was said before of
 * what came of that. */
bool wheel_file_close(struct wheel_file *file, struct patch_error *error);

#endif
