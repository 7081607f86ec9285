/* SPDX-License-Identifier: MIT
 *
 * Recipes, read and written, against a model in memory.
 */
#include "fixture.h"
#include "io/recipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 9 << 20, PIECES = 40 };

/* One recipe, its input, and what must come out. */
struct model {
    struct recipe recipe;
    uint8_t *input;
    uint64_t input_size;
    uint8_t *output;
    uint8_t bytes[4096]; /* that the pieces show */
    unsigned seed;
};

static uint64_t below(struct model *model, uint64_t limit)
{
    uint64_t number = (uint64_t)rand_r(&model->seed) << 31 | (uint64_t)rand_r(&model->seed);

    return limit != 0 ? number % limit : 0;
}

static void add_range(struct model *model, uint64_t from, uint64_t to, uint64_t size)
{
    recipe_add_range(&model->recipe, from, to, size);
    memcpy(model->output + to, model->input + from, size);
}

static void add_pieces(struct model *model)
{
    uint64_t at = 0;

    for (int i = 0; i < PIECES; i++) {
        uint64_t size = 1 + below(model, 300);
        at += below(model, 2 * model->recipe.size / PIECES);
        if (at + size > model->recipe.size)
            break;
        uint64_t from = below(model, sizeof(model->bytes) - size);
        recipe_add_piece(&model->recipe, at, model->bytes + from, size);
        memcpy(model->output + at, model->bytes + from, size);
        at += size;
    }
}

/* An insertion of `gap` bytes at `hole`. */
static void model_init(struct model *model, unsigned seed, uint64_t size, uint64_t hole,
                       uint64_t gap)
{
    struct patch_error error;

    *model = (struct model){.seed = seed, .input_size = size};
    model->input = malloc(size + 1);
    model->output = calloc(1, size + gap + 1);
    for (uint64_t i = 0; i < size; i++)
        model->input[i] = (uint8_t)rand_r(&model->seed);
    for (size_t i = 0; i < sizeof(model->bytes); i++)
        model->bytes[i] = (uint8_t)rand_r(&model->seed);
    ck_assert(recipe_init(&model->recipe, PIECES, &error));
    model->recipe.size = size + gap;
    add_range(model, 0, 0, hole);
    add_range(model, hole, hole + gap, size - hole);
    model->recipe.copy = (struct recipe_range){size / 3, hole, gap < size / 3 ? gap / 2 : 0};
    memcpy(model->output + hole, model->input + size / 3, model->recipe.copy.size);
}

static void model_finish(struct model *model)
{
    recipe_finish(&model->recipe);
    free(model->input);
    free(model->output);
}

static void expect_reading(struct model *model, const struct reader *input)
{
    struct recipe_reader reader;
    struct patch_error error;
    uint8_t part[5000];

    recipe_reader_init(&reader, &model->recipe, input);
    for (int i = 0; i < 500; i++) {
        uint64_t size = below(model, sizeof(part));
        size = size < model->recipe.size ? size : model->recipe.size;
        uint64_t offset = below(model, model->recipe.size - size + 1);
        ck_assert(reader.reader.read(&reader.reader, offset, part, size, &error));
        ck_assert(memcmp(part, model->output + offset, size) == 0);
    }
}

static void expect_sum(const struct sum *sum, const uint8_t *bytes)
{
    uint8_t is[SUM_SIZE];
    XXH128_canonical_t whole;
    uint8_t chunks[SUM_CHUNKS][SUM_SIZE];

    for (unsigned i = 0; i < sum->count; i++) {
        uint64_t start = sum_chunk_start(sum, i);
        XXH128_canonicalFromHash(&whole,
                                 XXH3_128bits(bytes + start, sum_chunk_start(sum, i + 1) - start));
        memcpy(chunks[i], whole.digest, SUM_SIZE);
    }
    ck_assert_uint_eq(sum_chunk_start(sum, 0), 0);
    ck_assert_uint_eq(sum_chunk_start(sum, sum->count), sum->size);
    if (sum->count > 1)
        XXH128_canonicalFromHash(&whole, XXH3_128bits(chunks, sizeof(chunks)));
    sum_result(sum, is);
    ck_assert_mem_eq(is, whole.digest, SUM_SIZE);
}

static void expect_writing(struct model *model, const struct reader *input, struct sum *input_sum,
                           struct sum *output_sum)
{
    const char *path = fixture_temporary("written");
    struct patch_error error;
    struct fixture written;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert(recipe_write(&model->recipe, input, fd, input_sum, output_sum, &error));
    close(fd);
    fixture_read(&written, path);
    ck_assert_uint_eq(written.size, model->recipe.size);
    ck_assert(memcmp(written.bytes, model->output, written.size) == 0);
    fixture_finish(&written);
}

/* Every way to write, from memory and from a file. */
static void expect_all(struct model *model)
{
    struct fixture content = {model->input, model->input_size};
    struct patch_error error;

    fixture_write(&content, fixture_temporary("input"));
    int fd = open(fixture_temporary("input"), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    const struct reader inputs[2] = {
        reader_of_memory(model->input, model->input_size),
        reader_of_file(fd, model->input_size, model->input_size),
    };
    for (size_t i = 0; i < 2; i++) {
        struct sum of_input = {.size = model->input_size, .count = SUM_CHUNKS};
        struct sum of_output = {.size = model->recipe.size, .count = SUM_CHUNKS};
        struct sum plain = {.size = model->recipe.size, .count = 1};
        expect_reading(model, &inputs[i]);
        expect_writing(model, &inputs[i], NULL, NULL);
        expect_writing(model, &inputs[i], &of_input, NULL);
        expect_sum(&of_input, model->input);
        if (model->recipe.copy.size == 0) {
            expect_writing(model, &inputs[i], NULL, &of_output);
            expect_sum(&of_output, model->output);
            ck_assert(recipe_write(&model->recipe, &inputs[i], -1, NULL, &plain, &error));
            expect_sum(&plain, model->output);
        }
    }
    close(fd);
}

START_TEST(what_is_written_is_what_is_read_and_what_was_meant)
{
    static const uint64_t sizes[] = {0, 1, 15, 4096, 131072, 131073, 3000000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint64_t gap = 0; gap < 400000; gap = gap * 9 + 1) {
            struct model model;
            model_init(&model, (unsigned)(i * 100 + gap), sizes[i], sizes[i] / 2, gap);
            if (model.recipe.copy.size == 0)
                add_pieces(&model);
            ck_assert(recipe_settle(&model.recipe));
            expect_all(&model);
            model_finish(&model);
        }
    }
}
END_TEST

START_TEST(two_threads_give_the_same)
{
    struct model model;

    model_init(&model, 7, MOST, MOST / 3, 12345);
    ck_assert(recipe_settle(&model.recipe));
    expect_all(&model);
    model_finish(&model);
    model_init(&model, 8, MOST, MOST, 0);
    add_pieces(&model);
    ck_assert(recipe_settle(&model.recipe));
    expect_all(&model);
    model_finish(&model);
}
END_TEST

START_TEST(pieces_that_overlap_or_leave_the_file_are_not_settled)
{
    static const uint8_t bytes[10];
    struct recipe recipe;
    struct patch_error error;

    ck_assert(recipe_init(&recipe, 2, &error));
    recipe.size = 100;
    recipe_add_piece(&recipe, 50, bytes, 10);
    recipe_add_piece(&recipe, 41, bytes, 9);
    ck_assert(recipe_settle(&recipe));
    recipe.pieces[0].at = 42;
    ck_assert(!recipe_settle(&recipe));
    recipe.pieces[0].at = 92;
    ck_assert(!recipe_settle(&recipe));
    recipe_finish(&recipe);
}
END_TEST

/* A gigabyte of which three pages are there. */
START_TEST(holes_stay_holes)
{
    enum { SPARSE = 1 << 30 };
    static const off_t places[] = {0, 400000000, SPARSE - 100};
    const char *names[] = {"sparse", "written"};
    struct recipe recipe = {.size = SPARSE + 24};
    struct sum sum = {.size = SPARSE, .count = SUM_CHUNKS};
    struct patch_error error;
    struct stat status;
    int fds[2];
    char text[4] = "";

    for (size_t i = 0; i < 2; i++) {
        fds[i] = open(fixture_temporary(names[i]), O_RDWR | O_CREAT | O_TRUNC, 0600);
        ck_assert_int_ge(fds[i], 0);
    }
    ck_assert_int_eq(ftruncate(fds[0], SPARSE), 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pwrite(fds[0], "abc", 3, places[i]), 3);
    ck_assert_int_eq(fstat(fds[0], &status), 0);
    struct reader input = reader_of_file(fds[0], SPARSE, (uint64_t)status.st_blocks * 512);
    recipe_add_range(&recipe, 0, 0, 300000000);
    recipe_add_range(&recipe, 300000000, 300000024, SPARSE - 300000000);
    ck_assert(recipe_write(&recipe, &input, fds[1], &sum, NULL, &error));
    ck_assert_int_eq(fstat(fds[1], &status), 0);
    ck_assert_int_eq(status.st_size, SPARSE + 24);
    ck_assert_int_lt(status.st_blocks * 512, 1 << 20);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(pread(fds[1], text, 3, places[i] + (i > 0 ? 24 : 0)), 3);
        ck_assert_str_eq(text, "abc");
    }
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(an_input_that_becomes_shorter_is_an_error)
{
    struct model model;
    struct patch_error error = {0};
    struct sum sum = {.size = MOST, .count = SUM_CHUNKS};

    model_init(&model, 3, MOST, MOST, 0);
    struct fixture content = {model.input, model.input_size};
    fixture_write(&content, fixture_temporary("input"));
    int fd = open(fixture_temporary("input"), O_RDWR);
    struct reader input = reader_of_file(fd, MOST, MOST);
    ck_assert_int_eq(ftruncate(fd, MOST / 2 + 77), 0);
    ck_assert(!recipe_write(&model.recipe, &input, -1, &sum, NULL, &error));
    ck_assert_int_eq(error.code, PATCH_TRUNCATED);
    int out = open(fixture_temporary("written"), O_RDWR | O_CREAT, 0600);
    memset(&error, 0, sizeof(error));
    ck_assert(!recipe_write(&model.recipe, &input, out, NULL, NULL, &error));
    ck_assert_int_eq(error.code, PATCH_TRUNCATED);
    close(out);
    close(fd);
    model_finish(&model);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_written_is_what_is_read_and_what_was_meant,
        two_threads_give_the_same,
        pieces_that_overlap_or_leave_the_file_are_not_settled,
        holes_stay_holes,
        an_input_that_becomes_shorter_is_an_error,
    };
    return FIXTURE_RUN("recipe", tests);
}
