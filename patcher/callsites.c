/* SPDX-License-Identifier: MIT
 *
 * Two passes over the executable code: the first finds the stubs that jump through a slot of
 * interest, the second what refers to a stub or to a slot. Bytes are searched for the few addresses
 * of interest; the disassembler then confirms what was found.
 */
#include "callsites.h"

#include "disasm.h"
#include "error.h"
#include "functions.h"

#include <stdlib.h>
#include <string.h>

/* An address of interest and the import it leads to. */
struct target {
    uint64_t address;
    size_t import;
    bool slot;
};

struct targets {
    struct target *items; /* by address */
    size_t count;
    size_t capacity;
};

/* One stretch of executable code. */
struct stretch {
    const uint8_t *code;
    size_t size;
    uint64_t address;
    bool plt;        /* a section made of stubs */
    bool is_section; /* its name is known */
};

struct search {
    const struct image *image;
    struct disasm *disasm;
    struct targets slots; /* sorted once, before the first pass */
    struct targets stubs; /* sorted between the passes */
    struct call_sites *sites;
    struct patch_error *error;
};

/* Called for each confirmed reference; false stops the search with an error. */
typedef bool visitor(struct search *search, const struct stretch *stretch,
                     const struct arch_reference *reference, const struct target *target);

static bool add_target(struct targets *targets, struct target target, struct patch_error *error)
{
    if (targets->count == targets->capacity) {
        size_t larger = targets->capacity * 2 + 64;
        struct target *items = realloc(targets->items, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(error);
        targets->items = items;
        targets->capacity = larger;
    }
    targets->items[targets->count++] = target;
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

/* --- going over the code -----------------------------------------------------------------------
 */

static bool search_stretch(struct search *search, const struct stretch *stretch, visitor *visit)
{
    const struct arch_code *code = search->image->arch->code;
    struct arch_reference reference;

    for (size_t at = 0; at < stretch->size; at += code->step) {
        if (!code->reference(stretch->code, stretch->size, at, stretch->address, &reference))
            continue;
        const struct target *target =
            find_target(reference.slot ? &search->slots : &search->stubs, reference.target);
        if (target == NULL)
            continue;
        const char *kind =
            disasm_kind(search->disasm, stretch->code + reference.start,
                        stretch->size - reference.start, stretch->address + reference.start);
        if (kind == NULL || strcmp(kind, reference.kind) != 0)
            continue;
        if (!visit(search, stretch, &reference, target))
            return false;
    }
    return true;
}

/* Sections tell stubs from other code; a file without them is searched by segments. */
static bool search_sections(struct search *search, visitor *visit, bool *any)
{
    const struct image *image = search->image;

    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_PROGBITS || (s->sh_flags & SHF_EXECINSTR) == 0 ||
            s->sh_offset > image->size || s->sh_size > image->size - s->sh_offset)
            continue;
        struct stretch stretch = {
            .code = image->bytes + s->sh_offset,
            .size = s->sh_size,
            .address = s->sh_addr,
            .plt = strncmp(image_section_name(image, i), ".plt", 4) == 0,
            .is_section = image_section_name(image, i)[0] != '\0',
        };
        *any = true;
        if (!image_load(image, s->sh_offset, s->sh_size, search->error))
            return false;
        bool done = search_stretch(search, &stretch, visit);
        image_release(image, s->sh_offset, s->sh_size);
        if (!done)
            return false;
    }
    return true;
}

static bool search_code(struct search *search, visitor *visit)
{
    const struct image *image = search->image;
    bool any = false;

    if (!search_sections(search, visit, &any))
        return false;
    for (size_t i = 0; !any && i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_LOAD || (s->p_flags & PF_X) == 0)
            continue;
        struct stretch stretch = {image->bytes + s->p_offset, s->p_filesz, s->p_vaddr, false,
                                  false};
        if (!image_load(image, s->p_offset, s->p_filesz, search->error))
            return false;
        bool done = search_stretch(search, &stretch, visit);
        image_release(image, s->p_offset, s->p_filesz);
        if (!done)
            return false;
    }
    return true;
}

/* --- the two passes ----------------------------------------------------------------------------
 */

static bool in_stub(const struct search *search, const struct stretch *stretch,
                    const struct arch_reference *reference)
{
    if (!reference->slot || strcmp(reference->kind, "jump") != 0)
        return false;
    if (stretch->is_section)
        return stretch->plt;
    return search->image->arch->code->stub_like(stretch->code, stretch->size, reference);
}

static bool note_stub(struct search *search, const struct stretch *stretch,
                      const struct arch_reference *reference, const struct target *target)
{
    const struct arch_code *code = search->image->arch->code;

    if (!in_stub(search, stretch, reference))
        return true;
    return add_target(&search->stubs,
                      (struct target){stretch->address + code->stub_start(stretch->code, reference),
                                      target->import, false},
                      search->error);
}

static bool note_site(struct search *search, const struct stretch *stretch,
                      const struct arch_reference *reference, const struct target *target)
{
    struct call_sites *sites = search->sites;

    if (stretch->plt || in_stub(search, stretch, reference))
        return true;
    if (sites->count == sites->capacity) {
        size_t larger = sites->capacity * 2 + 64;
        struct call_site *items = realloc(sites->items, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(search->error);
        sites->items = items;
        sites->capacity = larger;
    }
    sites->items[sites->count++] = (struct call_site){
        target->import, stretch->address + reference->start, reference->kind, NULL};
    return true;
}

static int compare_sites(const void *a, const void *b)
{
    const struct call_site *x = a;
    const struct call_site *y = b;

    if (x->import != y->import)
        return x->import < y->import ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

static bool name_functions(const struct image *image, struct call_sites *sites,
                           struct patch_error *error)
{
    struct functions functions;

    if (sites->count == 0)
        return true;
    if (!functions_load(image, &functions, error))
        return false;
    for (size_t i = 0; i < sites->count; i++)
        sites->items[i].function = functions_at(&functions, sites->items[i].address);
    functions_finish(&functions);
    qsort(sites->items, sites->count, sizeof(*sites->items), compare_sites);
    return true;
}

bool callsites_find(const struct image *image, const struct imports *imports,
                    struct call_sites *sites, struct patch_error *error)
{
    struct search search = {.image = image, .sites = sites, .error = error};
    bool done = false;

    memset(sites, 0, sizeof(*sites));
    if (image->arch->code == NULL)
        return true;
    for (size_t i = 0; i < imports->relocation_count; i++)
        if (!add_target(&search.slots,
                        (struct target){imports->relocations[i].address,
                                        imports->relocations[i].import, true},
                        error))
            goto out;
    sort_targets(&search.slots);
    if (!disasm_create(image->arch, &search.disasm, error) || !search_code(&search, note_stub))
        goto out;
    sort_targets(&search.stubs);
    done = search_code(&search, note_site) && name_functions(image, sites, error);
out:
    disasm_destroy(search.disasm);
    free(search.slots.items);
    free(search.stubs.items);
    if (!done)
        callsites_finish(sites);
    return done;
}

void callsites_finish(struct call_sites *sites)
{
    free(sites->items);
    memset(sites, 0, sizeof(*sites));
}
