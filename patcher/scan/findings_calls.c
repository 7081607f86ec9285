/* SPDX-License-Identifier: MIT
 *
 * Calls of functions that are told what to do: syscall(), dlsym(), dlopen(), fdopen().
 * What a call is told comes from values.c, where the function's address goes from callsites.c.
 */
#include "scan/findings_private.h"
#include "scan/strings.h"

#include <string.h>

enum { LONGEST = 256 /* name of a function or library, with its end */ };

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
    struct patch_finding finding = findings_placed(PATCH_FINDING_SYSCALL, &site->place);

    finding.how = watched->name;
    finding.certain = is_call(site);
    return findings_add_numbered(collecting, finding, code->table, values, code->arguments[0]);
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
    struct patch_finding finding = findings_placed(PATCH_FINDING_LOOKUP, &site->place);
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
    return findings_add(collecting, finding, name);
}

static bool note_opened(struct collecting *collecting, const struct watched *watched,
                        const struct call_site *site, const struct values *values)
{
    struct patch_finding finding = findings_placed(PATCH_FINDING_OPENED, &site->place);
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
    return findings_add(collecting, finding, known ? name : NULL);
}

static bool note_stream(struct collecting *collecting, const struct watched *watched,
                        const struct call_site *site, const struct values *values)
{
    struct patch_finding finding = findings_placed(PATCH_FINDING_STREAM, &site->place);

    (void)values;
    if (!findings_has_role(collecting->survey, WATCHED_SOCKET))
        return true;
    finding.how = watched->name;
    finding.certain = false;
    return findings_add(collecting, finding, watched->name);
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
    if (watched->role == WATCHED_STREAM && !findings_has_role(collecting->survey, WATCHED_SOCKET))
        return true;
    struct patch_finding finding = findings_imported(roles[watched->role].kind, NULL);
    finding.how = watched->name;
    finding.certain = false;
    finding.reach = roles[watched->role].reach;
    return findings_add(collecting, finding, NULL);
}

bool findings_collect_calls(struct collecting *collecting)
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
