/* SPDX-License-Identifier: MIT
 *
 * Each part is read, summed and written while it is in the processor's cache. Holes are passed
 * over. Where nothing is summed the kernel copies by itself.
 */
#include "io/recipe_pass.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    PAGE = 1 << 12,   /* what holes consist of, nearly everywhere */
    BEHIND = 1 << 21, /* so many bytes later the disk is told to write them */
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- writing -----------------------------------------------------------------------------------
 */

bool recipe_write_bytes(int fd, const uint8_t *bytes, uint64_t size, uint64_t offset,
                        struct patch_error *error)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(error, "write");
        bytes += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return true;
}

static bool write_all(struct recipe_pass *pass, const uint8_t *bytes, uint64_t size,
                      uint64_t offset)
{
    return recipe_write_bytes(pass->work->fd, bytes, size, offset, &pass->error);
}

/* The disk works while the processor copies, so that fsync() has little left to wait for. */
static void start_disk(struct recipe_pass *pass, uint64_t end)
{
    if (pass->work->fd < 0 || end - pass->started < BEHIND)
        return;
    sync_file_range(pass->work->fd, (off_t)pass->started, (off_t)(end - pass->started),
                    SYNC_FILE_RANGE_WRITE);
    pass->started = end;
}

/* What moved by less than a page has other pages at the ends of its holes: those that are zeros
 * stay holes. */
static bool write_between_holes(struct recipe_pass *pass, uint64_t size, uint64_t offset)
{
    uint64_t first = 0;
    uint64_t last = size;

    while (first < size && pass->part[first] == 0)
        first++;
    if (first == size)
        return true;
    while (pass->part[last - 1] == 0)
        last--;
    first = larger((offset + first) / PAGE * PAGE, offset) - offset;
    last = smaller((offset + last + PAGE - 1) / PAGE * PAGE, offset + size) - offset;
    return write_all(pass, pass->part + first, last - first, offset + first);
}

/* --- parts -------------------------------------------------------------------------------------
 */

static bool touched(const struct recipe_pass *pass, uint64_t end)
{
    const struct recipe *recipe = pass->work->recipe;

    return pass->piece < recipe->piece_count && recipe->pieces[pass->piece].at < end;
}

/* pass->part stands for `size` bytes at `offset`: pieces go over them, then they are written. */
static bool put_part(struct recipe_pass *pass, uint64_t offset, uint64_t size)
{
    const struct recipe_work *work = pass->work;
    bool changed = touched(pass, offset + size);
    bool done = true;

    if (changed)
        pass->piece =
            recipe_put_pieces(work->recipe, pass->piece, offset, offset + size, pass->part);
    if (pass->sum != NULL && !work->sums_input)
        summing_add(pass->sum, pass->part, size);
    if (work->fd >= 0 && (changed || offset + size > pass->shared))
        done = work->input->sparse ? write_between_holes(pass, size, offset)
                                   : write_all(pass, pass->part, size, offset);
    start_disk(pass, offset + size);
    return done;
}

/* Zeros need neither be read nor written, but where a piece stands over them. */
static bool put_zeros(struct recipe_pass *pass, uint64_t offset, uint64_t size)
{
    const struct recipe *recipe = pass->work->recipe;
    uint64_t end = offset + size;

    while (offset < end) {
        uint64_t next = end;
        if (touched(pass, end))
            next = larger(recipe->pieces[pass->piece].at, offset);
        if (pass->sum != NULL && !pass->work->sums_input)
            summing_add_zeros(pass->sum, next - offset);
        offset = next;
        if (offset == end)
            break;
        const struct recipe_piece *piece = &recipe->pieces[pass->piece];
        uint64_t part = smaller(smaller(piece->at + piece->size, end) - offset, pass->size);
        memset(pass->part, 0, part);
        if (!put_part(pass, offset, part))
            return false;
        offset += part;
    }
    return true;
}

/* Bytes `at` up to `end` of a range. */
static bool put_data(struct recipe_pass *pass, const struct recipe_range *range, uint64_t at,
                     uint64_t end)
{
    const struct recipe_work *work = pass->work;

    while (at < end) {
        /* Whole pages, and the larger ones of file systems that have them. */
        uint64_t part = smaller(end - at, pass->size - (range->to + at) % pass->size);
        if (!work->input->read(work->input, range->from + at, pass->part, part, &pass->error))
            return false;
        if (pass->sum != NULL && work->sums_input)
            summing_add(pass->sum, pass->part, part);
        if (!put_part(pass, range->to + at, part))
            return false;
        at += part;
    }
    return true;
}

/* As far as nobody needs to see the bytes: shared already, or copied by the kernel itself. */
static void skip_data(struct recipe_pass *pass, const struct recipe_range *range, uint64_t *at,
                      uint64_t end)
{
    const struct recipe_work *work = pass->work;

    if (pass->sum != NULL || touched(pass, range->to + end))
        return;
    if (pass->shared > range->to + *at)
        *at = smaller(pass->shared - range->to, end);
    while (*at < end && work->fd >= 0 && work->input->fd >= 0) {
        off_t from = (off_t)(range->from + *at);
        off_t to = (off_t)(range->to + *at);
        ssize_t n =
            copy_file_range(work->input->fd, &from, work->fd, &to, smaller(end - *at, BEHIND), 0);
        /* Where it cannot do that, or says that the file ends, reading finds out why. */
        if (n <= 0)
            break;
        *at += (uint64_t)n;
        start_disk(pass, range->to + *at);
    }
}

/* --- ranges ------------------------------------------------------------------------------------
 */

static void begin(struct recipe_pass *pass, uint64_t offset)
{
    pass->piece = recipe_first_piece(pass->work->recipe, offset);
    pass->started = offset;
}

/* Bytes `at` up to `last` of a range, hole by hole. */
static bool put_range(struct recipe_pass *pass, size_t index, uint64_t at, uint64_t last)
{
    const struct recipe_work *work = pass->work;
    const struct recipe_range *range = &work->recipe->base[index];

    pass->shared = range->to + work->shared[index];
    while (at < last) {
        bool hole;
        uint64_t end = at + work->input->stretch(work->input, range->from + at, last - at, &hole);
        if (hole && pass->sum != NULL && work->sums_input)
            summing_add_zeros(pass->sum, end - at);
        if (!hole)
            skip_data(pass, range, &at, end);
        if (hole ? !put_zeros(pass, range->to + at, end - at) : !put_data(pass, range, at, end))
            return false;
        at = end;
    }
    return true;
}

bool recipe_pass_output(struct recipe_pass *pass, uint64_t start, uint64_t end)
{
    const struct recipe *recipe = pass->work->recipe;

    begin(pass, start);
    for (size_t i = 0; i < recipe->base_count && start < end; i++) {
        const struct recipe_range *range = &recipe->base[i];
        uint64_t gap = smaller(range->to, end);
        if (start < gap && !put_zeros(pass, start, gap - start))
            return false;
        start = larger(start, gap);
        uint64_t last = smaller(range->to + range->size, end);
        if (start < last && !put_range(pass, i, start - range->to, last - range->to))
            return false;
        start = larger(start, last);
    }
    return start >= end || put_zeros(pass, start, end - start);
}

bool recipe_pass_input(struct recipe_pass *pass, uint64_t start, uint64_t end)
{
    const struct recipe *recipe = pass->work->recipe;

    for (size_t i = 0; i < recipe->base_count; i++) {
        const struct recipe_range *range = &recipe->base[i];
        uint64_t first = larger(start, range->from);
        uint64_t last = smaller(end, range->from + range->size);
        if (first >= last)
            continue;
        begin(pass, range->to + (first - range->from));
        if (!put_range(pass, i, first - range->from, last - range->from))
            return false;
    }
    return true;
}

bool recipe_pass_gaps(struct recipe_pass *pass)
{
    const struct recipe *recipe = pass->work->recipe;
    uint64_t at = 0;

    for (size_t i = 0; i <= recipe->base_count; i++) {
        uint64_t end = i < recipe->base_count ? recipe->base[i].to : recipe->size;
        begin(pass, at);
        if (!put_zeros(pass, at, end - at))
            return false;
        if (i < recipe->base_count)
            at = end + recipe->base[i].size;
    }
    return true;
}

bool recipe_pass_copy(struct recipe_pass *pass)
{
    const struct recipe_work *work = pass->work;
    const struct recipe_range *copy = &work->recipe->copy;

    for (uint64_t at = 0; work->fd >= 0 && at < copy->size;) {
        uint64_t part = smaller(copy->size - at, pass->size);
        if (!work->input->read(work->input, copy->from + at, pass->part, part, &pass->error) ||
            !write_all(pass, pass->part, part, copy->to + at))
            return false;
        at += part;
    }
    return true;
}
