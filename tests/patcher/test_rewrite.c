/* SPDX-License-Identifier: MIT
 *
 * Pairs: each fixture and what must have changed in it, and nothing else.
 */
#include "elf/hash.h"
#include "elf/versions.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relocations of recv, send and poll, sorted by name, then by slot. */
struct pair {
    const char *fixture;
    enum patch_layout layout;
    const char *recv;
    const char *send;
    const char *poll;
};

static const struct pair pairs[] = {
    {"liblazy.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libnow.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libno_relro.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libno_plt.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 GLOB_DAT", "GLOB_DAT", "GLOB_DAT"},
    {"libibt.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libsysv_hash.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libboth_hashes.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"librelr.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libno_cave.so", PATCH_LAYOUT_EXTENSION, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libbss.so", PATCH_LAYOUT_EXTENSION, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"libtls_bss.so", PATCH_LAYOUT_EXTENSION, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"liblarge_bss.so", PATCH_LAYOUT_NEW_SEGMENT, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"liblarge_bss_sysv_hash.so", PATCH_LAYOUT_NEW_SEGMENT, NULL, NULL, NULL},
    {"liblarge_bss_now.so", PATCH_LAYOUT_NEW_SEGMENT, NULL, NULL, NULL},
};

static const struct pair aarch64_pairs[] = {
    {"libaarch64.so", PATCH_LAYOUT_CAVE, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT",
     "GLOB_DAT JUMP_SLOT"},
    {"libaarch64_no_plt.so", PATCH_LAYOUT_CAVE, NULL, NULL, NULL},
    {"libaarch64_small_pages.so", PATCH_LAYOUT_EXTENSION, NULL, NULL, NULL},
};

/* Sets for other machines, by the name of the set; each in the variants that meson makes. */
static const struct machine {
    const char *name;
    uint16_t number;
    unsigned char class, order;
    const char *recv, *send, *poll; /* of the lazy one */
} machines[] = {
    {"arm", EM_ARM, ELFCLASS32, ELFDATA2LSB, "ABS32 ABS32 JUMP_SLOT", "JUMP_SLOT",
     "GLOB_DAT JUMP_SLOT"},
    {"i386", EM_386, ELFCLASS32, ELFDATA2LSB, "ABS32 ABS32 JUMP_SLOT", "JUMP_SLOT", "GLOB_DAT"},
    {"riscv64", EM_RISCV, ELFCLASS64, ELFDATA2LSB, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT",
     "ABS64 JUMP_SLOT"},
    {"ppc", EM_PPC, ELFCLASS32, ELFDATA2MSB, "ABS32 ABS32 JUMP_SLOT", "JUMP_SLOT",
     "ABS32 JUMP_SLOT"},
    {"ppc64", EM_PPC64, ELFCLASS64, ELFDATA2MSB, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT",
     "ABS64 JUMP_SLOT"},
    {"ppc64le", EM_PPC64, ELFCLASS64, ELFDATA2LSB, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT",
     "ABS64 JUMP_SLOT"},
    {"s390x", EM_S390, ELFCLASS64, ELFDATA2MSB, "ABS64 ABS64 JUMP_SLOT", "JUMP_SLOT",
     "GLOB_DAT JUMP_SLOT"},
};
static const struct machine *machine; /* the one that is tested */

/* Where a byte of the original stands in the patched file. */
static uint64_t moved(uint64_t offset, const struct image *before, const struct image *after,
                      uint64_t insertion)
{
    return offset >= insertion ? offset + (after->size - before->size) : offset;
}

static void allow(uint8_t *allowed, uint64_t offset, uint64_t size)
{
    memset(allowed + offset, 1, size);
}

static void allow_member(uint8_t *allowed, const struct image *image, uint64_t record,
                         enum codec_member member)
{
    struct codec_place place = codec_place(image->codec, member);

    allow(allowed, record + place.offset, place.width);
}

/* .symtab may have a symbol that stands for .dynstr and has its address. */
static void allow_section_symbols(uint8_t *allowed, const struct image *image)
{
    const Elf64_Shdr *strings = image_string_section(image);

    for (size_t i = 0; strings != NULL && i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        size_t each = image->codec->sizes[CODEC_SYMBOL];
        for (uint64_t at = 0; s->sh_type == SHT_SYMTAB && at < s->sh_size; at += each) {
            Elf64_Sym symbol;
            ck_assert(image_read(image, CODEC_SYMBOL, s->sh_offset + at, &symbol));
            if (symbol.st_shndx == strings - image->sections &&
                ELF64_ST_TYPE(symbol.st_info) == STT_SECTION)
                allow_member(allowed, image, s->sh_offset + at, CODEC_ST_VALUE);
        }
    }
}

/* What the design lets a patch change in the original's bytes. */
static uint8_t *allowed_changes(const struct image *image, enum patch_layout layout)
{
    const size_t *sizes = image->codec->sizes;
    uint8_t *allowed = calloc(1, image->size);

    if (layout == PATCH_LAYOUT_NEW_SEGMENT) {
        allow_member(allowed, image, 0, CODEC_E_PHOFF);
        allow_member(allowed, image, 0, CODEC_E_PHNUM);
    } else {
        allow_member(allowed, image, 0, CODEC_E_SHOFF);
        allow(allowed, image->header.e_phoff, image->segment_count * sizes[CODEC_SEGMENT]);
    }
    allow(allowed, image->header.e_shoff, image->section_count * sizes[CODEC_SECTION]);
    allow(allowed, image->dynamic_offset, image->dynamic_capacity * sizes[CODEC_DYNAMIC]);
    allow(allowed, image->hash.offset, image->hash.size);
    allow_section_symbols(allowed, image);
    for (const char *const *name = fixture_options.functions; *name != NULL; name++) {
        uint32_t symbol = fixture_symbol(image, *name);
        allow_member(allowed, image, image_symbol_offset(image, symbol), CODEC_ST_NAME);
        allow(allowed, image->versions.offset + symbol * 2, 2);
    }
    return allowed;
}

static void check_only_allowed_bytes_differ(const struct image *before, const struct image *after,
                                            enum patch_layout layout)
{
    uint8_t *allowed = allowed_changes(before, layout);
    uint64_t insertion = before->size;

    if (layout == PATCH_LAYOUT_EXTENSION)
        for (size_t i = 0; i < before->segment_count; i++)
            if (before->segments[i].p_type == PT_LOAD)
                insertion = before->segments[i].p_offset + before->segments[i].p_filesz;
    if (after->size == before->size)
        allow(allowed, after->strings.offset, after->strings.size);
    for (uint64_t i = 0; i < before->size; i++)
        if (allowed[i] == 0)
            ck_assert_msg(before->bytes[i] == after->bytes[moved(i, before, after, insertion)],
                          "byte 0x%lx differs", (unsigned long)i);
    free(allowed);
}

static void check_symbols(const struct image *before, const struct image *after)
{
    for (uint32_t i = 0; i < before->symbol_count; i++) {
        char expected[64];
        const char *name = image_symbol_name(before, i);
        bool wanted =
            image_symbol(before, i).st_shndx == SHN_UNDEF &&
            (strcmp(name, "recv") == 0 || strcmp(name, "send") == 0 || strcmp(name, "poll") == 0);
        snprintf(expected, sizeof(expected), "%s%s", wanted ? "greenify_" : "", name);
        ck_assert_str_eq(image_symbol_name(after, i), expected);
        ck_assert_uint_eq(versions_index(after, i),
                          wanted ? VER_NDX_GLOBAL : versions_index(before, i));
    }
}

static void check_needed(const struct image *before, const struct image *after)
{
    size_t old_count = 0;
    size_t count = 0;
    const char *last = "";

    for (size_t i = 0; i < before->dynamic_count; i++)
        old_count += before->dynamic[i].d_tag == DT_NEEDED;
    for (size_t i = 0; i < after->dynamic_count; i++) {
        if (after->dynamic[i].d_tag != DT_NEEDED)
            continue;
        count++;
        last = image_string(after, after->dynamic[i].d_un.d_val);
    }
    ck_assert_uint_eq(count, old_count + 1);
    ck_assert_str_eq(last, "libgreen.so.1");
    ck_assert_uint_lt(after->dynamic_count, after->dynamic_capacity);
}

static void check_same_segment(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
    ck_assert_uint_eq(a->p_type, b->p_type);
    ck_assert_uint_eq(a->p_flags, b->p_flags);
    ck_assert_uint_eq(a->p_align, b->p_align);
    ck_assert_uint_eq(a->p_vaddr, b->p_vaddr);
    ck_assert_uint_eq(a->p_paddr, b->p_paddr);
}

/* The old ones in their order; a new one comes behind the last PT_LOAD, is read-only and holds the
 * new table and the strings. */
static void check_segments(const struct image *before, const struct image *after,
                           enum patch_layout layout)
{
    bool added = layout == PATCH_LAYOUT_NEW_SEGMENT;
    size_t last = 0;
    size_t k = 0;

    ck_assert_uint_eq(after->segment_count, before->segment_count + added);
    for (size_t i = 0; i < before->segment_count; i++)
        if (before->segments[i].p_type == PT_LOAD)
            last = i;
    for (size_t i = 0; i < before->segment_count; i++, k++) {
        check_same_segment(&before->segments[i], &after->segments[k]);
        k += added && i == last;
    }
    if (!added)
        return;
    const Elf64_Phdr *s = &after->segments[last + 1];
    uint64_t end = s->p_offset + s->p_filesz;
    ck_assert_uint_eq(s->p_type, PT_LOAD);
    ck_assert_uint_eq(s->p_flags, PF_R);
    ck_assert_uint_eq(s->p_filesz, s->p_memsz);
    ck_assert_uint_ge(after->header.e_phoff, s->p_offset);
    ck_assert_uint_eq(image_segment_offset(after, after->segment_count), end);
    ck_assert_uint_eq(after->strings.offset, s->p_offset);
    ck_assert_uint_le(after->size - end, 8);
}

/* The string table is the old one with more behind it, where both kinds of header say it is. */
static void check_strings(const struct image *before, const struct image *after)
{
    ck_assert_mem_eq(after->bytes + after->strings.offset, before->bytes + before->strings.offset,
                     before->strings.size);
    const Elf64_Shdr *section = image_string_section(after);
    ck_assert_ptr_nonnull(section);
    ck_assert_uint_eq(section->sh_offset, after->strings.offset);
    ck_assert_uint_eq(section->sh_size, after->strings.size);
}

static void check_kinds(const struct imports *imports, const char *name, const char *expected)
{
    char kinds[128] = "";

    for (size_t i = 0; i < imports->count; i++) {
        if (strcmp(imports->items[i].name, name) != 0)
            continue;
        ck_assert(imports->items[i].redirected);
        for (int order = 0; order < 4; order++) {
            static const char *const sorted[] = {"ABS32", "ABS64", "GLOB_DAT", "JUMP_SLOT"};
            for (size_t k = 0; k < imports->items[i].relocation_count; k++) {
                if (strcmp(imports->items[i].relocations[k].kind, sorted[order]) != 0)
                    continue;
                if (kinds[0] != '\0')
                    strcat(kinds, " ");
                strcat(kinds, sorted[order]);
            }
        }
    }
    if (expected != NULL)
        ck_assert_str_eq(kinds, expected);
    else
        ck_assert_str_ne(kinds, "");
}

/* Patches the bytes of a fixture and compares. */
static void check_patching(const struct fixture *original, const struct pair *pair)
{
    struct fixture patched;
    struct imports imports;
    struct patch_error error;

    fixture_patch(original, &fixture_options, &patched);
    struct image *before = fixture_parse(original);
    struct image *after = fixture_parse(&patched);
    ck_assert_int_eq(after->size == before->size, pair->layout == PATCH_LAYOUT_CAVE);
    check_only_allowed_bytes_differ(before, after, pair->layout);
    check_segments(before, after, pair->layout);
    check_symbols(before, after);
    check_needed(before, after);
    if (before->section_count != 0)
        check_strings(before, after);
    ck_assert(imports_collect(after, &fixture_options, &imports, &error));
    ck_assert_uint_eq(imports.pending, 0);
    ck_assert_uint_eq(imports.redirected, 3);
    ck_assert(imports.runtime_needed);
    check_kinds(&imports, "recv", pair->recv);
    check_kinds(&imports, "send", pair->send);
    check_kinds(&imports, "poll", pair->poll);
    imports_finish(&imports);
    image_destroy(before);
    image_destroy(after);
    fixture_finish(&patched);
}

static void check_pair(const struct pair *pair, bool without_sections)
{
    struct fixture original;

    fixture_load(&original, pair->fixture);
    if (without_sections)
        fixture_drop_sections(&original);
    check_patching(&original, pair);
    fixture_finish(&original);
}

START_TEST(each_fixture_changes_as_it_must_and_nowhere_else)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        check_pair(&pairs[i], false);
}
END_TEST

START_TEST(files_without_section_headers_are_patched_too)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        check_pair(&pairs[i], true);
}
END_TEST

START_TEST(aarch64_fixtures_change_as_they_must)
{
    for (size_t i = 0; i < sizeof(aarch64_pairs) / sizeof(aarch64_pairs[0]); i++)
        check_pair(&aarch64_pairs[i], false);
}
END_TEST

/* gABI: every symbol is found in DT_HASH by its new name. */
START_TEST(renamed_symbols_are_found_in_the_rebuilt_hash_table)
{
    static const char *const names[] = {"greenify_recv", "greenify_send", "greenify_poll",
                                        "calls_poll", "getpid"};
    char name[64];
    struct fixture original, patched;
    struct patch_error error;
    struct hash_table table;

    snprintf(name, sizeof(name), "lib%s%ssysv_hash.so", machine != NULL ? machine->name : "",
             machine != NULL ? "_" : "");
    fixture_load(&original, name);
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert(hash_load(image, &table, &error));
    for (size_t i = 0; i < 5; i++) {
        uint32_t symbol = table.words[2 + hash_sysv(names[i]) % table.buckets];
        while (symbol != 0 && strcmp(image_symbol_name(image, symbol), names[i]) != 0)
            symbol = table.words[2 + table.buckets + symbol];
        ck_assert_msg(symbol != 0, "%s is not found", names[i]);
    }
    hash_finish(&table);
    image_destroy(image);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(extension_materialises_bss_as_zeros_and_keeps_the_section_nobits)
{
    struct fixture original, patched;

    fixture_load(&original, "libbss.so");
    fixture_patch(&original, &fixture_options, &patched);
    const Elf64_Shdr *bss = fixture_section(&patched, ".bss");
    ck_assert_uint_eq(bss->sh_type, SHT_NOBITS);
    ck_assert_uint_eq(bss->sh_offset, fixture_section(&original, ".bss")->sh_offset);
    const Elf64_Shdr *data = fixture_section(&patched, ".dynstr");
    ck_assert_uint_ge(data->sh_addr, bss->sh_addr + bss->sh_size);
    for (uint64_t i = 0; i < bss->sh_size; i++)
        ck_assert_uint_eq(patched.bytes[bss->sh_offset + i], 0);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(extension_keeps_the_alignment_of_what_moves)
{
    struct fixture original, patched;

    fixture_load(&original, "libbss.so");
    fixture_patch(&original, &fixture_options, &patched);
    const Elf64_Ehdr *header = fixture_header(&patched);
    const Elf64_Shdr *sections =
        (const Elf64_Shdr *)(const void *)(patched.bytes + header->e_shoff);
    ck_assert_uint_eq(header->e_shoff % 8, 0);
    for (size_t i = 1; i < header->e_shnum; i++)
        if (sections[i].sh_type != SHT_NOBITS && sections[i].sh_addralign > 1)
            ck_assert_uint_eq(sections[i].sh_offset % sections[i].sh_addralign, 0);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* Nothing maps the table then; the loader reads it from the file. */
START_TEST(program_headers_at_the_end_of_the_file_move_into_a_new_segment)
{
    const struct pair pair = {"liblazy.so", PATCH_LAYOUT_NEW_SEGMENT, NULL, NULL, NULL};
    struct fixture original;

    fixture_load(&original, pair.fixture);
    fixture_fill_caves(&original);
    fixture_move_headers(&original, fixture_header(&original)->e_phnum);
    check_patching(&original, &pair);
    fixture_finish(&original);
}
END_TEST

START_TEST(the_program_header_of_the_table_follows_it)
{
    struct fixture original, patched;

    fixture_load(&original, "program_pie");
    fixture_fill_caves(&original);
    fixture_move_headers(&original, fixture_header(&original)->e_phnum);
    fixture_patch(&original, &fixture_options, &patched);
    const Elf64_Phdr *table = fixture_segment(&patched, PT_PHDR, 0);
    struct image *image = fixture_parse(&patched);
    uint64_t offset;
    ck_assert_uint_eq(table->p_offset, image->header.e_phoff);
    ck_assert_uint_eq(table->p_filesz, image->segment_count * sizeof(Elf64_Phdr));
    ck_assert_uint_eq(table->p_memsz, table->p_filesz);
    ck_assert(image_offset(image, table->p_vaddr, table->p_memsz, &offset));
    ck_assert_uint_eq(offset, table->p_offset);
    image_destroy(image);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* A payload is looked for at the end. */
START_TEST(a_new_segment_stands_before_an_overlay)
{
    struct patch_options options = fixture_options;
    struct fixture f, patched;

    options.allow_overlay = true;
    fixture_load(&f, "liblarge_bss.so");
    f.bytes = realloc(f.bytes, f.size + 3);
    memcpy(f.bytes + f.size, "abc", 3);
    f.size += 3;
    fixture_patch(&f, &options, &patched);
    ck_assert_mem_eq(patched.bytes + patched.size - 3, "abc", 3);
    fixture_finish(&f);
    fixture_finish(&patched);
}
END_TEST

START_TEST(equal_inputs_give_equal_outputs)
{
    struct fixture original, first, second;

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &first);
    fixture_patch(&original, &fixture_options, &second);
    ck_assert_uint_eq(first.size, second.size);
    ck_assert_mem_eq(first.bytes, second.bytes, first.size);
    fixture_finish(&original);
    fixture_finish(&first);
    fixture_finish(&second);
}
END_TEST

START_TEST(lld_has_no_spare_slot_and_gives_up_its_relacount)
{
    struct fixture original, patched;

    fixture_load(&original, "liblld.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert_ptr_null(image_dynamic(image, DT_RELACOUNT));
    ck_assert_str_eq(image_string(image, image_dynamic(image, DT_NEEDED)->d_un.d_val),
                     "libgreen.so.1");
    image_destroy(image);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(a_machine_is_read_with_its_class_and_order)
{
    char name[64];
    struct fixture f;

    snprintf(name, sizeof(name), "lib%s.so", machine->name);
    fixture_load(&f, name);
    struct image *image = fixture_parse(&f);
    ck_assert_uint_eq(image->arch->machine, machine->number);
    ck_assert_uint_eq(image->codec->class, machine->class);
    ck_assert_uint_eq(image->codec->order, machine->order);
    ck_assert_uint_eq(image_end(image), f.size);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* Makes .bss larger than any extension may be. */
static void enlarge_bss(struct fixture *f)
{
    struct image *image = fixture_parse(f);
    struct codec_place place = codec_place(image->codec, CODEC_P_MEMSZ);
    size_t last = 0;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD)
            last = i;
    codec_put_number(image->codec, f->bytes + image_segment_offset(image, last) + place.offset,
                     place.width, 200000000);
    image_destroy(image);
}

/* As it is, without section headers, with the padding used up, so that it must be extended, and
 * with a large .bss besides. */
static void check_machine(const char *variant, const char *recv, const char *send, const char *poll)
{
    char name[64];
    struct fixture f;

    snprintf(name, sizeof(name), "lib%s%s.so", machine->name, variant);
    struct pair cave = {name, PATCH_LAYOUT_CAVE, recv, send, poll};
    struct pair extension = {name, PATCH_LAYOUT_EXTENSION, recv, send, poll};
    struct pair added = {name, PATCH_LAYOUT_NEW_SEGMENT, recv, send, poll};
    check_pair(&cave, false);
    check_pair(&cave, true);
    fixture_load(&f, name);
    fixture_fill_caves(&f);
    check_patching(&f, &extension);
    fixture_drop_sections(&f);
    check_patching(&f, &extension);
    enlarge_bss(&f);
    check_patching(&f, &added);
    fixture_finish(&f);
    fixture_load(&f, name);
    fixture_fill_caves(&f);
    enlarge_bss(&f);
    check_patching(&f, &added);
    fixture_finish(&f);
}

START_TEST(fixtures_of_a_machine_change_as_they_must_and_nowhere_else)
{
    check_machine("", machine->recv, machine->send, machine->poll);
    check_machine("_no_plt", NULL, NULL, NULL);
    check_machine("_sysv_hash", NULL, NULL, NULL);
}
END_TEST

/* ELF32 cannot say where the new table stands when .bss goes up to 4 GiB. */
START_TEST(addresses_end_where_those_of_the_class_end)
{
    struct patch_options options = fixture_options;
    char name[64];
    struct fixture f;

    snprintf(name, sizeof(name), "lib%s.so", machine->name);
    fixture_load(&f, name);
    fixture_fill_caves(&f);
    struct image *image = fixture_parse(&f);
    uint64_t top = image->codec->limit < INT64_MAX ? image->codec->limit : INT64_MAX;
    struct codec_place place = codec_place(image->codec, CODEC_P_MEMSZ);
    size_t last = 0;
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD)
            last = i;
    codec_put_number(image->codec, f.bytes + image_segment_offset(image, last) + place.offset,
                     place.width, top - image->segments[last].p_vaddr - 64);
    options.bss_limit = UINT64_MAX;
    ck_assert_int_eq(fixture_refusal(&f, &options).code, PATCH_NO_ROOM);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

static int run_machine(const struct machine *chosen)
{
    const TTest *const tests[] = {
        a_machine_is_read_with_its_class_and_order,
        fixtures_of_a_machine_change_as_they_must_and_nowhere_else,
        addresses_end_where_those_of_the_class_end,
        renamed_symbols_are_found_in_the_rebuilt_hash_table,
    };
    char name[64];

    machine = chosen;
    snprintf(name, sizeof(name), "lib%s.so", chosen->name);
    return fixture_exists(name) ? FIXTURE_RUN("rewrite machine", tests) : FIXTURE_SKIPPED;
}

/* With the name of a set of fixtures that not every build has: those alone. */
int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        each_fixture_changes_as_it_must_and_nowhere_else,
        files_without_section_headers_are_patched_too,
        renamed_symbols_are_found_in_the_rebuilt_hash_table,
        extension_materialises_bss_as_zeros_and_keeps_the_section_nobits,
        extension_keeps_the_alignment_of_what_moves,
        program_headers_at_the_end_of_the_file_move_into_a_new_segment,
        the_program_header_of_the_table_follows_it,
        a_new_segment_stands_before_an_overlay,
        equal_inputs_give_equal_outputs,
    };
    const TTest *const aarch64[] = {aarch64_fixtures_change_as_they_must};
    const TTest *const lld[] = {lld_has_no_spare_slot_and_gives_up_its_relacount};

    if (argc < 2)
        return FIXTURE_RUN("rewrite", tests);
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (strcmp(argv[1], machines[i].name) == 0)
            return run_machine(&machines[i]);
    if (strcmp(argv[1], "aarch64") == 0)
        return fixture_exists("libaarch64.so") ? FIXTURE_RUN("rewrite aarch64", aarch64)
                                               : FIXTURE_SKIPPED;
    return fixture_exists("liblld.so") ? FIXTURE_RUN("rewrite lld", lld) : FIXTURE_SKIPPED;
}
