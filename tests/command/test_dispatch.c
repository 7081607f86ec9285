/* SPDX-License-Identifier: MIT
 *
 * Which verb a command line means; what each verb's row says.
 */
#include "capture.h"
#include "command.h"
#include "option.h"
#include "run_suite.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const verbs[] = {"patch", "scan", "verify", "revert", "hooks", "tree", "wheel"};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))
enum { MAX_ARGUMENTS = 8 };

/* Runs the whole command; what it prints goes to *out and *err, which the caller frees. */
static enum exit_status run(const char *const *arguments, char **out, char **err)
{
    static char words[MAX_ARGUMENTS][64];
    char *argv[MAX_ARGUMENTS + 1] = {words[0]};
    struct capture capture_out = capture_begin(stdout);
    struct capture capture_err = capture_begin(stderr);
    enum exit_status status;
    int count = 1;

    for (; *arguments != NULL && count < MAX_ARGUMENTS; arguments++, count++) {
        snprintf(words[count], sizeof(words[count]), "%s", *arguments);
        argv[count] = words[count];
    }
    status = command_main(count, argv);
    *err = capture_end(&capture_err);
    *out = capture_end(&capture_out);
    return status;
}

static void check(const char *const *arguments, enum exit_status status, const char *in_out,
                  const char *in_err)
{
    char *out;
    char *err;

    ck_assert_int_eq(run(arguments, &out, &err), status);
    ck_assert_msg(strstr(out, in_out) != NULL, "%s", out);
    ck_assert_msg(strstr(err, in_err) != NULL, "%s", err);
    free(out);
    free(err);
}

#define CHECK(status, out, err, ...) check((const char *const[]){__VA_ARGS__}, status, out, err)

START_TEST(each_verb_is_found_by_its_whole_name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        ck_assert_ptr_nonnull(command_find(verbs[i]));
        ck_assert_str_eq(command_find(verbs[i])->name, verbs[i]);
    }
    ck_assert_ptr_null(command_find("patc"));
    ck_assert_ptr_null(command_find("patches"));
    ck_assert_ptr_null(command_find(""));
}
END_TEST

START_TEST(rows_are_complete)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct command *command = command_find(verbs[i]);

        ck_assert(islower((unsigned char)command->summary[0]));
        ck_assert_ptr_nonnull(command->run);
        for (size_t row = 0; command->options[row] != NULL; row++) {
            const struct option_row *option = command->options[row];

            ck_assert_ptr_nonnull(option->set);
            ck_assert(option->name != NULL || option->letter != '\0');
        }
    }
}
END_TEST

START_TEST(options_of_a_verb_have_distinct_names)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct option_row *const *rows = command_find(verbs[i])->options;

        for (size_t a = 0; rows[a] != NULL; a++) {
            for (size_t b = 0; b < a; b++) {
                ck_assert(rows[a]->letter == '\0' || rows[a]->letter != rows[b]->letter);
                ck_assert(rows[a]->name == NULL || rows[b]->name == NULL ||
                          strcmp(rows[a]->name, rows[b]->name) != 0);
            }
        }
    }
}
END_TEST

START_TEST(help_alone_is_the_overview)
{
    CHECK(STATUS_DONE, "Verbs:", "", "--help", NULL);
    CHECK(STATUS_DONE, "Usage: greenify scan ", "", "scan", "--help", NULL);
    CHECK(STATUS_DONE, "Usage: greenify patch ", "", "patch", "--help", NULL);
}
END_TEST

START_TEST(version_is_printed)
{
    CHECK(STATUS_DONE, "greenify " GREENIFY_VERSION "\n", "", "--version", NULL);
    CHECK(STATUS_DONE, "greenify " GREENIFY_VERSION "\n", "", "hooks", "--version", NULL);
}
END_TEST

START_TEST(what_is_no_verb_is_a_file_of_patch)
{
    CHECK(STATUS_FAULT, "", "/nonexistent/tree", "/nonexistent/tree", NULL);
    CHECK(STATUS_FAULT, "", "/nonexistent/a", "-n", "/nonexistent/a", NULL);
}
END_TEST

START_TEST(usage_errors_point_to_the_help_of_the_verb)
{
    CHECK(STATUS_USAGE, "", "Try 'greenify --help'", NULL);
    CHECK(STATUS_USAGE, "", "Try 'greenify --help'", "--nope", NULL);
    CHECK(STATUS_USAGE, "", "Try 'greenify patch --help'", "patch", NULL);
    CHECK(STATUS_USAGE, "", "Try 'greenify scan --help'", "scan", "--nope", NULL);
}
END_TEST

START_TEST(a_word_that_is_nothing_is_no_file_of_patch)
{
    CHECK(STATUS_USAGE, "", "'scna' is neither a verb nor a file\n", "scna", "a.so", NULL);
    CHECK(STATUS_FAULT, "", "scna.so: cannot open: No such file", "scna.so", NULL);
    CHECK(STATUS_FAULT, "", "scna: cannot open: No such file", "patch", "scna", NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_verb_is_found_by_its_whole_name,
        rows_are_complete,
        options_of_a_verb_have_distinct_names,
        help_alone_is_the_overview,
        version_is_printed,
        what_is_no_verb_is_a_file_of_patch,
        usage_errors_point_to_the_help_of_the_verb,
        a_word_that_is_nothing_is_no_file_of_patch,
    };

    return run_suite("dispatch", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
