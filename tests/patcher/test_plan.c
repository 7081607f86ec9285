/* SPDX-License-Identifier: MIT
 *
 * Decisions: what is refused, by code and offset, and which slot the DT_NEEDED takes.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static void check_code(const struct patch_error *error, enum patch_code code)
{
    ck_assert_msg(error->code == code, "%s: %s", patch_code_name(error->code), error->reason);
}

static void check_refused(const struct fixture *fixture, enum patch_code code, uint64_t offset)
{
    struct patch_error error = fixture_refusal(fixture, &fixture_options);

    check_code(&error, code);
    ck_assert(error.has_offset);
    ck_assert_uint_eq(error.offset, offset);
}

START_TEST(a_library_of_another_libc_is_refused)
{
    static const char *const names[] = {"libc.so", "libc.so.1", "libc.so.7"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fixture f;
        fixture_load(&f, "libboth_hashes.so");
        /* The entry for libc is the first and only one. */
        uint64_t strings = fixture_section(&f, ".dynstr")->sh_offset;
        char *needed = (char *)f.bytes + strings + fixture_dynamic(&f, DT_NEEDED)->d_un.d_val;
        ck_assert_str_eq(needed, "libc.so.6");
        memcpy(needed, names[i], strlen(names[i]) + 1);
        struct patch_error error = fixture_refusal(&f, &fixture_options);
        check_code(&error, PATCH_OTHER_LIBC);
        ck_assert_ptr_nonnull(strstr(error.reason, names[i]));
        fixture_finish(&f);
    }
}
END_TEST

/* Renames the fixture by overwriting its DT_SONAME, which must be no shorter. */
static void set_soname(struct fixture *fixture, const char *soname)
{
    uint64_t strings = fixture_section(fixture, ".dynstr")->sh_offset;
    char *old = (char *)fixture->bytes + strings + fixture_dynamic(fixture, DT_SONAME)->d_un.d_val;

    ck_assert_uint_le(strlen(soname), strlen(old));
    memcpy(old, soname, strlen(soname) + 1);
}

START_TEST(libc_the_loader_and_what_the_runtime_needs_are_protected)
{
    static const char *const names[] = {"libc.so.6",  "libpthread.so.0", "libdl.so.2",
                                        "libev.so.4", "ld-linux-x86.so", "librt.so.1"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fixture f;
        fixture_load(&f, "libboth_hashes.so");
        set_soname(&f, names[i]);
        struct patch_error error = fixture_refusal(&f, &fixture_options);
        check_code(&error, PATCH_PROTECTED);
        ck_assert_ptr_nonnull(strstr(error.reason, names[i]));
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(the_runtime_is_protected_by_its_exports_and_by_its_name)
{
    struct fixture f;
    struct patch_options options = fixture_options;

    fixture_load(&f, "libgreen.so.1");
    struct patch_error error = fixture_refusal(&f, &fixture_options);
    check_code(&error, PATCH_PROTECTED);
    fixture_finish(&f);
    options.runtime = "/opt/somewhere/liblazy.so";
    fixture_load(&f, "liblazy.so");
    error = fixture_refusal(&f, &options);
    check_code(&error, PATCH_PROTECTED);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_payload_behind_the_file_is_refused_unless_asked_for)
{
    struct fixture f, patched;
    struct patch_options options = fixture_options;

    fixture_load(&f, "libbss.so");
    uint64_t end = f.size;
    f.bytes = realloc(f.bytes, end + 3);
    memcpy(f.bytes + end, "abc", 3);
    f.size = end + 3;
    check_refused(&f, PATCH_OVERLAY, end);
    options.allow_overlay = true;
    fixture_patch(&f, &options, &patched);
    ck_assert_mem_eq(patched.bytes + patched.size - 3, "abc", 3);
    fixture_finish(&patched);
    fixture_finish(&f);
}
END_TEST

START_TEST(zeros_behind_the_file_are_padding)
{
    struct fixture f, patched;

    fixture_load(&f, "liblazy.so");
    uint64_t end = f.size;
    f.bytes = realloc(f.bytes, end + 5000);
    memset(f.bytes + end, 0, 5000);
    f.size = end + 1;
    fixture_patch(&f, &fixture_options, &patched);
    fixture_finish(&patched);
    f.size = end + 5000;
    check_refused(&f, PATCH_OVERLAY, end);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_copy_relocation_of_a_wanted_name_is_unsupported)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    const Elf64_Shdr *section = fixture_section(&f, ".rela.plt");
    Elf64_Rela *relocations = (Elf64_Rela *)(void *)(f.bytes + section->sh_offset);
    struct image *image = fixture_parse(&f);
    uint32_t symbol = fixture_symbol(image, "recv");
    image_destroy(image);
    for (size_t i = 0; i < section->sh_size / sizeof(*relocations); i++) {
        if (ELF64_R_SYM(relocations[i].r_info) != symbol)
            continue;
        relocations[i].r_info = ELF64_R_INFO((uint64_t)symbol, R_X86_64_COPY);
        check_refused(&f, PATCH_UNSUPPORTED_RELOCATION,
                      section->sh_offset + i * sizeof(*relocations));
        relocations[i].r_info = ELF64_R_INFO((uint64_t)symbol, 200);
        check_refused(&f, PATCH_UNSUPPORTED_RELOCATION,
                      section->sh_offset + i * sizeof(*relocations));
    }
    fixture_finish(&f);
}
END_TEST

START_TEST(the_address_of_a_plt_entry_as_the_functions_own_is_unsupported)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint64_t place = image_symbol_offset(image, fixture_symbol(image, "recv"));
    image_destroy(image);
    ((Elf64_Sym *)(void *)(f.bytes + place))->st_value = 0x1030;
    check_refused(&f, PATCH_UNSUPPORTED_RELOCATION, place);
    fixture_finish(&f);
}
END_TEST

START_TEST(without_any_slot_for_dt_needed_there_is_a_refusal)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    /* The segment ends with its one DT_NULL; DT_RELACOUNT is something else. */
    Elf64_Dyn *end = fixture_dynamic(&f, DT_NULL);
    Elf64_Phdr *dynamic = fixture_segment(&f, PT_DYNAMIC, 0);
    uint64_t last = fixture_offset(&f, end);
    dynamic->p_filesz = last + sizeof(*end) - dynamic->p_offset;
    struct fixture patched;
    fixture_patch(&f, &fixture_options, &patched);
    fixture_finish(&patched);
    fixture_dynamic(&f, DT_RELACOUNT)->d_tag = DT_DEBUG;
    check_refused(&f, PATCH_NO_DYNAMIC_SLOT, last);
    fixture_finish(&f);
}
END_TEST

/* As lld leaves it with packed relocations: DT_FLAGS may go when DT_FLAGS_1 says all of it. */
START_TEST(flags_that_are_said_twice_make_room_for_dt_needed)
{
    struct fixture f, patched;

    fixture_load(&f, "libnow.so");
    Elf64_Dyn *end = fixture_dynamic(&f, DT_NULL);
    Elf64_Phdr *dynamic = fixture_segment(&f, PT_DYNAMIC, 0);
    uint64_t last = fixture_offset(&f, end);
    dynamic->p_filesz = last + sizeof(*end) - dynamic->p_offset;
    fixture_dynamic(&f, DT_RELACOUNT)->d_tag = DT_DEBUG;
    ck_assert_uint_eq(fixture_dynamic(&f, DT_FLAGS)->d_un.d_val, DF_BIND_NOW);
    fixture_patch(&f, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert_ptr_null(image_dynamic(image, DT_FLAGS));
    ck_assert_uint_eq(image_dynamic(image, DT_FLAGS_1)->d_un.d_val & DF_1_NOW, DF_1_NOW);
    image_destroy(image);
    fixture_finish(&patched);
    fixture_dynamic(&f, DT_FLAGS)->d_un.d_val |= DF_SYMBOLIC;
    check_refused(&f, PATCH_NO_DYNAMIC_SLOT, last);
    fixture_dynamic(&f, DT_FLAGS)->d_un.d_val = DF_BIND_NOW;
    fixture_dynamic(&f, DT_FLAGS_1)->d_un.d_val = DF_1_NODELETE;
    check_refused(&f, PATCH_NO_DYNAMIC_SLOT, last);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_bss_above_the_limit_is_no_room)
{
    struct fixture f, patched;
    struct patch_options options = fixture_options;

    fixture_load(&f, "libbss.so");
    options.bss_limit = 19999;
    options.no_new_segment = true;
    struct patch_error error = fixture_refusal(&f, &options);
    check_code(&error, PATCH_NO_ROOM);
    ck_assert_uint_eq(error.offset, fixture_offset(&f, fixture_segment(&f, PT_LOAD, 1)));
    ck_assert_ptr_nonnull(strstr(error.reason, "19999"));
    options.no_new_segment = false;
    fixture_patch(&f, &options, &patched);
    ck_assert_uint_eq(fixture_header(&patched)->e_phnum, fixture_header(&f)->e_phnum + 1);
    fixture_finish(&patched);
    options.bss_limit = 1 << 20;
    fixture_patch(&f, &options, &patched);
    ck_assert_uint_eq(fixture_header(&patched)->e_phnum, fixture_header(&f)->e_phnum);
    fixture_finish(&patched);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_name_behind_dynstr_is_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint64_t place = image_symbol_offset(image, fixture_symbol(image, "recv"));
    image_destroy(image);
    ((Elf64_Sym *)(void *)(f.bytes + place))->st_name = 0x10000;
    check_refused(&f, PATCH_MALFORMED, place);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_relocation_of_a_symbol_that_does_not_exist_is_malformed)
{
    struct fixture f;

    fixture_load(&f, "libsysv_hash.so");
    const Elf64_Shdr *section = fixture_section(&f, ".rela.plt");
    Elf64_Rela *relocation = (Elf64_Rela *)(void *)(f.bytes + section->sh_offset);
    relocation->r_info = ELF64_R_INFO((uint64_t)5000, R_X86_64_JUMP_SLOT);
    check_refused(&f, PATCH_MALFORMED, section->sh_offset);
    fixture_finish(&f);
}
END_TEST

START_TEST(hash_chains_in_a_circle_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "libsysv_hash.so");
    uint64_t place = fixture_section(&f, ".hash")->sh_offset;
    uint32_t *words = (uint32_t *)(void *)(f.bytes + place);
    uint32_t *chains = words + 2 + words[0];
    for (uint32_t i = 1; i < words[1]; i++)
        chains[i] = i;
    check_refused(&f, PATCH_MALFORMED, place);
    for (uint32_t i = 1; i < words[1]; i++)
        chains[i] = UINT32_MAX;
    check_refused(&f, PATCH_MALFORMED, place);
    fixture_finish(&f);
}
END_TEST

START_TEST(tables_that_share_bytes_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    /* Versions inside the symbols: two edits would meet. */
    fixture_dynamic(&f, DT_VERSYM)->d_un.d_ptr = fixture_dynamic(&f, DT_SYMTAB)->d_un.d_ptr;
    struct image *image = fixture_parse(&f);
    uint32_t symbol = fixture_symbol(image, "recv");
    uint64_t names = image->symbols.address + symbol * sizeof(Elf64_Sym);
    image_destroy(image);
    fixture_dynamic(&f, DT_VERSYM)->d_un.d_ptr = names - symbol * 2;
    struct patch_error error = fixture_refusal(&f, &fixture_options);
    check_code(&error, PATCH_MALFORMED);
    fixture_finish(&f);
}
END_TEST

START_TEST(imports_with_the_prefix_but_without_the_runtime_belong_to_another_one)
{
    struct fixture f, patched;
    struct patch_options options = fixture_options;

    fixture_load(&f, "liblazy.so");
    fixture_patch(&f, &fixture_options, &patched);
    options.runtime = "libother.so.1";
    struct patch_error error = fixture_refusal(&patched, &options);
    check_code(&error, PATCH_OTHER_RUNTIME);
    fixture_finish(&patched);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_library_with_nothing_to_redirect_is_nothing_to_do)
{
    struct fixture f;
    struct patch_error error;
    struct imports imports;
    struct plan plan;

    fixture_load(&f, "libplain.so");
    struct image *image = fixture_parse(&f);
    ck_assert(imports_collect(image, &fixture_options, &imports, &error));
    ck_assert_uint_eq(imports.count, 0); /* its own recv is defined, not imported */
    ck_assert_int_eq(plan_make(image, &imports, &fixture_options, &plan, &error), PATCH_NOTHING);
    plan_finish(&plan);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(edits_are_ascending_and_apart)
{
    struct fixture f;
    struct patch_error error;
    struct imports imports;
    struct plan plan;

    fixture_load(&f, "libboth_hashes.so");
    struct image *image = fixture_parse(&f);
    ck_assert(imports_collect(image, &fixture_options, &imports, &error));
    ck_assert_int_eq(plan_make(image, &imports, &fixture_options, &plan, &error), PATCH_READY);
    for (size_t i = 1; i < plan.edit_count; i++)
        ck_assert_uint_ge(plan.edits[i].offset, plan.edits[i - 1].offset + plan.edits[i - 1].size);
    ck_assert_str_eq(plan.needed_slot, "spare");
    ck_assert_uint_eq(plan.tail[plan.tail_size - 1], 0);
    ck_assert_uint_le(plan.table_size, plan.place.capacity);
    plan_finish(&plan);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        libc_the_loader_and_what_the_runtime_needs_are_protected,
        a_library_of_another_libc_is_refused,
        the_runtime_is_protected_by_its_exports_and_by_its_name,
        a_payload_behind_the_file_is_refused_unless_asked_for,
        zeros_behind_the_file_are_padding,
        a_copy_relocation_of_a_wanted_name_is_unsupported,
        the_address_of_a_plt_entry_as_the_functions_own_is_unsupported,
        without_any_slot_for_dt_needed_there_is_a_refusal,
        flags_that_are_said_twice_make_room_for_dt_needed,
        a_bss_above_the_limit_is_no_room,
        a_name_behind_dynstr_is_malformed,
        a_relocation_of_a_symbol_that_does_not_exist_is_malformed,
        hash_chains_in_a_circle_are_malformed,
        tables_that_share_bytes_are_malformed,
        imports_with_the_prefix_but_without_the_runtime_belong_to_another_one,
        a_library_with_nothing_to_redirect_is_nothing_to_do,
        edits_are_ascending_and_apart,
    };
    return FIXTURE_RUN("plan", tests);
}
