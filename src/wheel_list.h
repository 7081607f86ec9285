/* SPDX-License-Identifier: MIT
 *
 * What a wheel contains, looked through before anything is done: names that could lead out of the
 * folder it is unpacked into, and all else that a wheel must not be, are refused here.
 */
#ifndef GREENIFY_WHEEL_LIST_H
#define GREENIFY_WHEEL_LIST_H

#include "archive_library.h"
#include "patcher.h"
#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings;

struct wheel_list {
    char **names; /* sorted */
    size_t count;
    size_t capacity;
    uint64_t unpacked;    /* bytes that the entries say they have */
    char *info;           /* "NAME-VERSION.dist-info" */
    char *libraries;      /* "NAME.libs": where what is added goes */
    struct record record; /* the rows of RECORD */
    char *tags;           /* the text of the file WHEEL */
    bool has_signature;
};

/* The name of an entry, if it is one that may be in a wheel; else NULL and the error. */
const char *wheel_entry_name(struct archive_entry *entry, struct patch_error *error);

/* Whether the entry is DIST-INFO/BASE. */
bool wheel_is_info(const struct wheel_list *list, const char *name, const char *base);

/* Whether it is a signature of RECORD. */
bool wheel_is_signature(const struct wheel_list *list, const char *name);

bool wheel_list_has(const struct wheel_list *list, const char *name);

/* Reads and judges the whole list. Call wheel_list_finish() in either case. */
bool wheel_list_read(struct wheel_list *list, const char *path, const struct settings *settings,
                     struct patch_error *error);
void wheel_list_finish(struct wheel_list *list);

/* Fills in an error of the package, and returns false. */
bool wheel_refuse(struct patch_error *error, enum patch_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills in the error of a system call with this errno, and returns false. */
bool wheel_failed(struct patch_error *error, const char *what, int number);

/* The most bytes that a wheel may unpack to. */
uint64_t wheel_limit(const struct settings *settings);

#endif
