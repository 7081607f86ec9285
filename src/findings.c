/* SPDX-License-Identifier: MIT
 *
 * One clause a kind; what is the same for all of them stands around it.
 */
#include "findings.h"

#include "hooklist.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *findings_place(const char *function, uint64_t start, uint64_t address, char *text,
                           size_t size)
{
    if (function != NULL)
        snprintf(text, size, "%s", function);
    else if (start != 0)
        snprintf(text, size, "function at 0x%" PRIx64, start);
    else
        snprintf(text, size, "0x%" PRIx64, address);
    return text;
}

static const struct hook *find_hook(const char *name)
{
    for (size_t i = 0; name != NULL && i < hook_row_count; i++)
        if (strcmp(hook_rows[i].name, name) == 0)
            return &hook_rows[i];
    return NULL;
}

/* The hook table knows of its own functions what the patcher does not. */
static enum patch_answer blocks(const struct patch_finding *finding)
{
    const struct hook *hook = find_hook(finding->what);

    if (finding->blocks != PATCH_UNKNOWN || finding->numbered || hook == NULL)
        return finding->blocks;
    return hook_waits(hook) ? PATCH_YES : PATCH_NO;
}

static const char *waits(const struct patch_finding *finding)
{
    const struct hook *hook = find_hook(finding->what);

    if (finding->waits != NULL || finding->numbered || hook == NULL || !hook_waits(hook))
        return finding->waits;
    return hook->waits;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_number(const struct patch_finding *finding, FILE *to)
{
    if (finding->what != NULL)
        fprintf(to, "%s (%" PRIu64 ")", finding->what, finding->number);
    else if (finding->numbered)
        fprintf(to, "number %" PRIu64, finding->number);
    else
        fputs("of unknown number", to);
}

static void put_trap(const struct patch_finding *finding, FILE *to)
{
    fputs("system call ", to);
    put_number(finding, to);
    fprintf(to, " by %s", finding->how);
}

static void put_syscall(const struct patch_finding *finding, FILE *to)
{
    fputs("syscall() ", to);
    put_number(finding, to);
}

static void put_lookup(const struct patch_finding *finding, FILE *to)
{
    if (finding->how != NULL)
        fprintf(to, "%s() of \"%s\"", finding->how, finding->what);
    else
        fprintf(to, "the string \"%s\"", finding->what);
}

static void put_opened(const struct patch_finding *finding, FILE *to)
{
    fprintf(to, "%s() of %s", finding->how,
            finding->what != NULL ? finding->what : "an unknown library");
}

static void put_stream(const struct patch_finding *finding, FILE *to)
{
    fprintf(to, "%s()", finding->what != NULL ? finding->what : finding->how);
}

static void put_copy(const struct patch_finding *finding, FILE *to)
{
    fprintf(to, "%s() is defined here", finding->what);
}

static void put_go(const struct patch_finding *finding, FILE *to)
{
    (void)finding;
    fputs("Go code", to);
}

static void put_not_chosen(const struct patch_finding *finding, FILE *to)
{
    const struct hook *hook = find_hook(finding->what);

    fprintf(to, "%s(), with --hooks %s", finding->what, hook != NULL ? hook->group : "");
}

static void put_not_hooked(const struct patch_finding *finding, FILE *to)
{
    fprintf(to, "%s()", finding->what);
}

static void (*const clauses[])(const struct patch_finding *finding, FILE *to) = {
    [PATCH_FINDING_TRAP] = put_trap,
    [PATCH_FINDING_SYSCALL] = put_syscall,
    [PATCH_FINDING_LOOKUP] = put_lookup,
    [PATCH_FINDING_OPENED] = put_opened,
    [PATCH_FINDING_STREAM] = put_stream,
    [PATCH_FINDING_COPY] = put_copy,
    [PATCH_FINDING_GO] = put_go,
    [PATCH_FINDING_NOT_CHOSEN] = put_not_chosen,
    [PATCH_FINDING_NOT_HOOKED] = put_not_hooked,
};

/* What a finding is perhaps, where that is a guess. */
static const char *const guesses[] = {
    [PATCH_FINDING_TRAP] = "data",          [PATCH_FINDING_SYSCALL] = "by a pointer",
    [PATCH_FINDING_LOOKUP] = "for dlsym()", [PATCH_FINDING_OPENED] = "by a pointer",
    [PATCH_FINDING_STREAM] = "on a socket", [PATCH_FINDING_COPY] = "not that of libc",
    [PATCH_FINDING_NOT_HOOKED] = NULL,
};

static void put_place(const struct patch_finding *finding, FILE *to)
{
    char place[128];

    if (!finding->placed)
        return;
    fprintf(to, " at 0x%" PRIx64, finding->address);
    if ((finding->function != NULL || finding->start != 0) && finding->address != finding->start)
        fprintf(to, " in %s",
                findings_place(finding->function, finding->start, 0, place, sizeof(place)));
}

static void put_waits(const struct patch_finding *finding, FILE *to)
{
    if (waits(finding) != NULL)
        fprintf(to, ", waits %s", waits(finding));
    else if (blocks(finding) == PATCH_NO)
        fputs(", does not wait", to);
}

static void print_finding(const struct report *report, const struct patch_finding *finding)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (stream == NULL)
        return;
    clauses[finding->kind](finding, stream);
    put_place(finding, stream);
    if (!finding->certain && guesses[finding->kind] != NULL)
        fprintf(stream, ", perhaps %s", guesses[finding->kind]);
    put_waits(finding, stream);
    if (fclose(stream) == 0)
        report_line(report, "    %s: %s", text, patch_reach_name(finding->reach));
    free(text);
}

static size_t count_kind(const struct patch_scan *scan, size_t first)
{
    size_t count = 0;

    while (first + count < scan->finding_count &&
           scan->findings[first + count].kind == scan->findings[first].kind)
        count++;
    return count;
}

static bool is_shown(const struct report *report, const struct patch_finding *finding)
{
    return report->verbosity > 0 || blocks(finding) != PATCH_NO;
}

static void print_kind(const struct report *report, const struct patch_finding *findings,
                       size_t count)
{
    size_t hidden = 0;

    report_line(report, "  %s: %s", patch_finding_name(findings->kind),
                patch_finding_reason(findings->kind));
    for (size_t i = 0; i < count; i++) {
        if (is_shown(report, &findings[i]))
            print_finding(report, &findings[i]);
        else
            hidden++;
    }
    if (hidden > 0)
        report_line(report, "    %zu that do%s not wait (-v shows)", hidden,
                    hidden == 1 ? "es" : "");
}

void findings_print(const struct report *report, const struct patch_scan *scan)
{
    for (size_t i = 0; i < scan->finding_count; i += count_kind(scan, i))
        print_kind(report, &scan->findings[i], count_kind(scan, i));
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *number_or_null(bool there, uint64_t number)
{
    return there ? json_integer((json_int_t)number) : json_null();
}

static json_t *answer_json(enum patch_answer answer)
{
    return answer == PATCH_UNKNOWN ? json_null() : json_boolean(answer == PATCH_YES);
}

static json_t *finding_json(struct report *report, const struct patch_finding *finding)
{
    json_t *object = json_object();

    report_put(report, object, "kind", json_string(patch_finding_name(finding->kind)));
    report_put(report, object, "address", number_or_null(finding->placed, finding->address));
    report_put(report, object, "function", report_string(finding->function));
    report_put(report, object, "function_start",
               number_or_null(finding->start != 0, finding->start));
    report_put(report, object, "what", report_string(finding->what));
    report_put(report, object, "how", report_string(finding->how));
    report_put(report, object, "number", number_or_null(finding->numbered, finding->number));
    report_put(report, object, "blocks", answer_json(blocks(finding)));
    report_put(report, object, "waits", report_string(waits(finding)));
    report_put(report, object, "certain", json_boolean(finding->certain));
    report_put(report, object, "verdict", json_string(patch_reach_name(finding->reach)));
    report_put(report, object, "reason", json_string(patch_finding_reason(finding->kind)));
    return object;
}

json_t *findings_json(struct report *report, const struct patch_scan *scan)
{
    json_t *array = json_array();

    for (size_t i = 0; i < scan->finding_count; i++)
        report_add(report, array, finding_json(report, &scan->findings[i]));
    return array;
}

size_t findings_unreachable(const struct patch_scan *scan)
{
    size_t count = 0;

    for (size_t i = 0; i < scan->finding_count; i++)
        count +=
            scan->findings[i].reach == PATCH_UNREACHABLE && blocks(&scan->findings[i]) != PATCH_NO;
    return count;
}
