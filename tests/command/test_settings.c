/* SPDX-License-Identifier: MIT
 *
 * From argv to settings.
 */
#include "capture.h"
#include "command.h"
#include "hooklist.h"
#include "option.h"
#include "run_suite.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ARGUMENTS = 16 };

static char *words[MAX_ARGUMENTS + 1];

/* Parses a line of words as the arguments of `verb`; what is printed goes to *messages. */
static bool parse(struct settings *settings, const char *verb, const char *line, char **messages)
{
    static char copy[512];
    const struct command *command = command_find(verb);
    struct capture capture = capture_begin(stderr);
    char *rest = copy;
    int count = 0;
    bool parsed;

    ck_assert_ptr_nonnull(command);
    ck_assert_uint_lt(strlen(line), sizeof(copy));
    stpcpy(copy, line);
    words[count++] = copy; /* any string: the program's name is not read */
    while (count < MAX_ARGUMENTS && (words[count] = strsep(&rest, " ")) != NULL)
        count++;
    words[count] = NULL;
    parsed = settings_parse(settings, command, count, words);
    *messages = capture_end(&capture);
    return parsed;
}

static void accept(struct settings *settings, const char *verb, const char *line)
{
    char *messages;

    ck_assert_msg(parse(settings, verb, line, &messages), "%s: %s", line, messages);
    ck_assert_str_eq(messages, "");
    free(messages);
}

/* The one line that is printed contains `text`. */
static void refuse(const char *verb, const char *line, const char *text)
{
    struct settings settings;
    char *messages;
    char *end;

    ck_assert_msg(!parse(&settings, verb, line, &messages), "%s", line);
    ck_assert_msg(strncmp(messages, "greenify: ", 10) == 0, "%s: %s", line, messages);
    ck_assert_msg(strstr(messages, text) != NULL, "%s: %s", line, messages);
    end = strchr(messages, '\n');
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end, "\n");
    free(messages);
    settings_finish(&settings);
}

START_TEST(defaults_are_documented_ones)
{
    struct settings settings;
    struct patch_options options;

    accept(&settings, "patch", "a.so");
    options = settings_patch_options(&settings);
    ck_assert_uint_eq(settings.file_count, 1);
    ck_assert_str_eq(settings.files[0], "a.so");
    ck_assert_str_eq(options.prefix, "greenify_");
    ck_assert_str_eq(options.runtime, "libgreen.so.1");
    ck_assert_str_eq(options.functions[0], "connect");
    ck_assert_uint_eq(options.bss_limit, 0);
    ck_assert(!options.allow_hard_links && !options.allow_overlay);
    ck_assert(!settings.dry_run && !settings.json && !settings.hooks_given);
    ck_assert_int_eq(settings.verbosity, 0);
    settings_finish(&settings);
}
END_TEST

START_TEST(options_stand_before_or_after_files)
{
    struct settings settings;

    accept(&settings, "patch", "a.so -n b.so --json -d dir c.so");
    ck_assert(settings.dry_run && settings.json);
    ck_assert_str_eq(settings.folder, "dir");
    ck_assert_uint_eq(settings.file_count, 3);
    ck_assert_str_eq(settings.files[2], "c.so");
    settings_finish(&settings);
}
END_TEST

START_TEST(names_with_a_dash_stand_behind_two_dashes)
{
    struct settings settings;

    accept(&settings, "patch", "-n -- -n --json");
    ck_assert(settings.dry_run && !settings.json);
    ck_assert_uint_eq(settings.file_count, 2);
    ck_assert_str_eq(settings.files[0], "-n");
    settings_finish(&settings);
}
END_TEST

START_TEST(every_option_of_patch_is_kept)
{
    struct settings settings;
    struct patch_options options;

    accept(&settings, "patch",
           "-o out --hooks recv --runtime $ORIGIN/libx.so --bss-limit 3K --allow-hard-links "
           "--allow-overlay -v a.so");
    options = settings_patch_options(&settings);
    ck_assert_str_eq(settings.output, "out");
    ck_assert_str_eq(options.functions[0], "recv");
    ck_assert_ptr_null(options.functions[1]);
    ck_assert_str_eq(options.runtime, "$ORIGIN/libx.so");
    ck_assert_uint_eq(options.bss_limit, 3072);
    ck_assert(options.allow_hard_links && options.allow_overlay && settings.hooks_given);
    ck_assert_int_eq(settings.verbosity, 1);
    settings_finish(&settings);
}
END_TEST

START_TEST(last_of_a_repeated_option_counts)
{
    struct settings settings;

    accept(&settings, "patch", "-v -q --hooks net --hooks recv a.so");
    ck_assert_int_eq(settings.verbosity, -1);
    ck_assert_ptr_null(hooklist_names(settings.hooks)[1]);
    settings_finish(&settings);
}
END_TEST

START_TEST(sizes_take_suffixes)
{
    static const struct {
        const char *line;
        uint64_t size;
    } rows[] = {
        {"--bss-limit 1 a", 1},
        {"--bss-limit 2K a", 2048},
        {"--bss-limit 64M a", UINT64_C(64) << 20},
        {"--bss-limit 17179869183G a", UINT64_C(17179869183) << 30},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings settings;

        accept(&settings, "patch", rows[i].line);
        ck_assert_uint_eq(settings.bss_limit, rows[i].size);
        settings_finish(&settings);
    }
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
    static const char *const sizes[] = {
        "0", "-1", "+1", "x", "1T", "1KK", "18446744073709551616", "17179869184G", "0x10",
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char line[80];

        snprintf(line, sizeof(line), "--bss-limit %s a", sizes[i]);
        refuse("patch", line, sizes[i]);
    }
    refuse("patch", "--bss-limit  a", "--bss-limit");
}
END_TEST

START_TEST(runtime_is_a_name_or_a_fixed_path)
{
    struct settings settings;

    accept(&settings, "patch", "--runtime /opt/libgreen.so a");
    settings_finish(&settings);
    refuse("patch", "--runtime lib/libgreen.so a", "'lib/libgreen.so'");
    refuse("patch", "--runtime ./libgreen.so a", "'./libgreen.so'");
    refuse("patch", "--runtime $ORIGINAL/libgreen.so a", "$ORIGINAL");
    refuse("patch", "--runtime  a", "needs a name");
    refuse("patch", "--runtime a\nb a", "control character");
}
END_TEST

START_TEST(contradictions_are_refused)
{
    refuse("patch", "-o x -d y a", "exclude each other");
    refuse("patch", "-o x a b", "one input");
    refuse("revert", "-o x a b", "one input");
    refuse("patch", "-n", "no file");
    refuse("scan", "--", "no file");
    refuse("hooks", "a", "takes no file");
    refuse("patch", "-o  a", "needs a name");
    refuse("patch", "-d  a", "needs a name");
    refuse("patch", "--deps -o x a", "--deps may find more");
}
END_TEST

START_TEST(options_of_other_verbs_are_unknown)
{
    refuse("scan", "-o x a", "'o'");
    refuse("scan", "-n a", "'n'");
    refuse("patch", "--load a", "--load");
    refuse("revert", "--hooks net a", "--hooks");
    refuse("verify", "--dry-run a", "--dry-run");
    refuse("hooks", "--deps", "--deps");
    refuse("patch", "--json=x a", "--json");
    refuse("patch", "a -o", "'o'");
    refuse("patch", "a --hooks", "--hooks");
}
END_TEST

START_TEST(wrong_hooks_are_named)
{
    refuse("patch", "--hooks net,nothing a", "--hooks: 'nothing'");
}
END_TEST

START_TEST(help_and_version_need_no_file)
{
    struct settings settings;

    accept(&settings, "patch", "--help");
    ck_assert(settings.help);
    settings_finish(&settings);
    accept(&settings, "scan", "--version");
    ck_assert(settings.version);
    settings_finish(&settings);
}
END_TEST

START_TEST(help_lists_each_option_of_the_verb)
{
    static const char *const verbs[] = {"patch", "scan", "verify", "revert", "hooks"};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct command *command = command_find(verbs[i]);
        struct capture capture = capture_begin(stdout);
        char *text;

        settings_print_help(command);
        text = capture_end(&capture);
        for (size_t row = 0; command->options[row] != NULL; row++) {
            const struct option_row *option = command->options[row];
            char form[32];

            if (option->name != NULL)
                snprintf(form, sizeof(form), "--%s ", option->name);
            else
                snprintf(form, sizeof(form), "-%c ", option->letter);
            ck_assert_msg(strstr(text, form) != NULL, "%s: %s", verbs[i], form);
        }
        free(text);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        defaults_are_documented_ones,
        options_stand_before_or_after_files,
        names_with_a_dash_stand_behind_two_dashes,
        every_option_of_patch_is_kept,
        last_of_a_repeated_option_counts,
        sizes_take_suffixes,
        sizes_that_cannot_be_are_refused,
        runtime_is_a_name_or_a_fixed_path,
        contradictions_are_refused,
        options_of_other_verbs_are_unknown,
        wrong_hooks_are_named,
        help_and_version_need_no_file,
        help_lists_each_option_of_the_verb,
    };

    return run_suite("settings", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
