/* SPDX-License-Identifier: MIT
 *
 * Version records: what the symbols ask for, and lists that lie.
 */
#include "elf/versions.h"
#include "fixture.h"

#include <string.h>

static Elf64_Verneed *first_need(struct fixture *f)
{
    return (Elf64_Verneed *)(void *)(f->bytes + fixture_section(f, ".gnu.version_r")->sh_offset);
}

static enum patch_code load_code(const struct fixture *f)
{
    struct versions versions;
    struct patch_error error = {0};
    struct image *image = fixture_parse(f);

    if (versions_load(image, &versions, &error))
        versions_finish(&versions);
    image_destroy(image);
    return error.code;
}

START_TEST(each_import_has_the_version_it_was_linked_with)
{
    struct fixture f;
    struct versions versions;
    struct patch_error error;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    ck_assert(versions_load(image, &versions, &error));
    ck_assert_str_eq(versions_name(&versions, image, fixture_symbol(image, "recv")), "GLIBC_2.2.5");
    ck_assert_ptr_null(versions_name(&versions, image, fixture_symbol(image, "calls_poll")));
    ck_assert_uint_eq(versions_index(image, fixture_symbol(image, "calls_poll")), VER_NDX_GLOBAL);
    versions_finish(&versions);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_file_without_versions_has_none)
{
    struct fixture f;
    struct versions versions;
    struct patch_error error;

    fixture_load(&f, "liblazy.so");
    fixture_dynamic(&f, DT_VERSYM)->d_tag = DT_DEBUG;
    fixture_dynamic(&f, DT_VERNEED)->d_tag = DT_DEBUG;
    struct image *image = fixture_parse(&f);
    ck_assert(versions_load(image, &versions, &error));
    ck_assert_ptr_null(versions_name(&versions, image, fixture_symbol(image, "recv")));
    versions_finish(&versions);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(records_outside_the_file_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    Elf64_Verneed old = *first_need(&f);
    first_need(&f)->vn_aux = 0x7fffffff;
    ck_assert_int_eq(load_code(&f), PATCH_MALFORMED);
    *first_need(&f) = old;
    fixture_dynamic(&f, DT_VERNEED)->d_un.d_ptr = 0x7fffffff;
    ck_assert_int_eq(load_code(&f), PATCH_MALFORMED);
    fixture_finish(&f);
}
END_TEST

START_TEST(names_outside_dynstr_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    Elf64_Verneed *need = first_need(&f);
    Elf64_Vernaux *aux = (Elf64_Vernaux *)(void *)((uint8_t *)need + need->vn_aux);
    aux->vna_name = 0x10000000;
    ck_assert_int_eq(load_code(&f), PATCH_MALFORMED);
    fixture_finish(&f);
}
END_TEST

/* Every head leads to the same auxiliary records: more steps than the file has room for. */
START_TEST(records_that_are_walked_again_and_again_are_malformed)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    /* A field of heads over the text: each says that its auxiliary records begin at itself. */
    const Elf64_Shdr *text = fixture_section(&f, ".text");
    const Elf64_Verneed head = {.vn_cnt = UINT16_MAX, .vn_next = sizeof(head)};
    for (uint64_t at = 0; at + sizeof(head) <= text->sh_size; at += sizeof(head))
        memcpy(f.bytes + text->sh_offset + at, &head, sizeof(head));
    fixture_dynamic(&f, DT_VERNEED)->d_un.d_ptr = text->sh_addr;
    fixture_dynamic(&f, DT_VERNEEDNUM)->d_un.d_val = UINT64_MAX;
    ck_assert_int_eq(load_code(&f), PATCH_MALFORMED);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_import_has_the_version_it_was_linked_with,
        a_file_without_versions_has_none,
        records_outside_the_file_are_malformed,
        names_outside_dynstr_are_malformed,
        records_that_are_walked_again_and_again_are_malformed,
    };
    return FIXTURE_RUN("versions", tests);
}
