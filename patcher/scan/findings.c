/* SPDX-License-Identifier: MIT
 *
 * One function a kind. What a call is told comes from values.c, names from strings.c and copies.c.
 */
#include "scan/findings.h"

#include "error.h"
#include "scan/copies.h"
#include "scan/disasm.h"
#include "scan/strings.h"
#include "scan/values.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 256 /* name of a function or library, with its end */ };

struct collecting {
    const struct image *image;
    const struct survey *survey;
    struct findings *findings;
    struct disasm *disasm; /* NULL: the code is not decoded */
    bool looks_up;         /* by a name that is not known */
    struct patch_error *error;
};

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

/* Copies `what` (or NULL) and the name of the function. */
static bool add(struct collecting *collecting, struct patch_finding finding, const char *what)
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

/* What a finding at a place in the code begins with. */
static struct patch_finding placed(enum patch_finding_kind kind, const struct function_place *place)
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

/* What a finding about an import begins with. */
static struct patch_finding imported(enum patch_finding_kind kind, const char *waits)
{
    return (struct patch_finding){
        .kind = kind,
        .blocks = waits != NULL ? PATCH_YES : PATCH_UNKNOWN,
        .waits = waits,
        .certain = true,
        .reach = PATCH_UNREACHABLE,
    };
}

static bool add_numbered(struct collecting *collecting, struct patch_finding finding,
                         enum syscall_table table, const struct values *values, int where)
{
    const struct syscall_row *row = NULL;

    finding.numbered = values_get(values, where, &finding.number);
    if (finding.numbered)
        row = syscalls_find(table, finding.number);
    if (row == NULL)
        return add(collecting, finding, NULL);
    finding.certain = true;
    finding.waits = row->waits;
    finding.blocks = row->waits != NULL ? PATCH_YES : PATCH_NO;
    return add(collecting, finding, row->name);
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
        struct patch_finding finding = placed(PATCH_FINDING_TRAP, &site->place);
        finding.how = site->trap->name;
        /* bytes in no function may be data, unless their number makes sense */
        finding.certain = site->place.end != 0;
        if (!add_numbered(collecting, finding, site->trap->table, &values, code->number))
            return false;
    }
    return true;
}

/* --- calls of functions that are told what to do ---------------------------------------------- */

/* Called for each site of a watched import; `values` are those in front of a call. */
typedef bool call_visitor(struct collecting *collecting, const struct watched *watched,
                          const struct call_site *site, const struct values *values);

static bool is_call(const struct call_site *site)
{
    return strcmp(site->kind, "load") != 0;
}

static bool note_syscall(struct collecting *collecting, const struct watched *watched,
                         const struct call_site *site, const struct values *values)
{
    const struct arch_code *code = collecting->image->arch->code;
    struct patch_finding finding = placed(PATCH_FINDING_SYSCALL, &site->place);

    finding.how = watched->name;
    finding.certain = is_call(site);
    return add_numbered(collecting, finding, code->table, values, code->arguments[0]);
}

static bool is_hooked(const struct survey *survey, const char *name)
{
    for (size_t i = 0; i < survey->name_count; i++)
        if (strcmp(survey->names[i], name) == 0)
            return true;
    return false;
}

static bool note_lookup(struct collecting *collecting, const struct watched *watched,
                        const struct call_site *site, const struct values *values)
{
    struct patch_finding finding = placed(PATCH_FINDING_LOOKUP, &site->place);
    char name[LONGEST];
    uint64_t address;

    if (!values_get(values, collecting->image->arch->code->arguments[1], &address) ||
        !strings_at(collecting->image, address, name, sizeof(name))) {
        collecting->looks_up = true;
        return true;
    }
    if (!is_hooked(collecting->survey, name))
        return true;
    finding.how = watched->name;
    return add(collecting, finding, name);
}

static bool note_opened(struct collecting *collecting, const struct watched *watched,
                        const struct call_site *site, const struct values *values)
{
    struct patch_finding finding = placed(PATCH_FINDING_OPENED, &site->place);
    int where = collecting->image->arch->code->arguments[0];
    char name[LONGEST];
    uint64_t address;
    bool known = values_get(values, where, &address);

    /* NULL opens what is loaded already */
    if (known && address == 0)
        return true;
    known = known && strings_at(collecting->image, address, name, sizeof(name));
    finding.how = watched->name;
    finding.certain = is_call(site);
    finding.reach = PATCH_REDIRECTABLE;
    return add(collecting, finding, known ? name : NULL);
}

static bool has_role(const struct survey *survey, enum watched_role role)
{
    for (size_t i = 0; i < survey->imports.count; i++)
        if (survey->watched[i].role == role)
            return true;
    return false;
}

static bool note_stream(struct collecting *collecting, const struct watched *watched,
                        const struct call_site *site, const struct values *values)
{
    struct patch_finding finding = placed(PATCH_FINDING_STREAM, &site->place);

    (void)values;
    if (!has_role(collecting->survey, WATCHED_SOCKET))
        return true;
    finding.how = watched->name;
    finding.certain = false;
    return add(collecting, finding, watched->name);
}

static const struct {
    enum patch_finding_kind kind;
    call_visitor *visit; /* NULL: calls tell nothing */
    enum patch_reach reach;
} roles[] = {
    [WATCHED_SYSCALL] = {PATCH_FINDING_SYSCALL, note_syscall, PATCH_UNREACHABLE},
    [WATCHED_LOOKUP] = {PATCH_FINDING_LOOKUP, note_lookup, PATCH_UNREACHABLE},
    [WATCHED_OPENED] = {PATCH_FINDING_OPENED, note_opened, PATCH_REDIRECTABLE},
    [WATCHED_STREAM] = {PATCH_FINDING_STREAM, note_stream, PATCH_UNREACHABLE},
    [WATCHED_WAITS] = {0},
};

/* A site whose function loads the address into a register, perhaps to call it several times. */
struct loaded_site {
    struct collecting *collecting;
    const struct watched *watched;
    const struct call_site *load;
    size_t calls; /* that were found */
};

static bool note_loaded_call(void *context, uint64_t address, const struct values *values)
{
    struct loaded_site *loaded = context;
    struct call_site call = *loaded->load;

    call.kind = "call";
    call.place.address = address;
    loaded->calls++;
    return roles[loaded->watched->role].visit(loaded->collecting, loaded->watched, &call, values);
}

/* Whether calls were found is in loaded->calls. */
static bool visit_loaded(struct loaded_site *loaded, size_t import)
{
    const struct import *from = &loaded->collecting->survey->imports.items[import];

    for (size_t i = 0; i < from->relocation_count; i++)
        if (!values_calls(loaded->collecting->image, loaded->collecting->disasm,
                          &loaded->load->place, from->relocations[i].address, note_loaded_call,
                          loaded))
            return false;
    return true;
}

/* Whether an earlier site of the same function loaded the address already: the calls are told once.
 */
static bool is_loaded_before(const struct call_sites *sites, size_t first, size_t site)
{
    const struct function_place *place = &sites->items[site].place;

    for (size_t i = first; i < site; i++)
        if (!is_call(&sites->items[i]) && sites->items[i].place.start == place->start &&
            place->end != 0)
            return true;
    return false;
}

/* Where it is not seen to be called, a pointer to the function may be with anything. */
static bool visit_site(struct collecting *collecting, size_t import, size_t first, size_t site)
{
    const struct call_sites *sites = &collecting->survey->sites;
    const struct watched *watched = &collecting->survey->watched[import];
    struct loaded_site loaded = {collecting, watched, &sites->items[site], 0};
    struct values values = {0};

    if (!is_call(loaded.load)) {
        if (is_loaded_before(sites, first, site))
            return true;
        if (!visit_loaded(&loaded, import))
            return false;
        if (loaded.calls > 0)
            return true;
    } else if (!values_at(collecting->image, collecting->disasm, &loaded.load->place, &values)) {
        memset(&values, 0, sizeof(values));
    }
    return roles[watched->role].visit(collecting, watched, loaded.load, &values);
}

/* Called by a pointer in a table, or from code that is not decoded. */
static bool note_unseen(struct collecting *collecting, const struct watched *watched)
{
    if (watched->role == WATCHED_LOOKUP) {
        collecting->looks_up = true;
        return true;
    }
    if (watched->role == WATCHED_STREAM && !has_role(collecting->survey, WATCHED_SOCKET))
        return true;
    struct patch_finding finding = imported(roles[watched->role].kind, NULL);
    finding.how = watched->name;
    finding.certain = false;
    finding.reach = roles[watched->role].reach;
    return add(collecting, finding, NULL);
}

static bool collect_calls(struct collecting *collecting)
{
    const struct survey *survey = collecting->survey;

    for (size_t i = 0; i < survey->imports.count; i++) {
        const struct watched *watched = &survey->watched[i];
        size_t first;
        if (roles[watched->role].visit == NULL || survey->parts[i] != SURVEY_WATCHED)
            continue;
        size_t count = callsites_of(&survey->sites, i, &first);
        if (count == 0 && !note_unseen(collecting, watched))
            return false;
        for (size_t k = first; k < first + count; k++)
            if (!visit_site(collecting, i, first, k))
                return false;
    }
    return true;
}

/* --- names that may be looked up -------------------------------------------------------------- */

static bool note_string(void *context, const char *name, uint64_t address)
{
    struct collecting *collecting = context;
    struct patch_finding finding = imported(PATCH_FINDING_LOOKUP, NULL);

    finding.placed = true;
    finding.address = address;
    finding.certain = false;
    return add(collecting, finding, name);
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
        struct patch_finding finding = imported(PATCH_FINDING_COPY, NULL);
        finding.placed = true;
        finding.address = finding.start = copy->start;
        finding.function = copy->name;
        finding.certain = copy->certain || has_trap(collecting->findings, traps, copy);
        done = add(collecting, finding, copy->name);
    }
    if (done && copies.go) {
        struct patch_finding finding = imported(PATCH_FINDING_GO, NULL);
        finding.blocks = PATCH_YES;
        finding.placed = copies.go_entry != 0;
        finding.address = finding.start = copies.go_entry;
        done = add(collecting, finding, NULL);
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
        finding = imported(PATCH_FINDING_NOT_CHOSEN, NULL);
        finding.blocks = PATCH_YES;
        finding.reach = import->redirected ? PATCH_REDIRECTED : PATCH_REDIRECTABLE;
        return add(collecting, finding, import->name);
    }
    if (part != SURVEY_WATCHED)
        return true;
    if (watched->role == WATCHED_WAITS)
        return add(collecting, imported(PATCH_FINDING_NOT_HOOKED, watched->waits), import->name);
    if (watched->role != WATCHED_STDIO || !streams)
        return true;
    finding = imported(PATCH_FINDING_STREAM, watched->waits);
    finding.certain = false;
    return add(collecting, finding, import->name);
}

static bool collect_imports(struct collecting *collecting)
{
    const struct survey *survey = collecting->survey;
    bool streams = has_role(survey, WATCHED_STREAM) && has_role(survey, WATCHED_SOCKET);

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
    done = done && collect_calls(&collecting) && collect_strings(&collecting) &&
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
