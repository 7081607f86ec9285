/* SPDX-License-Identifier: MIT
 *
 * Walking the two chained lists of version records. Both are lists of heads, each with a list of
 * auxiliary records; distances are relative and only go forward.
 */
#include "elf/versions.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_MASK = 0x7fff, LARGEST_RECORD = sizeof(Elf64_Verdef) };

/* Where the fields stand that the walk needs; the two kinds of list differ in nothing else, and the
 * two classes of ELF not at all. */
struct list {
    const char *name;
    int64_t tag;
    int64_t count_tag;
    size_t head_size, head_count, head_aux, head_next; /* cnt: 16 bits; others 32 */
    size_t aux_size, aux_name, aux_next;
    bool index_in_head;
    size_t index;
    bool all_aux; /* every auxiliary record is a version; else only the first */
};

static const struct list lists[] = {
    {".gnu.version_r", DT_VERNEED, DT_VERNEEDNUM, sizeof(Elf64_Verneed),
     offsetof(Elf64_Verneed, vn_cnt), offsetof(Elf64_Verneed, vn_aux),
     offsetof(Elf64_Verneed, vn_next), sizeof(Elf64_Vernaux), offsetof(Elf64_Vernaux, vna_name),
     offsetof(Elf64_Vernaux, vna_next), false, offsetof(Elf64_Vernaux, vna_other), true},
    {".gnu.version_d", DT_VERDEF, DT_VERDEFNUM, sizeof(Elf64_Verdef),
     offsetof(Elf64_Verdef, vd_cnt), offsetof(Elf64_Verdef, vd_aux),
     offsetof(Elf64_Verdef, vd_next), sizeof(Elf64_Verdaux), offsetof(Elf64_Verdaux, vda_name),
     offsetof(Elf64_Verdaux, vda_next), true, offsetof(Elf64_Verdef, vd_ndx), false},
};

static unsigned half_at(const struct image *image, const uint8_t *bytes)
{
    return (unsigned)codec_number(image->codec, bytes, 2);
}

static uint32_t word_at(const struct image *image, const uint8_t *bytes)
{
    return (uint32_t)codec_number(image->codec, bytes, 4);
}

/* One walk over one list. */
struct walk {
    const struct image *image;
    const struct list *list;
    struct versions *versions;
    uint64_t steps; /* records left before the walk must be going over the same bytes again */
};

static bool read_record(struct walk *walk, uint64_t address, size_t size, uint8_t *to,
                        struct patch_error *error)
{
    uint64_t offset;

    if (walk->steps-- == 0)
        return error_set_at(error, PATCH_MALFORMED, walk->list->name, 0, "its records overlap");
    if (!image_offset(walk->image, address, size, &offset))
        return error_set(error, PATCH_MALFORMED, "a record of %s lies outside the file",
                         walk->list->name);
    image_copy(walk->image, offset, size, to);
    return true;
}

static bool store(struct walk *walk, unsigned index, const char *name, struct patch_error *error)
{
    struct versions *versions = walk->versions;

    index &= INDEX_MASK;
    if (index >= versions->count) {
        const char **names = realloc(versions->names, (index + 1) * sizeof(*names));
        if (names == NULL)
            return error_memory(error);
        memset(names + versions->count, 0, (index + 1 - versions->count) * sizeof(*names));
        versions->names = names;
        versions->count = index + 1;
    }
    versions->names[index] = name;
    return true;
}

static bool walk_aux(struct walk *walk, const uint8_t *head, uint64_t address,
                     struct patch_error *error)
{
    const struct list *list = walk->list;
    unsigned count = half_at(walk->image, head + list->head_count);

    address += word_at(walk->image, head + list->head_aux);
    if (!list->all_aux && count > 1)
        count = 1;
    for (unsigned i = 0; i < count; i++) {
        uint8_t aux[LARGEST_RECORD];
        if (!read_record(walk, address, list->aux_size, aux, error))
            return false;
        const char *name = image_string(walk->image, word_at(walk->image, aux + list->aux_name));
        if (name == NULL)
            return error_set(error, PATCH_MALFORMED, "a name of %s lies behind .dynstr",
                             list->name);
        unsigned index = half_at(walk->image, (list->index_in_head ? head : aux) + list->index);
        if (!store(walk, index, name, error))
            return false;
        if (word_at(walk->image, aux + list->aux_next) == 0)
            break;
        address += word_at(walk->image, aux + list->aux_next);
    }
    return true;
}

static bool walk_list(struct walk *walk, struct patch_error *error)
{
    const struct list *list = walk->list;
    const Elf64_Dyn *first = image_dynamic(walk->image, list->tag);
    const Elf64_Dyn *number = image_dynamic(walk->image, list->count_tag);

    if (first == NULL || number == NULL)
        return true;
    uint64_t address = first->d_un.d_ptr;
    for (uint64_t i = 0; i < number->d_un.d_val; i++) {
        uint8_t head[LARGEST_RECORD];
        if (!read_record(walk, address, list->head_size, head, error) ||
            !walk_aux(walk, head, address, error))
            return false;
        if (word_at(walk->image, head + list->head_next) == 0)
            break;
        address += word_at(walk->image, head + list->head_next);
    }
    return true;
}

bool versions_load(const struct image *image, struct versions *versions, struct patch_error *error)
{
    memset(versions, 0, sizeof(*versions));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct walk walk = {image, &lists[i], versions, image->size / sizeof(Elf64_Verdaux) + 1};
        if (!walk_list(&walk, error)) {
            versions_finish(versions);
            return false;
        }
    }
    if (image_sound(image, error))
        return true;
    versions_finish(versions);
    return false;
}

void versions_finish(struct versions *versions)
{
    free(versions->names);
    memset(versions, 0, sizeof(*versions));
}

unsigned versions_index(const struct image *image, uint32_t symbol)
{
    if (image->versions.size == 0)
        return VER_NDX_GLOBAL;
    return (unsigned)image_number(image, image->versions.offset + symbol * sizeof(Elf64_Half),
                                  sizeof(Elf64_Half)) &
           INDEX_MASK;
}

const char *versions_name(const struct versions *versions, const struct image *image,
                          uint32_t symbol)
{
    unsigned index = versions_index(image, symbol);

    return index > VER_NDX_GLOBAL && index < versions->count ? versions->names[index] : NULL;
}
