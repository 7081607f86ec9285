/* SPDX-License-Identifier: MIT
 *
 * What stands below a folder: its ELF files, and the RECORD files of Python packages. Symbolic
 * links are not followed: what they lead to is met where it stands, or is not below the folder.
 */
#ifndef GREENIFY_WALK_H
#define GREENIFY_WALK_H

#include <stdbool.h>
#include <stddef.h>

struct report;

struct walk_list {
    char **paths; /* sorted */
    size_t count;
    size_t capacity;
};

struct walk {
    struct walk_list libraries; /* regular files that begin as ELF files do */
    struct walk_list records;   /* NAME.dist-info/RECORD */
};

/* False, and the report is told why, when a folder cannot be read. */
bool walk_folder(struct walk *walk, const char *folder, struct report *report);
void walk_finish(struct walk *walk);

/* Adds the RECORD of every package that may list the file: those in the folders above `path`, which
 * is absolute. None is added twice. False, and the report is told why, when there is no memory. */
bool walk_records_above(struct walk_list *records, const char *path, struct report *report);
void walk_list_finish(struct walk_list *list);

#endif
