/* SPDX-License-Identifier: MIT
 *
 * Reading a file piece by piece, also one that somebody else changes meanwhile.
 */
#include "fixture.h"
#include "io/source.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1000003 };

/* A file of SIZE bytes, each of which follows from its place. */
static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 131 + offset / 251 + 1);
}

static int make_file(void)
{
    struct fixture content = {malloc(SIZE), SIZE};

    for (uint64_t i = 0; i < SIZE; i++)
        content.bytes[i] = byte_at(i);
    fixture_write(&content, fixture_temporary("file"));
    fixture_finish(&content);
    int fd = open(fixture_temporary("file"), O_RDWR);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void expect_bytes(const uint8_t *bytes, uint64_t offset, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        ck_assert_msg(bytes[i] == byte_at(offset + i), "at %lu", (unsigned long)(offset + i));
}

/* Whether reading the byte in another process ends that. */
static bool faults(const struct source *source, uint64_t offset)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        _exit(*(const volatile uint8_t *)(source_bytes(source) + offset) == byte_at(offset) ? 0
                                                                                            : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

START_TEST(only_what_is_loaded_is_in_memory)
{
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SIZE, SIZE);
    struct source *source;
    struct patch_error error;

    ck_assert(source_create(&reader, &source, &error));
    ck_assert(faults(source, 500000));
    ck_assert(source_load(source, 300000, 400000, &error));
    expect_bytes(source_bytes(source) + 300000, 300000, 400000);
    ck_assert(faults(source, 0));
    ck_assert(faults(source, SIZE - 1));
    /* Loaded twice, it goes with the second release only. */
    ck_assert(source_load(source, 500000, 1, &error));
    source_release(source, 300000, 400000);
    ck_assert(faults(source, 300000));
    ck_assert(!faults(source, 500000));
    source_release(source, 500000, 1);
    ck_assert(faults(source, 500000));
    source_destroy(source);
    close(fd);
}
END_TEST

START_TEST(what_is_kept_stays_whoever_releases_it)
{
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SIZE, SIZE);
    struct source *source;
    struct patch_error error;

    ck_assert(source_create(&reader, &source, &error));
    ck_assert(source_keep(source, SIZE - 10, 10, &error));
    for (int i = 0; i < 1000; i++)
        ck_assert(source_load(source, SIZE - 20, 20, &error));
    for (int i = 0; i < 2000; i++)
        source_release(source, 0, SIZE);
    expect_bytes(source_bytes(source) + SIZE - 10, SIZE - 10, 10);
    source_destroy(source);
    close(fd);
}
END_TEST

START_TEST(glances_see_every_record_in_any_order)
{
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SIZE, SIZE);
    struct source *source;
    struct patch_error error;
    unsigned seed = 5;

    ck_assert(source_create(&reader, &source, &error));
    for (int i = 0; i < 3000; i++) {
        uint64_t size = 1 + (uint64_t)rand_r(&seed) % SOURCE_RECORD;
        uint64_t offset = (uint64_t)rand_r(&seed) % (SIZE - size);
        expect_bytes(source_glance(source, offset, size), offset, size < 64 ? size : 64);
        expect_bytes(source_glance(source, offset, size) + size - 1, offset + size - 1, 1);
        if (i % 100 == 0)
            ck_assert(source_load(source, offset, size, &error));
        if (i % 300 == 0)
            source_release(source, offset, size);
    }
    ck_assert(source_sound(source, &error));
    source_destroy(source);
    close(fd);
}
END_TEST

START_TEST(a_file_that_becomes_shorter_is_an_error_and_no_fault)
{
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SIZE, SIZE);
    struct source *source;
    struct patch_error error = {0};

    ck_assert(source_create(&reader, &source, &error));
    ck_assert(source_load(source, 0, 1000, &error));
    ck_assert_int_eq(ftruncate(fd, 400000), 0);
    ck_assert(!source_load(source, 300000, 400000, &error));
    ck_assert_int_eq(error.code, PATCH_TRUNCATED);
    ck_assert_uint_eq(error.offset, 400000);
    ck_assert(faults(source, 300000));
    ck_assert(!source_sound(source, &error));
    ck_assert_int_eq(error.code, PATCH_TRUNCATED);
    source_destroy(source);
    close(fd);
}
END_TEST

START_TEST(a_glance_behind_the_new_end_sees_zeros_and_is_told_later)
{
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SIZE, SIZE);
    struct source *source;
    struct patch_error error = {0};
    static const uint8_t zeros[64];

    ck_assert(source_create(&reader, &source, &error));
    ck_assert(source_sound(source, &error));
    ck_assert_int_eq(ftruncate(fd, 400000), 0);
    ck_assert_mem_eq(source_glance(source, 900000, sizeof(zeros)), zeros, sizeof(zeros));
    source_keep_string(source, 950000, SIZE);
    ck_assert_uint_eq(source_bytes(source)[950000], 0);
    ck_assert(!source_sound(source, &error));
    ck_assert_int_eq(error.code, PATCH_TRUNCATED);
    source_destroy(source);
    close(fd);
}
END_TEST

/* Counts what is read through it. */
static unsigned reads;

static bool read_counted(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                         struct patch_error *error)
{
    struct reader file = reader_of_file(reader->fd, reader->size, reader->size);

    reads++;
    return file.read(&file, offset, to, size, error);
}

START_TEST(nothing_of_a_small_file_is_read_twice)
{
    enum { SMALL = 300000 };
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SMALL, SMALL);
    bool stays = SMALL <= SOURCE_SMALL;
    struct source *source;
    struct patch_error error;
    uint8_t bytes[100];

    reader.read = read_counted;
    reads = 0;
    ck_assert(source_create(&reader, &source, &error));
    for (unsigned i = 0; i < 10; i++) {
        const struct reader *through = source_reader(source);
        ck_assert(source_load(source, 70000, 100, &error));
        expect_bytes(source_bytes(source) + 70000, 70000, 100);
        source_release(source, 70000, 100);
        expect_bytes(source_glance(source, 70010, 100), 70010, 100);
        ck_assert(through->read(through, 70020, bytes, sizeof(bytes), &error));
        expect_bytes(bytes, 70020, sizeof(bytes));
        ck_assert_int_eq(source_memory(source, 70000, 100) != NULL, stays);
    }
    ck_assert_int_eq(reads == 1, stays);
    source_destroy(source);
    close(fd);
}
END_TEST

START_TEST(long_reads_leave_nothing_of_a_small_file_in_memory)
{
    enum { SMALL = 300000 };
    int fd = make_file();
    struct reader reader = reader_of_file(fd, SMALL, SMALL);
    uint8_t *bytes = malloc(SMALL);
    struct source *source;
    struct patch_error error;

    reader.read = read_counted;
    reads = 0;
    ck_assert(source_create(&reader, &source, &error));
    for (unsigned i = 1; i <= 3; i++) {
        const struct reader *through = source_reader(source);
        ck_assert(through->read(through, 0, bytes, SMALL, &error));
        expect_bytes(bytes, 0, SMALL);
        ck_assert_uint_eq(reads, i);
    }
    source_destroy(source);
    free(bytes);
    close(fd);
}
END_TEST

/* The same for a whole library: every length that it may have while it is read. */
START_TEST(a_library_that_becomes_shorter_is_refused_wherever_it_is_read)
{
    struct fixture original;
    struct patch_error error;
    size_t refused = 0;

    fixture_load(&original, "libboth_hashes.so");
    for (uint64_t size = 0; size < original.size; size += 509) {
        struct file file;
        struct image *image;
        struct imports imports;
        struct plan plan;
        fixture_write(&original, fixture_temporary("lib"));
        ck_assert(file_open(&file, fixture_temporary("lib"), &error));
        ck_assert_int_eq(truncate(fixture_temporary("lib"), (off_t)size), 0);
        memset(&error, 0, sizeof(error));
        if (!image_open(&file, &image, &error)) {
            ck_assert_int_eq(error.code, PATCH_TRUNCATED);
            refused++;
        } else {
            bool collected = imports_collect(image, &fixture_options, &imports, &error);
            if (collected &&
                plan_make(image, &imports, &fixture_options, &plan, &error) == PATCH_READY)
                plan_finish(&plan);
            refused += !image_sound(image, &error);
            if (collected)
                imports_finish(&imports);
            image_destroy(image);
        }
        file_finish(&file);
    }
    ck_assert_uint_gt(refused, 10);
    fixture_finish(&original);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        only_what_is_loaded_is_in_memory,
        what_is_kept_stays_whoever_releases_it,
        glances_see_every_record_in_any_order,
        a_file_that_becomes_shorter_is_an_error_and_no_fault,
        a_glance_behind_the_new_end_sees_zeros_and_is_told_later,
        nothing_of_a_small_file_is_read_twice,
        long_reads_leave_nothing_of_a_small_file_in_memory,
        a_library_that_becomes_shorter_is_refused_wherever_it_is_read,
    };
    return FIXTURE_RUN("source", tests);
}
