/* SPDX-License-Identifier: MIT
 *
 * Which symbols count as imports, and the relocations that follow them.
 */
#include "fixture.h"

#include <string.h>

static void collect(const struct image *image, const struct patch_options *options,
                    struct imports *imports)
{
    struct patch_error error = {0};

    ck_assert_msg(imports_collect(image, options, imports, &error), "%s", error.reason);
}

START_TEST(only_undefined_functions_in_the_list_are_imports)
{
    struct fixture f;
    struct imports imports;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.count, 3); /* getpid is imported, but not in the list */
    ck_assert_uint_eq(imports.pending, 3);
    ck_assert_uint_eq(imports.redirected, 0);
    ck_assert(!imports.runtime_needed && !imports.exports_prefix);
    for (size_t i = 0; i < imports.count; i++)
        ck_assert_uint_eq(image_symbol(image, imports.items[i].symbol).st_shndx, SHN_UNDEF);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(undefined_data_of_the_same_name_is_no_import)
{
    struct fixture f;
    struct imports imports;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    Elf64_Sym *symbol =
        (Elf64_Sym *)(void *)(f.bytes + image_symbol_offset(image, fixture_symbol(image, "recv")));
    symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.count, 2);
    imports_finish(&imports);
    symbol->st_info = ELF64_ST_INFO(STB_WEAK, STT_NOTYPE);
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.count, 3);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* Every version of libc that liblazy.so needs becomes one of another library. */
START_TEST(a_function_versioned_for_another_library_is_no_import)
{
    static const char ours[] = "GLIBC_";
    struct fixture f;
    struct imports imports;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    uint8_t *strings = f.bytes + image->strings.offset;
    for (uint8_t *at = strings; at != NULL;) {
        at = memmem(at, (size_t)(strings + image->strings.size - at), ours, strlen(ours));
        if (at != NULL)
            *at = 'F';
    }
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.count, 0);
    ck_assert_uint_eq(imports.pending, 0);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(relocations_are_grouped_by_import_and_sorted_by_slot)
{
    struct fixture f;
    struct imports imports;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    collect(image, &fixture_options, &imports);
    size_t total = 0;
    for (size_t i = 0; i < imports.count; i++) {
        const struct import *import = &imports.items[i];
        ck_assert_uint_gt(import->relocation_count, 0);
        for (size_t k = 0; k < import->relocation_count; k++) {
            ck_assert_uint_eq(import->relocations[k].import, i);
            if (k > 0)
                ck_assert_uint_gt(import->relocations[k].address,
                                  import->relocations[k - 1].address);
        }
        total += import->relocation_count;
    }
    ck_assert_uint_eq(total, imports.relocation_count);
    ck_assert_uint_eq(total, 5);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(plt_relocations_inside_the_other_table_count_once)
{
    struct fixture f;
    struct imports imports;

    fixture_load(&f, "liblazy.so");
    /* As some linkers do it: DT_RELASZ covers both tables, which follow each other. */
    const Elf64_Shdr *plt = fixture_section(&f, ".rela.plt");
    const Elf64_Shdr *all = fixture_section(&f, ".rela.dyn");
    ck_assert_uint_eq(all->sh_offset + all->sh_size, plt->sh_offset);
    fixture_dynamic(&f, DT_RELASZ)->d_un.d_val += plt->sh_size;
    struct image *image = fixture_parse(&f);
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.relocation_count, 5);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(imports_that_are_redirected_already_are_kept_apart)
{
    struct fixture original, patched;
    struct imports imports;
    static const char *const only_recv[] = {"recv", NULL};
    struct patch_options options = fixture_options;

    options.functions = only_recv;
    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &options, &patched);
    struct image *image = fixture_parse(&patched);
    collect(image, &fixture_options, &imports);
    ck_assert_uint_eq(imports.count, 3);
    ck_assert_uint_eq(imports.redirected, 1);
    ck_assert_uint_eq(imports.pending, 2);
    ck_assert(imports.runtime_needed);
    imports_finish(&imports);
    image_destroy(image);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        only_undefined_functions_in_the_list_are_imports,
        undefined_data_of_the_same_name_is_no_import,
        a_function_versioned_for_another_library_is_no_import,
        relocations_are_grouped_by_import_and_sorted_by_slot,
        plt_relocations_inside_the_other_table_count_once,
        imports_that_are_redirected_already_are_kept_apart,
    };
    return FIXTURE_RUN("imports", tests);
}
