/* SPDX-License-Identifier: MIT
 *
 * By the names of defined functions; Go also by its notes and sections, which stripping leaves.
 */
#include "scan/copies.h"

#include "error.h"
#include "scan/functions.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 128 /* name, with its end */, MOST_NOTES = 64 };

/* What libc calls its functions among itself stands before, or behind, the public name. */
static const char *const prefixes[] = {"__GI___libc_", "__libc_", "__GI___", "__GI_"};
static const char nocancel[] = "_nocancel";

/* Functions of libc, glibc's or musl's, through which it waits. */
static const char *const internals[] = {
    "__syscall_cp",
    "__syscall_cp_asm",
    "__syscall_cp_c",
    "__syscall_cancel",
    "__internal_syscall_cancel",
    "__lll_lock_wait",
    "__lll_lock_wait_private",
    "__futex_abstimed_wait64",
    "__futex_abstimed_wait_cancelable64",
    "__timedwait_cp",
};

/* Of the compilers gc and gccgo. */
static const char *const go_entries[] = {"runtime.entersyscall", "runtime.entersyscall.abi0",
                                         "runtime_entersyscall"};
static const char *const go_sections[] = {".go.buildinfo", ".gopclntab", ".note.go.buildid",
                                          ".go_export"};

struct search {
    const char *const *names;
    size_t count;
    struct copies *copies;
    struct patch_error *error;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_name(const struct search *search, const char *name)
{
    return search->count != 0 && bsearch(&name, search->names, search->count,
                                         sizeof(*search->names), compare_names) != NULL;
}

static bool among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

#define AMONG(name, list) among(name, list, sizeof(list) / sizeof((list)[0]))

/* "__libc_recv", "__read_nocancel" and what else no other library calls a function. */
static bool is_internal(const struct search *search, const char *name)
{
    char inner[LONGEST];
    size_t length = strlen(name);

    if (AMONG(name, internals))
        return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 &&
            is_name(search, name + strlen(prefixes[i])))
            return true;
    if (length < sizeof(nocancel) + 2 || strncmp(name, "__", 2) != 0 ||
        strcmp(name + length - (sizeof(nocancel) - 1), nocancel) != 0)
        return false;
    memcpy(inner, name + 2, length - 2 - (sizeof(nocancel) - 1));
    inner[length - 2 - (sizeof(nocancel) - 1)] = '\0';
    return is_name(search, inner);
}

static bool add(struct search *search, const Elf64_Sym *symbol, const char *name, bool certain)
{
    struct copies *copies = search->copies;

    if (copies->count == copies->capacity) {
        size_t larger = copies->capacity * 2 + 16;
        struct copy *items = realloc(copies->items, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(search->error);
        copies->items = items;
        copies->capacity = larger;
    }
    char *own = strdup(name);
    if (own == NULL)
        return error_memory(search->error);
    copies->items[copies->count++] =
        (struct copy){own, symbol->st_value, symbol->st_value + symbol->st_size, certain};
    return true;
}

static bool look_at(void *context, const struct function_table *table, const Elf64_Sym *symbol)
{
    struct search *search = context;
    char name[LONGEST];

    if (!functions_name(table, symbol, name, sizeof(name)))
        return true;
    if (AMONG(name, go_entries)) {
        search->copies->go = true;
        search->copies->go_entry = symbol->st_value;
        return true;
    }
    bool certain = is_internal(search, name);
    return (!certain && !is_name(search, name)) || add(search, symbol, name, certain);
}

/* --- Go --------------------------------------------------------------------------------------- */

/* Notes of four-byte words: sizes of name and description, type, then both, padded (gABI). */
static bool note_is_go(const struct image *image, const Elf64_Phdr *segment)
{
    uint64_t at = segment->p_offset;
    uint64_t end = at + segment->p_filesz;

    for (int i = 0; i < MOST_NOTES && end - at >= 16; i++) {
        uint64_t name = image_number(image, at, 4);
        uint64_t rest =
            ((name + 3) & ~(uint64_t)3) + ((image_number(image, at + 4, 4) + 3) & ~(uint64_t)3);
        if (name == 4 && image_number(image, at + 12, 1) == 'G' &&
            image_number(image, at + 13, 1) == 'o' && image_number(image, at + 14, 1) == '\0')
            return true;
        if (rest > end - at - 12)
            return false;
        at += 12 + rest;
    }
    return false;
}

static bool has_go(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++)
        if (AMONG(image_section_name(image, i), go_sections))
            return true;
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_NOTE && note_is_go(image, &image->segments[i]))
            return true;
    return false;
}

static int compare_copies(const void *a, const void *b)
{
    const struct copy *x = a;
    const struct copy *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* .symtab and .dynsym both have what is exported. */
static void drop_repeated(struct copies *copies)
{
    size_t kept = 0;

    for (size_t i = 0; i < copies->count; i++) {
        if (kept > 0 && compare_copies(&copies->items[kept - 1], &copies->items[i]) == 0)
            free(copies->items[i].name);
        else
            copies->items[kept++] = copies->items[i];
    }
    copies->count = kept;
}

bool copies_find(const struct image *image, const char *const *names, size_t count,
                 struct copies *copies, struct patch_error *error)
{
    struct search search = {names, count, copies, error};

    *copies = (struct copies){.go = has_go(image)};
    if (!functions_walk(image, look_at, &search, error)) {
        copies_finish(copies);
        return false;
    }
    if (copies->count != 0)
        qsort(copies->items, copies->count, sizeof(*copies->items), compare_copies);
    drop_repeated(copies);
    return true;
}

void copies_finish(struct copies *copies)
{
    for (size_t i = 0; i < copies->count; i++)
        free(copies->items[i].name);
    free(copies->items);
    memset(copies, 0, sizeof(*copies));
}
