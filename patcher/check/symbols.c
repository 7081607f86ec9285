/* SPDX-License-Identifier: MIT
 *
 * .dynstr and .dynsym. A name behind .dynstr is refused before any check runs.
 */
#include "check/verify.h"

#include <inttypes.h>

enum patch_verdict check_strings(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const char *first = image_string(image, 0);
    bool any = false;

    if (first == NULL || first[0] != '\0')
        return verify_fault(detail, ".dynstr at 0x%" PRIx64 ": does not begin with an empty string",
                            image->strings.offset);
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_DYNSYM || s->sh_link >= image->section_count)
            continue;
        const Elf64_Shdr *strings = &image->sections[s->sh_link];
        any = true;
        if (strings->sh_addr != image->strings.address ||
            strings->sh_offset != image->strings.offset || strings->sh_size != image->strings.size)
            return verify_fault(detail,
                                "section[%u] %s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                                ", but DT_STRTAB has 0x%" PRIx64 " at 0x%" PRIx64,
                                s->sh_link, image_section_name(image, s->sh_link),
                                (uint64_t)strings->sh_size, (uint64_t)strings->sh_offset,
                                image->strings.size, image->strings.offset);
    }
    return any ? PATCH_PASS : verify_pass(detail, "no section header to compare with");
}

/* Symbols that a linker defines may stand right behind the last byte. */
static bool in_memory(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && address - s->p_vaddr <= s->p_memsz)
            return true;
    }
    return false;
}

static enum patch_verdict check_value(const struct image *image, uint32_t index,
                                      const Elf64_Sym *symbol, char *detail)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    /* What is only there to be linked against may have been given any value. */
    if ((type != STT_FUNC && type != STT_OBJECT && type != STT_GNU_IFUNC) ||
        symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE ||
        in_memory(image, symbol->st_value))
        return PATCH_PASS;
    const char *name = image_string(image, symbol->st_name);
    return verify_fault(detail, ".dynsym[%u] %s at address 0x%" PRIx64 " lies in no segment", index,
                        name != NULL ? name : "", (uint64_t)symbol->st_value);
}

static const Elf64_Shdr *symbol_section(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++)
        if (image->sections[i].sh_type == SHT_DYNSYM)
            return &image->sections[i];
    return NULL;
}

/* gABI: index 0 is the undefined symbol; sh_info is one more than the last local symbol. */
enum patch_verdict check_symbols(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Shdr *section = symbol_section(image);
    enum patch_verdict verdict = PATCH_PASS;

    for (uint32_t i = 0; verdict == PATCH_PASS && i < image->symbol_count; i++) {
        Elf64_Sym symbol = image_symbol(image, i);
        bool local = ELF64_ST_BIND(symbol.st_info) == STB_LOCAL;
        if (i == 0 && (symbol.st_name != 0 || symbol.st_info != 0 || symbol.st_shndx != 0))
            return verify_fault(detail, ".dynsym[0] is not empty");
        if (section != NULL && i > 0 && local != (i < section->sh_info))
            return verify_fault(detail, ".dynsym[%u] is %s, but %u symbols are said to be", i,
                                local ? "local" : "not local", section->sh_info);
        verdict = check_value(image, i, &symbol, detail);
    }
    return verdict;
}
