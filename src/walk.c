/* SPDX-License-Identifier: MIT
 *
 * The C library's fts(3), and a look at the first bytes of each file.
 */
#include "walk.h"

#include "report.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool list_add(struct walk_list *list, const char *path)
{
    if (list->count == list->capacity) {
        size_t larger = list->capacity * 2 + 64;
        char **paths = realloc(list->paths, larger * sizeof(*paths));

        if (paths == NULL)
            return false;
        list->paths = paths;
        list->capacity = larger;
    }
    list->paths[list->count] = strdup(path);
    return list->paths[list->count] != NULL && ++list->count > 0;
}

void walk_list_finish(struct walk_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct walk_list){0};
}

/* A file that may not be read counts as none: nothing can be loaded from it either. */
static bool is_elf(const char *path)
{
    char magic[SELFMAG];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    bool found;

    if (fd < 0)
        return false;
    found = read(fd, magic, sizeof(magic)) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
    close(fd);
    return found;
}

static bool is_record(const FTSENT *entry)
{
    static const char ending[] = ".dist-info/RECORD";
    size_t length = strlen(entry->fts_path);

    return length > sizeof(ending) - 1 &&
           strcmp(entry->fts_path + length - (sizeof(ending) - 1), ending) == 0;
}

static bool take_entry(struct walk *walk, const FTSENT *entry, struct report *report)
{
    bool kept = true;

    if (entry->fts_level == FTS_ROOTLEVEL &&
        (entry->fts_info == FTS_F || entry->fts_info == FTS_DEFAULT))
        return report_stop(report, entry->fts_path, PATCH_SYSTEM, "cannot be read: %s",
                           strerror(ENOTDIR));
    switch (entry->fts_info) {
    case FTS_F:
        if (is_record(entry))
            kept = list_add(&walk->records, entry->fts_accpath);
        else if (is_elf(entry->fts_accpath))
            kept = list_add(&walk->libraries, entry->fts_accpath);
        return kept || report_stop(report, NULL, PATCH_MEMORY, "out of memory");
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return report_stop(report, entry->fts_path, PATCH_SYSTEM, "cannot be read: %s",
                           strerror(entry->fts_errno));
    default:
        return true;
    }
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

bool walk_folder(struct walk *walk, const char *folder, struct report *report)
{
    char *roots[] = {(char *)(uintptr_t)folder, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare_entries);
    bool done = tree != NULL;
    FTSENT *entry;

    *walk = (struct walk){0};
    errno = 0;
    while (done && (entry = fts_read(tree)) != NULL)
        done = take_entry(walk, entry, report);
    if (tree == NULL || (done && errno != 0))
        done = report_stop(report, folder, PATCH_SYSTEM, "cannot be read: %s", strerror(errno));
    if (tree != NULL)
        fts_close(tree);
    if (!done)
        walk_finish(walk);
    return done;
}

void walk_finish(struct walk *walk)
{
    walk_list_finish(&walk->libraries);
    walk_list_finish(&walk->records);
    *walk = (struct walk){0};
}

/* --- upwards ---------------------------------------------------------------------------------- */

static bool list_has(const struct walk_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->paths[i], path) == 0)
            return true;
    return false;
}

static bool is_package(const char *name)
{
    static const char ending[] = ".dist-info";
    size_t length = strlen(name);

    return length > sizeof(ending) - 1 && strcmp(name + length - (sizeof(ending) - 1), ending) == 0;
}

static bool add_records(struct walk_list *records, const char *folder)
{
    DIR *directory = opendir(folder);
    bool kept = true;

    /* A folder that may not be read has no RECORD that could be rewritten. */
    for (struct dirent *entry; kept && directory != NULL && (entry = readdir(directory)) != NULL;) {
        char *path;

        if (!is_package(entry->d_name))
            continue;
        if (asprintf(&path, "%s/%s/RECORD", folder, entry->d_name) < 0) {
            kept = false;
            break;
        }
        if (access(path, F_OK) == 0 && !list_has(records, path))
            kept = list_add(records, path);
        free(path);
    }
    if (directory != NULL)
        closedir(directory);
    return kept;
}

bool walk_records_above(struct walk_list *records, const char *path, struct report *report)
{
    char *folder = strdup(path);
    bool kept = folder != NULL;

    for (char *slash; kept && (slash = strrchr(folder, '/')) != NULL && slash > folder;) {
        *slash = '\0';
        kept = add_records(records, folder);
    }
    free(folder);
    return kept || report_stop(report, NULL, PATCH_MEMORY, "out of memory");
}
