/* SPDX-License-Identifier: MIT
 *
 * Places for the table: which there are, in which order, and how much fits.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* Without the last resort, which serves nearly everything. */
static struct layout_place *candidates(const struct image *image, size_t *count)
{
    struct patch_options options = fixture_options;
    struct layout_place *places;
    struct patch_error error;

    options.no_new_segment = true;
    ck_assert(layout_candidates(image, &options, &places, count, &error));
    return places;
}

/* The last candidate of all. */
static bool last_resort(const struct image *image, const struct patch_options *options,
                        struct layout_place *place, struct patch_error *error)
{
    struct layout_place *places;
    size_t count;

    ck_assert(layout_candidates(image, options, &places, &count, error));
    bool found = count > 0 && places[count - 1].layout == PATCH_LAYOUT_NEW_SEGMENT;
    if (found)
        *place = places[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        ck_assert_int_ne(places[i].layout, PATCH_LAYOUT_NEW_SEGMENT);
    free(places);
    return found;
}

START_TEST(caves_come_before_the_extension_and_executable_ones_last)
{
    struct fixture f;
    size_t count;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    struct layout_place *places = candidates(image, &count);
    ck_assert_uint_ge(count, 3);
    ck_assert_int_eq(places[count - 1].layout, PATCH_LAYOUT_EXTENSION);
    bool executable = false;
    for (size_t i = 0; i + 1 < count; i++) {
        uint32_t flags = image->segments[places[i].segment].p_flags;
        ck_assert_int_eq(places[i].layout, PATCH_LAYOUT_CAVE);
        ck_assert_uint_eq(flags & PF_W, 0);
        ck_assert(!executable || (flags & PF_X) != 0);
        executable = (flags & PF_X) != 0;
    }
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_cave_is_zeros_that_no_header_and_no_page_needs)
{
    struct fixture f;
    size_t count;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    struct layout_place *places = candidates(image, &count);
    for (size_t i = 0; i + 1 < count; i++) {
        const struct layout_place *place = &places[i];
        for (uint64_t k = 0; k < place->capacity; k++)
            ck_assert_uint_eq(f.bytes[place->offset + k], 0);
        for (size_t s = 0; s < image->section_count; s++)
            if (image->sections[s].sh_type != SHT_NOBITS && image->sections[s].sh_size != 0)
                ck_assert(image->sections[s].sh_offset >= place->offset + place->capacity ||
                          image->sections[s].sh_offset + image->sections[s].sh_size <=
                              place->offset);
        for (size_t s = 0; s < image->segment_count; s++)
            if (image->segments[s].p_type == PT_LOAD && s != place->segment &&
                image->segments[s].p_vaddr > place->address)
                ck_assert_uint_ge(image->segments[s].p_vaddr & ~(uint64_t)0xfff,
                                  place->address + place->capacity);
    }
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(padding_with_other_bytes_is_no_cave)
{
    struct fixture f;
    size_t count;

    fixture_load(&f, "liblazy.so");
    fixture_fill_caves(&f);
    struct image *image = fixture_parse(&f);
    struct layout_place *places = candidates(image, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(places[0].layout, PATCH_LAYOUT_EXTENSION);
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_table_that_is_larger_than_the_cave_does_not_fit)
{
    struct fixture f;
    size_t count;

    fixture_load(&f, "liblazy.so");
    struct image *image = fixture_parse(&f);
    struct layout_place *places = candidates(image, &count);
    ck_assert(layout_fit(image, &places[0], places[0].capacity));
    ck_assert(!layout_fit(image, &places[0], places[0].capacity + 1));
    ck_assert(!layout_fit(image, &places[count - 1], UINT64_MAX / 2));
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(the_extension_lies_behind_bss_and_congruent_to_its_address)
{
    struct fixture f;
    size_t count;

    fixture_load(&f, "libbss.so");
    struct image *image = fixture_parse(&f);
    struct layout_place *places = candidates(image, &count);
    struct layout_place *place = &places[count - 1];
    ck_assert(layout_fit(image, place, 1001));
    const Elf64_Phdr *s = &image->segments[place->segment];
    ck_assert_uint_ge(place->address, s->p_vaddr + s->p_memsz);
    ck_assert_uint_eq(place->address - s->p_vaddr, place->offset - s->p_offset);
    ck_assert_uint_ge(place->insertion_size, s->p_memsz - s->p_filesz + 1001);
    ck_assert_uint_eq(place->insertion_offset, s->p_offset + s->p_filesz);
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *section = &image->sections[i];
        bool behind = section->sh_offset >= place->insertion_offset &&
                      section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL;
        ck_assert_int_eq(layout_moves_section(image, place, i), behind);
    }
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(something_across_the_end_of_the_last_segment_forbids_the_extension)
{
    struct fixture f;
    struct layout_place *places;
    struct patch_error error = {0};
    struct patch_options options = fixture_options;
    size_t count;

    options.no_new_segment = true;
    fixture_load(&f, "libno_cave.so");
    Elf64_Shdr *comment = fixture_section(&f, ".comment");
    comment->sh_offset -= 8;
    comment->sh_size += 8;
    struct image *image = fixture_parse(&f);
    ck_assert(layout_candidates(image, &options, &places, &count, &error));
    ck_assert(count == 0 || places[count - 1].layout == PATCH_LAYOUT_CAVE);
    ck_assert_int_eq(error.code, PATCH_NO_ROOM);
    ck_assert_uint_eq(error.offset, fixture_offset(&f, fixture_segment(&f, PT_LOAD, 1)));
    free(places);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* --- new segment -------------------------------------------------------------------------------
 */

START_TEST(a_new_segment_is_the_last_resort_and_can_be_forbidden)
{
    struct patch_options options = fixture_options;
    struct patch_error error = {0};
    struct layout_place place;
    struct fixture f;

    fixture_load(&f, "liblarge_bss.so");
    struct image *image = fixture_parse(&f);
    ck_assert(last_resort(image, &options, &place, &error));
    options.no_new_segment = true;
    ck_assert(!last_resort(image, &options, &place, &error));
    ck_assert_int_eq(error.code, PATCH_NO_ROOM);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_new_segment_lies_behind_all_pages_and_agrees_modulo_the_largest)
{
    static const uint64_t pages[] = {0x1000, 0x10000, 0x200000};

    for (size_t i = 0; i < 3; i++) {
        struct patch_error error = {0};
        struct layout_place place;
        struct fixture f;

        fixture_load(&f, "liblarge_bss.so");
        fixture_segment(&f, PT_LOAD, 0)->p_align = pages[i];
        struct image *image = fixture_parse(&f);
        const Elf64_Phdr *last = fixture_segment(&f, PT_LOAD, 1);
        ck_assert_uint_eq(layout_largest_page(image), pages[i]);
        ck_assert(last_resort(image, &fixture_options, &place, &error));
        ck_assert(layout_fit(image, &place, 1001));
        ck_assert_uint_eq(place.segment, 2);
        ck_assert_uint_eq(place.insertion_offset, f.size);
        ck_assert_uint_eq(place.address % pages[i], place.offset % pages[i]);
        ck_assert_uint_ge(place.address / pages[i] * pages[i], last->p_vaddr + last->p_memsz);
        ck_assert_uint_lt(place.address - last->p_vaddr - last->p_memsz, 3 * pages[i]);
        ck_assert_uint_ge(place.headers_offset, place.offset + 1001);
        ck_assert_uint_eq(place.headers_offset % 8, 0);
        ck_assert_uint_eq(place.headers_address - place.address,
                          place.headers_offset - place.offset);
        image_destroy(image);
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(a_new_segment_keeps_off_as_far_as_the_longest_symbol_is)
{
    struct patch_error error = {0};
    struct layout_place place;
    struct fixture f;

    fixture_load(&f, "liblarge_bss.so");
    struct image *image = fixture_parse(&f);
    uint64_t symbol = image_symbol_offset(image, fixture_symbol(image, "calls_poll"));
    struct codec_place size = {offsetof(Elf64_Sym, st_size), 8};
    codec_put_number(image->codec, f.bytes + symbol + size.offset, size.width, 1234567);
    ck_assert(last_resort(image, &fixture_options, &place, &error));
    const Elf64_Phdr *last = fixture_segment(&f, PT_LOAD, 1);
    ck_assert_uint_ge(place.address, last->p_vaddr + last->p_memsz + 1234567);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* Kernels before 5.18 tell a program that its headers are where this difference says. */
START_TEST(the_new_table_of_a_program_is_where_old_kernels_look_for_it)
{
    struct patch_options options = fixture_options;
    struct patch_error error = {0};
    struct layout_place place;
    struct fixture f;

    fixture_load(&f, "program_pie");
    fixture_move_headers(&f, fixture_header(&f)->e_phnum);
    struct image *image = fixture_parse(&f);
    ck_assert(last_resort(image, &options, &place, &error));
    ck_assert(layout_fit(image, &place, 1001));
    const Elf64_Phdr *first = fixture_segment(&f, PT_LOAD, 0);
    const Elf64_Phdr *last = fixture_segment(&f, PT_LOAD, 3);
    ck_assert_uint_eq(place.headers_address - place.headers_offset,
                      first->p_vaddr - first->p_offset);
    ck_assert_uint_ge(place.address, last->p_vaddr + last->p_memsz);
    image_destroy(image);

    fixture_segment(&f, PT_LOAD, 3)->p_memsz = 1 << 20;
    options.bss_limit = 1 << 19;
    image = fixture_parse(&f);
    ck_assert(!last_resort(image, &options, &place, &error));
    ck_assert_int_eq(error.code, PATCH_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(error.reason, "hole"));
    options.bss_limit = 1 << 21;
    ck_assert(last_resort(image, &options, &place, &error));
    ck_assert_uint_ge(place.offset, 1 << 20);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_table_of_the_most_program_headers_cannot_grow)
{
    struct patch_error error = {0};
    struct layout_place place;
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_move_headers(&f, 1024);
    struct image *image = fixture_parse(&f);
    ck_assert(!last_resort(image, &fixture_options, &place, &error));
    ck_assert_int_eq(error.code, PATCH_NO_ROOM);
    ck_assert_uint_eq(error.offset, image->header.e_phoff);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(layouts_have_names)
{
    ck_assert_str_eq(patch_layout_name(PATCH_LAYOUT_NONE), "none");
    ck_assert_str_eq(patch_layout_name(PATCH_LAYOUT_CAVE), "cave");
    ck_assert_str_eq(patch_layout_name(PATCH_LAYOUT_EXTENSION), "extension");
    ck_assert_str_eq(patch_layout_name(PATCH_LAYOUT_NEW_SEGMENT), "new-segment");
    ck_assert_str_eq(patch_layout_name((enum patch_layout)9), "unknown");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        caves_come_before_the_extension_and_executable_ones_last,
        a_cave_is_zeros_that_no_header_and_no_page_needs,
        padding_with_other_bytes_is_no_cave,
        a_table_that_is_larger_than_the_cave_does_not_fit,
        the_extension_lies_behind_bss_and_congruent_to_its_address,
        something_across_the_end_of_the_last_segment_forbids_the_extension,
        a_new_segment_is_the_last_resort_and_can_be_forbidden,
        a_new_segment_lies_behind_all_pages_and_agrees_modulo_the_largest,
        a_new_segment_keeps_off_as_far_as_the_longest_symbol_is,
        the_new_table_of_a_program_is_where_old_kernels_look_for_it,
        a_table_of_the_most_program_headers_cannot_grow,
        layouts_have_names,
    };
    return FIXTURE_RUN("layout", tests);
}
