/* SPDX-License-Identifier: MIT
 *
 * From argv to settings, by glibc's getopt_long() and the option rows of the verb; and the help
 * text from the same rows.
 */
#include "settings.h"

#include "command.h"
#include "hooklist.h"
#include "option.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* getopt_long() reports row i as FIRST_ROW + i, for letters and long names alike. */
enum { FIRST_ROW = 0x100 };

/* The rows of a verb in the two forms that getopt_long() wants. */
struct grammar {
    const struct option_row *const *rows;
    struct option *names;
    char *letters;
};

static size_t count_rows(const struct option_row *const *rows)
{
    size_t count = 0;

    while (rows[count] != NULL)
        count++;
    return count;
}

static void grammar_finish(struct grammar *grammar)
{
    free(grammar->names);
    free(grammar->letters);
}

/* The operands of this verb are another command line, which has options of its own. */
static bool passes_on(const struct command *command)
{
    return command == &command_run;
}

static bool grammar_init(struct grammar *grammar, const struct command *command)
{
    const struct option_row *const *rows = command->options;
    size_t count = count_rows(rows);
    struct option *name;
    char *letter;

    grammar->rows = rows;
    grammar->names = name = calloc(count + 1, sizeof(*name));
    grammar->letters = letter = calloc(1, 2 * count + 2);
    if (name == NULL || letter == NULL) {
        grammar_finish(grammar);
        return false;
    }
    if (passes_on(command))
        *letter++ = '+'; /* getopt_long() stops at the first operand */
    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = rows[i];

        if (row->name != NULL) {
            *name++ = (struct option){
                .name = row->name,
                .has_arg = row->argument != NULL ? required_argument : no_argument,
                .val = FIRST_ROW + (int)i,
            };
        }
        if (row->letter != '\0') {
            *letter++ = row->letter;
            if (row->argument != NULL)
                *letter++ = ':';
        }
    }
    return true;
}

/* The row that getopt_long()'s result stands for; NULL for what it complained of. */
static const struct option_row *find_row(const struct grammar *grammar, int result)
{
    if (result >= FIRST_ROW)
        return grammar->rows[result - FIRST_ROW];
    for (size_t i = 0; grammar->rows[i] != NULL; i++) {
        if (grammar->rows[i]->letter == result)
            return grammar->rows[i];
    }
    return NULL;
}

static bool apply_row(struct settings *settings, const struct option_row *row, const char *value)
{
    char reason[256];

    if (row->set(settings, value, reason, sizeof(reason)))
        return true;
    if (row->name != NULL)
        message(NULL, "--%s: %s", row->name, reason);
    else
        message(NULL, "-%c: %s", row->letter, reason);
    return false;
}

static bool parse_options(struct settings *settings, const struct grammar *grammar, int argc,
                          char **argv)
{
    int result;

    optind = 0; /* glibc: begin afresh */
    while ((result = getopt_long(argc, argv, grammar->letters, grammar->names, NULL)) != -1) {
        const struct option_row *row = find_row(grammar, result);

        if (row == NULL || !apply_row(settings, row, optarg))
            return false;
    }
    settings->files = argv + optind;
    settings->file_count = (size_t)(argc - optind);
    return true;
}

static bool check_operands(const struct settings *settings, const struct command *command)
{
    if (command->operands == NULL && settings->file_count > 0)
        message(NULL, "%s takes no file, but '%s' was given", command->name, settings->files[0]);
    else if (command->operands != NULL && settings->file_count == 0)
        message(NULL, passes_on(command) ? "no command was given" : "no file was given");
    else if (settings->output != NULL && settings->folder != NULL)
        message(NULL, "-o and -d exclude each other");
    else if (settings->output != NULL && settings->file_count > 1)
        message(NULL, "-o takes one input, -d takes several");
    else if (settings->output != NULL && settings->deps)
        message(NULL, "-o takes one input, and --deps may find more; -d takes several");
    else
        return true;
    return false;
}

static bool default_hooks(struct settings *settings)
{
    char reason[256];

    if (settings->hooks != NULL)
        return true;
    settings->hooks = hooklist_parse(HOOKLIST_DEFAULT, reason, sizeof(reason));
    if (settings->hooks == NULL)
        message(NULL, "%s", reason);
    return settings->hooks != NULL;
}

bool settings_parse(struct settings *settings, const struct command *command, int argc, char **argv)
{
    static char program[] = "greenify";
    struct grammar grammar;
    char *no_arguments[] = {program, NULL};
    bool parsed;

    *settings = (struct settings){.runtime = SETTINGS_RUNTIME};
    if (!grammar_init(&grammar, command)) {
        message(NULL, "out of memory");
        return false;
    }
    if (argc < 1) {
        argc = 1;
        argv = no_arguments;
    }
    argv[0] = program; /* the name in getopt_long()'s own messages */
    parsed = parse_options(settings, &grammar, argc, argv);
    grammar_finish(&grammar);
    if (!parsed)
        return false;
    if (settings->help || settings->version)
        return true;
    return check_operands(settings, command) && default_hooks(settings);
}

void settings_finish(struct settings *settings)
{
    hooklist_destroy(settings->hooks);
    free(settings->libraries);
}

enum { HELP_COLUMN = 28 };

/* One option; further lines of its text stand below the first. */
static void print_row(const struct option_row *row)
{
    const char *line = row->help;
    char left[64];
    int used = 0;

    if (row->letter != '\0')
        used += snprintf(left, sizeof(left), "  -%c", row->letter);
    else
        used += snprintf(left, sizeof(left), "    ");
    if (row->name != NULL)
        used += snprintf(left + used, sizeof(left) - (size_t)used, "%s--%s",
                         row->letter != '\0' ? ", " : "  ", row->name);
    if (row->argument != NULL)
        snprintf(left + used, sizeof(left) - (size_t)used, " %s", row->argument);
    printf("%-*s", HELP_COLUMN, left);
    for (;;) {
        size_t length = strcspn(line, "\n");

        printf("%.*s\n", (int)length, line);
        if (line[length] == '\0')
            return;
        line += length + 1;
        printf("%*s", HELP_COLUMN, "");
    }
}

void settings_print_help(const struct command *command)
{
    printf("Usage: greenify %s [OPTION...]%s%s\n%c%s.\n\n", command->name,
           command->operands != NULL ? " " : "", command->operands != NULL ? command->operands : "",
           command->summary[0] - 'a' + 'A', command->summary + 1);
    for (size_t i = 0; command->options[i] != NULL; i++)
        print_row(command->options[i]);
    printf("\nManual: greenify-%s(1)\n", command->name);
}

struct patch_options settings_patch_options(const struct settings *settings)
{
    return (struct patch_options){
        .functions = hooklist_names(settings->hooks),
        .prefix = SETTINGS_PREFIX,
        .runtime = settings->runtime,
        .bss_limit = settings->bss_limit,
        .allow_hard_links = settings->allow_hard_links,
        .allow_overlay = settings->allow_overlay,
        .allow_signed = settings->allow_signed,
        .no_new_segment = settings->no_new_segment,
    };
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool settings_places_serve(const struct settings *settings, struct report *report)
{
    errno = 0;
    if (settings->folder != NULL && !is_folder(settings->folder))
        return report_stop(report, settings->folder, PATCH_TARGET, "is no folder to write to%s%s",
                           errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    if (settings->output != NULL && is_folder(settings->output))
        return report_stop(report, settings->output, PATCH_TARGET,
                           "is a folder; -d writes into one");
    return true;
}
