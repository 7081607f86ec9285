/* SPDX-License-Identifier: MIT
 *
 * Relocations of every kind: each writes to memory, so that memory must be there and writable.
 */
#include "check/verify.h"
#include "elf/window.h"

#include <inttypes.h>

#ifndef DT_RELRSZ
#define DT_RELRSZ 35
#define DT_RELR   36
#endif

/* With DT_TEXTREL the loader makes everything writable for the while. */
static bool may_write_all(const struct image *image)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS);

    return image_dynamic(image, DT_TEXTREL) != NULL ||
           (flags != NULL && (flags->d_un.d_val & DF_TEXTREL) != 0);
}

/* The segment that `size` bytes at `address` lie in, by memory; NULL: none. */
static const Elf64_Phdr *segment_of(const struct image *image, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && s->p_memsz >= size &&
            address - s->p_vaddr <= s->p_memsz - size)
            return s;
    }
    return NULL;
}

static enum patch_verdict check_place(const struct image *image, const char *table, size_t index,
                                      uint64_t address, char *detail)
{
    const Elf64_Phdr *s = segment_of(image, address, 1);

    if (s == NULL)
        return verify_fault(detail, "%s[%zu]: address 0x%" PRIx64 " lies in no segment", table,
                            index, address);
    if ((s->p_flags & PF_W) == 0 && !may_write_all(image))
        return verify_fault(
            detail, "%s[%zu]: address 0x%" PRIx64 " is not writable, and there is no DT_TEXTREL",
            table, index, address);
    return PATCH_PASS;
}

/* R_*_NONE is 0 on every machine. Those without a symbol are the loader's own. */
static enum patch_verdict check_one(const struct image *image, size_t table, size_t index,
                                    const Elf64_Rela *relocation, char *detail)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(relocation->r_info);

    if (type == 0)
        return PATCH_PASS;
    if (ELF64_R_SYM(relocation->r_info) != 0 && arch_relocation_find(image->arch, type) == NULL)
        return verify_fault(detail, "%s[%zu]: unknown type %u", image_relocation_name(image, table),
                            index, type);
    return check_place(image, image_relocation_name(image, table), index, relocation->r_offset,
                       detail);
}

static enum patch_verdict check_table(const struct image *image, size_t table, char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;
    Elf64_Rela batch[IMAGE_BATCH];
    size_t n;

    for (size_t i = 0; (n = image_relocations(image, table, i, batch)) != 0; i += n)
        for (size_t k = 0; k < n && verdict == PATCH_PASS; k++)
            verdict = check_one(image, table, i + k, &batch[k], detail);
    return verdict;
}

static enum patch_verdict check_slots(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;

    for (size_t i = 0; i < imports->relocation_count; i++)
        if (segment_of(subject->image, imports->relocations[i].address,
                       subject->image->codec->word) == NULL)
            return verify_fault(detail, "the slot of %s at 0x%" PRIx64 " lies in no segment",
                                imports->items[imports->relocations[i].import].name,
                                imports->relocations[i].address);
    return PATCH_PASS;
}

enum patch_verdict check_relocations(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    enum patch_verdict verdict = check_slots(subject, detail);

    for (size_t t = 0; t < IMAGE_RELOCATION_TABLES && verdict == PATCH_PASS; t++)
        verdict = check_table(image, t, detail);
    return verdict;
}

/* An even entry is an address; an odd one has a bit for each of the words behind the last address.
 */
static enum patch_verdict check_packed(const struct image *image, struct window *window,
                                       uint64_t offset, uint64_t count, char *detail)
{
    size_t word = image->codec->word;
    uint64_t bits = word * 8 - 1;
    uint64_t next = 0;
    enum patch_verdict verdict = PATCH_PASS;

    for (uint64_t i = 0; verdict == PATCH_PASS && i < count; i++) {
        struct patch_error error;
        const uint8_t *bytes = window_at(window, offset + i * word, word, &error);
        if (bytes == NULL)
            return verify_unreadable(detail, &error);
        uint64_t entry = codec_number(image->codec, bytes, word);
        if ((entry & 1) == 0) {
            verdict = check_place(image, "DT_RELR", i, entry, detail);
            next = entry + word;
            continue;
        }
        if (next == 0)
            return verify_fault(detail, "DT_RELR[%" PRIu64 "]: bits without an address", i);
        for (uint64_t b = 0; verdict == PATCH_PASS && b < bits; b++)
            if ((entry >> (b + 1) & 1) != 0)
                verdict = check_place(image, "DT_RELR", i, next + b * word, detail);
        next += bits * word;
    }
    return verdict;
}

enum patch_verdict check_relr(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Dyn *address = image_dynamic(image, DT_RELR);
    const Elf64_Dyn *size = image_dynamic(image, DT_RELRSZ);
    struct window window = {.image = image};
    uint64_t offset;

    if (address == NULL || size == NULL || size->d_un.d_val == 0)
        return verify_skip(detail, "no DT_RELR");
    if (!image_offset(image, address->d_un.d_ptr, size->d_un.d_val, &offset))
        return verify_skip(detail, "the table itself is not mapped");
    enum patch_verdict verdict =
        check_packed(image, &window, offset, size->d_un.d_val / image->codec->word, detail);
    window_close(&window);
    return verdict;
}
