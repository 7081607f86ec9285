/* SPDX-License-Identifier: MIT
 *
 * Files and memory as readers.
 */
#include "io/reader.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool read_file(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                      struct patch_error *error)
{
    uint8_t *at = to;

    while (size > 0) {
        size_t part = size < ((uint64_t)1 << 30) ? (size_t)size : (size_t)1 << 30;
        ssize_t n = pread(reader->fd, at, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(error, "read");
        if (n == 0)
            return error_set_at(error, PATCH_TRUNCATED, "", offset,
                                "the file ends here now, it was longer before");
        at += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return true;
}

static uint64_t stretch_of_file(const struct reader *reader, uint64_t offset, uint64_t limit,
                                bool *hole)
{
    off_t data = lseek(reader->fd, (off_t)offset, SEEK_DATA);
    off_t end = -1;

    /* ENXIO: nothing but a hole up to the end. */
    *hole = data > (off_t)offset || (data < 0 && errno == ENXIO);
    if (*hole)
        end = data;
    else if (data >= 0)
        end = lseek(reader->fd, (off_t)offset, SEEK_HOLE);
    return end <= (off_t)offset || (uint64_t)end - offset > limit ? limit : (uint64_t)end - offset;
}

uint64_t reader_no_hole(const struct reader *reader, uint64_t offset, uint64_t limit, bool *hole)
{
    (void)reader;
    (void)offset;
    *hole = false;
    return limit;
}

struct reader reader_of_file(int fd, uint64_t size, uint64_t allocated)
{
    bool sparse = allocated < size;

    return (struct reader){
        .size = size,
        .fd = fd,
        .sparse = sparse,
        .read = read_file,
        .stretch = sparse ? stretch_of_file : reader_no_hole,
    };
}

static bool read_memory(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                        struct patch_error *error)
{
    (void)error;
    memcpy(to, reader->bytes + offset, size);
    return true;
}

struct reader reader_of_memory(const uint8_t *bytes, uint64_t size)
{
    return (struct reader){
        .size = size,
        .fd = -1,
        .read = read_memory,
        .stretch = reader_no_hole,
        .bytes = bytes,
    };
}
