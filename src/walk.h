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

#endif
