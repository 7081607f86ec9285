/* SPDX-License-Identifier: MIT
 *
 * Stretches in the order of the file. One that overlaps an earlier one is left out, so that no
 * header makes the same bytes be read again and again.
 */
#include "scan/text.h"

#include <string.h>

enum { WINDOW = 256 * 1024 };

struct walk {
    const struct image *image;
    uint64_t end;     /* of the stretch before */
    size_t next;      /* section or segment to look at */
    bool any_section; /* one was found: segments are not asked */
    bool by_segments;
};

static bool accept(struct walk *walk, uint64_t offset, uint64_t size)
{
    if (size == 0 || offset < walk->end || offset > walk->image->size ||
        size > walk->image->size - offset)
        return false;
    walk->end = offset + size;
    return true;
}

static struct text make(const struct image *image, uint64_t offset, uint64_t size, uint64_t address)
{
    const Elf64_Dyn *got = image_dynamic(image, DT_PLTGOT);

    return (struct text){
        .bytes = {image->bytes + offset, size, address, got != NULL ? got->d_un.d_ptr : 0},
        .offset = offset,
    };
}

static bool next_section(struct walk *walk, struct text *text)
{
    const struct image *image = walk->image;

    while (walk->next < image->section_count) {
        size_t index = walk->next++;
        const Elf64_Shdr *s = &image->sections[index];
        const char *name = image_section_name(image, index);
        if (s->sh_type != SHT_PROGBITS || (s->sh_flags & SHF_EXECINSTR) == 0 ||
            !accept(walk, s->sh_offset, s->sh_size))
            continue;
        *text = make(image, s->sh_offset, s->sh_size, s->sh_addr);
        text->stubs = strncmp(name, ".plt", 4) == 0;
        text->is_section = name[0] != '\0';
        walk->any_section = true;
        return true;
    }
    return false;
}

static bool next_segment(struct walk *walk, struct text *text)
{
    const struct image *image = walk->image;

    while (walk->next < image->segment_count) {
        const Elf64_Phdr *s = &image->segments[walk->next++];
        if (s->p_type != PT_LOAD || (s->p_flags & PF_X) == 0 ||
            !accept(walk, s->p_offset, s->p_filesz))
            continue;
        *text = make(image, s->p_offset, s->p_filesz, s->p_vaddr);
        return true;
    }
    return false;
}

static bool next_stretch(struct walk *walk, struct text *text)
{
    if (!walk->by_segments) {
        if (next_section(walk, text))
            return true;
        if (walk->any_section)
            return false;
        walk->by_segments = true;
        walk->next = 0;
    }
    return next_segment(walk, text);
}

static bool visit_window(const struct image *image, const struct text *text, size_t from, size_t to,
                         text_visitor *visit, void *context, struct patch_error *error)
{
    size_t first = from > ARCH_MARGIN ? from - ARCH_MARGIN : 0;
    size_t last = text->bytes.size - to > ARCH_MARGIN ? to + ARCH_MARGIN : text->bytes.size;

    if (!image_load(image, text->offset + first, last - first, error))
        return false;
    bool done = visit(context, text, from, to);
    image_release(image, text->offset + first, last - first);
    return done;
}

bool text_walk(const struct image *image, text_visitor *visit, void *context,
               struct patch_error *error)
{
    struct walk walk = {.image = image};
    struct text text;

    while (next_stretch(&walk, &text)) {
        for (size_t from = 0; from < text.bytes.size;) {
            size_t to = text.bytes.size - from > WINDOW ? from + WINDOW : text.bytes.size;
            if (!visit_window(image, &text, from, to, visit, context, error))
                return false;
            from = to;
        }
    }
    return true;
}

bool text_find(const struct image *image, uint64_t address, struct text *text)
{
    struct walk walk = {.image = image};

    while (next_stretch(&walk, text))
        if (address >= text->bytes.address && address - text->bytes.address < text->bytes.size)
            return true;
    return false;
}
