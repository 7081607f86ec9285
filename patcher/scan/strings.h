/* SPDX-License-Identifier: MIT
 *
 * Strings among the constants of an image: what can be looked up by name.
 */
#ifndef PATCHER_STRINGS_H
#define PATCHER_STRINGS_H

#include "elf/image.h"

/* Called for each string that stands by itself (behind a NUL and before one) and is one of the
 * names. False stops the search, with an error. */
typedef bool string_visitor(void *context, const char *name, uint64_t address);

/* `names` are sorted by strcmp(). Looked through are the sections that hold constants, or all that
 * is not writable where a file has no sections; never the dynamic string table. */
PATCH_MUST_CHECK bool strings_search(const struct image *image, const char *const *names,
                                     size_t count, string_visitor *visit, void *context,
                                     struct patch_error *error);

/* Copies the string at `address`, cut to `size` bytes; false when there is none in the file, or it
 * is no text. */
bool strings_at(const struct image *image, uint64_t address, char *text, size_t size);

#endif
