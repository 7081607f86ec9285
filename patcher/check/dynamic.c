/* SPDX-License-Identifier: MIT
 *
 * The dynamic section and the tables that it leads to.
 */
#include "check/verify.h"
#include "elf/window.h"
#include "error.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifndef DT_RELRSZ
#define DT_RELRSZ  35
#define DT_RELR    36
#define DT_RELRENT 37
#endif

static const Elf64_Phdr *dynamic_segment(const struct image *image)
{
    const Elf64_Phdr *found = NULL;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_DYNAMIC)
            found = &image->segments[i];
    return found;
}

static const Elf64_Shdr *dynamic_section(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++)
        if (image->sections[i].sh_type == SHT_DYNAMIC)
            return &image->sections[i];
    return NULL;
}

/* The loader could only ever meet the one in .dynsym; tools that move the dynamic section leave the
 * other behind. */
static enum patch_verdict disagree(const Elf64_Shdr *table, const Elf64_Sym *symbol,
                                   uint64_t address, char *detail)
{
    snprintf(detail, VERIFY_DETAIL,
             "_DYNAMIC is 0x%" PRIx64 ", but PT_DYNAMIC begins at 0x%" PRIx64,
             (uint64_t)symbol->st_value, address);
    return table->sh_type == SHT_DYNSYM ? PATCH_FAULT : PATCH_PASS;
}

/* Looks for _DYNAMIC among the symbols of one table. */
static enum patch_verdict check_symbol(const struct image *image, const Elf64_Shdr *table,
                                       size_t section, uint64_t address, char *detail)
{
    static const char name[] = "_DYNAMIC";
    struct window symbols = {.image = image};
    struct window strings = {.image = image};
    const Elf64_Shdr *names = &image->sections[table->sh_link];
    size_t each = image->codec->sizes[CODEC_SYMBOL];
    enum patch_verdict verdict = PATCH_PASS;

    for (uint64_t at = 0; verdict == PATCH_PASS && at + each <= table->sh_size; at += each) {
        struct patch_error error;
        Elf64_Sym symbol;
        const uint8_t *bytes = window_at(&symbols, table->sh_offset + at, each, &error);
        if (bytes == NULL) {
            verdict = verify_unreadable(detail, &error);
            break;
        }
        codec_read(image->codec, CODEC_SYMBOL, bytes, &symbol);
        if (symbol.st_shndx != section || ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT ||
            symbol.st_name > names->sh_size || names->sh_size - symbol.st_name < sizeof(name))
            continue;
        bytes = window_at(&strings, names->sh_offset + symbol.st_name, sizeof(name), &error);
        if (bytes == NULL)
            verdict = verify_unreadable(detail, &error);
        else if (memcmp(bytes, name, sizeof(name)) == 0 && symbol.st_value != address)
            verdict = disagree(table, &symbol, address, detail);
    }
    window_close(&symbols);
    window_close(&strings);
    return verdict;
}

static enum patch_verdict check_symbol_tables(const struct image *image, size_t section,
                                              uint64_t address, char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;

    for (size_t i = 0; verdict == PATCH_PASS && i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if ((s->sh_type == SHT_SYMTAB || s->sh_type == SHT_DYNSYM) &&
            s->sh_link < image->section_count && s->sh_offset <= image->size &&
            s->sh_size <= image->size - s->sh_offset)
            verdict = check_symbol(image, s, section, address, detail);
    }
    return verdict;
}

enum patch_verdict check_dynamic(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Phdr *segment = dynamic_segment(image);
    const Elf64_Shdr *section = dynamic_section(image);
    size_t count = 0;

    for (size_t i = 0; i < image->segment_count; i++)
        count += image->segments[i].p_type == PT_DYNAMIC;
    if (count > 1)
        return verify_fault(detail, "%zu PT_DYNAMIC", count);
    if (section == NULL)
        return verify_pass(detail, "no section header to compare with");
    if (section->sh_offset != segment->p_offset || section->sh_addr != segment->p_vaddr)
        return verify_fault(detail,
                            ".dynamic has offset 0x%" PRIx64 ", address 0x%" PRIx64
                            "; PT_DYNAMIC 0x%" PRIx64 ", 0x%" PRIx64,
                            (uint64_t)section->sh_offset, (uint64_t)section->sh_addr,
                            (uint64_t)segment->p_offset, (uint64_t)segment->p_vaddr);
    return check_symbol_tables(image, (size_t)(section - image->sections), segment->p_vaddr,
                               detail);
}

/* The loader reads PT_DYNAMIC up to DT_NULL; other tools read the section. */
enum patch_verdict check_dynamic_end(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Shdr *section = dynamic_section(image);
    uint64_t used = (uint64_t)(image->dynamic_count + 1) * image->codec->sizes[CODEC_DYNAMIC];

    if (section != NULL && section->sh_size < used)
        return verify_fault(detail,
                            ".dynamic has 0x%" PRIx64 " bytes, but its DT_NULL ends at 0x%" PRIx64,
                            (uint64_t)section->sh_size, used);
    return PATCH_PASS;
}

enum patch_verdict check_dynamic_names(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    static const int64_t tags[] = {DT_NEEDED, DT_SONAME,   DT_RUNPATH, DT_RPATH,    DT_AUDIT,
                                   DT_FILTER, DT_DEPAUDIT, DT_CONFIG,  DT_AUXILIARY};

    for (size_t i = 0; i < image->dynamic_count; i++) {
        const Elf64_Dyn *entry = &image->dynamic[i];
        for (size_t k = 0; k < sizeof(tags) / sizeof(tags[0]); k++)
            if (entry->d_tag == tags[k] && image_string(image, entry->d_un.d_val) == NULL)
                return verify_fault(detail,
                                    ".dynamic[%zu] at 0x%" PRIx64 ": its name lies behind .dynstr",
                                    i, image_dynamic_offset(image, entry));
    }
    return PATCH_PASS;
}

/* Others may stand there twice: the loader does not mind, and some linkers write them so. */
enum patch_verdict check_needed(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const char *runtime = file_base_name(subject->options->runtime);
    size_t count = 0;

    for (size_t i = 0; i < image->dynamic_count; i++) {
        const Elf64_Dyn *entry = &image->dynamic[i];
        if (entry->d_tag != DT_NEEDED)
            continue;
        const char *name = image_string(image, entry->d_un.d_val);
        if (name != NULL && strcmp(file_base_name(name), runtime) == 0 && ++count > 1)
            return verify_fault(detail, ".dynamic[%zu] at 0x%" PRIx64 ": %s is needed again", i,
                                image_dynamic_offset(image, entry), name);
    }
    return PATCH_PASS;
}

/* --- tables ------------------------------------------------------------------------------------
 */

/* A table by the tags of its address, size and size of an entry. */
struct table {
    const char *name;
    int64_t address;
    int64_t size;
    int64_t entry;            /* 0: none */
    enum codec_record record; /* size of an entry; CODEC_RECORDS: an address */
    bool entry_needed;        /* the loader reads the size of an entry without asking first */
};

static const struct table tables[] = {
    {"DT_RELA", DT_RELA, DT_RELASZ, DT_RELAENT, CODEC_RELA, true},
    {"DT_REL", DT_REL, DT_RELSZ, DT_RELENT, CODEC_REL, true},
    {"DT_RELR", DT_RELR, DT_RELRSZ, DT_RELRENT, CODEC_RECORDS, true},
    {"DT_INIT_ARRAY", DT_INIT_ARRAY, DT_INIT_ARRAYSZ, 0, CODEC_RECORDS, false},
    {"DT_FINI_ARRAY", DT_FINI_ARRAY, DT_FINI_ARRAYSZ, 0, CODEC_RECORDS, false},
    {"DT_PREINIT_ARRAY", DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, 0, CODEC_RECORDS, false},
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static size_t entry_size(const struct image *image, const struct table *table)
{
    return table->record == CODEC_RECORDS ? image->codec->word : image->codec->sizes[table->record];
}

static enum patch_verdict check_table(const struct image *image, const struct table *table,
                                      char *detail)
{
    const Elf64_Dyn *address = image_dynamic(image, table->address);
    const Elf64_Dyn *size = image_dynamic(image, table->size);
    uint64_t offset;

    if (address == NULL)
        return PATCH_PASS;
    if (size == NULL)
        return verify_fault(detail, "%s has no size", table->name);
    if (size->d_un.d_val % entry_size(image, table) != 0)
        return verify_fault(detail, "%s: 0x%" PRIx64 " bytes are no whole number of entries",
                            table->name, (uint64_t)size->d_un.d_val);
    if (size->d_un.d_val != 0 &&
        !image_offset(image, address->d_un.d_ptr, size->d_un.d_val, &offset))
        return verify_fault(detail,
                            "%s: 0x%" PRIx64 " bytes at address 0x%" PRIx64
                            " are not in the file content of one segment",
                            table->name, (uint64_t)size->d_un.d_val, (uint64_t)address->d_un.d_ptr);
    return PATCH_PASS;
}

enum patch_verdict check_tables(const struct verify_subject *subject, char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;

    for (size_t i = 0; verdict == PATCH_PASS && i < TABLES; i++)
        verdict = check_table(subject->image, &tables[i], detail);
    return verdict;
}

enum patch_verdict check_entry_sizes(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    for (size_t i = 0; i < TABLES; i++) {
        const struct table *table = &tables[i];
        const Elf64_Dyn *entry = image_dynamic(image, table->entry);
        if (table->entry == 0 || image_dynamic(image, table->address) == NULL)
            continue;
        if (entry == NULL && table->entry_needed)
            return verify_fault(detail, "%s has no size of an entry", table->name);
        if (entry != NULL && entry->d_un.d_val != entry_size(image, table))
            return verify_fault(detail, "%s has entries of %" PRIu64 " bytes", table->name,
                                (uint64_t)entry->d_un.d_val);
    }
    if (image_dynamic(image, DT_JMPREL) != NULL && image_dynamic(image, DT_PLTREL) == NULL)
        return verify_fault(detail, "DT_JMPREL has no DT_PLTREL");
    return PATCH_PASS;
}

/* --- initialisers ------------------------------------------------------------------------------
 */

/* The first PowerPC64 ABI calls by descriptors, which are data. */
static bool calls_by_descriptor(const struct image *image)
{
    return image->header.e_machine == EM_PPC64 && (image->header.e_flags & 3) < 2;
}

static bool in_code(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && address - s->p_vaddr < s->p_filesz &&
            ((s->p_flags & PF_X) != 0 || calls_by_descriptor(image)))
            return true;
    }
    return false;
}

enum patch_verdict check_initialisers(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    static const struct {
        int64_t tag;
        const char *name;
    } rows[] = {{DT_INIT, "DT_INIT"}, {DT_FINI, "DT_FINI"}};
    bool any = false;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const Elf64_Dyn *entry = image_dynamic(image, rows[i].tag);
        any |= entry != NULL;
        if (entry != NULL && !in_code(image, entry->d_un.d_ptr))
            return verify_fault(detail, "%s is 0x%" PRIx64 ", where no code is mapped",
                                rows[i].name, (uint64_t)entry->d_un.d_ptr);
    }
    return any ? PATCH_PASS : verify_skip(detail, "neither DT_INIT nor DT_FINI");
}
