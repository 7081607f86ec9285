/* SPDX-License-Identifier: MIT
 *
 * RECORD lists: quotes, rows that stay as they were, and lists that are none.
 */
#include "digest.h"
#include "record.h"
#include "run_suite.h"

#include <stdlib.h>
#include <string.h>

static struct record parse(const char *text)
{
    struct record record;
    char reason[80] = "";

    ck_assert_msg(record_parse(&record, text, strlen(text), reason, sizeof(reason)), "%s", reason);
    return record;
}

static void refuse(const char *text, size_t size, const char *expected)
{
    struct record record;
    char reason[80];

    ck_assert(!record_parse(&record, text, size, reason, sizeof(reason)));
    ck_assert_str_eq(reason, expected);
    ck_assert_ptr_null(record.rows);
}

static void check_written(const struct record *record, const char *expected)
{
    size_t size;
    char *text = record_write(record, &size);

    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(size, strlen(expected));
    free(text);
}

START_TEST(rows_that_nobody_changes_keep_their_bytes)
{
    static const char text[] = "a.py,sha256=abc,3\r\n\"b\"\".py\",,\nc,md5=x,\n";
    struct record record = parse(text);

    ck_assert_uint_eq(record.count, 3);
    ck_assert_str_eq(record.rows[1].path, "b\".py");
    check_written(&record, text);
    record_finish(&record);
}
END_TEST

START_TEST(changed_and_added_rows_are_written_anew)
{
    struct record record = parse("a,,\n\"b, \"\"c\"\"\",sha256=old,1\nd,,");

    ck_assert(record_set(record_find(&record, "b, \"c\""), "sha256=new", 22));
    ck_assert(record_add(&record, "e", "sha256=e", 5));
    check_written(&record, "a,,\n\"b, \"\"c\"\"\",sha256=new,22\nd,,\ne,sha256=e,5\n");
    record_finish(&record);
}
END_TEST

START_TEST(changed_rows_keep_the_end_of_their_line)
{
    struct record record = parse("a,sha256=a,1\r\nb,sha256=b,2\nc,sha256=c,3");

    ck_assert(record_set(record_find(&record, "a"), "sha256=x", 11));
    ck_assert(record_set(record_find(&record, "b"), "sha256=y", 22));
    ck_assert(record_set(record_find(&record, "c"), "sha256=z", 33));
    check_written(&record, "a,sha256=x,11\r\nb,sha256=y,22\nc,sha256=z,33");
    record_finish(&record);
}
END_TEST

START_TEST(dropped_rows_are_left_out)
{
    struct record record = parse("a,,\nb,,\n");

    record_find(&record, "a")->dropped = true;
    check_written(&record, "b,,\n");
    record_finish(&record);
}
END_TEST

START_TEST(rows_are_found_by_path)
{
    struct record record = parse("z,,1\nm,,2\na,,3\n\nb,,4\n");

    ck_assert_str_eq(record_find(&record, "a")->size, "3");
    ck_assert_str_eq(record_find(&record, "z")->size, "1");
    ck_assert_str_eq(record_find(&record, "b")->size, "4");
    ck_assert_ptr_null(record_find(&record, "c"));
    ck_assert_ptr_null(record_find(&record, ""));
    record_finish(&record);
}
END_TEST

START_TEST(empty_list_is_a_list)
{
    struct record record = parse("");

    ck_assert_ptr_null(record_find(&record, "a"));
    check_written(&record, "");
    record_finish(&record);
}
END_TEST

START_TEST(what_is_no_list_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        const char *reason;
    } wrong[] = {
        {"a\n", "line 1: there are not three fields"},
        {"a,,\nb,\n", "line 2: there are not three fields"},
        {"a,b=c,1,2\n", "line 1: there are not three fields"},
        {"\"a,,\n", "line 1: a quote is wrong"},
        {"\"a\"b,,\n", "line 1: a quote is wrong"},
        {"a,,\n\n,,\n", "line 3: the path is empty"},
        {"a,abc,1\n", "line 1: the hash has no algorithm"},
        {"a,,x\n", "line 1: the size is no number"},
        {"a,,\nb,,\na,,\n", "a path stands there twice"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(wrong[i].text, strlen(wrong[i].text), wrong[i].reason);
    refuse("a,,\n\0", 5, "it contains a NUL byte");
}
END_TEST

START_TEST(every_cut_is_survived)
{
    static const char text[] = "\"a, \"\"b\"\"\",sha256=abc,3\r\nc,,\n\"d\",sha256=x,9\n";

    for (size_t size = 0; size < sizeof(text); size++) {
        char *copy = malloc(size + 1);
        struct record record;
        char reason[80];

        memcpy(copy, text, size);
        if (record_parse(&record, copy, size, reason, sizeof(reason)))
            record_finish(&record);
        free(copy);
    }
}
END_TEST

START_TEST(digest_is_that_of_the_standard)
{
    char text[DIGEST_TEXT];
    struct digest digest;

    digest_init(&digest);
    digest_update(&digest, "a", 1);
    digest_update(&digest, "bc", 2);
    digest_finish(&digest, text);
    ck_assert_str_eq(text, "sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    ck_assert_uint_eq(digest.size, 3);
}
END_TEST

START_TEST(digest_of_a_file_that_is_none_fails)
{
    char text[DIGEST_TEXT];
    uint64_t size;

    ck_assert(!digest_file("/nonexistent", text, &size));
    ck_assert(!digest_file("/", text, &size));
    ck_assert(digest_file("/dev/null", text, &size));
    ck_assert_uint_eq(size, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        rows_that_nobody_changes_keep_their_bytes,
        changed_and_added_rows_are_written_anew,
        changed_rows_keep_the_end_of_their_line,
        dropped_rows_are_left_out,
        rows_are_found_by_path,
        empty_list_is_a_list,
        what_is_no_list_is_refused_with_its_line,
        every_cut_is_survived,
        digest_is_that_of_the_standard,
        digest_of_a_file_that_is_none_fails,
    };

    return run_suite("record", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
