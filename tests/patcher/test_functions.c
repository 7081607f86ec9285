/* SPDX-License-Identifier: MIT
 *
 * Which function covers an address: by symbols, and by what unwinding knows without them.
 */
#include "fixture.h"
#include "scan/frames.h"
#include "scan/functions.h"

#include <string.h>

static Elf64_Sym symbol_of(const struct image *image, const char *name)
{
    return image_symbol(image, fixture_symbol(image, name));
}

static void resolve(const struct image *image, struct function_place *places, size_t count)
{
    struct patch_error error;

    ck_assert(functions_resolve(image, places, count, &error));
}

static void check_covered(const struct image *image, const char *name)
{
    Elf64_Sym symbol = symbol_of(image, name);
    struct function_place places[] = {
        {.address = 0},
        {.address = symbol.st_value},
        {.address = symbol.st_value + symbol.st_size - 1},
        {.address = symbol.st_value + symbol.st_size},
        {.address = UINT64_MAX},
    };

    resolve(image, places, 5);
    for (size_t i = 1; i <= 2; i++) {
        ck_assert_str_eq(places[i].name, name);
        ck_assert_uint_eq(places[i].start, symbol.st_value);
        ck_assert_uint_eq(places[i].end, symbol.st_value + symbol.st_size);
    }
    ck_assert(places[3].name == NULL || strcmp(places[3].name, name) != 0);
    ck_assert(places[0].name == NULL && places[0].end == 0);
    ck_assert(places[4].name == NULL && places[4].end == 0);
    functions_finish(places, 5);
}

START_TEST(an_address_belongs_to_the_function_that_covers_it)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    check_covered(image, "calls_receive");
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(dynamic_symbols_do_without_section_headers)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_drop_sections(&f);
    struct image *image = fixture_parse(&f);
    check_covered(image, "calls_poll");
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_symbol_table_outside_the_file_is_not_read)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_section(&f, ".symtab")->sh_offset = UINT64_MAX - 4;
    struct image *image = fixture_parse(&f);
    check_covered(image, "calls_poll");
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* Compilers describe each function there, with its very size. */
static void check_frame(const struct image *image, const char *name)
{
    Elf64_Sym symbol = symbol_of(image, name);
    uint64_t start, end;

    ck_assert(frames_cover(image, symbol.st_value, &start, &end));
    ck_assert_uint_eq(start, symbol.st_value);
    ck_assert_uint_eq(end, symbol.st_value + symbol.st_size);
    ck_assert(frames_cover(image, end - 1, &start, &end));
    ck_assert_uint_eq(start, symbol.st_value);
    ck_assert(!frames_cover(image, UINT64_MAX, &start, &end));
    ck_assert(!frames_cover(image, 0, &start, &end));
}

START_TEST(unwinding_knows_where_functions_are)
{
    static const char *const names[] = {"liblazy.so", "libibt.so", "libaarch64.so", "libi386.so"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fixture f;
        if (!fixture_exists(names[i]))
            continue;
        fixture_load(&f, names[i]);
        struct image *image = fixture_parse(&f);
        check_frame(image, "calls_receive");
        check_frame(image, "calls_poll");
        image_destroy(image);
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(broken_unwinding_tables_cover_nothing)
{
    struct fixture f;
    uint64_t start, end;

    fixture_load(&f, "liblazy.so");
    uint64_t offset = fixture_section(&f, ".eh_frame_hdr")->sh_offset;
    uint64_t frames = fixture_section(&f, ".eh_frame")->sh_offset;
    struct image *image = fixture_parse(&f);
    uint64_t address = symbol_of(image, "calls_poll").st_value;
    for (size_t i = 0; i < 4; i++) { /* version and encodings */
        uint8_t old = f.bytes[offset + i];
        f.bytes[offset + i] = 0x7f;
        ck_assert(i == 1 || !frames_cover(image, address, &start, &end));
        f.bytes[offset + i] = old;
    }
    ck_assert(frames_cover(image, address, &start, &end));
    memset(f.bytes + offset + 8, 0xff, 4); /* more pairs than there is room for */
    ck_assert(!frames_cover(image, address, &start, &end));
    memset(f.bytes + offset + 8, 0, 4);
    ck_assert(!frames_cover(image, address, &start, &end));
    f.bytes[offset + 8] = 1;
    memset(f.bytes + frames, 0xff, fixture_section(&f, ".eh_frame")->sh_size);
    ck_assert(!frames_cover(image, address, &start, &end));
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
        unwinding_knows_where_functions_are,
        broken_unwinding_tables_cover_nothing,
    };
    return FIXTURE_RUN("functions", tests);
}
