/* SPDX-License-Identifier: MIT
 *
 * What must hold of a sound, redirected file. What image_parse() refuses cannot get here.
 */
#include "error.h"
#include "hash.h"
#include "undo.h"
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

__attribute__((format(printf, 2, 3))) static enum patch_verdict fault(char *detail,
                                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, VERIFY_DETAIL, format, arguments);
    va_end(arguments);
    return PATCH_FAULT;
}

/* --- segments and sections ---------------------------------------------------------------------
 */

/* gABI: p_offset and p_vaddr are congruent modulo the page, or the loader cannot map the segment.
 */
static enum patch_verdict check_congruence(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && ((s->p_offset ^ s->p_vaddr) & (PAGE - 1)) != 0)
            return fault(detail, "program header[%zu]: offset 0x%" PRIx64 ", address 0x%" PRIx64, i,
                         (uint64_t)s->p_offset, (uint64_t)s->p_vaddr);
    }
    return PATCH_PASS;
}

/* Segments that describe a part of another one must show the same bytes. Of PT_GNU_RELRO only the
 * addresses count; mold lets it begin at a .tbss that no PT_LOAD holds, with the offset 0, and lld
 * counts the padding behind it, which is not in the file, as if it was. */
static bool shows_its_bytes(const struct image *image, const Elf64_Phdr *s)
{
    uint64_t offset;

    if (s->p_type == PT_GNU_RELRO)
        return !image_offset(image, s->p_vaddr, 1, &offset) || offset == s->p_offset;
    return image_offset(image, s->p_vaddr, s->p_filesz, &offset) && offset == s->p_offset;
}

static enum patch_verdict check_segments(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    static const uint32_t parts[] = {PT_DYNAMIC, PT_INTERP, PT_GNU_EH_FRAME,
                                     PT_TLS,     PT_PHDR,   PT_GNU_RELRO};

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
            if (s->p_type == parts[k] && s->p_filesz != 0 && !shows_its_bytes(image, s))
                return fault(detail,
                             "program header[%zu]: offset 0x%" PRIx64
                             " is not what is mapped at 0x%" PRIx64,
                             i, (uint64_t)s->p_offset, (uint64_t)s->p_vaddr);
    }
    return PATCH_PASS;
}

static enum patch_verdict check_sections(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    if (image->section_count == 0) {
        snprintf(detail, VERIFY_DETAIL, "no section headers");
        return PATCH_SKIPPED;
    }
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        const char *name = image_section_name(image, i);
        uint64_t offset;
        if (s->sh_type == SHT_NULL || s->sh_type == SHT_NOBITS || s->sh_size == 0)
            continue;
        if (s->sh_offset > image->size || s->sh_size > image->size - s->sh_offset)
            return fault(detail, "section[%zu] %s: ends behind the file", i, name);
        if ((s->sh_flags & SHF_ALLOC) != 0 &&
            (!image_offset(image, s->sh_addr, s->sh_size, &offset) || offset != s->sh_offset))
            return fault(
                detail, "section[%zu] %s: offset 0x%" PRIx64 " is not what is mapped at 0x%" PRIx64,
                i, name, (uint64_t)s->sh_offset, (uint64_t)s->sh_addr);
    }
    return PATCH_PASS;
}

/* --- dynamic tables ----------------------------------------------------------------------------
 */

static enum patch_verdict check_strings(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    bool any = false;

    if (image->bytes[image->strings.offset] != '\0')
        return fault(detail, ".dynstr at 0x%" PRIx64 ": does not begin with an empty string",
                     image->strings.offset);
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_DYNSYM || s->sh_link >= image->section_count)
            continue;
        const Elf64_Shdr *strings = &image->sections[s->sh_link];
        any = true;
        if (strings->sh_addr != image->strings.address ||
            strings->sh_offset != image->strings.offset || strings->sh_size != image->strings.size)
            return fault(detail,
                         "section[%u] %s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                         ", but DT_STRTAB has 0x%" PRIx64 " at 0x%" PRIx64,
                         s->sh_link, image_section_name(image, s->sh_link),
                         (uint64_t)strings->sh_size, (uint64_t)strings->sh_offset,
                         image->strings.size, image->strings.offset);
    }
    if (!any)
        snprintf(detail, VERIFY_DETAIL, "no section header to compare with");
    return PATCH_PASS;
}

static enum patch_verdict check_needed(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    for (size_t i = 0; i < image->dynamic_count; i++) {
        const Elf64_Dyn *entry = &image->dynamic[i];
        if ((entry->d_tag == DT_NEEDED || entry->d_tag == DT_SONAME || entry->d_tag == DT_RUNPATH ||
             entry->d_tag == DT_RPATH) &&
            image_string(image, entry->d_un.d_val) == NULL)
            return fault(detail, ".dynamic[%zu] at 0x%" PRIx64 ": its name lies behind .dynstr", i,
                         image_dynamic_offset(image, entry));
    }
    return PATCH_PASS;
}

static enum patch_verdict check_versions(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const struct versions *versions = subject->versions;

    for (uint32_t i = 0; i < image->symbol_count; i++) {
        unsigned index = versions_index(image, i);
        if (index > VER_NDX_GLOBAL && (index >= versions->count || versions->names[index] == NULL))
            return fault(detail, ".gnu.version[%u]: version %u does not exist", i, index);
    }
    return PATCH_PASS;
}

static enum patch_verdict check_hash(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    struct hash_table table = {0};
    struct patch_error error = {0};
    enum patch_verdict verdict = PATCH_PASS;
    uint64_t steps = 0;

    if (image->hash.size == 0) {
        snprintf(detail, VERIFY_DETAIL, "no DT_HASH");
        return PATCH_SKIPPED;
    }
    if (!hash_load(image, &table, &error)) {
        patch_error_format(&error, detail, VERIFY_DETAIL);
        return PATCH_FAULT;
    }
    for (uint32_t b = 0; verdict == PATCH_PASS && b < table.buckets; b++) {
        uint32_t symbol = table.words[2 + b];
        while (symbol != 0 && verdict == PATCH_PASS) {
            const char *name = NULL;
            if (symbol < table.chains && ++steps <= table.chains)
                name = image_symbol_name(image, symbol);
            if (name == NULL)
                verdict = fault(detail, ".hash: the chain of bucket %u is broken", b);
            else if (hash_sysv(name) % table.buckets != b)
                verdict = fault(detail, ".hash: %s stands in bucket %u instead of %u", name, b,
                                hash_sysv(name) % table.buckets);
            else
                symbol = table.words[2 + table.buckets + symbol];
        }
    }
    hash_finish(&table);
    return verdict;
}

static uint32_t gnu_word(const struct image *image, uint64_t at)
{
    return (uint32_t)image_number(image, image->gnu_hash.offset + at, 4);
}

/* One chain: the stored hashes are those of the names, but for the last bit. What is undefined, as
 * GNU ld hashes it in programs, is not to be found, so it may stand in any chain. */
static enum patch_verdict check_gnu_chain(const struct image *image, uint32_t bucket,
                                          uint64_t *steps, char *detail)
{
    uint32_t buckets = gnu_word(image, 0);
    uint32_t base = gnu_word(image, 4);
    uint64_t start = 16 + (uint64_t)gnu_word(image, 8) * image->codec->word;
    uint32_t symbol = gnu_word(image, start + (uint64_t)bucket * 4);

    while (symbol != 0) {
        uint64_t place = start + ((uint64_t)buckets + symbol - base) * 4;
        if (symbol < base || place + 4 > image->gnu_hash.size || symbol >= image->symbol_count ||
            (*steps)++ > image->symbol_count)
            return fault(detail, ".gnu.hash: the chain of bucket %u is broken", bucket);
        const char *name = image_symbol_name(image, symbol);
        uint32_t stored = gnu_word(image, place);
        bool defined = image_symbol(image, symbol).st_shndx != SHN_UNDEF;
        if (name == NULL || ((stored ^ hash_gnu(name)) & ~1u) != 0 ||
            (defined && hash_gnu(name) % buckets != bucket))
            return fault(detail, ".gnu.hash: .dynsym[%u] %s is not found by its name", symbol,
                         name != NULL ? name : "");
        symbol = (stored & 1) != 0 ? 0 : symbol + 1;
    }
    return PATCH_PASS;
}

static enum patch_verdict check_gnu_hash(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    enum patch_verdict verdict = PATCH_PASS;
    uint64_t steps = 0;

    if (image->gnu_hash.size == 0) {
        snprintf(detail, VERIFY_DETAIL, "no DT_GNU_HASH");
        return PATCH_SKIPPED;
    }
    for (uint32_t b = 0; verdict == PATCH_PASS && b < gnu_word(image, 0); b++)
        verdict = check_gnu_chain(image, b, &steps, detail);
    return verdict;
}

static bool in_memory(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && s->p_memsz >= image->codec->word &&
            address - s->p_vaddr <= s->p_memsz - image->codec->word)
            return true;
    }
    return false;
}

static enum patch_verdict check_relocations(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;

    for (size_t i = 0; i < imports->relocation_count; i++)
        if (!in_memory(subject->image, imports->relocations[i].address))
            return fault(detail, "the slot of %s at 0x%" PRIx64 " lies in no segment",
                         imports->items[imports->relocations[i].import].name,
                         imports->relocations[i].address);
    return PATCH_PASS;
}

/* --- the redirection ---------------------------------------------------------------------------
 */

static enum patch_verdict check_redirected(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;

    for (size_t i = 0; i < imports->count; i++) {
        const struct import *import = &imports->items[i];
        if (import->wanted && !import->redirected)
            return fault(detail, ".dynsym[%u]: %s is not redirected (%zu of %zu are not)",
                         import->symbol, import->name, imports->pending,
                         imports->pending + imports->redirected);
    }
    snprintf(detail, VERIFY_DETAIL, "%zu imports", imports->redirected);
    return PATCH_PASS;
}

static enum patch_verdict check_unversioned(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;

    for (size_t i = 0; i < imports->count; i++) {
        const char *version =
            versions_name(subject->versions, subject->image, imports->items[i].symbol);
        /* A library that was linked with a versioned runtime has its version here. */
        if (imports->items[i].redirected && version != NULL && strncmp(version, "GLIBC_", 6) == 0)
            return fault(detail, ".dynsym[%u]: %s%s still asks for version %s",
                         imports->items[i].symbol, subject->options->prefix, imports->items[i].name,
                         version);
    }
    return PATCH_PASS;
}

static enum patch_verdict check_runtime(const struct verify_subject *subject, char *detail)
{
    if (subject->imports->redirected == 0) {
        snprintf(detail, VERIFY_DETAIL, "nothing is redirected");
        return PATCH_SKIPPED;
    }
    if (!subject->imports->runtime_needed)
        return fault(detail, ".dynamic: no DT_NEEDED for %s", subject->options->runtime);
    return PATCH_PASS;
}

static enum patch_verdict check_undo(const struct verify_subject *subject, char *detail)
{
    struct patch_error error = {0};
    struct undo undo;

    if (!undo_find(subject->image, &undo)) {
        snprintf(detail, VERIFY_DETAIL, "no undo record");
        return PATCH_SKIPPED;
    }
    if (!undo_restore(subject->image, &undo, -1, &error)) {
        patch_error_format(&error, detail, VERIFY_DETAIL);
        /* Stripping a patched file is nothing wrong; it only cannot be reverted. */
        return error.code == PATCH_CHANGED_SINCE ? PATCH_SKIPPED : PATCH_FAULT;
    }
    snprintf(detail, VERIFY_DETAIL, "leads back to the original of %" PRIu64 " bytes",
             undo.original_size);
    return PATCH_PASS;
}

const struct verify_check verify_checks[] = {
    {"load-congruence", check_congruence},
    {"segments", check_segments},
    {"sections", check_sections},
    {"string-table", check_strings},
    {"dynamic-names", check_needed},
    {"symbol-versions", check_versions},
    {"hash", check_hash},
    {"gnu-hash", check_gnu_hash},
    {"relocations", check_relocations},
    {"redirected", check_redirected},
    {"unversioned", check_unversioned},
    {"runtime-needed", check_runtime},
    {"undo-record", check_undo},
    {NULL, NULL},
};
