/* SPDX-License-Identifier: MIT
 *
 * Finding room for the new string table.
 */
#include "layout.h"

#include "error.h"
#include "headers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST_PAGE = 4096,
    TABLE_ALIGNMENT = 8,
    DEFAULT_BSS_LIMIT = 64 << 20,
    MOST_GAP = 1 << 24,
    MOST_SEGMENTS = 1024,        /* image_parse() accepts no more */
    LARGEST_ALIGNMENT = 1 << 21, /* what moved bytes keep; more than any section header asks for */
};

const char *patch_layout_name(enum patch_layout layout)
{
    static const char *const names[] = {
        [PATCH_LAYOUT_NONE] = "none",
        [PATCH_LAYOUT_CAVE] = "cave",
        [PATCH_LAYOUT_EXTENSION] = "extension",
        [PATCH_LAYOUT_NEW_SEGMENT] = "new-segment",
    };
    return (size_t)layout < sizeof(names) / sizeof(names[0]) ? names[layout] : "unknown";
}

/* --- ranges of the file that headers speak of --------------------------------------------------
 */

struct range {
    uint64_t start;
    uint64_t end;
};

/* Range `index`: two header tables, then segments, then sections. False behind the last. Empty
 * ranges and sections that lie outside the file come as {0, 0}. */
static bool described(const struct image *image, size_t index, struct range *range)
{
    const Elf64_Ehdr *h = &image->header;
    uint64_t size = 0;
    uint64_t start = 0;

    if (index == 0) {
        start = h->e_phoff;
        size = image->segment_count * image->codec->sizes[CODEC_SEGMENT];
    } else if (index == 1) {
        start = h->e_shoff;
        size = image->section_count * image->codec->sizes[CODEC_SECTION];
    } else if (index - 2 < image->segment_count) {
        start = image->segments[index - 2].p_offset;
        size = image->segments[index - 2].p_filesz;
    } else if (index - 2 - image->segment_count < image->section_count) {
        const Elf64_Shdr *s = &image->sections[index - 2 - image->segment_count];
        start = s->sh_offset;
        size = s->sh_type == SHT_NOBITS || s->sh_type == SHT_NULL ? 0 : s->sh_size;
    } else {
        return false;
    }
    if (size == 0 || start > image->size || size > image->size - start)
        *range = (struct range){0, 0};
    else
        *range = (struct range){start, start + size};
    return true;
}

static bool straddled(const struct image *image, uint64_t offset)
{
    struct range range;

    for (size_t i = 0; described(image, i, &range); i++)
        if (range.start < offset && offset < range.end)
            return true;
    return false;
}

/* First byte at or behind `offset` that a header speaks of. */
static uint64_t next_described(const struct image *image, uint64_t offset)
{
    uint64_t next = image->size;
    struct range range;

    for (size_t i = 0; described(image, i, &range); i++)
        if (range.end != 0 && range.start >= offset && range.start < next)
            next = range.start;
    return next;
}

/* --- cave --------------------------------------------------------------------------------------
 */

/* Bytes of address space behind segment `index` that no other segment's pages use. */
static uint64_t address_room(const struct image *image, size_t index)
{
    const Elf64_Phdr *s = &image->segments[index];
    uint64_t end = s->p_vaddr + s->p_memsz;

    for (size_t i = index + 1; i < image->segment_count; i++) {
        const Elf64_Phdr *next = &image->segments[i];
        if (next->p_type != PT_LOAD)
            continue;
        uint64_t page = next->p_align > SMALLEST_PAGE ? next->p_align : SMALLEST_PAGE;
        uint64_t limit = next->p_vaddr & ~(page - 1);
        return limit > end ? limit - end : 0;
    }
    return image->codec->limit - end;
}

static bool find_cave(const struct image *image, size_t index, struct layout_place *place)
{
    const Elf64_Phdr *s = &image->segments[index];
    uint64_t end = s->p_offset + s->p_filesz;

    if (s->p_type != PT_LOAD || (s->p_flags & PF_W) != 0 || (s->p_flags & PF_R) == 0 ||
        s->p_filesz != s->p_memsz || straddled(image, end))
        return false;
    uint64_t room = image_zeros(image, end, next_described(image, end));
    uint64_t addresses = address_room(image, index);
    *place = (struct layout_place){
        .layout = PATCH_LAYOUT_CAVE,
        .segment = index,
        .offset = end,
        .address = s->p_vaddr + s->p_memsz,
        .capacity = room < addresses ? room : addresses,
    };
    return place->capacity != 0;
}

/* --- extension ---------------------------------------------------------------------------------
 */

static size_t last_load(const struct image *image)
{
    size_t last = 0;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD)
            last = i;
    return last;
}

static uint64_t bss_limit(const struct patch_options *options)
{
    return options->bss_limit != 0 ? options->bss_limit : DEFAULT_BSS_LIMIT;
}

static uint64_t align_table(uint64_t value)
{
    return (value + TABLE_ALIGNMENT - 1) & ~(uint64_t)(TABLE_ALIGNMENT - 1);
}

/* The highest offset or address of which differences can be taken too. */
static uint64_t address_limit(const struct image *image)
{
    return image->codec->limit < INT64_MAX ? image->codec->limit : INT64_MAX;
}

static bool find_extension(const struct image *image, const struct patch_options *options,
                           struct layout_place *place, struct patch_error *error)
{
    static const char table[] = "program header";
    size_t index = last_load(image);
    const Elf64_Phdr *s = &image->segments[index];
    uint64_t where = image_segment_offset(image, index);
    uint64_t bss = s->p_memsz - s->p_filesz;
    uint64_t limit = bss_limit(options);
    uint64_t end = s->p_offset + s->p_filesz;

    if (bss > limit)
        return error_set_entry(error, PATCH_NO_ROOM, table, index, where,
                               "no cave, and the last segment's .bss of %" PRIu64
                               " bytes is above the limit of %" PRIu64,
                               bss, limit);
    if (straddled(image, end))
        return error_set_entry(error, PATCH_NO_ROOM, table, index, where,
                               "no cave, and something else stands across the end of the last "
                               "segment at 0x%" PRIx64,
                               end);
    if (image->header.e_phoff >= end)
        return error_set_entry(error, PATCH_NO_ROOM, table, index, where,
                               "no cave, and the program header table behind the last segment "
                               "cannot move");
    *place = (struct layout_place){
        .layout = PATCH_LAYOUT_EXTENSION,
        .segment = index,
        .capacity = (uint64_t)UINT32_MAX,
        .insertion_offset = end,
    };
    return true;
}

static bool in_extended_segment(const struct image *image, const struct layout_place *place,
                                const Elf64_Shdr *section)
{
    const Elf64_Phdr *s = &image->segments[place->segment];

    return (section->sh_flags & SHF_ALLOC) != 0 && section->sh_addr >= s->p_vaddr &&
           section->sh_addr - s->p_vaddr <= s->p_memsz;
}

bool layout_moves_section(const struct image *image, const struct layout_place *place,
                          size_t section)
{
    const Elf64_Shdr *s = &image->sections[section];

    return place->layout == PATCH_LAYOUT_EXTENSION && place->insertion_size != 0 &&
           s->sh_type != SHT_NULL && s->sh_offset >= place->insertion_offset &&
           s->sh_offset <= image->size && !in_extended_segment(image, place, s);
}

bool layout_moves_segment(const struct image *image, const struct layout_place *place,
                          size_t segment)
{
    const Elf64_Phdr *s = &image->segments[segment];

    return place->layout == PATCH_LAYOUT_EXTENSION && place->insertion_size != 0 &&
           segment != place->segment && s->p_filesz != 0 && s->p_offset >= place->insertion_offset;
}

/* What the distance must be a multiple of, so that nothing that moves loses its alignment. */
static uint64_t common_alignment(const struct image *image, const struct layout_place *place)
{
    uint64_t most = TABLE_ALIGNMENT;

    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        uint64_t align = s->sh_addralign;
        if (layout_moves_section(image, place, i) && align > most && align <= LARGEST_ALIGNMENT &&
            (align & (align - 1)) == 0 && (s->sh_offset & (align - 1)) == 0)
            most = align;
    }
    for (size_t i = 0; i < image->segment_count; i++) {
        uint64_t align = image->segments[i].p_align;
        /* The kernel maps pages, whatever a segment with small alignment says. */
        if (image->segments[i].p_type == PT_LOAD && align < SMALLEST_PAGE)
            align = SMALLEST_PAGE;
        if (layout_moves_segment(image, place, i) && align > most && (align & (align - 1)) == 0)
            most = align;
    }
    return most;
}

static bool fit_extension(const struct image *image, struct layout_place *place, uint64_t size)
{
    const Elf64_Phdr *s = &image->segments[place->segment];
    uint64_t end = s->p_vaddr + s->p_memsz;
    uint64_t address = align_table(end);
    uint64_t limit = address_limit(image);

    if (address < end || address > limit || size > limit - address)
        return false;
    place->address = address;
    place->offset = s->p_offset + (address - s->p_vaddr);
    place->insertion_size = place->offset + size - place->insertion_offset;
    uint64_t align = common_alignment(image, place);
    if (align > LARGEST_ALIGNMENT)
        return false;
    place->insertion_size = (place->insertion_size + align - 1) & ~(align - 1);
    return place->insertion_size <= limit && image->size <= limit - place->insertion_size;
}

/* --- new segment -------------------------------------------------------------------------------
 */

uint64_t layout_largest_page(const struct image *image)
{
    uint64_t page = SMALLEST_PAGE;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD && image->segments[i].p_align > page)
            page = image->segments[i].p_align;
    return page;
}

static bool is_program(const struct image *image)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_INTERP)
            return true;
    return false;
}

/* The first page that no segment uses. */
static bool free_address(const struct image *image, uint64_t page, uint64_t *address)
{
    const Elf64_Phdr *last = &image->segments[last_load(image)];
    uint64_t end = last->p_vaddr + last->p_memsz;

    *address = (end + page - 1) & ~(page - 1);
    return *address >= end && *address <= image->codec->limit - page;
}

/* eu-elflint takes a word that a relocation writes for as long as the symbol it is about, and finds
 * it in the next segment then. A gap costs nothing. */
static uint64_t longest_symbol(const struct image *image)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < image->symbol_count; i++) {
        uint64_t size = image_symbol(image, i).st_size;
        if (size > most && size <= MOST_GAP)
            most = size;
    }
    return most;
}

/* Anywhere behind the file, at any address that agrees with this modulo the largest page. */
static bool place_in_library(const struct image *image, struct layout_place *place)
{
    uint64_t page = layout_largest_page(image);
    uint64_t gap = (longest_symbol(image) + page - 1) & ~(page - 1);

    if (!free_address(image, page, &place->address))
        return false;
    if (place->address <= image->codec->limit / 2)
        place->address += gap;
    place->address += place->offset & (page - 1);
    return true;
}

/* Kernels before 5.18, and qemu, tell a program that its headers are e_phoff bytes behind what the
 * first segment would map from the offset 0 (AT_PHDR). The new table has to be right there, for
 * which the file is made as long as the program is in memory: a hole. */
static bool place_in_program(const struct image *image, uint64_t limit, struct layout_place *place,
                             uint64_t *hole)
{
    const Elf64_Phdr *first = image->segments;
    uint64_t page = layout_largest_page(image);
    uint64_t least;

    while (first->p_type != PT_LOAD)
        first++;
    uint64_t distance = first->p_vaddr - first->p_offset;
    if ((distance & (page - 1)) != 0 || !free_address(image, page, &least))
        return false;
    least -= distance;
    *hole = least > place->offset ? least - place->offset : 0;
    place->offset += *hole;
    place->address = place->offset + distance;
    return *hole <= limit;
}

static bool find_new_segment(const struct image *image, const struct patch_options *options,
                             struct layout_place *place, struct patch_error *error)
{
    static const char table[] = "program header table";
    uint64_t end = image_end(image);
    uint64_t hole = 0;
    uint64_t limit = bss_limit(options);

    *place = (struct layout_place){
        .layout = PATCH_LAYOUT_NEW_SEGMENT,
        .segment = last_load(image) + 1, /* gABI: PT_LOADs ascend */
        .offset = align_table(end),
        .capacity = (uint64_t)UINT32_MAX,
        .insertion_offset = end,
    };
    if (options->no_new_segment)
        return false;
    if (image->segment_count >= MOST_SEGMENTS)
        return error_set_at(error, PATCH_NO_ROOM, table, image->header.e_phoff,
                            "no cave, no extension, and %zu program headers are the most that are "
                            "supported",
                            image->segment_count);
    if (is_program(image) ? place_in_program(image, limit, place, &hole)
                          : place_in_library(image, place))
        return true;
    if (hole > limit)
        return error_set_at(error, PATCH_NO_ROOM, table, image->header.e_phoff,
                            "no cave, no extension, and a new table of a program needs a hole of "
                            "%" PRIu64 " bytes, above the limit of %" PRIu64,
                            hole, limit);
    return error_set_at(error, PATCH_NO_ROOM, table, image->header.e_phoff,
                        "no cave, no extension, and no address for a new segment");
}

uint64_t layout_area(const struct image *image, const struct layout_place *place, uint64_t size)
{
    if (place->layout != PATCH_LAYOUT_NEW_SEGMENT)
        return size;
    return align_table(place->offset + size) - place->offset + headers_size(image);
}

static bool fit_new_segment(const struct image *image, struct layout_place *place, uint64_t size)
{
    uint64_t area = layout_area(image, place, size);
    uint64_t limit = address_limit(image);

    if (place->address > limit || area > limit - place->address || place->offset > limit ||
        area > limit - place->offset)
        return false;
    place->headers_offset = align_table(place->offset + size);
    place->headers_address = place->headers_offset - place->offset + place->address;
    place->insertion_size = align_table(place->offset + area) - place->insertion_offset;
    return place->insertion_size <= limit && image->size <= limit - place->insertion_size;
}

/* --- all of them----------------------------------------------------------------------------------
 */

bool layout_fit(const struct image *image, struct layout_place *place, uint64_t size)
{
    if (size > place->capacity)
        return false;
    switch (place->layout) {
    case PATCH_LAYOUT_EXTENSION:
        return fit_extension(image, place, size);
    case PATCH_LAYOUT_NEW_SEGMENT:
        return fit_new_segment(image, place, size);
    default:
        return true;
    }
}

bool layout_candidates(const struct image *image, const struct patch_options *options,
                       struct layout_place **places, size_t *count, struct patch_error *error)
{
    struct layout_place *list = calloc(image->segment_count + 2, sizeof(*list));
    size_t found = 0;

    if (list == NULL)
        return error_memory(error);
    /* Data is better kept out of executable pages: those come second. */
    for (uint32_t flags = 0; flags <= PF_X; flags += PF_X)
        for (size_t i = 0; i < image->segment_count; i++)
            if ((image->segments[i].p_flags & PF_X) == flags && find_cave(image, i, &list[found]))
                found++;
    if (find_extension(image, options, &list[found], error))
        found++;
    if (find_new_segment(image, options, &list[found], error))
        found++;
    *places = list;
    *count = found;
    return true;
}
