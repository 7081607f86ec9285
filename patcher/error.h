/* SPDX-License-Identifier: MIT
 *
 * Filling in a struct patch_error. Every function returns false, so that a caller can say
 * `return error_set(...)`. `error` may be NULL.
 */
#ifndef PATCHER_ERROR_H
#define PATCHER_ERROR_H

#include "patcher.h"

/* A failure that belongs to no place in the file. */
bool error_set(struct patch_error *error, enum patch_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A failure at `offset` in `table` (".dynsym[12]", "" for the file as a whole). */
bool error_set_at(struct patch_error *error, enum patch_code code, const char *table,
                  uint64_t offset, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same for entry `index` of `table`. */
bool error_set_entry(struct patch_error *error, enum patch_code code, const char *table,
                     uint64_t index, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* A system call failed: "WHAT: strerror(errno)", errno kept in the error. */
bool error_system(struct patch_error *error, const char *what);

bool error_memory(struct patch_error *error);

#endif
