/* SPDX-License-Identifier: MIT
 *
 * Reading what is asked for, and looking up what was parsed.
 */
#include "elf/image.h"

#include "error.h"
#include "io/source.h"

#include <inttypes.h>
#include <string.h>

/* --- reading -----------------------------------------------------------------------------------
 */

bool image_inside(const struct image *image, uint64_t offset, uint64_t count, uint64_t each)
{
    return offset <= image->size && count <= (image->size - offset) / each;
}

static bool check_inside(const struct image *image, uint64_t offset, uint64_t size,
                         struct patch_error *error)
{
    return image_inside(image, offset, size, 1) ||
           error_set_at(error, PATCH_TRUNCATED, "", offset,
                        "0x%" PRIx64 " bytes do not lie inside a file of 0x%" PRIx64 " bytes", size,
                        image->size);
}

bool image_load(const struct image *image, uint64_t offset, uint64_t size,
                struct patch_error *error)
{
    return check_inside(image, offset, size, error) &&
           (image->source == NULL || source_load(image->source, offset, size, error));
}

void image_release(const struct image *image, uint64_t offset, uint64_t size)
{
    if (image->source != NULL && image_inside(image, offset, size, 1))
        source_release(image->source, offset, size);
}

const uint8_t *image_in_memory(const struct image *image, uint64_t offset, uint64_t size)
{
    return image->source != NULL ? source_memory(image->source, offset, size)
                                 : image->bytes + offset;
}

bool image_read_bytes(const struct image *image, uint64_t offset, uint64_t size, uint8_t *to,
                      struct patch_error *error)
{
    if (image->source != NULL)
        return source_copy(image->source, offset, size, to, error);
    memcpy(to, image->bytes + offset, size);
    return true;
}

bool image_load_tables(const struct image *image, struct patch_error *error)
{
    const struct image_table *const tables[] = {
        &image->strings,
        &image->symbols,
        &image->versions,
        &image->hash,
        &image->gnu_hash,
        &image->relocations[IMAGE_RELA],
        &image->relocations[IMAGE_PLT],
        &image->relocations[IMAGE_REL],
    };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (!image_load(image, tables[i]->offset, tables[i]->size, error))
            return false;
    return true;
}

bool image_sound(const struct image *image, struct patch_error *error)
{
    return image->source == NULL || source_sound(image->source, error);
}

/* Bytes of one record, good until the next call. */
static const uint8_t *glance(const struct image *image, uint64_t offset, size_t size)
{
    return image->source != NULL ? source_glance(image->source, offset, size)
                                 : image->bytes + offset;
}

uint64_t image_zeros(const struct image *image, uint64_t offset, uint64_t limit)
{
    uint64_t at = offset;
    uint64_t end = offset;

    while (at == end && at < limit) {
        uint64_t size = limit - at < SOURCE_RECORD ? limit - at : SOURCE_RECORD;
        const uint8_t *bytes = glance(image, at, size);
        end = at + size;
        while (at < end && *bytes++ == 0)
            at++;
    }
    return at - offset;
}

bool image_read(const struct image *image, enum codec_record record, uint64_t offset, void *to)
{
    if (offset > image->size || image->codec->sizes[record] > image->size - offset)
        return false;
    codec_read(image->codec, record, glance(image, offset, image->codec->sizes[record]), to);
    return true;
}

void image_copy(const struct image *image, uint64_t offset, size_t size, void *to)
{
    memcpy(to, glance(image, offset, size), size);
}

uint64_t image_number(const struct image *image, uint64_t offset, size_t width)
{
    return codec_number(image->codec, glance(image, offset, width), width);
}

uint64_t image_segment_offset(const struct image *image, size_t index)
{
    return image->header.e_phoff + index * image->codec->sizes[CODEC_SEGMENT];
}

uint64_t image_section_offset(const struct image *image, size_t index)
{
    return image->header.e_shoff + index * image->codec->sizes[CODEC_SECTION];
}

bool image_offset(const struct image *image, uint64_t address, uint64_t size, uint64_t *offset)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_LOAD || address < s->p_vaddr)
            continue;
        uint64_t distance = address - s->p_vaddr;
        if (distance > s->p_filesz || size > s->p_filesz - distance)
            continue;
        *offset = s->p_offset + distance;
        return true;
    }
    return false;
}

/* --- looking things up -------------------------------------------------------------------------
 */

const Elf64_Dyn *image_dynamic(const struct image *image, int64_t tag)
{
    for (size_t i = image->dynamic_count; i-- > 0;)
        if (image->dynamic[i].d_tag == tag)
            return &image->dynamic[i];
    return NULL;
}

uint64_t image_dynamic_offset(const struct image *image, const Elf64_Dyn *entry)
{
    return image->dynamic_offset +
           (uint64_t)(entry - image->dynamic) * image->codec->sizes[CODEC_DYNAMIC];
}

const char *image_string(const struct image *image, uint64_t offset)
{
    uint64_t place = image->strings.offset + offset;

    if (offset >= image->strings.size)
        return NULL;
    if (image->source != NULL)
        source_keep_string(image->source, place, image->strings.offset + image->strings.size);
    return (const char *)image->bytes + place;
}

bool image_copy_string(const struct image *image, uint64_t offset, char *to, size_t room)
{
    if (offset >= image->strings.size)
        return false;
    uint64_t left = image->strings.size - offset;
    size_t size = left < room - 1 ? (size_t)left : room - 1;
    memcpy(to, glance(image, image->strings.offset + offset, size), size);
    to[size] = '\0';
    return true;
}

uint64_t image_symbol_offset(const struct image *image, uint32_t index)
{
    return image->symbols.offset + (uint64_t)index * image->codec->sizes[CODEC_SYMBOL];
}

Elf64_Sym image_symbol(const struct image *image, uint32_t index)
{
    Elf64_Sym symbol;

    codec_read(image->codec, CODEC_SYMBOL,
               glance(image, image_symbol_offset(image, index), image->codec->sizes[CODEC_SYMBOL]),
               &symbol);
    return symbol;
}

const char *image_symbol_name(const struct image *image, uint32_t index)
{
    return image_string(image, image_symbol(image, index).st_name);
}

const char *image_relocation_name(const struct image *image, size_t table)
{
    if (table == IMAGE_PLT)
        return image->plt_addends ? ".rela.plt" : ".rel.plt";
    return table == IMAGE_RELA ? ".rela.dyn" : ".rel.dyn";
}

enum codec_record image_relocation_record(const struct image *image, size_t table)
{
    bool addends = table == IMAGE_PLT ? image->plt_addends : table == IMAGE_RELA;

    return addends ? CODEC_RELA : CODEC_REL;
}

static size_t relocation_size(const struct image *image, size_t table)
{
    return image->codec->sizes[image_relocation_record(image, table)];
}

size_t image_relocation_count(const struct image *image, size_t table)
{
    return image->relocations[table].size / relocation_size(image, table);
}

uint64_t image_relocation_offset(const struct image *image, size_t table, size_t index)
{
    return image->relocations[table].offset + index * relocation_size(image, table);
}

/* As many records as fit into a batch, of `left` that begin at `offset`. */
static size_t read_batch(const struct image *image, enum codec_record record, uint64_t offset,
                         uint64_t left, void *to)
{
    size_t count = left < IMAGE_BATCH ? (size_t)left : IMAGE_BATCH;

    if (count != 0)
        codec_read_all(image->codec, record,
                       glance(image, offset, count * image->codec->sizes[record]), count, to);
    return count;
}
_Static_assert(IMAGE_BATCH * sizeof(Elf64_Rela) <= SOURCE_RECORD &&
                   IMAGE_BATCH * sizeof(Elf64_Sym) <= SOURCE_RECORD,
               "a batch is seen at one glance");

size_t image_symbols(const struct image *image, size_t first, Elf64_Sym to[IMAGE_BATCH])
{
    return read_batch(image, CODEC_SYMBOL, image_symbol_offset(image, (uint32_t)first),
                      image->symbol_count - first, to);
}

size_t image_relocations(const struct image *image, size_t table, size_t first,
                         Elf64_Rela to[IMAGE_BATCH])
{
    return read_batch(image, image_relocation_record(image, table),
                      image_relocation_offset(image, table, first),
                      image_relocation_count(image, table) - first, to);
}

const char *image_soname(const struct image *image)
{
    const Elf64_Dyn *entry = image_dynamic(image, DT_SONAME);

    return entry == NULL ? NULL : image_string(image, entry->d_un.d_val);
}

const char *image_section_name(const struct image *image, size_t index)
{
    uint64_t name = image->sections[index].sh_name;

    uint64_t place = image->section_names + name;

    if (name >= image->section_names_size)
        return "";
    if (image->source != NULL)
        source_keep_string(image->source, place, image->section_names + image->section_names_size);
    return (const char *)image->bytes + place;
}

bool image_is_string_section(const struct image *image, size_t index)
{
    const struct image_table *strings = &image->strings;
    const Elf64_Shdr *s = &image->sections[index];

    return s->sh_addr == strings->address && s->sh_offset == strings->offset &&
           ((s->sh_type == SHT_STRTAB && (s->sh_flags & SHF_ALLOC) != 0) ||
            s->sh_size == strings->size);
}

const Elf64_Shdr *image_string_section(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++)
        if (image_is_string_section(image, i))
            return &image->sections[i];
    return NULL;
}

uint64_t image_end(const struct image *image)
{
    uint64_t end = image_segment_offset(image, image->segment_count);
    uint64_t headers = image_section_offset(image, image->section_count);

    end = headers > end ? headers : end;
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_offset + s->p_filesz > end)
            end = s->p_offset + s->p_filesz;
    }
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && s->sh_offset <= image->size &&
            s->sh_size <= image->size - s->sh_offset && s->sh_offset + s->sh_size > end)
            end = s->sh_offset + s->sh_size;
    }
    return end;
}
