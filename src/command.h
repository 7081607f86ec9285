/* SPDX-License-Identifier: MIT
 *
 * A verb of the command. Each <verb>.c ends with its own row; command.c lists the rows.
 */
#ifndef GREENIFY_COMMAND_H
#define GREENIFY_COMMAND_H

struct option_row;
struct settings;

enum exit_status {
    STATUS_DONE = 0,    /* done, or sound */
    STATUS_FAULT = 1,   /* an input could not be handled, or verify found a fault */
    STATUS_USAGE = 2,   /* the command line cannot be obeyed; nothing was looked at */
    STATUS_NOTHING = 3, /* nothing to do */
};

struct command {
    const char *name;
    const char *operands;                    /* as the synopsis shows them; NULL: takes none */
    const char *summary;                     /* a phrase for the list of verbs */
    const struct option_row *const *options; /* ended by NULL */
    enum exit_status (*run)(const struct settings *settings);
};

extern const struct command command_patch;
extern const struct command command_scan;
extern const struct command command_verify;
extern const struct command command_revert;
extern const struct command command_hooks;
extern const struct command command_tree;
extern const struct command command_wheel;
extern const struct command command_run;

/* The verb called `name`, or NULL. */
const struct command *command_find(const char *name);

/* The whole command: finds the verb, reads its arguments, runs it. Returns the exit status. */
enum exit_status command_main(int argc, char **argv);

#endif
