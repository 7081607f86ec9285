/* SPDX-License-Identifier: MIT
 *
 * What a new file consists of: ranges of an input, zeros between them, and new bytes over both.
 *
 *     base     | bytes 0 .. hole of the input | zeros | bytes hole .. end of the input |
 *     copy                                      |~~~|  again, a few bytes of the input
 *     pieces      ..     .          .               |~~|      .    .   . .
 */
#ifndef PATCHER_RECIPE_H
#define PATCHER_RECIPE_H

#include "io/reader.h"
#include "io/sum.h"

struct recipe_range {
    uint64_t from; /* in the input */
    uint64_t to;   /* in the new file */
    uint64_t size; /* 0: nothing */
};

struct recipe_piece {
    uint64_t at; /* in the new file */
    uint64_t size;
    const uint8_t *bytes; /* borrowed */
};

enum { RECIPE_RANGES = 3 };

struct recipe {
    uint64_t size;                           /* of the new file */
    struct recipe_range base[RECIPE_RANGES]; /* ascending in both, none overlapping */
    size_t base_count;
    struct recipe_range copy;    /* over the base */
    struct recipe_piece *pieces; /* over both; ascending, none overlapping */
    size_t piece_count;
};

/* Room for `capacity` pieces, which the caller fills. */
PATCH_MUST_CHECK bool recipe_init(struct recipe *recipe, size_t capacity,
                                  struct patch_error *error);
void recipe_finish(struct recipe *recipe);

/* These ignore what is empty; ranges are to be added in ascending order, pieces in any. */
void recipe_add_range(struct recipe *recipe, uint64_t from, uint64_t to, uint64_t size);
void recipe_add_piece(struct recipe *recipe, uint64_t at, const uint8_t *bytes, uint64_t size);

/* Brings the pieces into order; false when two of them, or one and the end of the file, overlap. */
PATCH_MUST_CHECK bool recipe_settle(struct recipe *recipe);

/* The first piece that ends behind `offset`. */
size_t recipe_first_piece(const struct recipe *recipe, uint64_t offset);

/* Puts what the pieces from `first` on have between `start` and `end` over the bytes at `to`, which
 * stand for `start`. Returns the first piece that ends behind `end`. */
size_t recipe_put_pieces(const struct recipe *recipe, size_t first, uint64_t start, uint64_t end,
                         uint8_t *to);

/* The new file, without writing it. Borrows both; the reader must stay where it was initialised. */
struct recipe_reader {
    struct reader reader; /* the first member: what reads gets a pointer to it */
    const struct recipe *recipe;
    const struct reader *input;
};
void recipe_reader_init(struct recipe_reader *to, const struct recipe *recipe,
                        const struct reader *input);

/* Goes over the new file once. `fd`: of an empty file to write it to, or -1. `input_sum`, of the
 * input, gets the sum of what the base takes from there, which must be all of it; `output_sum` that
 * of the new file. One of them may be given, with size and count. Holes of the input stay holes. */
PATCH_MUST_CHECK bool recipe_write(const struct recipe *recipe, const struct reader *input, int fd,
                                   struct sum *input_sum, struct sum *output_sum,
                                   struct patch_error *error);

/* All of `size` bytes to one place of a file. */
PATCH_MUST_CHECK bool recipe_write_bytes(int fd, const uint8_t *bytes, uint64_t size,
                                         uint64_t offset, struct patch_error *error);

#endif
