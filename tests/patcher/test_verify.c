/* SPDX-License-Identifier: MIT
 *
 * The table of checks: a patched file passes, and each way of breaking it is found by its check.
 */
#include "fixture.h"

#include <string.h>

struct seen {
    const char *fault; /* name of the first check that failed */
    char detail[400];
    size_t passed, skipped;
};

static void note(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    struct seen *seen = context;

    seen->passed += verdict == PATCH_PASS;
    seen->skipped += verdict == PATCH_SKIPPED;
    if (verdict != PATCH_FAULT || seen->fault != NULL)
        return;
    seen->fault = name;
    strncpy(seen->detail, detail, sizeof(seen->detail) - 1);
}

static bool verify(const struct fixture *f, struct seen *seen)
{
    struct patch_error error = {0};
    bool sound = false;
    const char *path = fixture_temporary("a.so");

    memset(seen, 0, sizeof(*seen));
    fixture_write(f, path);
    ck_assert_msg(patch_verify(path, &fixture_options, note, seen, &sound, &error), "%s",
                  error.reason);
    ck_assert_int_eq(sound, seen->fault == NULL);
    return sound;
}

static void check_fault(const struct fixture *f, const char *check)
{
    struct seen seen;

    ck_assert_msg(!verify(f, &seen), "%s found nothing", check);
    ck_assert_str_eq(seen.fault, check);
    ck_assert_str_ne(seen.detail, "");
}

static void load_patched(struct fixture *f, const char *name)
{
    struct fixture original;

    fixture_load(&original, name);
    fixture_patch(&original, &fixture_options, f);
    fixture_finish(&original);
}

START_TEST(patched_files_are_sound)
{
    static const char *const names[] = {"liblazy.so",   "libbss.so",     "libboth_hashes.so",
                                        "libno_plt.so", "libtls_bss.so", "libibt.so"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fixture f;
        struct seen seen;
        load_patched(&f, names[i]);
        ck_assert_msg(verify(&f, &seen), "%s: %s: %s", names[i], seen.fault, seen.detail);
        ck_assert_uint_gt(seen.passed, 10);
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(an_unpatched_file_is_not_redirected)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    check_fault(&f, "redirected");
    fixture_finish(&f);
}
END_TEST

START_TEST(sections_that_disagree_with_segments_are_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    Elf64_Shdr *text = fixture_section(&f, ".text");
    text->sh_offset += 16;
    check_fault(&f, "sections");
    text->sh_offset = f.size;
    check_fault(&f, "sections");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_segment_that_shows_other_bytes_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    fixture_segment(&f, PT_GNU_EH_FRAME, 0)->p_offset += 8;
    check_fault(&f, "segments");
    fixture_finish(&f);
}
END_TEST

/* As mold writes it where .tbss is the first that becomes read-only. */
START_TEST(a_relro_that_begins_before_its_segment_is_sound)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    Elf64_Phdr *relro = fixture_segment(&f, PT_GNU_RELRO, 0);
    relro->p_vaddr -= 4;
    relro->p_memsz += 4;
    relro->p_offset = 0;
    ck_assert_msg(verify(&f, &seen), "%s: %s", seen.fault, seen.detail);
    relro->p_vaddr += 4;
    relro->p_offset = 8;
    check_fault(&f, "segments");
    fixture_finish(&f);
}
END_TEST

/* As lld 19 and later write it, with .relro_padding behind what is in the file. */
START_TEST(a_relro_that_ends_behind_its_segment_is_sound)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    Elf64_Phdr *relro = fixture_segment(&f, PT_GNU_RELRO, 0);
    relro->p_memsz += 0x80;
    relro->p_filesz = relro->p_memsz;
    ck_assert_msg(verify(&f, &seen), "%s: %s", seen.fault, seen.detail);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_string_table_section_left_behind_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    fixture_section(&f, ".dynstr")->sh_size -= 1;
    check_fault(&f, "string-table");
    fixture_finish(&f);
}
END_TEST

START_TEST(an_unknown_version_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint64_t place = image->versions.offset + 2 * fixture_symbol(image, "greenify_recv");
    image_destroy(image);
    f.bytes[place] = 77;
    check_fault(&f, "symbol-versions");
    f.bytes[place] = 2; /* that of libc */
    check_fault(&f, "unversioned");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_stale_hash_table_is_found)
{
    struct fixture original, f;

    fixture_load(&original, "libsysv_hash.so");
    load_patched(&f, "libsysv_hash.so");
    const Elf64_Shdr *hash = fixture_section(&f, ".hash");
    memcpy(f.bytes + hash->sh_offset, original.bytes + hash->sh_offset, hash->sh_size);
    check_fault(&f, "hash");
    fixture_finish(&f);
    fixture_finish(&original);
}
END_TEST

START_TEST(a_defined_symbol_that_is_not_found_by_its_name_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint64_t place = image_symbol_offset(image, fixture_symbol(image, "calls_poll"));
    image_destroy(image);
    ((Elf64_Sym *)(void *)(f.bytes + place))->st_name += 1;
    check_fault(&f, "gnu-hash");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_slot_outside_memory_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    const Elf64_Shdr *section = fixture_section(&f, ".rela.plt");
    Elf64_Rela *relocations = (Elf64_Rela *)(void *)(f.bytes + section->sh_offset);
    for (size_t i = 0; i < section->sh_size / sizeof(*relocations); i++)
        relocations[i].r_offset = 0x70000000;
    check_fault(&f, "relocations");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_missing_runtime_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint64_t last = 0;
    for (size_t i = 0; i < image->dynamic_count; i++)
        if (image->dynamic[i].d_tag == DT_NEEDED)
            last = image_dynamic_offset(image, &image->dynamic[i]);
    image_destroy(image);
    ((Elf64_Dyn *)(void *)(f.bytes + last))->d_tag = DT_DEBUG;
    check_fault(&f, "runtime-needed");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_dynamic_name_behind_dynstr_is_found)
{
    struct fixture f;

    load_patched(&f, "liblazy.so");
    fixture_dynamic(&f, DT_SONAME)->d_un.d_val = 1 << 20;
    check_fault(&f, "dynamic-names");
    fixture_finish(&f);
}
END_TEST

START_TEST(an_edited_file_is_sound_though_it_cannot_be_reverted)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    f.bytes[fixture_section(&f, ".comment")->sh_offset] ^= 1;
    ck_assert(verify(&f, &seen));
    fixture_finish(&f);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error_not_a_verdict)
{
    struct patch_error error;
    bool sound;

    ck_assert(!patch_verify("/", &fixture_options, NULL, NULL, &sound, &error));
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        patched_files_are_sound,
        an_unpatched_file_is_not_redirected,
        sections_that_disagree_with_segments_are_found,
        a_segment_that_shows_other_bytes_is_found,
        a_relro_that_begins_before_its_segment_is_sound,
        a_relro_that_ends_behind_its_segment_is_sound,
        a_string_table_section_left_behind_is_found,
        an_unknown_version_is_found,
        a_stale_hash_table_is_found,
        a_defined_symbol_that_is_not_found_by_its_name_is_found,
        a_slot_outside_memory_is_found,
        a_missing_runtime_is_found,
        a_dynamic_name_behind_dynstr_is_found,
        an_edited_file_is_sound_though_it_cannot_be_reverted,
        a_file_that_cannot_be_read_is_an_error_not_a_verdict,
    };
    return FIXTURE_RUN("verify", tests);
}
