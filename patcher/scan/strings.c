/* SPDX-License-Identifier: MIT
 *
 * Goes from NUL to NUL, in windows that overlap by the longest name.
 */
#include "scan/strings.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 * 1024, LONGEST = 64 /* name, with its end */ };

struct search {
    const struct image *image;
    const char *const *names;
    size_t count;
    string_visitor *visit;
    void *context;
    struct patch_error *error;
};

struct range {
    uint64_t offset, size, address;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *find(const struct search *search, const char *text)
{
    const char *const *found =
        bsearch(&text, search->names, search->count, sizeof(*search->names), compare);

    return found != NULL ? *found : NULL;
}

/* Strings that begin in the first `size` bytes at `bytes`; up to `whole` can be read. */
static bool search_window(const struct search *search, const char *bytes, size_t size, size_t whole,
                          bool at_start, uint64_t address)
{
    size_t at = 0;

    if (!at_start) {
        const char *end = memchr(bytes, '\0', size);
        at = end != NULL ? (size_t)(end - bytes) + 1 : size;
    }
    while (at < size) {
        const char *text = bytes + at;
        const char *end = memchr(text, '\0', whole - at);
        if (end == NULL)
            return true;
        size_t length = (size_t)(end - text);
        const char *name = length > 0 && length < LONGEST ? find(search, text) : NULL;
        if (name != NULL && !search->visit(search->context, name, address + at))
            return false;
        at += length + 1;
    }
    return true;
}

static bool search_range(const struct search *search, struct range range)
{
    /* One byte before a window tells whether a string begins with it. */
    for (uint64_t from = 0; from < range.size; from += WINDOW) {
        uint64_t first = from > 0 ? from - 1 : 0;
        uint64_t size = range.size - from < WINDOW ? range.size - from : WINDOW;
        uint64_t whole =
            range.size - from < WINDOW + LONGEST ? range.size - from : WINDOW + LONGEST;
        if (!image_load(search->image, range.offset + first, whole + from - first, search->error))
            return false;
        const char *bytes = (const char *)search->image->bytes + range.offset + from;
        bool done = search_window(search, bytes, size, whole, from == 0 || bytes[-1] == '\0',
                                  range.address + from);
        image_release(search->image, range.offset + first, whole + from - first);
        if (!done)
            return false;
    }
    return true;
}

/* Around the dynamic string table, which names all that is imported. */
static bool search_around(const struct search *search, struct range range)
{
    uint64_t first = search->image->strings.offset;
    uint64_t last = first + search->image->strings.size;

    if (range.offset + range.size <= first || range.offset >= last)
        return search_range(search, range);
    struct range before = range;
    before.size = first > range.offset ? first - range.offset : 0;
    uint64_t skipped = last - range.offset < range.size ? last - range.offset : range.size;
    struct range behind = {range.offset + skipped, range.size - skipped, range.address + skipped};
    return search_range(search, before) && search_range(search, behind);
}

static bool inside(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

static bool search_sections(const struct search *search, bool *any)
{
    const struct image *image = search->image;
    uint64_t end = 0;

    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_PROGBITS || (s->sh_flags & SHF_ALLOC) == 0 ||
            (s->sh_flags & (SHF_WRITE | SHF_EXECINSTR)) != 0 || s->sh_offset < end ||
            !inside(image, s->sh_offset, s->sh_size))
            continue;
        *any = true;
        end = s->sh_offset + s->sh_size;
        if (!search_around(search, (struct range){s->sh_offset, s->sh_size, s->sh_addr}))
            return false;
    }
    return true;
}

bool strings_search(const struct image *image, const char *const *names, size_t count,
                    string_visitor *visit, void *context, struct patch_error *error)
{
    const struct search search = {image, names, count, visit, context, error};
    uint64_t end = 0;
    bool any = false;

    if (count == 0)
        return true;
    if (!search_sections(&search, &any))
        return false;
    for (size_t i = 0; !any && i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_LOAD || (s->p_flags & PF_W) != 0 || s->p_offset < end ||
            !inside(image, s->p_offset, s->p_filesz))
            continue;
        end = s->p_offset + s->p_filesz;
        if (!search_around(&search, (struct range){s->p_offset, s->p_filesz, s->p_vaddr}))
            return false;
    }
    return true;
}

static bool is_text(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

bool strings_at(const struct image *image, uint64_t address, char *text, size_t size)
{
    uint64_t offset;
    size_t length = 0;

    if (!image_offset(image, address, 1, &offset))
        return false;
    size_t room = image->size - offset < size - 1 ? (size_t)(image->size - offset) : size - 1;
    if (!image_load(image, offset, room, NULL))
        return false;
    length = strnlen((const char *)image->bytes + offset, room);
    memcpy(text, image->bytes + offset, length);
    image_release(image, offset, room);
    text[length] = '\0';
    return length > 0 && is_text(text);
}
