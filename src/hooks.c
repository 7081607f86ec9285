/* SPDX-License-Identifier: MIT
 *
 * greenify hooks: the hook table.
 */
#include "command.h"

#include "hooklist.h"
#include "option.h"
#include "report.h"
#include "settings.h"

static void print_row(const struct report *report, const struct hook *row)
{
    report_line(report, "%-5s  %-17s  waits %s", row->group, row->name, row->waits);
}

static void add_json(struct report *report, const struct hook *row)
{
    report_append(
        report, "hooks",
        json_pack("{s:s, s:s, s:s}", "group", row->group, "name", row->name, "waits", row->waits));
}

static enum exit_status run(const struct settings *settings)
{
    struct report report;

    report_init(&report, "hooks", settings);
    if (report.json)
        report_put(&report, report.root, "default", json_string(HOOKLIST_DEFAULT));
    for (size_t i = 0; i < hook_row_count; i++) {
        if (settings->hooks_given && !hooklist_has(settings->hooks, i))
            continue;
        print_row(&report, &hook_rows[i]);
        if (report.json)
            add_json(&report, &hook_rows[i]);
    }
    return report_finish(&report, STATUS_DONE);
}

static const struct option_row *const options[] = {
    &option_hooks, &option_json, &option_help, &option_version, NULL,
};

const struct command command_hooks = {"hooks", NULL, "print the table of redirected functions",
                                      options, run};
