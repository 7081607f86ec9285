/* SPDX-License-Identifier: MIT
 *
 * Which function covers an address.
 */
#include "fixture.h"
#include "functions.h"

#include <string.h>

static Elf64_Sym symbol_of(const struct image *image, const char *name)
{
    return image_symbol(image, fixture_symbol(image, name));
}

START_TEST(an_address_belongs_to_the_function_that_covers_it)
{
    struct fixture f;
    struct functions functions;
    struct patch_error error;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    Elf64_Sym symbol = symbol_of(image, "calls_receive");
    ck_assert(functions_load(image, &functions, &error));
    ck_assert_str_eq(functions_at(&functions, symbol.st_value), "calls_receive");
    ck_assert_str_eq(functions_at(&functions, symbol.st_value + symbol.st_size - 1),
                     "calls_receive");
    const char *behind = functions_at(&functions, symbol.st_value + symbol.st_size);
    ck_assert(behind == NULL || strcmp(behind, "calls_receive") != 0);
    ck_assert_ptr_null(functions_at(&functions, 0));
    ck_assert_ptr_null(functions_at(&functions, UINT64_MAX));
    functions_finish(&functions);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(dynamic_symbols_do_without_section_headers)
{
    struct fixture f;
    struct functions functions;
    struct patch_error error;

    fixture_load(&f, "liblazy.so");
    fixture_drop_sections(&f);
    struct image *image = fixture_parse(&f);
    ck_assert(functions_load(image, &functions, &error));
    ck_assert_str_eq(functions_at(&functions, symbol_of(image, "calls_poll").st_value),
                     "calls_poll");
    functions_finish(&functions);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_symbol_table_outside_the_file_is_not_read)
{
    struct fixture f;
    struct functions functions;
    struct patch_error error;

    fixture_load(&f, "liblazy.so");
    fixture_section(&f, ".symtab")->sh_offset = UINT64_MAX - 4;
    struct image *image = fixture_parse(&f);
    ck_assert(functions_load(image, &functions, &error));
    ck_assert_str_eq(functions_at(&functions, symbol_of(image, "calls_poll").st_value),
                     "calls_poll");
    functions_finish(&functions);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_address_belongs_to_the_function_that_covers_it,
        dynamic_symbols_do_without_section_headers,
        a_symbol_table_outside_the_file_is_not_read,
    };
    return FIXTURE_RUN("functions", tests);
}
