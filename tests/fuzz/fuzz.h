/* SPDX-License-Identifier: MIT
 *
 * One program for all fuzz targets; `--target=NAME` or $FUZZ_TARGET chooses. A target reads bytes
 * as one verb of the command would, and aborts when what must hold does not.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "patcher.h"

/* Changes `size` bytes in place, at most to `room`; returns the new size, 0 when it found nothing
 * to change. */
typedef size_t fuzz_mutator(uint8_t *bytes, size_t size, size_t room, uint32_t *state);

struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *bytes, size_t size);
    fuzz_mutator *mutate; /* besides that of libFuzzer; NULL: none */
};

extern const struct fuzz_target fuzz_targets[]; /* ended by name == NULL */

/* --- what targets share ----------------------------------------------------------------------- */

/* Ends the run with a message; the input becomes a finding. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define FUZZ_REQUIRE(condition, ...) ((condition) ? (void)0 : fuzz_fail(__VA_ARGS__))

/* A failure must say what it is. */
void fuzz_require_told(const struct patch_error *error);

/* Path of `name` in the folder of this process, which is in memory. Good for eight calls. */
const char *fuzz_path(const char *name);

/* Makes a file of these bytes there, with the same inode where it existed. */
const char *fuzz_write(const char *name, const uint8_t *bytes, size_t size);

/* The whole file, which the caller frees. */
uint8_t *fuzz_read(const char *path, size_t *size);

/* Whether the file has just these bytes. */
bool fuzz_same(const char *path, const uint8_t *bytes, size_t size);

/* Options as they follow from the input: from a byte of e_ident that ELF leaves unused. */
struct patch_options fuzz_options(const uint8_t *bytes, size_t size);

#endif
