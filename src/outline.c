/* SPDX-License-Identifier: MIT
 *
 * Depth first from the file that was named; each library in full where it is met first.
 */
#include "outline.h"

#include <stdio.h>
#include <stdlib.h>

/* The lines under way. */
struct outline {
    const struct report *report;
    const struct patch_closure *closure;
    bool *shown; /* by member */
};

/* ": 2 hooked imports, not redirected: poll, recv" and the like. */
static char *describe(const struct patch_member *member)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (stream == NULL)
        return NULL;
    if (member->error.code != PATCH_OK)
        fprintf(stream, "cannot be read: %s", member->error.reason);
    else if (member->exempt)
        fputs("never patched", stream);
    else if (member->function_count == 0)
        fputs("nothing hooked", stream);
    else
        fprintf(stream, "%zu hooked, %zu of them redirected:", member->function_count,
                member->redirected);
    for (size_t i = 0; !member->exempt && i < member->function_count; i++)
        fprintf(stream, "%s %s", i > 0 ? "," : "", member->functions[i]);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static void print_member(struct outline *outline, size_t index, int depth);

static void print_need(struct outline *outline, const struct patch_need *need, int depth)
{
    const struct patch_member *member;
    char *text;

    if (need->member == PATCH_NO_MEMBER) {
        report_line(outline->report, "%*s%s: not found", 2 * depth, "", need->name);
        return;
    }
    member = &outline->closure->members[need->member];
    /* libc stands below every library, and nobody asks about it. */
    if (member->exempt && outline->report->verbosity < 1)
        return;
    if (outline->shown[need->member]) {
        report_line(outline->report, "%*s%s: see above", 2 * depth, "", need->name);
        return;
    }
    text = describe(member);
    report_line(outline->report, "%*s%s => %s (%s): %s", 2 * depth, "", need->name, member->path,
                patch_found_name(need->found), text != NULL ? text : "out of memory");
    free(text);
    print_member(outline, need->member, depth + 1);
}

static void print_member(struct outline *outline, size_t index, int depth)
{
    const struct patch_member *member = &outline->closure->members[index];

    outline->shown[index] = true;
    for (size_t i = 0; i < member->need_count; i++)
        print_need(outline, &member->needs[i], depth);
}

/* What has something left to redirect. */
static bool is_to_patch(const struct patch_member *member)
{
    return !member->exempt && member->error.code == PATCH_OK &&
           member->redirected < member->function_count;
}

void outline_print(const struct report *report, const struct patch_closure *closure)
{
    struct outline outline = {report, closure, calloc(closure->count, sizeof(bool))};
    char *text = describe(&closure->members[0]);

    if (outline.shown != NULL && text != NULL) {
        report_line(report, "%s: %s", closure->members[0].path, text);
        print_member(&outline, 0, 1);
    } else {
        message(NULL, "out of memory");
    }
    free(outline.shown);
    free(text);
}

void outline_print_summary(const struct report *report, const struct patch_closure *closure)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    const char *separator = "";

    if (stream == NULL)
        return;
    for (size_t i = 0; i < closure->count; i++) {
        if (!is_to_patch(&closure->members[i]))
            continue;
        fprintf(stream, "%s%s", separator, closure->members[i].name);
        separator = ", ";
    }
    if (fclose(stream) == 0)
        report_line(report, "to patch: %s", separator[0] != '\0' ? text : "nothing");
    free(text);
}

static json_t *need_json(struct report *report, const struct patch_need *need)
{
    json_t *object = json_object();

    report_put(report, object, "name", report_string(need->name));
    report_put(report, object, "member",
               need->member == PATCH_NO_MEMBER ? json_null()
                                               : json_integer((json_int_t)need->member));
    report_put(report, object, "found", json_string(patch_found_name(need->found)));
    return object;
}

json_t *outline_json(struct report *report, const struct patch_closure *closure)
{
    json_t *members = json_array();

    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];
        json_t *object = json_object();
        json_t *needs = json_array();

        for (size_t k = 0; k < member->need_count; k++)
            report_add(report, needs, need_json(report, &member->needs[k]));
        report_put(report, object, "path", report_string(member->path));
        report_put(report, object, "name", report_string(member->name));
        report_put(report, object, "exempt", json_boolean(member->exempt));
        report_put(report, object, "functions",
                   report_strings(member->functions, member->function_count));
        report_put(report, object, "redirected", json_integer((json_int_t)member->redirected));
        report_put(report, object, "to_patch", json_boolean(is_to_patch(member)));
        report_put(report, object, "needs", needs);
        if (member->error.code != PATCH_OK)
            report_put(report, object, "error", report_failure(&member->error));
        report_add(report, members, object);
    }
    return members;
}

size_t outline_functions(const struct patch_closure *closure)
{
    size_t count = 0;

    for (size_t i = 0; i < closure->count; i++)
        if (!closure->members[i].exempt)
            count += closure->members[i].function_count;
    return count;
}
