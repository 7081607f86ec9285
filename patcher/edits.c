/* SPDX-License-Identifier: MIT
 *
 * Edits: small pieces of new bytes in the coordinates of the original.
 */
#include "edits.h"

#include "error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool edits_add(struct plan *plan, uint64_t offset, const void *bytes, size_t size,
               struct patch_error *error)
{
    if (plan->edit_count == plan->edit_capacity) {
        size_t larger = plan->edit_capacity * 2 + 64;
        struct plan_edit *edits = realloc(plan->edits, larger * sizeof(*edits));
        if (edits == NULL)
            return error_memory(error);
        plan->edits = edits;
        plan->edit_capacity = larger;
    }
    struct plan_edit *edit = &plan->edits[plan->edit_count++];
    edit->offset = offset;
    edit->size = (uint32_t)size;
    memcpy(edit->bytes, bytes, size);
    return true;
}

bool edits_add_number(const struct image *image, struct plan *plan, uint64_t offset, size_t width,
                      uint64_t value, struct patch_error *error)
{
    uint8_t bytes[8];

    codec_put_number(image->codec, bytes, width, value);
    return edits_add(plan, offset, bytes, width, error);
}

bool edits_add_member(const struct image *image, struct plan *plan, uint64_t record,
                      enum codec_member member, uint64_t value, struct patch_error *error)
{
    struct codec_place place = codec_place(image->codec, member);

    return edits_add_number(image, plan, record + place.offset, place.width, value, error);
}

static bool add_dynamic(const struct image *image, struct plan *plan, struct patch_error *error)
{
    uint64_t table = image_dynamic_offset(image, image_dynamic(image, DT_STRTAB));
    uint64_t size = image_dynamic_offset(image, image_dynamic(image, DT_STRSZ));

    return edits_add_member(image, plan, table, CODEC_D_VAL, plan->place.address, error) &&
           edits_add_member(image, plan, size, CODEC_D_VAL, plan->table_size, error);
}

/* The new program header table, of which the old one is a part. */
static bool add_headers(const struct image *image, struct plan *plan, struct patch_error *error)
{
    return edits_add_member(image, plan, 0, CODEC_E_PHOFF, plan->place.headers_offset, error) &&
           edits_add_member(image, plan, 0, CODEC_E_PHNUM, image->segment_count + 1, error);
}

/* p_filesz and p_memsz of the segment that grows, and p_offset of those that move. */
static bool add_segments(const struct image *image, struct plan *plan, struct patch_error *error)
{
    const struct layout_place *place = &plan->place;
    const Elf64_Phdr *grown = &image->segments[place->segment];
    uint64_t header = image_segment_offset(image, place->segment);
    uint64_t size = place->address + plan->table_size - grown->p_vaddr;

    if (!edits_add_member(image, plan, header, CODEC_P_FILESZ, size, error) ||
        !edits_add_member(image, plan, header, CODEC_P_MEMSZ, size, error))
        return false;
    for (size_t i = 0; i < image->segment_count; i++)
        if (layout_moves_segment(image, place, i) &&
            !edits_add_member(image, plan, image_segment_offset(image, i), CODEC_P_OFFSET,
                              image->segments[i].p_offset + place->insertion_size, error))
            return false;
    return true;
}

/* The symbol in .symtab that stands for section `index` itself has its address. */
static bool add_section_symbols(const struct image *image, size_t table, size_t index,
                                struct plan *plan, struct patch_error *error)
{
    const Elf64_Shdr *s = &image->sections[table];
    size_t each = image->codec->sizes[CODEC_SYMBOL];

    for (uint64_t at = 0; at + each <= s->sh_size; at += each) {
        Elf64_Sym symbol;
        if (!image_read(image, CODEC_SYMBOL, s->sh_offset + at, &symbol))
            break;
        if (symbol.st_shndx == index && ELF64_ST_TYPE(symbol.st_info) == STT_SECTION &&
            !edits_add_member(image, plan, s->sh_offset + at, CODEC_ST_VALUE, plan->place.address,
                              error))
            return false;
    }
    return true;
}

static bool add_all_section_symbols(const struct image *image, struct plan *plan,
                                    struct patch_error *error)
{
    const Elf64_Shdr *strings = image_string_section(image);

    for (size_t i = 0; strings != NULL && i < image->section_count; i++)
        if (image->sections[i].sh_type == SHT_SYMTAB &&
            !add_section_symbols(image, i, (size_t)(strings - image->sections), plan, error))
            return false;
    return true;
}

/* The header of .dynstr itself. */
static bool add_string_section(const struct image *image, struct plan *plan, uint64_t header,
                               struct patch_error *error)
{
    const struct layout_place *place = &plan->place;

    return edits_add_member(image, plan, header, CODEC_SH_ADDR, place->address, error) &&
           edits_add_member(image, plan, header, CODEC_SH_OFFSET, place->offset, error) &&
           edits_add_member(image, plan, header, CODEC_SH_SIZE, plan->table_size, error);
}

/* .dynstr, and sh_offset of the sections that move. */
static bool add_sections(const struct image *image, struct plan *plan, struct patch_error *error)
{
    const struct layout_place *place = &plan->place;

    for (size_t i = 0; i < image->section_count; i++) {
        uint64_t header = image_section_offset(image, i);
        bool done = true;
        if (image_is_string_section(image, i))
            done = add_string_section(image, plan, header, error);
        else if (layout_moves_section(image, place, i))
            done = edits_add_member(image, plan, header, CODEC_SH_OFFSET,
                                    image->sections[i].sh_offset + place->insertion_size, error);
        if (!done)
            return false;
    }
    return true;
}

bool edits_add_place(const struct image *image, struct plan *plan, struct patch_error *error)
{
    const struct layout_place *place = &plan->place;
    uint64_t sections = image->header.e_shoff;

    bool grown = place->layout == PATCH_LAYOUT_NEW_SEGMENT;

    if (place->insertion_size != 0 && sections >= place->insertion_offset && sections != 0 &&
        !edits_add_member(image, plan, 0, CODEC_E_SHOFF, sections + place->insertion_size, error))
        return false;
    return (grown ? add_headers(image, plan, error) : add_segments(image, plan, error)) &&
           add_dynamic(image, plan, error) && add_sections(image, plan, error) &&
           add_all_section_symbols(image, plan, error);
}

static int compare_edits(const void *a, const void *b)
{
    const struct plan_edit *x = a;
    const struct plan_edit *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

void edits_sort(struct plan *plan)
{
    qsort(plan->edits, plan->edit_count, sizeof(*plan->edits), compare_edits);
}

static int compare_runs(const void *a, const void *b)
{
    const struct undo_run *x = a;
    const struct undo_run *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool check_runs(const struct image *image, const struct plan *plan,
                       const struct undo_run *runs, struct patch_error *error)
{
    uint64_t at = 0;
    uint64_t hole = plan->place.insertion_size != 0 ? plan->place.insertion_offset : 0;

    for (size_t i = 0; i < plan->edit_count; i++) {
        uint64_t end = runs[i].offset + runs[i].size;
        if (runs[i].offset < at || end > image->size || (runs[i].offset < hole && end > hole))
            return error_set_at(error, PATCH_MALFORMED, "", runs[i].offset,
                                "two tables of the file share these bytes");
        at = end;
    }
    return true;
}

bool edits_runs(const struct image *image, const struct plan *plan, struct undo_run **runs,
                struct patch_error *error)
{
    *runs = calloc(plan->edit_count + 1, sizeof(**runs));
    if (*runs == NULL)
        return error_memory(error);
    for (size_t i = 0; i < plan->edit_count; i++)
        (*runs)[i] = (struct undo_run){plan->edits[i].offset, plan->edits[i].size};
    qsort(*runs, plan->edit_count, sizeof(**runs), compare_runs);
    return check_runs(image, plan, *runs, error);
}
