/* SPDX-License-Identifier: MIT
 *
 * --hooks, and the whole command line: words that are separated by line ends.
 */
#include "command.h"
#include "fuzz.h"
#include "hooklist.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>

static void parse_list(const char *text)
{
    char reason[256] = "";
    struct hooklist *list = hooklist_parse(text, reason, sizeof(reason));

    FUZZ_REQUIRE(list != NULL || reason[0] != '\0', "refused without reason");
    FUZZ_REQUIRE(memchr(reason, '\0', sizeof(reason)) != NULL, "the reason is not terminated");
    FUZZ_REQUIRE(list == NULL || hooklist_names(list)[0] != NULL, "no name was chosen");
    hooklist_destroy(list);
}

static void parse_line(char *text)
{
    static const struct command *const commands[] = {
        &command_patch, &command_scan, &command_verify, &command_revert,
        &command_hooks, &command_tree, &command_wheel};
    static char program[] = "greenify";
    char *words[66] = {program};
    struct settings settings;
    int count = 1;

    for (char *word = strtok(text, "\n"); word != NULL && count < 65; word = strtok(NULL, "\n"))
        words[count++] = word;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char *again[66];

        memcpy(again, words, sizeof(words)); /* getopt_long() sorts them */
        settings_parse(&settings, commands[i], count, again);
        settings_finish(&settings);
    }
}

void fuzz_hooks(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);

    if (size > 0)
        memcpy(text, bytes, size);
    text[size] = '\0';
    parse_list(text);
    parse_line(text);
    free(text);
}
