/* SPDX-License-Identifier: MIT
 *
 * Writing what a recipe says, in one pass: each part is read, summed and written while it is in the
 * processor's cache. Where nothing is summed the kernel copies by itself, and a file system that
 * can share blocks does not copy at all.
 */
#include "error.h"
#include "recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PART = 1 << 17,   /* fits the second level cache with room for what else is there */
    PAGE = 1 << 12,   /* of a hole and of shared blocks, nearly everywhere */
    BEHIND = 1 << 23, /* so many bytes later the disk is told to write them */
};

struct pass {
    const struct recipe *recipe;
    const struct reader *input;
    int fd; /* or -1 */
    struct sum *input_sum;
    struct sum *output_sum;
    uint8_t *part;
    size_t piece;     /* the next one */
    uint64_t started; /* up to here the disk was told to write */
    uint64_t shared;  /* up to here the new file shares its blocks with the input */
};

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

/* The disk works while the processor copies, so that fsync() has little left to wait for. */
static void start_disk(struct pass *pass, uint64_t end)
{
    if (pass->fd < 0 || end - pass->started < BEHIND)
        return;
    sync_file_range(pass->fd, (off_t)pass->started, (off_t)(end - pass->started),
                    SYNC_FILE_RANGE_WRITE);
    pass->started = end;
}

static uint64_t leading_zeros(const uint8_t *bytes, uint64_t size)
{
    uint64_t at = 0;

    while (at < size && bytes[at] == 0)
        at++;
    return at;
}

/* What moved by less than a page has other pages at the ends of its holes. */
static bool write_between_holes(const struct pass *pass, uint64_t offset, uint64_t size,
                                struct patch_error *error)
{
    uint64_t first = offset + leading_zeros(pass->part, size);
    uint64_t last = offset + size;

    while (last > first && pass->part[last - 1 - offset] == 0)
        last--;
    if (first == last)
        return true;
    first = first / PAGE * PAGE > offset ? first / PAGE * PAGE : offset;
    last = (last + PAGE - 1) / PAGE * PAGE < offset + size ? (last + PAGE - 1) / PAGE * PAGE
                                                           : offset + size;
    return recipe_write_bytes(pass->fd, pass->part + (first - offset), last - first, first, error);
}

/* --- one part ----------------------------------------------------------------------------------
 */

static uint64_t smallest(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t least = a < b ? a : b;

    return least < c ? least : c;
}

static bool touched(const struct pass *pass, uint64_t end)
{
    return pass->piece < pass->recipe->piece_count && pass->recipe->pieces[pass->piece].at < end;
}

/* `size` bytes at `offset` stand in pass->part: pieces go over them, then they are written. */
static bool put_part(struct pass *pass, uint64_t offset, uint64_t size, struct patch_error *error)
{
    bool changed = touched(pass, offset + size);
    bool done = true;

    if (changed)
        pass->piece =
            recipe_put_pieces(pass->recipe, pass->piece, offset, offset + size, pass->part);
    if (pass->output_sum != NULL)
        sum_update(pass->output_sum, pass->part, size);
    if (pass->fd >= 0 && (changed || offset + size > pass->shared))
        done = pass->input->sparse ? write_between_holes(pass, offset, size, error)
                                   : recipe_write_bytes(pass->fd, pass->part, size, offset, error);
    start_disk(pass, offset + size);
    return done;
}

/* Zeros need neither be read nor written, but where a piece stands over them. */
static bool put_zeros(struct pass *pass, uint64_t offset, uint64_t size, struct patch_error *error)
{
    while (size > 0) {
        uint64_t plain = size;
        if (touched(pass, offset + size)) {
            uint64_t at = pass->recipe->pieces[pass->piece].at;
            plain = at > offset ? at - offset : 0;
        }
        if (pass->output_sum != NULL)
            sum_zeros(pass->output_sum, plain);
        offset += plain;
        size -= plain;
        if (size == 0)
            break;
        const struct recipe_piece *piece = &pass->recipe->pieces[pass->piece];
        uint64_t part = smallest(piece->at + piece->size - offset, size, PART);
        memset(pass->part, 0, part);
        if (!put_part(pass, offset, part, error))
            return false;
        offset += part;
        size -= part;
    }
    return true;
}

static bool put_data(struct pass *pass, const struct recipe_range *range, uint64_t at,
                     uint64_t size, struct patch_error *error)
{
    while (size > 0) {
        uint64_t part = size < PART ? size : PART;
        if (!pass->input->read(pass->input, range->from + at, pass->part, part, error))
            return false;
        if (pass->input_sum != NULL)
            sum_update(pass->input_sum, pass->part, part);
        if (!put_part(pass, range->to + at, part, error))
            return false;
        at += part;
        size -= part;
    }
    return true;
}

/* --- whole ranges ------------------------------------------------------------------------------
 */

/* Shared blocks cost nothing, on the few file systems that have them. Only whole ones can be
 * shared, and the last of a file. */
static void share(struct pass *pass, const struct recipe_range *range)
{
    bool to_the_end = range->from + range->size == pass->input->size &&
                      range->to + range->size == pass->recipe->size;
    struct file_clone_range wanted = {
        .src_fd = pass->input->fd,
        .src_offset = range->from,
        .src_length = to_the_end ? range->size : range->size / PAGE * PAGE,
        .dest_offset = range->to,
    };

    if (pass->fd >= 0 && pass->input->fd >= 0 && wanted.src_length != 0 &&
        ((range->from | range->to) & (PAGE - 1)) == 0 &&
        ioctl(pass->fd, FICLONERANGE, &wanted) == 0)
        pass->shared = range->to + wanted.src_length;
}

/* As far as nobody needs to see the bytes: shared already, or copied by the kernel itself. */
static bool skip_data(struct pass *pass, const struct recipe_range *range, uint64_t *at,
                      uint64_t end)
{
    bool blind =
        pass->input_sum == NULL && pass->output_sum == NULL && !touched(pass, range->to + end);

    if (blind && pass->shared > range->to + *at)
        *at = smallest(pass->shared - range->to, end, end);
    while (blind && *at < end && pass->fd >= 0 && pass->input->fd >= 0) {
        off_t from = (off_t)(range->from + *at);
        off_t to = (off_t)(range->to + *at);
        ssize_t n = copy_file_range(pass->input->fd, &from, pass->fd, &to,
                                    smallest(end - *at, BEHIND, BEHIND), 0);
        /* Where it cannot do that, or says that the file ends, reading finds out why. */
        if (n <= 0)
            break;
        *at += (uint64_t)n;
        start_disk(pass, range->to + *at);
    }
    return *at == end;
}

static bool put_range(struct pass *pass, const struct recipe_range *range,
                      struct patch_error *error)
{
    share(pass, range);
    for (uint64_t at = 0; at < range->size;) {
        bool hole;
        uint64_t size =
            pass->input->stretch(pass->input, range->from + at, range->size - at, &hole);
        uint64_t end = at + size;
        if (hole && pass->input_sum != NULL)
            sum_zeros(pass->input_sum, size);
        if (hole ? !put_zeros(pass, range->to + at, size, error)
                 : !skip_data(pass, range, &at, end) && !put_data(pass, range, at, end - at, error))
            return false;
        at = end;
    }
    return true;
}

/* The few bytes of the input that stand in the new file a second time. */
static bool put_copy(struct pass *pass, struct patch_error *error)
{
    const struct recipe_range *copy = &pass->recipe->copy;

    for (uint64_t at = 0; pass->fd >= 0 && at < copy->size;) {
        uint64_t part = copy->size - at < PART ? copy->size - at : PART;
        if (!pass->input->read(pass->input, copy->from + at, pass->part, part, error) ||
            !recipe_write_bytes(pass->fd, pass->part, part, copy->to + at, error))
            return false;
        at += part;
    }
    return true;
}

static bool put_all(struct pass *pass, struct patch_error *error)
{
    const struct recipe *recipe = pass->recipe;
    uint64_t at = 0;

    if (pass->fd >= 0 && ftruncate(pass->fd, (off_t)recipe->size) != 0)
        return error_system(error, "write");
    for (size_t i = 0; i < recipe->base_count; i++) {
        const struct recipe_range *range = &recipe->base[i];
        if (!put_zeros(pass, at, range->to - at, error) || !put_range(pass, range, error))
            return false;
        at = range->to + range->size;
    }
    return put_zeros(pass, at, recipe->size - at, error) && put_copy(pass, error);
}

bool recipe_write(const struct recipe *recipe, const struct reader *input, int fd,
                  struct sum *input_sum, struct sum *output_sum, struct patch_error *error)
{
    struct pass pass = {
        .recipe = recipe,
        .input = input,
        .fd = fd,
        .input_sum = input_sum,
        .output_sum = output_sum,
        .part = aligned_alloc(PAGE, PART),
    };

    if (pass.part == NULL)
        return error_memory(error);
    bool done = put_all(&pass, error);
    free(pass.part);
    return done;
}
