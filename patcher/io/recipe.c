/* SPDX-License-Identifier: MIT
 *
 * Reading a recipe at any place, for who wants to look at the result before it is written.
 */
#include "io/recipe.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

bool recipe_init(struct recipe *recipe, size_t capacity, struct patch_error *error)
{
    memset(recipe, 0, sizeof(*recipe));
    recipe->pieces = calloc(capacity + 1, sizeof(*recipe->pieces));
    return recipe->pieces != NULL || error_memory(error);
}

void recipe_finish(struct recipe *recipe)
{
    free(recipe->pieces);
    memset(recipe, 0, sizeof(*recipe));
}

void recipe_add_range(struct recipe *recipe, uint64_t from, uint64_t to, uint64_t size)
{
    if (size != 0)
        recipe->base[recipe->base_count++] = (struct recipe_range){from, to, size};
}

void recipe_add_piece(struct recipe *recipe, uint64_t at, const uint8_t *bytes, uint64_t size)
{
    if (size != 0)
        recipe->pieces[recipe->piece_count++] = (struct recipe_piece){at, size, bytes};
}

static int compare_pieces(const void *a, const void *b)
{
    const struct recipe_piece *x = a;
    const struct recipe_piece *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

bool recipe_settle(struct recipe *recipe)
{
    uint64_t end = 0;

    qsort(recipe->pieces, recipe->piece_count, sizeof(*recipe->pieces), compare_pieces);
    for (size_t i = 0; i < recipe->piece_count; i++) {
        const struct recipe_piece *piece = &recipe->pieces[i];
        if (piece->at < end || piece->at > recipe->size || piece->size > recipe->size - piece->at)
            return false;
        end = piece->at + piece->size;
    }
    return true;
}

/* --- reading at any place ----------------------------------------------------------------------
 */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The part of `range` that lies between `start` and `end` of the new file. */
static bool read_range(const struct reader *input, const struct recipe_range *range, uint64_t start,
                       uint64_t end, uint8_t *to, struct patch_error *error)
{
    uint64_t first = larger(start, range->to);
    uint64_t last = smaller(end, range->to + range->size);

    return first >= last || input->read(input, range->from + (first - range->to),
                                        to + (first - start), last - first, error);
}

size_t recipe_first_piece(const struct recipe *recipe, uint64_t offset)
{
    size_t low = 0;
    size_t high = recipe->piece_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (recipe->pieces[middle].at + recipe->pieces[middle].size <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t recipe_put_pieces(const struct recipe *recipe, size_t first, uint64_t start, uint64_t end,
                         uint8_t *to)
{
    size_t i = first;

    for (; i < recipe->piece_count && recipe->pieces[i].at < end; i++) {
        const struct recipe_piece *piece = &recipe->pieces[i];
        uint64_t from = larger(start, piece->at);
        uint64_t until = smaller(end, piece->at + piece->size);
        memcpy(to + (from - start), piece->bytes + (from - piece->at), until - from);
        if (piece->at + piece->size > end)
            break;
    }
    return i;
}

/* Zeros between `start` and `end`, wherever the base has none. */
static void clear_gaps(const struct recipe *recipe, uint64_t start, uint64_t end, uint8_t *to)
{
    uint64_t at = start;

    for (size_t i = 0; i <= recipe->base_count && at < end; i++) {
        const struct recipe_range *range = &recipe->base[i];
        uint64_t next = i < recipe->base_count ? smaller(range->to, end) : end;
        if (at < next)
            memset(to + (at - start), 0, next - at);
        if (i < recipe->base_count)
            at = larger(at, range->to + range->size);
    }
}

static bool read_recipe(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                        struct patch_error *error)
{
    const struct recipe_reader *self = (const struct recipe_reader *)(const void *)reader;
    const struct recipe *recipe = self->recipe;
    uint64_t end = offset + size;

    clear_gaps(recipe, offset, end, to);
    for (size_t i = 0; i < recipe->base_count; i++)
        if (!read_range(self->input, &recipe->base[i], offset, end, to, error))
            return false;
    if (!read_range(self->input, &recipe->copy, offset, end, to, error))
        return false;
    recipe_put_pieces(recipe, recipe_first_piece(recipe, offset), offset, end, to);
    return true;
}

void recipe_reader_init(struct recipe_reader *to, const struct recipe *recipe,
                        const struct reader *input)
{
    *to = (struct recipe_reader){
        .reader = {.size = recipe->size, .fd = -1, .read = read_recipe, .stretch = reader_no_hole},
        .recipe = recipe,
        .input = input,
    };
}
