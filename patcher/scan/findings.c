/* SPDX-License-Identifier: MIT
 *
 * One function a kind; those that calls tell of are in findings_calls.c. Names come from strings.c
 * and copies.c.
 */
#include "error.h"
#include "scan/copies.h"
#include "scan/findings_private.h"
#include "scan/strings.h"

#include <stdlib.h>
#include <string.h>

/* --- names of kinds --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *reason;
} kinds[] = {
    [PATCH_FINDING_TRAP] = {"system-call",
                            "an instruction enters the kernel here, libc is not called"},
    [PATCH_FINDING_SYSCALL] = {"syscall-function", "syscall() is told at run time what to do"},
    [PATCH_FINDING_LOOKUP] = {"lookup", "it is looked up by name at run time, not imported"},
    [PATCH_FINDING_OPENED] = {"opened-library", "the library that is opened is patched by itself"},
    [PATCH_FINDING_STREAM] = {"stream",
                              "libc itself reads and writes streams, and libc is never patched"},
    [PATCH_FINDING_COPY] = {"static-copy", "the function is part of this file, not imported"},
    [PATCH_FINDING_GO] = {"go-runtime",
                          "Go enters the kernel by itself and has a scheduler of its own"},
    [PATCH_FINDING_NOT_CHOSEN] = {"not-chosen", "the function is hooked, but not chosen"},
    [PATCH_FINDING_NOT_HOOKED] = {"not-hooked", "the function is not in the hook table"},
};

const char *patch_finding_name(enum patch_finding_kind kind)
{
    return kinds[kind].name;
}

const char *patch_finding_reason(enum patch_finding_kind kind)
{
    return kinds[kind].reason;
}

const char *patch_reach_name(enum patch_reach reach)
{
    static const char *const names[] = {
        [PATCH_REDIRECTED] = "redirected",
        [PATCH_REDIRECTABLE] = "can be redirected",
        [PATCH_UNREACHABLE] = "cannot be redirected",
    };

    return names[reach];
}

/* --- adding ----------------------------------------------------------------------------------- */

bool findings_add(struct collecting *collecting, struct patch_finding finding, const char *what)
{
    struct findings *findings = collecting->findings;

    if (findings->count == findings->capacity) {
        size_t larger = findings->capacity * 2 + 16;
        struct patch_finding *items = realloc(findings->items, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(collecting->error);
        findings->items = items;
        findings->capacity = larger;
    }
    struct patch_finding *own = &findings->items[findings->count++];
    *own = finding;
    own->what = what != NULL ? strdup(what) : NULL;
    own->function = finding.function != NULL ? strdup(finding.function) : NULL;
    if ((own->what == NULL) != (what == NULL) ||
        (own->function == NULL) != (finding.function == NULL))
        return error_memory(collecting->error);
    return true;
}

struct patch_finding findings_placed(enum patch_finding_kind kind,
                                     const struct function_place *place)
{
    return (struct patch_finding){
        .kind = kind,
        .placed = true,
        .address = place->address,
        .function = place->name,
        .start = place->end != 0 ? place->start : 0,
        .blocks = PATCH_UNKNOWN,
        .certain = true,
        .reach = PATCH_UNREACHABLE,
    };
}

struct patch_finding findings_imported(enum patch_finding_kind kind, const char *waits)
{
    return (struct patch_finding){
        .kind = kind,
        .blocks = waits != NULL ? PATCH_YES : PATCH_UNKNOWN,
        .waits = waits,
        .certain = true,
        .reach = PATCH_UNREACHABLE,
    };
}

bool findings_add_numbered(struct collecting *collecting, struct patch_finding finding,
                           enum syscall_table table, const struct values *values, int where)
{
    const struct syscall_row *row = NULL;

    finding.numbered = values_get(values, where, &finding.number);
    if (finding.numbered)
        row = syscalls_find(table, finding.number);
    if (row == NULL)
        return findings_add(collecting, finding, NULL);
    finding.certain = true;
    finding.waits = row->waits;
    finding.blocks = row->waits != NULL ? PATCH_YES : PATCH_NO;
    return findings_add(collecting, finding, row->name);
}

bool findings_has_role(const struct survey *survey, enum watched_role role)
{
    for (size_t i = 0; i < survey->imports.count; i++)
        if (survey->watched[i].role == role)
            return true;
    return false;
}

/* --- system calls by instruction -------------------------------------------------------------- */

static bool collect_traps(struct collecting *collecting)
{
    const struct call_sites *sites = &collecting->survey->sites;
    const struct arch_code *code = collecting->image->arch->code;

    for (size_t i = sites->count - sites->traps; i < sites->count; i++) {
        const struct call_site *site = &sites->items[i];
        struct values values;
        if (!values_at(collecting->image, collecting->disasm, &site->place, &values))
            continue;
        struct patch_finding finding = findings_placed(PATCH_FINDING_TRAP, &site->place);
        finding.how = site->trap->name;
        /* bytes in no function may be data, unless their number makes sense */
        finding.certain = site->place.end != 0;
        if (!findings_add_numbered(collecting, finding, site->trap->table, &values, code->number))
            return false;
    }
    return true;
}

/* --- names that may be looked up -------------------------------------------------------------- */

static bool note_string(void *context, const char *name, uint64_t address)
{
    struct collecting *collecting = context;
    struct patch_finding finding = findings_imported(PATCH_FINDING_LOOKUP, NULL);

    finding.placed = true;
    finding.address = address;
    finding.certain = false;
    return findings_add(collecting, finding, name);
}

static bool collect_strings(struct collecting *collecting)
{
    const struct survey *survey = collecting->survey;

    return !collecting->looks_up ||
           strings_search(collecting->image, survey->names, survey->name_count, note_string,
                          collecting, collecting->error);
}

/* --- functions inside ------------------------------------------------------------------------- */

static bool has_trap(const struct findings *findings, size_t traps, const struct copy *copy)
{
    for (size_t i = 0; i < traps; i++)
        if (findings->items[i].address >= copy->start && findings->items[i].address < copy->end)
            return true;
    return false;
}

static bool collect_copies(struct collecting *collecting, size_t traps)
{
    const struct survey *survey = collecting->survey;
    struct copies copies;
    bool done = true;

    if (!copies_find(collecting->image, survey->names, survey->name_count, &copies,
                     collecting->error))
        return false;
    for (size_t i = 0; done && i < copies.count; i++) {
        const struct copy *copy = &copies.items[i];
        struct patch_finding finding = findings_imported(PATCH_FINDING_COPY, NULL);
        finding.placed = true;
        finding.address = finding.start = copy->start;
        finding.function = copy->name;
        finding.certain = copy->certain || has_trap(collecting->findings, traps, copy);
        done = findings_add(collecting, finding, copy->name);
    }
    if (done && copies.go) {
        struct patch_finding finding = findings_imported(PATCH_FINDING_GO, NULL);
        finding.blocks = PATCH_YES;
        finding.placed = copies.go_entry != 0;
        finding.address = finding.start = copies.go_entry;
        done = findings_add(collecting, finding, NULL);
    }
    copies_finish(&copies);
    return done;
}

/* --- imports that are not redirected ---------------------------------------------------------- */

static bool note_import(struct collecting *collecting, size_t index, bool streams)
{
    const struct import *import = &collecting->survey->imports.items[index];
    const struct watched *watched = &collecting->survey->watched[index];
    enum survey_part part = collecting->survey->parts[index];
    struct patch_finding finding;

    if (part == SURVEY_OTHER) {
        finding = findings_imported(PATCH_FINDING_NOT_CHOSEN, NULL);
        finding.blocks = PATCH_YES;
        finding.reach = import->redirected ? PATCH_REDIRECTED : PATCH_REDIRECTABLE;
        return findings_add(collecting, finding, import->name);
    }
    if (part != SURVEY_WATCHED)
        return true;
    if (watched->role == WATCHED_WAITS)
        return findings_add(collecting, findings_imported(PATCH_FINDING_NOT_HOOKED, watched->waits),
                            import->name);
    if (watched->role != WATCHED_STDIO || !streams)
        return true;
    finding = findings_imported(PATCH_FINDING_STREAM, watched->waits);
    finding.certain = false;
    return findings_add(collecting, finding, import->name);
}

static bool collect_imports(struct collecting *collecting)
{
    const struct survey *survey = collecting->survey;
    bool streams =
        findings_has_role(survey, WATCHED_STREAM) && findings_has_role(survey, WATCHED_SOCKET);

    for (size_t i = 0; i < survey->imports.count; i++)
        if (!note_import(collecting, i, streams))
            return false;
    return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct patch_finding *x = a;
    const struct patch_finding *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->placed != y->placed)
        return x->placed ? -1 : 1;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return strcmp(x->what != NULL ? x->what : "", y->what != NULL ? y->what : "");
}

bool findings_collect(const struct image *image, const struct survey *survey,
                      struct findings *findings, struct patch_error *error)
{
    struct collecting collecting = {
        .image = image, .survey = survey, .findings = findings, .error = error};

    memset(findings, 0, sizeof(*findings));
    if (image->arch->code != NULL && !disasm_create(image->arch, &collecting.disasm, error))
        return false;
    bool done = collect_traps(&collecting);
    size_t traps = findings->count;
    done = done && findings_collect_calls(&collecting) && collect_strings(&collecting) &&
           collect_copies(&collecting, traps) && collect_imports(&collecting);
    disasm_destroy(collecting.disasm);
    if (done && findings->count != 0)
        qsort(findings->items, findings->count, sizeof(*findings->items), compare);
    if (!done)
        findings_finish(findings);
    return done;
}

void findings_finish(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].what);
        free(findings->items[i].function);
    }
    free(findings->items);
    memset(findings, 0, sizeof(*findings));
}
