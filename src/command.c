/* SPDX-License-Identifier: MIT
 *
 * Which verb a command line means, and the two texts that belong to no verb.
 */
#include "command.h"

#include "report.h"
#include "settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_patch, &command_scan, &command_verify, &command_revert,
    &command_hooks, &command_run,  &command_tree,   &command_wheel,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static void print_overview(void)
{
    printf("Usage: greenify [patch] [OPTION...] FILE...\n"
           "       greenify VERB [OPTION...] [FILE...]\n"
           "Make blocking calls of shared libraries cooperative, by redirecting their imports\n"
           "into libgreen.\n\n"
           "Verbs:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nA first argument that is no verb is a file to patch.\n"
           "Options of a verb: greenify VERB --help, and greenify-VERB(1).\n"
           "All of it: greenify(1). The version: greenify --version.\n");
}

/* A slip of the finger: a file has a dot or a slash in its name, or exists. */
static bool is_unknown_verb(const char *word)
{
    return word[0] != '\0' && word[strspn(word, "abcdefghijklmnopqrstuvwxyz")] == '\0' &&
           access(word, F_OK) != 0;
}

static enum exit_status run_verb(const struct command *command, const char *help, int argc,
                                 char **argv)
{
    struct settings settings;
    enum exit_status status = STATUS_USAGE;

    if (!settings_parse(&settings, command, argc, argv)) {
        fprintf(stderr, "Try 'greenify %s%s--help'.\n", help, help[0] != '\0' ? " " : "");
    } else if (settings.help) {
        settings_print_help(command);
        status = report_flush(STATUS_DONE);
    } else if (settings.version) {
        puts("greenify " GREENIFY_VERSION);
        status = report_flush(STATUS_DONE);
    } else {
        status = command->run(&settings);
    }
    settings_finish(&settings);
    return status;
}

enum exit_status command_main(int argc, char **argv)
{
    const struct command *named;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_overview();
        return report_flush(STATUS_DONE);
    }
    named = argc > 1 ? command_find(argv[1]) : NULL;
    if (named != NULL)
        return run_verb(named, named->name, argc - 1, argv + 1);
    if (argc > 1 && is_unknown_verb(argv[1])) {
        message(NULL, "'%s' is neither a verb nor a file", argv[1]);
        fprintf(stderr, "Try 'greenify --help'.\n");
        return STATUS_USAGE;
    }
    return run_verb(&command_patch, "", argc, argv);
}
