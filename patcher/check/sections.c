/* SPDX-License-Identifier: MIT
 *
 * Section headers. The loader never looks at them; debuggers, linkers and strip do.
 */
#include "check/verify.h"
#include "error.h"

#include <inttypes.h>
#include <stdlib.h>

static bool in_file(const Elf64_Shdr *s)
{
    return s->sh_type != SHT_NULL && s->sh_type != SHT_NOBITS && s->sh_size != 0;
}

enum patch_verdict check_sections(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    if (image->section_count == 0)
        return verify_skip(detail, "no section headers");
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        const char *name = image_section_name(image, i);
        uint64_t offset;
        if (!in_file(s))
            continue;
        if (s->sh_offset > image->size || s->sh_size > image->size - s->sh_offset)
            return verify_fault(detail, "section[%zu] %s: ends behind the file", i, name);
        if ((s->sh_flags & SHF_ALLOC) != 0 &&
            (!image_offset(image, s->sh_addr, s->sh_size, &offset) || offset != s->sh_offset))
            return verify_fault(
                detail, "section[%zu] %s: offset 0x%" PRIx64 " is not what is mapped at 0x%" PRIx64,
                i, name, (uint64_t)s->sh_offset, (uint64_t)s->sh_addr);
    }
    return PATCH_PASS;
}

/* gABI, figure "sh_link and sh_info Interpretation", and the GNU types that follow it. */
static const struct link_rule {
    uint32_t type;
    uint32_t linked[2]; /* types that sh_link may lead to */
    bool optional;      /* sh_link may be 0 */
} link_rules[] = {
    {SHT_DYNAMIC, {SHT_STRTAB, SHT_STRTAB}, false},
    {SHT_DYNSYM, {SHT_STRTAB, SHT_STRTAB}, false},
    {SHT_SYMTAB, {SHT_STRTAB, SHT_STRTAB}, false},
    {SHT_GNU_verneed, {SHT_STRTAB, SHT_STRTAB}, false},
    {SHT_GNU_verdef, {SHT_STRTAB, SHT_STRTAB}, false},
    {SHT_HASH, {SHT_DYNSYM, SHT_SYMTAB}, false},
    {SHT_GNU_HASH, {SHT_DYNSYM, SHT_SYMTAB}, false},
    {SHT_GNU_versym, {SHT_DYNSYM, SHT_SYMTAB}, false},
    {SHT_RELA, {SHT_DYNSYM, SHT_SYMTAB}, true},
    {SHT_REL, {SHT_DYNSYM, SHT_SYMTAB}, true},
};

static const struct link_rule *find_rule(uint32_t type)
{
    for (size_t i = 0; i < sizeof(link_rules) / sizeof(link_rules[0]); i++)
        if (link_rules[i].type == type)
            return &link_rules[i];
    return NULL;
}

static bool link_serves(const struct image *image, const Elf64_Shdr *s,
                        const struct link_rule *rule)
{
    if (s->sh_link == 0 && rule->optional)
        return true;
    if (s->sh_link == 0 || s->sh_link >= image->section_count)
        return false;
    uint32_t type = image->sections[s->sh_link].sh_type;
    /* In a file of debug information alone, everything else is NOBITS. */
    return type == rule->linked[0] || type == rule->linked[1] || type == SHT_NOBITS;
}

enum patch_verdict check_section_links(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    if (image->section_count == 0)
        return verify_skip(detail, "no section headers");
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        const struct link_rule *rule = find_rule(s->sh_type);
        const char *name = image_section_name(image, i);
        if (image->section_names_size != 0 && s->sh_name >= image->section_names_size)
            return verify_fault(detail, "section[%zu]: its name lies behind the section names", i);
        if (rule != NULL && s->sh_size != 0 && !link_serves(image, s, rule))
            return verify_fault(detail, "section[%zu] %s: sh_link leads to section %u", i, name,
                                s->sh_link);
        if ((s->sh_flags & SHF_INFO_LINK) != 0 && s->sh_info >= image->section_count)
            return verify_fault(detail, "section[%zu] %s: sh_info leads to section %u", i, name,
                                s->sh_info);
    }
    return PATCH_PASS;
}

static int compare_offsets(const void *a, const void *b)
{
    const Elf64_Shdr *x = *(const Elf64_Shdr *const *)a;
    const Elf64_Shdr *y = *(const Elf64_Shdr *const *)b;

    return (x->sh_offset > y->sh_offset) - (x->sh_offset < y->sh_offset);
}

/* What strip would write twice, or over each other. */
enum patch_verdict check_section_overlap(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    enum patch_verdict verdict = PATCH_PASS;
    struct patch_error error = {0};
    size_t count = 0;

    if (image->section_count == 0)
        return verify_skip(detail, "no section headers");
    const Elf64_Shdr **list = calloc(image->section_count, sizeof(*list));
    if (list == NULL) {
        error_memory(&error);
        return verify_unreadable(detail, &error);
    }
    for (size_t i = 0; i < image->section_count; i++)
        if (in_file(&image->sections[i]) && image->sections[i].sh_size <= image->size)
            list[count++] = &image->sections[i];
    qsort(list, count, sizeof(*list), compare_offsets);
    for (size_t i = 1; verdict == PATCH_PASS && i < count; i++) {
        if (list[i]->sh_offset - list[i - 1]->sh_offset >= list[i - 1]->sh_size)
            continue;
        size_t first = (size_t)(list[i - 1] - image->sections);
        size_t second = (size_t)(list[i] - image->sections);
        verdict = verify_fault(detail, "section[%zu] %s and section[%zu] %s share 0x%" PRIx64,
                               first, image_section_name(image, first), second,
                               image_section_name(image, second), (uint64_t)list[i]->sh_offset);
    }
    free(list);
    return verdict;
}
