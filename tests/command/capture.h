/* SPDX-License-Identifier: MIT
 *
 * What the code under test writes to a standard stream, as a string.
 */
#ifndef TEST_CAPTURE_H
#define TEST_CAPTURE_H

#include <stdio.h>

struct capture {
    FILE *stream; /* stdout or stderr */
    int saved;    /* where its descriptor led before */
};

struct capture capture_begin(FILE *stream);

/* Gives the stream back and returns what was written since; the caller frees it. */
char *capture_end(struct capture *capture);

#endif
