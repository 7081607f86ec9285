/* SPDX-License-Identifier: MIT
 *
 * Messages, lines and the JSON object.
 */
#include "capture.h"
#include "report.h"
#include "run_suite.h"
#include "settings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(message_is_one_line_with_program_and_file)
{
    struct capture capture = capture_begin(stderr);
    char *text;

    message("a.so", "%s", "cannot be");
    message(NULL, "alone");
    text = capture_end(&capture);
    ck_assert_str_eq(text, "greenify: a.so: cannot be\ngreenify: alone\n");
    free(text);
}
END_TEST

START_TEST(control_characters_are_escaped)
{
    struct capture capture = capture_begin(stderr);
    char *text;

    message("a\nb\033[1m\177", "c\rd");
    text = capture_end(&capture);
    ck_assert_str_eq(text, "greenify: a\\012b\\033[1m\\177: c\\015d\n");
    free(text);
}
END_TEST

START_TEST(failure_names_place_and_code)
{
    struct patch_error error = {
        .code = PATCH_MALFORMED,
        .table = ".dynsym[3]",
        .has_offset = true,
        .offset = 0x1234,
        .reason = "name lies outside of the string table",
    };
    struct capture capture = capture_begin(stderr);
    char *text;

    message_failure("a.so", &error);
    text = capture_end(&capture);
    ck_assert_str_eq(text, "greenify: a.so: .dynsym[3] at 0x1234: name lies outside of the string "
                           "table [malformed]\n");
    free(text);
}
END_TEST

START_TEST(quiet_and_verbose_choose_lines)
{
    static const struct {
        int verbosity;
        bool json;
        const char *text;
    } rows[] = {{-1, false, ""}, {0, false, "line\n"}, {1, false, "line\ndetail\n"}, {1, true, ""}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct report report = {.verbosity = rows[i].verbosity, .json = rows[i].json};
        struct capture capture = capture_begin(stdout);
        char *text;

        report_line(&report, "line");
        report_detail(&report, "detail");
        text = capture_end(&capture);
        ck_assert_str_eq(text, rows[i].text);
        free(text);
    }
}
END_TEST

START_TEST(json_report_is_one_object_with_its_version)
{
    struct settings settings = {.json = true};
    struct capture capture = capture_begin(stdout);
    struct report report;
    json_t *root;
    char *text;

    report_init(&report, "scan", &settings);
    report_put(&report, report_file(&report, "a\nb"), "kind", report_string(NULL));
    ck_assert_int_eq(report_finish(&report, STATUS_NOTHING), STATUS_NOTHING);
    text = capture_end(&capture);
    root = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "version")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "status")), 3);
    ck_assert_str_eq(json_string_value(json_object_get(root, "verb")), "scan");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(json_object_get(root, "files"), 0), "file")),
                     "a\nb");
    json_decref(root);
    free(text);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_replaced)
{
    static const struct {
        const char *bytes;
        const char *string;
    } rows[] = {
        {"plain", "plain"},
        {"\xc3\xa4", "\xc3\xa4"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x8c\xb1\xc0\x80", "\xf0\x9f\x8c\xb1\xef\xbf\xbd\xef\xbf\xbd"},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *string = report_string(rows[i].bytes);

        ck_assert_str_eq(json_string_value(string), rows[i].string);
        json_decref(string);
    }
}
END_TEST

START_TEST(failure_in_json_has_all_its_keys)
{
    struct patch_error error = {.code = PATCH_SYSTEM, .system_error = 2, .reason = "no such"};
    json_t *object = report_failure(&error);

    ck_assert_ptr_nonnull(object);
    ck_assert_str_eq(json_string_value(json_object_get(object, "code")), "system");
    ck_assert_str_eq(json_string_value(json_object_get(object, "reason")), "no such");
    ck_assert(json_is_string(json_object_get(object, "message")));
    ck_assert(json_is_null(json_object_get(object, "table")));
    ck_assert(json_is_null(json_object_get(object, "offset")));
    ck_assert_int_eq(json_integer_value(json_object_get(object, "errno")), 2);
    json_decref(object);
}
END_TEST

START_TEST(value_that_could_not_be_made_is_a_fault)
{
    struct settings settings = {.json = true};
    struct capture out = capture_begin(stdout);
    struct capture err = capture_begin(stderr);
    struct report report;
    char *text;

    report_init(&report, "scan", &settings);
    report_put(&report, report.root, "key", NULL);
    ck_assert_int_eq(report_finish(&report, STATUS_DONE), STATUS_FAULT);
    text = capture_end(&err);
    ck_assert_str_eq(text, "greenify: out of memory for the report\n");
    free(text);
    text = capture_end(&out);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(full_device_is_a_fault)
{
    int full = open("/dev/full", O_WRONLY);
    int saved = dup(STDOUT_FILENO);
    struct report report = {0};
    struct capture capture = capture_begin(stderr);
    enum exit_status status;
    char *text;

    ck_assert_int_ge(full, 0);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    report_line(&report, "line");
    status = report_finish(&report, STATUS_DONE);
    dup2(saved, STDOUT_FILENO);
    text = capture_end(&capture);
    ck_assert_int_eq(status, STATUS_FAULT);
    ck_assert_str_eq(text, "greenify: standard output: No space left on device\n");
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        message_is_one_line_with_program_and_file,
        control_characters_are_escaped,
        failure_names_place_and_code,
        quiet_and_verbose_choose_lines,
        json_report_is_one_object_with_its_version,
        bytes_that_are_no_utf8_are_replaced,
        failure_in_json_has_all_its_keys,
        value_that_could_not_be_made_is_a_fault,
        full_device_is_a_fault,
    };

    return run_suite("report", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
