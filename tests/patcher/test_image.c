/* SPDX-License-Identifier: MIT
 *
 * Opening: what is refused, by code and offset, and what is found in a sound file.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static void check_refused(const struct fixture *fixture, enum patch_code code, uint64_t offset)
{
    struct patch_error error = fixture_parse_error(fixture);

    ck_assert_msg(error.code == code, "%s: %s", patch_code_name(error.code), error.reason);
    ck_assert(error.has_offset);
    ck_assert_uint_eq(error.offset, offset);
    ck_assert_int_ne(error.reason[0], '\0');
}

static void check_content_refused(const char *content, size_t size, enum patch_code code)
{
    struct fixture fixture = {(uint8_t *)(uintptr_t)content, size};
    struct patch_error error = fixture_parse_error(&fixture);

    ck_assert_msg(error.code == code, "%s: %s", patch_code_name(error.code), error.reason);
}

START_TEST(content_that_is_no_elf_file_is_refused_by_name)
{
    static const char short_elf32[sizeof(Elf32_Ehdr) - 1] = {
        ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2MSB, EV_CURRENT};

    check_content_refused("", 0, PATCH_NOT_ELF);
    check_content_refused("hello, world", 12, PATCH_NOT_ELF);
    check_content_refused("#!/bin/sh\nexit\n", 15, PATCH_NOT_ELF);
    check_content_refused("!<arch>\nlibx.o/", 15, PATCH_ARCHIVE);
    check_content_refused("!<thin>\nlibx.o/", 15, PATCH_ARCHIVE);
    check_content_refused("\x7f"
                          "ELF\x02\x01\x01",
                          7, PATCH_TRUNCATED);
    check_content_refused(short_elf32, sizeof(short_elf32), PATCH_TRUNCATED);
    check_content_refused("\x7f"
                          "EL",
                          3, PATCH_NOT_ELF);
}
END_TEST

static void swap(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

START_TEST(other_classes_orders_machines_and_types_are_refused)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    f.bytes[EI_CLASS] = ELFCLASS32; /* x32 */
    check_refused(&f, PATCH_UNSUPPORTED_CLASS, EI_CLASS);
    f.bytes[EI_CLASS] = 7;
    check_refused(&f, PATCH_UNSUPPORTED_CLASS, EI_CLASS);
    f.bytes[EI_CLASS] = ELFCLASS64;
    f.bytes[EI_DATA] = 7;
    check_refused(&f, PATCH_UNSUPPORTED_ORDER, EI_DATA);
    f.bytes[EI_DATA] = ELFDATA2MSB;
    check_refused(&f, PATCH_MALFORMED, offsetof(Elf64_Ehdr, e_version));
    swap(f.bytes + offsetof(Elf64_Ehdr, e_version), 4);
    swap(f.bytes + offsetof(Elf64_Ehdr, e_machine), 2);
    check_refused(&f, PATCH_UNSUPPORTED_ORDER, EI_DATA);
    swap(f.bytes + offsetof(Elf64_Ehdr, e_version), 4);
    f.bytes[EI_DATA] = ELFDATA2LSB;
    fixture_header(&f)->e_machine = EM_MIPS;
    check_refused(&f, PATCH_UNSUPPORTED_MACHINE, offsetof(Elf64_Ehdr, e_machine));
    fixture_header(&f)->e_machine = EM_X86_64;
    fixture_header(&f)->e_type = ET_REL;
    check_refused(&f, PATCH_UNSUPPORTED_TYPE, offsetof(Elf64_Ehdr, e_type));
    fixture_header(&f)->e_type = ET_CORE;
    check_refused(&f, PATCH_UNSUPPORTED_TYPE, offsetof(Elf64_Ehdr, e_type));
    fixture_finish(&f);
    fixture_load(&f, "program_fixed");
    check_refused(&f, PATCH_UNSUPPORTED_TYPE, offsetof(Elf64_Ehdr, e_type));
    fixture_finish(&f);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused_and_never_overread)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    for (uint64_t size = 0; size < f.size; size += size < 512 ? 1 : 97) {
        /* A copy of just this size, so that the sanitizer sees a read behind it. */
        struct fixture cut = {malloc(size + (size == 0)), size};
        memcpy(cut.bytes, f.bytes, size);
        fixture_parse_error(&cut);
        fixture_finish(&cut);
    }
    fixture_finish(&f);
}
END_TEST

START_TEST(header_tables_outside_the_file_are_truncation)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    uint64_t headers = fixture_header(&f)->e_phoff;
    fixture_header(&f)->e_phoff = f.size - 8;
    check_refused(&f, PATCH_TRUNCATED, f.size - 8);
    fixture_header(&f)->e_phoff = UINT64_MAX - 8;
    check_refused(&f, PATCH_TRUNCATED, UINT64_MAX - 8);
    fixture_header(&f)->e_phoff = headers;
    fixture_header(&f)->e_shoff = f.size - 64;
    check_refused(&f, PATCH_TRUNCATED, f.size - 64);
    fixture_finish(&f);
}
END_TEST

START_TEST(header_entries_of_another_size_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_header(&f)->e_phentsize = 32;
    check_refused(&f, PATCH_MALFORMED, offsetof(Elf64_Ehdr, e_phentsize));
    fixture_header(&f)->e_phentsize = sizeof(Elf64_Phdr);
    fixture_header(&f)->e_shentsize = 40;
    check_refused(&f, PATCH_MALFORMED, offsetof(Elf64_Ehdr, e_shentsize));
    fixture_header(&f)->e_shentsize = sizeof(Elf64_Shdr);
    fixture_header(&f)->e_phnum = PN_XNUM;
    check_refused(&f, PATCH_MALFORMED, offsetof(Elf64_Ehdr, e_phnum));
    fixture_finish(&f);
}
END_TEST

START_TEST(segments_that_cannot_be_mapped_are_refused)
{
    struct fixture f;
    Elf64_Phdr old;

    fixture_load(&f, "liblazy.so");
    Elf64_Phdr *load = fixture_segment(&f, PT_LOAD, 1);
    uint64_t place = fixture_offset(&f, load);
    old = *load;
    load->p_filesz = load->p_memsz = f.size;
    check_refused(&f, PATCH_TRUNCATED, place);
    *load = old;
    load->p_memsz = load->p_filesz - 1;
    check_refused(&f, PATCH_MALFORMED, place);
    *load = old;
    load->p_vaddr += 8;
    check_refused(&f, PATCH_MALFORMED, place);
    *load = old;
    load->p_align = 3;
    check_refused(&f, PATCH_MALFORMED, place);
    *load = old;
    load->p_vaddr = UINT64_MAX - 0xfff;
    load->p_memsz = 0x2000;
    check_refused(&f, PATCH_MALFORMED, place);
    *load = old;
    load->p_vaddr = load->p_offset = 0;
    check_refused(&f, PATCH_MALFORMED, place);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_file_without_a_dynamic_segment_is_not_dynamic)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_segment(&f, PT_DYNAMIC, 0)->p_type = PT_NULL;
    check_refused(&f, PATCH_NOT_DYNAMIC, fixture_header(&f)->e_phoff);
    fixture_header(&f)->e_phnum = 0;
    check_refused(&f, PATCH_NOT_DYNAMIC, offsetof(Elf64_Ehdr, e_phoff));
    fixture_finish(&f);
}
END_TEST

START_TEST(a_dynamic_segment_elsewhere_or_without_end_is_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    Elf64_Phdr *dynamic = fixture_segment(&f, PT_DYNAMIC, 0);
    dynamic->p_vaddr += 16;
    check_refused(&f, PATCH_MALFORMED, dynamic->p_offset);
    dynamic->p_vaddr -= 16;
    dynamic->p_filesz = 32;
    check_refused(&f, PATCH_MALFORMED, dynamic->p_offset);
    fixture_finish(&f);
}
END_TEST

START_TEST(dynamic_tables_outside_the_segments_are_malformed)
{
    static const int64_t tags[] = {DT_STRTAB, DT_SYMTAB, DT_GNU_HASH, DT_JMPREL,
                                   DT_RELA,   DT_VERSYM, DT_STRSZ,    DT_PLTRELSZ};
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        Elf64_Dyn *entry = fixture_dynamic(&f, tags[i]);
        Elf64_Dyn old = *entry;
        entry->d_un.d_val = 0x7ffffff0;
        struct patch_error error = fixture_parse_error(&f);
        ck_assert_msg(error.code == PATCH_MALFORMED, "tag %ld: %s", (long)tags[i], error.reason);
        ck_assert(error.has_offset);
        *entry = old;
    }
    fixture_finish(&f);
}
END_TEST

START_TEST(a_string_table_without_its_last_nul_is_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    const Elf64_Shdr *strings = fixture_section(&f, ".dynstr");
    uint64_t last = strings->sh_offset + strings->sh_size - 1;
    f.bytes[last] = 'x';
    check_refused(&f, PATCH_MALFORMED, last);
    fixture_finish(&f);
}
END_TEST

START_TEST(relocations_without_addends_are_unsupported)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    Elf64_Dyn *entry = fixture_dynamic(&f, DT_RELACOUNT);
    entry->d_tag = DT_REL;
    check_refused(&f, PATCH_UNSUPPORTED_RELOCATION, fixture_offset(&f, entry));
    fixture_finish(&f);
}
END_TEST

START_TEST(tables_agree_with_the_section_headers)
{
    struct fixture f;

    fixture_load(&f, "libboth_hashes.so");
    struct image *image = fixture_parse(&f);
    const Elf64_Shdr *symbols = fixture_section(&f, ".dynsym");
    ck_assert_uint_eq(image->symbols.offset, symbols->sh_offset);
    ck_assert_uint_eq(image->symbol_count, symbols->sh_size / sizeof(Elf64_Sym));
    ck_assert_uint_eq(image->strings.offset, fixture_section(&f, ".dynstr")->sh_offset);
    ck_assert_uint_eq(image->strings.size, fixture_section(&f, ".dynstr")->sh_size);
    ck_assert_uint_eq(image->hash.size, fixture_section(&f, ".hash")->sh_size);
    ck_assert_uint_eq(image->gnu_hash.size, fixture_section(&f, ".gnu.hash")->sh_size);
    ck_assert_uint_eq(image->versions.offset, fixture_section(&f, ".gnu.version")->sh_offset);
    ck_assert_uint_eq(image->relocations[1].offset, fixture_section(&f, ".rela.plt")->sh_offset);
    ck_assert_str_eq(image_soname(image), "libboth_hashes.so");
    ck_assert_str_eq(image->arch->name, "x86-64");
    ck_assert_uint_eq(image_end(image), f.size);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(symbols_are_counted_without_section_headers)
{
    static const char *const names[] = {"liblazy.so", "libsysv_hash.so", "libboth_hashes.so"};

    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        fixture_load(&f, names[i]);
        uint64_t expected = fixture_section(&f, ".dynsym")->sh_size / sizeof(Elf64_Sym);
        fixture_drop_sections(&f);
        struct image *image = fixture_parse(&f);
        ck_assert_uint_eq(image->section_count, 0);
        ck_assert_uint_eq(image->symbol_count, expected);
        ck_assert_ptr_null(image_string_section(image));
        image_destroy(image);
        fixture_finish(&f);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        content_that_is_no_elf_file_is_refused_by_name,
        other_classes_orders_machines_and_types_are_refused,
        a_file_cut_anywhere_is_refused_and_never_overread,
        header_tables_outside_the_file_are_truncation,
        header_entries_of_another_size_are_malformed,
        segments_that_cannot_be_mapped_are_refused,
        a_file_without_a_dynamic_segment_is_not_dynamic,
        a_dynamic_segment_elsewhere_or_without_end_is_malformed,
        dynamic_tables_outside_the_segments_are_malformed,
        a_string_table_without_its_last_nul_is_malformed,
        relocations_without_addends_are_unsupported,
        tables_agree_with_the_section_headers,
        symbols_are_counted_without_section_headers,
    };
    return FIXTURE_RUN("image", tests);
}
