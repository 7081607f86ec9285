/* SPDX-License-Identifier: MIT
 *
 * A memory file in the place of the stream's descriptor.
 */
#include "capture.h"

#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture capture_begin(FILE *stream)
{
    struct capture capture = {stream, -1};
    int memory = memfd_create("capture", MFD_CLOEXEC);

    fflush(stream);
    capture.saved = dup(fileno(stream));
    ck_assert_int_ge(memory, 0);
    ck_assert_int_ge(capture.saved, 0);
    ck_assert_int_ge(dup2(memory, fileno(stream)), 0);
    close(memory);
    return capture;
}

char *capture_end(struct capture *capture)
{
    int fd = fileno(capture->stream);
    off_t size;
    char *text;

    fflush(capture->stream);
    size = lseek(fd, 0, SEEK_END);
    ck_assert_int_ge(size, 0);
    text = calloc(1, (size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(pread(fd, text, (size_t)size, 0), size);
    dup2(capture->saved, fd);
    close(capture->saved);
    return text;
}
