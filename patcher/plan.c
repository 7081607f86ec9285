/* SPDX-License-Identifier: MIT
 *
 * Deciding: refusals first, then the new strings, then the edits, then the place for the table.
 */
#include "plan.h"

#include "edits.h"
#include "elf/gnu_hash.h"
#include "elf/hash.h"
#include "error.h"
#include "headers.h"
#include "io/file.h"
#include "io/sealed.h"
#include "loader/runpath.h"
#include "slots.h"
#include "undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 4096 };

/* --- refusals ----------------------------------------------------------------------------------
 */

/* A name that ends in '*' stands for all that begin so. */
static const char *const protected_names[] = {
    "libc.so.*",       "libpthread.so.*",   "libdl.so.*", "librt.so.*", "libm.so.*",
    "ld-linux*",       "ld64.so.*",         "ld.so.1",    "ld-musl-*",  "libc.musl-*",
    "linux-vdso.so.*", "libthread_db.so.*", "libev.so.*",
};

static bool name_matches(const char *name, const char *pattern)
{
    size_t length = strlen(pattern);

    if (pattern[length - 1] == '*')
        return strncmp(name, pattern, length - 1) == 0;
    return strcmp(name, pattern) == 0;
}

bool plan_name_protected(const char *soname)
{
    for (size_t i = 0; i < sizeof(protected_names) / sizeof(protected_names[0]); i++)
        if (name_matches(soname, protected_names[i]))
            return true;
    return false;
}

bool plan_check_protected(const struct image *image, const struct imports *imports,
                          const struct patch_options *options, struct patch_error *error)
{
    const char *soname = image_soname(image);

    if (imports->exports_prefix)
        return error_set(error, PATCH_PROTECTED, "exports %s functions: it is the runtime itself",
                         options->prefix);
    if (soname == NULL)
        return true;
    if (strcmp(soname, file_base_name(options->runtime)) == 0)
        return error_set(error, PATCH_PROTECTED, "%s is the runtime itself", soname);
    return !plan_name_protected(soname) ||
           error_set(error, PATCH_PROTECTED, "%s is what the runtime itself stands on", soname);
}

static bool check_other_runtime(const struct imports *imports, const struct patch_options *options,
                                struct patch_error *error)
{
    if (imports->redirected == 0 || imports->runtime_needed)
        return true;
    return error_set(error, PATCH_OTHER_RUNTIME,
                     "%zu imports have the prefix %s already, but %s is not needed",
                     imports->redirected, options->prefix, options->runtime);
}

/* The runtime is glibc's: another C library's process cannot load it, and two of them in one
 * process do not share threads, errno or streams. */
static bool check_c_library(const struct imports *imports, struct patch_error *error)
{
    return imports->pending == 0 || imports->other_libc == NULL ||
           error_set(error, PATCH_OTHER_LIBC, "needs %s, and the runtime needs glibc",
                     imports->other_libc);
}

/* A static program that can stand anywhere has a dynamic segment, but nobody loads what it needs.
 */
static bool check_loaded(const struct image *image, struct patch_error *error)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS_1);

    if (flags == NULL || (flags->d_un.d_val & DF_1_PIE) == 0 ||
        image_dynamic(image, DT_NEEDED) != NULL)
        return true;
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_INTERP)
            return true;
    return error_set_at(error, PATCH_NOT_DYNAMIC, "program header table", image->header.e_phoff,
                        "a static program: no PT_INTERP, nothing is imported");
}

static bool check_overlay(const struct image *image, const struct patch_options *options,
                          struct patch_error *error)
{
    uint64_t end = image_end(image);

    if (options->allow_overlay || end == image->size)
        return true;
    /* Some tools pad the end of a file with zeros; nothing could look for those. */
    if (image->size - end < PADDING && image_zeros(image, end, image->size) == image->size - end)
        return true;
    return error_set_at(error, PATCH_OVERLAY, "", end,
                        "%" PRIu64 " bytes stand behind all that the headers describe",
                        image->size - end);
}

/* An executable whose own PLT entry is the function's address: the old name is hashed too. */
static bool check_symbols(const struct image *image, const struct imports *imports,
                          struct patch_error *error)
{
    for (size_t i = 0; i < imports->count; i++) {
        uint32_t symbol = imports->items[i].symbol;
        if (imports->items[i].redirected || image_symbol(image, symbol).st_value == 0)
            continue;
        return error_set_entry(error, PATCH_UNSUPPORTED_RELOCATION, ".dynsym", symbol,
                               image_symbol_offset(image, symbol),
                               "the address of %s is that of a PLT entry in this file",
                               imports->items[i].name);
    }
    return true;
}

/* --- the new strings ---------------------------------------------------------------------------
 */

/* What is appended to .dynstr: offsets count from the start of the old one. */
struct strings {
    char *text;
    size_t size;
    size_t capacity;
    uint64_t base; /* size of the old table */
};

static bool add_string(struct strings *strings, const char *prefix, const char *name,
                       uint32_t *offset, struct patch_error *error)
{
    size_t head = strlen(prefix);
    size_t tail = strlen(name) + 1;

    if (strings->capacity - strings->size < head + tail) {
        size_t larger = strings->capacity * 2 + head + tail + 256;
        char *text = realloc(strings->text, larger);
        if (text == NULL)
            return error_memory(error);
        strings->text = text;
        strings->capacity = larger;
    }
    *offset = (uint32_t)(strings->base + strings->size);
    memcpy(strings->text + strings->size, prefix, head);
    memcpy(strings->text + strings->size + head, name, tail);
    strings->size += head + tail;
    return true;
}

/* One wanted import and where its new name stands. */
struct renamed {
    const struct import *import;
    uint32_t name;
};

static int compare_renamed(const void *a, const void *b)
{
    const struct renamed *x = a;
    const struct renamed *y = b;
    int order = strcmp(x->import->name, y->import->name);

    return order != 0
               ? order
               : (x->import->symbol > y->import->symbol) - (x->import->symbol < y->import->symbol);
}

/* Imports of one name, of several versions, share a string. */
static bool name_imports(const struct imports *imports, const struct patch_options *options,
                         struct strings *strings, struct renamed *list, struct patch_error *error)
{
    size_t count = 0;

    for (size_t i = 0; i < imports->count; i++)
        if (imports->items[i].wanted && !imports->items[i].redirected)
            list[count++].import = &imports->items[i];
    qsort(list, count, sizeof(*list), compare_renamed);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(list[i].import->name, list[i - 1].import->name) == 0)
            list[i].name = list[i - 1].name;
        else if (!add_string(strings, options->prefix, list[i].import->name, &list[i].name, error))
            return false;
    }
    return true;
}

/* --- edits that do not depend on the place -----------------------------------------------------
 */

static bool edit_symbols(const struct image *image, const struct renamed *list, size_t count,
                         struct plan *plan, struct patch_error *error)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t symbol = list[i].import->symbol;
        if (!edits_add_member(image, plan, image_symbol_offset(image, symbol), CODEC_ST_NAME,
                              list[i].name, error))
            return false;
        if (image->versions.size != 0 &&
            !edits_add_number(image, plan, image->versions.offset + symbol * sizeof(Elf64_Half),
                              sizeof(Elf64_Half), VER_NDX_GLOBAL, error))
            return false;
    }
    return true;
}

/* The words of DT_HASH that differ from those in the file. */
static bool edit_words(const struct image *image, const struct hash_table *table, struct plan *plan,
                       struct patch_error *error)
{
    uint64_t count = 2 + (uint64_t)table->buckets + table->chains;
    size_t entry = image->arch->hash_entry;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = image->hash.offset + i * entry;
        if (image_number(image, offset, entry) != table->words[i] &&
            !edits_add_number(image, plan, offset, entry, table->words[i], error))
            return false;
    }
    return true;
}

/* DT_HASH holds undefined symbols too, so the renamed ones go to other chains. */
static bool edit_hash(const struct image *image, const struct renamed *list, size_t count,
                      const struct strings *strings, struct plan *plan, struct patch_error *error)
{
    struct hash_table table = {0};
    bool done = false;

    if (image->hash.size == 0)
        return true;
    uint8_t *moved = calloc(image->symbol_count, 1);
    if (moved == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++)
        moved[list[i].import->symbol] = 1;
    if (!hash_load(image, &table, error) || !hash_unlink(image, &table, moved, error))
        goto out;
    for (size_t i = 0; i < count; i++)
        if (moved[list[i].import->symbol] != 0)
            hash_link(&table, list[i].import->symbol, strings->text + list[i].name - strings->base);
    done = edit_words(image, &table, plan, error);
out:
    hash_finish(&table);
    free(moved);
    return done;
}

static bool edit_gnu_hash(const struct image *image, const struct renamed *list, size_t count,
                          const struct strings *strings, struct plan *plan,
                          struct patch_error *error)
{
    const char **names = calloc(image->symbol_count + 1ULL, sizeof(*names));

    if (names == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++)
        names[list[i].import->symbol] = strings->text + list[i].name - strings->base;
    bool done = gnu_hash_rename(image, names, plan, error);
    free(names);
    return done;
}

static bool edit_runpath(const struct image *image, const struct patch_options *options,
                         struct strings *strings, struct plan *plan, struct patch_error *error)
{
    const Elf64_Dyn *entry = runpath_entry(image);
    uint32_t name = 0;

    if (!runpath_wanted(image, options))
        return true;
    char *value = runpath_value(image, options);
    bool added = value != NULL ? add_string(strings, "", value, &name, error) : error_memory(error);
    free(value);
    if (!added)
        return false;
    return entry != NULL ? slots_set(image, entry, entry->d_tag, name, plan, error)
                         : slots_use(image, DT_RUNPATH, name, "DT_RUNPATH", plan, NULL, error);
}

/* --- the new bytes -----------------------------------------------------------------------------
 */

static bool encode_tail(const struct image *image, const struct strings *strings,
                        const struct undo_run *runs, struct plan *plan, struct patch_error *error)
{
    uint64_t old = image->strings.size;

    plan->tail_size = layout_area(image, &plan->place, plan->table_size) - old;
    plan->tail = calloc(1, plan->tail_size);
    if (plan->tail == NULL)
        return error_memory(error);
    memcpy(plan->tail, strings->text, strings->size);
    if (plan->place.layout == PATCH_LAYOUT_NEW_SEGMENT)
        headers_encode(image, &plan->place, plan->table_size,
                       plan->tail + (plan->place.headers_offset - plan->place.offset - old));
    return undo_encode(image, &plan->place, plan->table_size, runs, plan->edit_count,
                       plan->tail + (plan->record - old), error);
}

/* Tries one place: the edits it needs, with the size of the record that they need in turn. */
static bool try_place(const struct image *image, const struct strings *strings,
                      struct layout_place place, struct plan *plan, bool *fits,
                      struct patch_error *error)
{
    size_t fixed = plan->edit_count;
    struct undo_run *runs = NULL;
    bool done = false;

    *fits = false;
    plan->place = place;
    /* Their number and places count now; the values follow from the size. */
    if (place.layout != PATCH_LAYOUT_CAVE)
        plan->place.insertion_size = 1;
    if (!edits_add_place(image, plan, error) || !edits_runs(image, plan, &runs, error))
        goto out;
    size_t count = plan->edit_count;
    plan->record = image->strings.size + strings->size;
    plan->table_size = plan->record + undo_size(runs, plan->edit_count) + 1;
    done = true;
    plan->place = place;
    if (!layout_fit(image, &plan->place, plan->table_size))
        goto out;
    done = false;
    plan->edit_count = fixed;
    if (!edits_add_place(image, plan, error))
        goto out;
    if (plan->edit_count != count) {
        error_set(error, PATCH_CHANGED_SINCE, "somebody else changed it meanwhile");
        goto out;
    }
    edits_sort(plan);
    done = *fits = encode_tail(image, strings, runs, plan, error);
out:
    if (!*fits)
        plan->edit_count = fixed;
    free(runs);
    return done;
}

static bool find_place(const struct image *image, const struct patch_options *options,
                       const struct strings *strings, struct plan *plan, struct patch_error *error)
{
    struct layout_place *places;
    struct patch_error reason = {0};
    size_t count;
    bool fits = false;
    bool done = true;

    error_set_at(&reason, PATCH_NO_ROOM, "program header table", image->header.e_phoff,
                 "no room behind any segment");
    if (!layout_candidates(image, options, &places, &count, &reason))
        return error_memory(error);
    for (size_t i = 0; done && !fits && i < count; i++)
        done = try_place(image, strings, places[i], plan, &fits, error);
    free(places);
    if (done && !fits && error != NULL)
        *error = reason;
    return done && fits;
}

/* --- all of it ---------------------------------------------------------------------------------
 */

static bool make(const struct image *image, const struct imports *imports,
                 const struct patch_options *options, struct strings *strings, struct renamed *list,
                 struct plan *plan, struct patch_error *error)
{
    uint32_t runtime;

    if (!name_imports(imports, options, strings, list, error) ||
        !edit_symbols(image, list, imports->pending, plan, error) ||
        !edit_hash(image, list, imports->pending, strings, plan, error) ||
        !edit_gnu_hash(image, list, imports->pending, strings, plan, error))
        return false;
    plan->needed_slot = imports->pending > 0 || imports->runtime_needed ? "present" : "";
    if (imports->pending > 0 && !imports->runtime_needed &&
        (!add_string(strings, "", options->runtime, &runtime, error) ||
         !slots_use(image, DT_NEEDED, runtime, "DT_NEEDED", plan, &plan->needed_slot, error)))
        return false;
    if (!edit_runpath(image, options, strings, plan, error))
        return false;
    return find_place(image, options, strings, plan, error);
}

enum patch_outcome plan_make(const struct image *image, const struct imports *imports,
                             const struct patch_options *options, struct plan *plan,
                             struct patch_error *error)
{
    struct strings strings = {.base = image->strings.size};

    memset(plan, 0, sizeof(*plan));
    plan->needed_slot = imports->runtime_needed ? "present" : "";
    if (options->functions[0] != NULL && (!plan_check_protected(image, imports, options, error) ||
                                          !check_other_runtime(imports, options, error)))
        return PATCH_FAILED;
    if (!check_loaded(image, error))
        return PATCH_FAILED;
    if (imports->pending == 0 && !runpath_wanted(image, options))
        return PATCH_NOTHING;
    if (!check_c_library(imports, error) || !sealed_check_image(image, options, error) ||
        !check_overlay(image, options, error) || !check_symbols(image, imports, error))
        return PATCH_FAILED;
    struct renamed *list = calloc(imports->count + 1, sizeof(*list));
    if (list == NULL) {
        error_memory(error);
        return PATCH_FAILED;
    }
    bool done = make(image, imports, options, &strings, list, plan, error);
    free(strings.text);
    free(list);
    if (!done)
        plan_finish(plan);
    return done ? PATCH_READY : PATCH_FAILED;
}

void plan_finish(struct plan *plan)
{
    free(plan->edits);
    free(plan->tail);
    memset(plan, 0, sizeof(*plan));
}
