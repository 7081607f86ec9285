/* SPDX-License-Identifier: MIT
 *
 * The checks of patch_verify(): rows of one table, check/checks.def.
 */
#ifndef PATCHER_VERIFY_H
#define PATCHER_VERIFY_H

#include "elf/image.h"
#include "elf/versions.h"
#include "imports.h"

enum { VERIFY_DETAIL = 512 };

/* What following the undo record came to, in the words of a check. */
struct verify_undo {
    enum patch_verdict verdict;
    char detail[VERIFY_DETAIL];
};

/* What every check may look at. */
struct verify_subject {
    const struct image *image;
    const struct imports *imports;
    const struct versions *versions;
    const struct patch_options *options;
    const struct verify_undo *undo; /* or NULL */
    /* What the file was before it was patched; NULL: `missing` says why there is none. */
    const struct image *original;
    const char *source; /* where that comes from: a path, or "its undo record" */
    const char *missing;
    bool unusable; /* `missing` is about a file that was named: a fault, not a reason to skip */
};

struct verify_check {
    const char *name;
    const char *purpose; /* what it asserts, in one phrase */
    /* `detail` has VERIFY_DETAIL bytes and holds "" before the call. */
    enum patch_verdict (*run)(const struct verify_subject *subject, char *detail);
};

extern const struct verify_check verify_checks[]; /* ended by name == NULL */
/* Those of patch_verify_load(), which are made together: their `run` is NULL. */
extern const struct verify_check verify_load_checks[];

#define CHECK(name, function, purpose)                                                             \
    enum patch_verdict function(const struct verify_subject *subject, char *detail);
#include "check/checks.def"
#undef CHECK

/* Runs all checks on an image; the original is the file `original`, or for NULL what the undo
 * record leads to. As patch_verify_original(). */
PATCH_MUST_CHECK bool verify_image(const struct image *image, const char *original,
                                   const struct patch_options *options, patch_check_sink *sink,
                                   void *context, bool *sound, struct patch_error *error);

/* patch_verify_load() with another patience than its own, in milliseconds. */
PATCH_MUST_CHECK bool verify_load(const char *input, const struct patch_options *options,
                                  unsigned patience, patch_check_sink *sink, void *context,
                                  bool *sound, struct patch_error *error);

/* Fill in `detail` and return the verdict, so that a check can end by `return verify_fault(...)`.
 */
enum patch_verdict verify_fault(char *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum patch_verdict verify_skip(char *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum patch_verdict verify_pass(char *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The fault of a part of the file that could not be read. */
enum patch_verdict verify_unreadable(char *detail, const struct patch_error *error);

#endif
