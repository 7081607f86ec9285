/* SPDX-License-Identifier: MIT
 *
 * What a reader gives as a range of addresses, of which only what was asked for is in memory. It is
 * read, not mapped: a mapping faults when somebody truncates the file meanwhile. What was not
 * loaded cannot be touched at all, so that a forgotten load shows at once. Files of at most
 * SOURCE_SMALL bytes, which the build sets, are an exception: of them nothing is released.
 */
#ifndef PATCHER_SOURCE_H
#define PATCHER_SOURCE_H

#include "io/reader.h"

struct source;

/* Borrows the reader. The caller owns *out. */
PATCH_MUST_CHECK bool source_create(const struct reader *reader, struct source **out,
                                    struct patch_error *error);
void source_destroy(struct source *source); /* accepts NULL */

/* Where the file begins in memory. */
const uint8_t *source_bytes(const struct source *source);

/* Reads the same bytes, a record as by a glance. Only one thread may use it and the source at a
 * time. Borrowed, good as long as the source. */
const struct reader *source_reader(const struct source *source);

/* Makes a range, which must lie inside the file, readable until it is released as often as it was
 * loaded; with source_keep() until the source is destroyed. PATCH_TRUNCATED when the file has
 * become shorter. */
PATCH_MUST_CHECK bool source_load(struct source *source, uint64_t offset, uint64_t size,
                                  struct patch_error *error);
PATCH_MUST_CHECK bool source_keep(struct source *source, uint64_t offset, uint64_t size,
                                  struct patch_error *error);
void source_release(struct source *source, uint64_t offset, uint64_t size);

/* A record of at most SOURCE_RECORD bytes, good until the next glance; a bounded amount of memory
 * serves all of them. What cannot be read is zeros, and source_sound() tells so later. */
enum { SOURCE_RECORD = 4096 };
const uint8_t *source_glance(struct source *source, uint64_t offset, uint64_t size);

/* A range as above where it is in memory or, as of a small file, may stay there; NULL when it is
 * not or cannot be read. */
const uint8_t *source_memory(struct source *source, uint64_t offset, uint64_t size);

/* Copies it, for who does not ask for it again. */
PATCH_MUST_CHECK bool source_copy(struct source *source, uint64_t offset, uint64_t size, void *to,
                                  struct patch_error *error);

/* Keeps the string at `offset`, which ends before `end`: at its NUL, or where the file does. Fails
 * as a glance does; when the NUL is not there any more it ends at the last byte. */
void source_keep_string(struct source *source, uint64_t offset, uint64_t end);

/* False when any read failed. */
PATCH_MUST_CHECK bool source_sound(const struct source *source, struct patch_error *error);

#endif
