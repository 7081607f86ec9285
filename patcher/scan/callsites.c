/* SPDX-License-Identifier: MIT
 *
 * Two passes over the executable code: the first finds the stubs that jump through a slot of
 * interest, the second what refers to a stub or to a slot. Bytes are searched for the few addresses
 * of interest; the disassembler then confirms what was found.
 */
#include "scan/callsites.h"

#include "error.h"
#include "scan/disasm.h"
#include "scan/text.h"

#include <stdlib.h>
#include <string.h>

/* An address of interest and the import it leads to. */
struct target {
    uint64_t address;
    size_t import;
};

struct targets {
    struct target *items; /* by address */
    size_t count;
    size_t capacity;
};

struct search {
    const struct image *image;
    struct disasm *disasm;
    struct targets slots; /* sorted once, before the first pass */
    struct targets stubs; /* sorted between the passes */
    struct call_sites *sites;
    struct patch_error *error;
};

/* Makes room for one more in an array of `*capacity`. */
static bool grow(void **items, size_t count, size_t *capacity, size_t size,
                 struct patch_error *error)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity * 2 + 64;
    void *moved = realloc(*items, larger * size);
    if (moved == NULL)
        return error_memory(error);
    *items = moved;
    *capacity = larger;
    return true;
}

static bool add_target(struct targets *targets, struct target target, struct patch_error *error)
{
    void *items = targets->items;

    if (!grow(&items, targets->count, &targets->capacity, sizeof(target), error))
        return false;
    targets->items = items;
    targets->items[targets->count++] = target;
    return true;
}

static bool add_site(struct search *search, const struct text *text,
                     const struct arch_reference *reference, size_t import)
{
    struct call_sites *sites = search->sites;
    void *items = sites->items;

    if (!grow(&items, sites->count, &sites->capacity, sizeof(*sites->items), search->error))
        return false;
    sites->items = items;
    sites->items[sites->count++] = (struct call_site){
        .import = import,
        .trap = reference->trap,
        .kind = reference->kind,
        .place = {.address = text->bytes.address + reference->start},
    };
    sites->traps += reference->trap != NULL;
    return true;
}

static int compare_targets(const void *a, const void *b)
{
    const struct target *x = a;
    const struct target *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

static void sort_targets(struct targets *targets)
{
    if (targets->count != 0)
        qsort(targets->items, targets->count, sizeof(*targets->items), compare_targets);
}

static const struct target *find_target(const struct targets *targets, uint64_t address)
{
    struct target key = {.address = address};

    if (targets->count == 0 || address < targets->items[0].address ||
        address > targets->items[targets->count - 1].address)
        return NULL;
    return bsearch(&key, targets->items, targets->count, sizeof(key), compare_targets);
}

/* --- the two passes --------------------------------------------------------------------------- */

/* Whether the disassembler sees in the bytes what their pattern says. */
static bool confirmed(const struct search *search, const struct text *text,
                      const struct arch_reference *reference)
{
    const struct arch_text *bytes = &text->bytes;
    size_t rest = bytes->size - reference->start;
    const char *kind =
        disasm_kind(search->disasm, bytes->code + reference->start,
                    rest < ARCH_MARGIN ? rest : ARCH_MARGIN, bytes->address + reference->start);

    return kind != NULL && strcmp(kind, reference->kind) == 0;
}

static bool in_stub(const struct search *search, const struct text *text,
                    const struct arch_reference *reference)
{
    if (!reference->slot || strcmp(reference->kind, "jump") != 0)
        return false;
    if (text->is_section)
        return text->stubs;
    return search->image->arch->code->stub_like(&text->bytes, reference);
}

static bool note_stubs(void *context, const struct text *text, size_t from, size_t to)
{
    struct search *search = context;
    const struct arch_code *code = search->image->arch->code;
    struct arch_reference reference;

    if (text->is_section && !text->stubs)
        return true;
    for (size_t at = code->next(&text->bytes, from, to); at < to;
         at = code->next(&text->bytes, at + code->width, to)) {
        if (!code->reference(&text->bytes, at, &reference) || reference.trap != NULL ||
            !in_stub(search, text, &reference))
            continue;
        const struct target *slot = find_target(&search->slots, reference.target);
        if (slot == NULL || !confirmed(search, text, &reference))
            continue;
        uint64_t start = text->bytes.address + code->stub_start(&text->bytes, &reference);
        if (!add_target(&search->stubs, (struct target){start, slot->import}, search->error))
            return false;
    }
    return true;
}

static bool note_site(struct search *search, const struct text *text,
                      const struct arch_reference *reference)
{
    if (reference->trap != NULL)
        return add_site(search, text, reference, 0);
    const struct target *target =
        find_target(reference->slot ? &search->slots : &search->stubs, reference->target);
    if (target == NULL || in_stub(search, text, reference) || !confirmed(search, text, reference))
        return true;
    return add_site(search, text, reference, target->import);
}

static bool note_sites(void *context, const struct text *text, size_t from, size_t to)
{
    struct search *search = context;
    const struct arch_code *code = search->image->arch->code;
    struct arch_reference reference;

    if (text->stubs)
        return true;
    for (size_t at = code->next(&text->bytes, from, to); at < to;
         at = code->next(&text->bytes, at + code->width, to))
        if (code->reference(&text->bytes, at, &reference) && !note_site(search, text, &reference))
            return false;
    return true;
}

/* --- the functions that the sites are in ------------------------------------------------------ */

static int compare_addresses(const void *a, const void *b)
{
    const struct function_place *x = &((const struct call_site *)a)->place;
    const struct function_place *y = &((const struct call_site *)b)->place;

    return (x->address > y->address) - (x->address < y->address);
}

static int compare_sites(const void *a, const void *b)
{
    const struct call_site *x = a;
    const struct call_site *y = b;

    if ((x->trap != NULL) != (y->trap != NULL))
        return x->trap != NULL ? 1 : -1;
    if (x->import != y->import)
        return x->import < y->import ? -1 : 1;
    return compare_addresses(a, b);
}

static bool name_functions(const struct image *image, struct call_sites *sites,
                           struct patch_error *error)
{
    if (sites->count == 0)
        return true;
    struct function_place *places = calloc(sites->count, sizeof(*places));
    if (places == NULL)
        return error_memory(error);
    qsort(sites->items, sites->count, sizeof(*sites->items), compare_addresses);
    for (size_t i = 0; i < sites->count; i++)
        places[i].address = sites->items[i].place.address;
    bool done = functions_resolve(image, places, sites->count, error);
    for (size_t i = 0; i < sites->count; i++)
        sites->items[i].place = places[i];
    free(places);
    qsort(sites->items, sites->count, sizeof(*sites->items), compare_sites);
    return done;
}

bool callsites_find(const struct image *image, const struct imports *imports,
                    struct call_sites *sites, struct patch_error *error)
{
    struct search search = {.image = image, .sites = sites, .error = error};
    bool done = false;

    memset(sites, 0, sizeof(*sites));
    if (image->arch->code == NULL)
        return true;
    for (size_t i = 0; i < imports->relocation_count; i++) {
        const struct import_relocation *relocation = &imports->relocations[i];
        if (!add_target(&search.slots, (struct target){relocation->address, relocation->import},
                        error))
            goto out;
    }
    sort_targets(&search.slots);
    if (!disasm_create(image->arch, &search.disasm, error) ||
        !text_walk(image, note_stubs, &search, error))
        goto out;
    sort_targets(&search.stubs);
    done = text_walk(image, note_sites, &search, error) && name_functions(image, sites, error);
out:
    disasm_destroy(search.disasm);
    free(search.slots.items);
    free(search.stubs.items);
    if (!done)
        callsites_finish(sites);
    return done;
}

size_t callsites_of(const struct call_sites *sites, size_t import, size_t *first)
{
    size_t plain = sites->count - sites->traps;
    size_t count = 0;

    *first = 0;
    while (*first < plain && sites->items[*first].import < import)
        ++*first;
    while (*first + count < plain && sites->items[*first + count].import == import)
        count++;
    return count;
}

void callsites_finish(struct call_sites *sites)
{
    for (size_t i = 0; i < sites->count; i++)
        functions_finish(&sites->items[i].place, 1);
    free(sites->items);
    memset(sites, 0, sizeof(*sites));
}
