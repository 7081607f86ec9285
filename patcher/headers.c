/* SPDX-License-Identifier: MIT
 *
 * Entries are written whole, in the class and order of the file; the old table is left as it was.
 */
#include "headers.h"

static void encode(const struct image *image, const Elf64_Phdr *segment, uint8_t *to)
{
    const struct {
        enum codec_member member;
        uint64_t value;
    } rows[] = {
        {CODEC_P_TYPE, segment->p_type},     {CODEC_P_FLAGS, segment->p_flags},
        {CODEC_P_OFFSET, segment->p_offset}, {CODEC_P_VADDR, segment->p_vaddr},
        {CODEC_P_PADDR, segment->p_paddr},   {CODEC_P_FILESZ, segment->p_filesz},
        {CODEC_P_MEMSZ, segment->p_memsz},   {CODEC_P_ALIGN, segment->p_align},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codec_place place = codec_place(image->codec, rows[i].member);
        codec_put_number(image->codec, to + place.offset, place.width, rows[i].value);
    }
}

static Elf64_Phdr new_segment(const struct image *image, const struct layout_place *place,
                              uint64_t table_size)
{
    uint64_t size = layout_area(image, place, table_size);

    return (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R,
        .p_offset = place->offset,
        .p_vaddr = place->address,
        .p_paddr = place->address,
        .p_filesz = size,
        .p_memsz = size,
        .p_align = layout_largest_page(image),
    };
}

/* The entry that describes the table itself. */
static Elf64_Phdr moved_table(const struct image *image, const struct layout_place *place,
                              Elf64_Phdr entry)
{
    entry.p_offset = place->headers_offset;
    entry.p_vaddr = place->headers_address;
    entry.p_paddr = place->headers_address;
    entry.p_filesz = headers_size(image);
    entry.p_memsz = entry.p_filesz;
    return entry;
}

size_t headers_size(const struct image *image)
{
    return (image->segment_count + 1) * image->codec->sizes[CODEC_SEGMENT];
}

void headers_encode(const struct image *image, const struct layout_place *place,
                    uint64_t table_size, uint8_t *to)
{
    Elf64_Phdr added = new_segment(image, place, table_size);

    for (size_t i = 0; i < image->segment_count; i++) {
        Elf64_Phdr entry = image->segments[i];
        if (i == place->segment) {
            encode(image, &added, to);
            to += image->codec->sizes[CODEC_SEGMENT];
        }
        if (entry.p_type == PT_PHDR)
            entry = moved_table(image, place, entry);
        encode(image, &entry, to);
        to += image->codec->sizes[CODEC_SEGMENT];
    }
    if (place->segment == image->segment_count)
        encode(image, &added, to);
}
