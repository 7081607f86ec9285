/* SPDX-License-Identifier: MIT
 *
 * Each header of `before` as it must be now, beside what it is.
 */
#include "check/proof_private.h"

#include <inttypes.h>
#include <string.h>

/* One member: what it was, what it is, what it should be. */
static bool check_member(struct proof *proof, enum proof_kind kind, const char *record,
                         size_t index, const char *member, const uint64_t values[3])
{
    if (values[1] != values[2])
        return proof_refute(
            proof, "%s[%zu].%s is 0x%" PRIx64 " instead of 0x%" PRIx64 " (it was 0x%" PRIx64 ")",
            record, index, member, values[1], values[2], values[0]);
    proof->counts[kind] += values[0] != values[1];
    return true;
}

#define MEMBER(kind, record, index, name)                                                          \
    check_member(proof, PROOF_##kind, record, index, #name,                                        \
                 (const uint64_t[3]){was->name, is->name, should->name})

/* --- the ELF header ----------------------------------------------------------------------------
 */

static bool check_header(struct proof *proof)
{
    static const char record[] = "ELF header";
    const Elf64_Ehdr *was = &proof->before->header;
    const Elf64_Ehdr *is = &proof->after->header;
    Elf64_Ehdr expected = *was;
    const Elf64_Ehdr *should = &expected;

    if (was->e_shoff != 0)
        expected.e_shoff = proof_map(proof, was->e_shoff);
    if (proof->shape == PROOF_SEGMENT) {
        expected.e_phoff = is->e_phoff; /* anywhere in what is new: see check_added() */
        expected.e_phnum = (Elf64_Half)(was->e_phnum + 1);
    }
    return (memcmp(was->e_ident, is->e_ident, EI_NIDENT) == 0 ||
            proof_refute(proof, "ELF header: e_ident is another one")) &&
           MEMBER(HEADER, record, 0, e_type) && MEMBER(HEADER, record, 0, e_machine) &&
           MEMBER(HEADER, record, 0, e_version) && MEMBER(HEADER, record, 0, e_entry) &&
           MEMBER(HEADER, record, 0, e_phoff) && MEMBER(HEADER, record, 0, e_shoff) &&
           MEMBER(HEADER, record, 0, e_flags) && MEMBER(HEADER, record, 0, e_ehsize) &&
           MEMBER(HEADER, record, 0, e_phentsize) && MEMBER(HEADER, record, 0, e_phnum) &&
           MEMBER(HEADER, record, 0, e_shentsize) && MEMBER(HEADER, record, 0, e_shnum) &&
           MEMBER(HEADER, record, 0, e_shstrndx);
}

/* --- program headers ---------------------------------------------------------------------------
 */

static bool in_new_area(const struct proof *proof, uint64_t offset, uint64_t size)
{
    return offset >= proof->insertion && offset - proof->insertion <= proof->growth &&
           size <= proof->growth - (offset - proof->insertion);
}

static uint64_t header_table_size(const struct image *image)
{
    return (uint64_t)image->segment_count * image->codec->sizes[CODEC_SEGMENT];
}

static bool holds(const Elf64_Phdr *s, uint64_t offset, uint64_t size)
{
    return offset >= s->p_offset && offset - s->p_offset <= s->p_filesz &&
           size <= s->p_filesz - (offset - s->p_offset);
}

static uint64_t largest_page(const struct image *image)
{
    uint64_t page = 4096;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD && image->segments[i].p_align > page)
            page = image->segments[i].p_align;
    return page;
}

/* The new segment lies in what is new, holds both tables, and may only be read. */
static bool check_added(struct proof *proof)
{
    const struct image *after = proof->after;
    const Elf64_Phdr *s = &after->segments[proof->added];
    const struct image_table *strings = &after->strings;

    if (s->p_type != PT_LOAD || s->p_flags != PF_R || s->p_filesz != s->p_memsz ||
        s->p_paddr != s->p_vaddr || s->p_align != largest_page(proof->before))
        return proof_refute(proof, "program header[%zu] is new, and no PT_LOAD to be read only",
                            proof->added);
    if (!in_new_area(proof, s->p_offset, s->p_filesz) ||
        !holds(s, strings->offset, strings->size) ||
        !holds(s, after->header.e_phoff, header_table_size(after)))
        return proof_refute(proof,
                            "program header[%zu] is new, and not what is needed for the new tables",
                            proof->added);
    return true;
}

/* Index of the PT_LOAD that `before` does not have: the first that does not agree with it. */
static bool find_added(struct proof *proof)
{
    const struct image *before = proof->before;
    const struct image *after = proof->after;

    for (proof->added = 0; proof->added < before->segment_count; proof->added++) {
        const Elf64_Phdr *was = &before->segments[proof->added];
        const Elf64_Phdr *is = &after->segments[proof->added];
        if (was->p_type != is->p_type || (was->p_type != PT_PHDR && was->p_vaddr != is->p_vaddr))
            break;
    }
    return check_added(proof);
}

/* PT_PHDR follows its table. */
static void expect_table(const struct proof *proof, Elf64_Phdr *expected)
{
    const Elf64_Phdr *added = &proof->after->segments[proof->added];

    expected->p_offset = proof->after->header.e_phoff;
    expected->p_vaddr = added->p_vaddr + (expected->p_offset - added->p_offset);
    expected->p_paddr = expected->p_vaddr;
    expected->p_filesz = expected->p_memsz = header_table_size(proof->after);
}

static Elf64_Phdr expected_segment(const struct proof *proof, size_t index)
{
    Elf64_Phdr expected = proof->before->segments[index];
    const struct image_table *strings = &proof->after->strings;
    bool grows = proof->shape == PROOF_CAVE || proof->shape == PROOF_EXTENSION;

    if (grows && index == proof->grown)
        expected.p_filesz = expected.p_memsz = strings->address + strings->size - expected.p_vaddr;
    else if (proof->shape == PROOF_SEGMENT && expected.p_type == PT_PHDR)
        expect_table(proof, &expected);
    else if (expected.p_filesz != 0)
        expected.p_offset = proof_map(proof, expected.p_offset);
    return expected;
}

static bool check_segment(struct proof *proof, size_t index)
{
    static const char record[] = "program header";
    size_t now = index + (proof->shape == PROOF_SEGMENT && index >= proof->added);
    const Elf64_Phdr *was = &proof->before->segments[index];
    const Elf64_Phdr *is = &proof->after->segments[now];
    Elf64_Phdr expected = expected_segment(proof, index);
    const Elf64_Phdr *should = &expected;

    return MEMBER(SEGMENTS, record, now, p_type) && MEMBER(SEGMENTS, record, now, p_flags) &&
           MEMBER(SEGMENTS, record, now, p_offset) && MEMBER(SEGMENTS, record, now, p_vaddr) &&
           MEMBER(SEGMENTS, record, now, p_paddr) && MEMBER(SEGMENTS, record, now, p_filesz) &&
           MEMBER(SEGMENTS, record, now, p_memsz) && MEMBER(SEGMENTS, record, now, p_align);
}

/* --- section headers ---------------------------------------------------------------------------
 */

/* A section without bytes in the file may be said to stand on either side of what was inserted. */
static bool is_empty(const Elf64_Shdr *s, uint64_t size)
{
    return s->sh_type == SHT_NOBITS || s->sh_type == SHT_NULL || s->sh_size == 0 ||
           s->sh_offset > size;
}

static Elf64_Shdr expected_section(const struct proof *proof, size_t index)
{
    const Elf64_Shdr *was = &proof->before->sections[index];
    const Elf64_Shdr *is = &proof->after->sections[index];
    const struct image_table *strings = &proof->after->strings;
    Elf64_Shdr expected = *was;
    uint64_t moved = proof_map(proof, was->sh_offset);

    if (proof->shape != PROOF_SAME && image_is_string_section(proof->before, index)) {
        expected.sh_addr = strings->address;
        expected.sh_offset = strings->offset;
        expected.sh_size = strings->size;
    } else if (!is_empty(was, proof->before->size) || is->sh_offset == moved) {
        expected.sh_offset = moved;
    }
    return expected;
}

static bool check_section(struct proof *proof, size_t index)
{
    static const char record[] = "section header";
    const Elf64_Shdr *was = &proof->before->sections[index];
    const Elf64_Shdr *is = &proof->after->sections[index];
    Elf64_Shdr expected = expected_section(proof, index);
    const Elf64_Shdr *should = &expected;

    return MEMBER(SECTIONS, record, index, sh_name) && MEMBER(SECTIONS, record, index, sh_type) &&
           MEMBER(SECTIONS, record, index, sh_flags) && MEMBER(SECTIONS, record, index, sh_addr) &&
           MEMBER(SECTIONS, record, index, sh_offset) && MEMBER(SECTIONS, record, index, sh_size) &&
           MEMBER(SECTIONS, record, index, sh_link) && MEMBER(SECTIONS, record, index, sh_info) &&
           MEMBER(SECTIONS, record, index, sh_addralign) &&
           MEMBER(SECTIONS, record, index, sh_entsize);
}

bool proof_headers(struct proof *proof)
{
    if (!check_header(proof))
        return false;
    if (proof->shape == PROOF_SEGMENT && !find_added(proof))
        return false;
    for (size_t i = 0; i < proof->before->segment_count; i++)
        if (!check_segment(proof, i))
            return false;
    if (proof->after->section_count != proof->before->section_count)
        return proof_refute(proof, "%zu section headers, before there were %zu",
                            proof->after->section_count, proof->before->section_count);
    for (size_t i = 0; i < proof->before->section_count; i++)
        if (!check_section(proof, i))
            return false;
    return true;
}
