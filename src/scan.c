/* SPDX-License-Identifier: MIT
 *
 * greenify scan: which hooked functions each file imports, by which relocations, called from where,
 * and what else waits.
 */
#include "command.h"

#include "findings.h"
#include "hooklist.h"
#include "option.h"
#include "outline.h"
#include "report.h"
#include "rewriting.h"
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE = 256 /* of a function's name in a line */ };

/* --- text ------------------------------------------------------------------------------------- */

static void print_relocations(const struct report *report, const struct patch_import *import)
{
    for (size_t i = 0; i < import->relocation_count; i++)
        report_line(report, "    %s at 0x%" PRIx64, import->relocations[i].kind,
                    import->relocations[i].address);
}

/* Whether an earlier site is in the same function. */
static bool is_repeated(const struct patch_import *import, size_t site)
{
    const struct patch_call_site *this = &import->call_sites[site];

    for (size_t i = 0; i < site; i++) {
        const struct patch_call_site *earlier = &import->call_sites[i];
        if (this->start != 0 && earlier->start == this->start)
            return true;
    }
    return false;
}

/* "    called by NAME, NAME, function at 0xADDRESS": each function once. */
static void print_callers(const struct report *report, const struct patch_import *import)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const char *separator = "";
    char place[PLACE];

    if (stream == NULL)
        return;
    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];

        if (is_repeated(import, i))
            continue;
        fprintf(stream, "%s%s", separator,
                findings_place(site->function, site->start, site->address, place, sizeof(place)));
        separator = ", ";
    }
    if (fclose(stream) == 0 && size > 0)
        report_line(report, "    called by %s", text);
    free(text);
}

static void print_sites(const struct report *report, const struct patch_import *import)
{
    char place[PLACE];

    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];
        bool known = site->function != NULL || site->start != 0;

        report_detail(
            report, "    %s at 0x%" PRIx64 "%s%s", site->kind, site->address, known ? " in " : "",
            known ? findings_place(site->function, site->start, 0, place, sizeof(place)) : "");
    }
}

/* As text, and in JSON. */
static const char *state_of(const struct patch_scan *scan, const struct patch_import *import)
{
    if (import->redirected)
        return "patched";
    return scan->refusal.code == PATCH_OK ? "patchable" : "not patchable";
}

static void print_import(const struct report *report, const struct patch_scan *scan,
                         const struct patch_import *import)
{
    report_line(report, "  %s%s%s: %s", import->name, import->version != NULL ? "@" : "",
                import->version != NULL ? import->version : "", state_of(scan, import));
    print_relocations(report, import);
    if (report->verbosity > 0)
        print_sites(report, import);
    else
        print_callers(report, import);
}

static void print_refusal(const struct report *report, const struct patch_error *refusal)
{
    char text[512];

    if (refusal->code == PATCH_OK)
        return;
    patch_error_format(refusal, text, sizeof(text));
    report_line(report, "  not patchable: %s [%s]", text, patch_code_name(refusal->code));
}

static void print_scan(const struct report *report, const char *file, const struct patch_scan *scan)
{
    report_line(report, "%s: %s, %zu hooked import%s, %s%s", file, scan->machine,
                scan->import_count, plural(scan->import_count),
                scan->patched ? "patched" : "not patched",
                scan->reverts ? ", can be reverted" : "");
    print_refusal(report, &scan->refusal);
    if (!scan->decoded)
        report_line(report, "  call sites: not decoded for %s", scan->machine);
    for (size_t i = 0; scan->needed[i] != NULL; i++)
        report_detail(report, "  needs %s", scan->needed[i]);
    for (size_t i = 0; i < scan->import_count; i++)
        print_import(report, scan, &scan->imports[i]);
    findings_print(report, scan);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *site_json(const struct patch_call_site *site)
{
    return json_pack("{s:s, s:I, s:o, s:o}", "kind", site->kind, "address",
                     (json_int_t)site->address, "function", report_string(site->function),
                     "function_start",
                     site->start != 0 ? json_integer((json_int_t)site->start) : json_null());
}

static json_t *import_json(struct report *report, const struct patch_scan *scan,
                           const struct patch_import *import)
{
    json_t *object = json_object();
    json_t *relocations = json_array();
    json_t *sites = scan->decoded ? json_array() : json_null();

    report_put(report, object, "name", report_string(import->name));
    report_put(report, object, "version", report_string(import->version));
    report_put(report, object, "state", json_string(state_of(scan, import)));
    for (size_t i = 0; i < import->relocation_count; i++) {
        const struct patch_relocation *relocation = &import->relocations[i];

        report_add(report, relocations,
                   json_pack("{s:s, s:I}", "kind", relocation->kind, "address",
                             (json_int_t)relocation->address));
    }
    report_put(report, object, "relocations", relocations);
    for (size_t i = 0; i < import->call_site_count; i++)
        report_add(report, sites, site_json(&import->call_sites[i]));
    report_put(report, object, "call_sites", sites);
    return object;
}

static void put_scan(struct report *report, json_t *object, const struct patch_scan *scan)
{
    json_t *imports = json_array();
    size_t needed = 0;

    while (scan->needed[needed] != NULL)
        needed++;
    report_put(report, object, "machine", report_string(scan->machine));
    report_put(report, object, "soname", report_string(scan->soname));
    report_put(report, object, "patched", json_boolean(scan->patched));
    report_put(report, object, "reverts", json_boolean(scan->reverts));
    report_put(report, object, "needed", report_strings(scan->needed, needed));
    for (size_t i = 0; i < scan->import_count; i++)
        report_add(report, imports, import_json(report, scan, &scan->imports[i]));
    report_put(report, object, "imports", imports);
    report_put(report, object, "refusal",
               scan->refusal.code == PATCH_OK ? json_null() : report_failure(&scan->refusal));
    report_put(report, object, "decoded", json_boolean(scan->decoded));
    report_put(report, object, "findings", findings_json(report, scan));
}

/* --- the verb --------------------------------------------------------------------------------- */

static enum exit_status scan_file(struct report *report, const char *file,
                                  const struct patch_options *options)
{
    struct patch_scan *scan = NULL;
    struct patch_error error;
    enum exit_status status;
    json_t *object = report_file(report, file);

    if (!patch_scan(file, options, &scan, &error)) {
        message_failure(file, &error);
        if (report->json)
            report_put(report, object, "error", report_failure(&error));
        return STATUS_FAULT;
    }
    if (report->json)
        put_scan(report, object, scan);
    else
        print_scan(report, file, scan);
    status = scan->import_count > 0 ? STATUS_DONE : STATUS_NOTHING;
    patch_scan_destroy(scan);
    return status;
}

/* What redirection does not reach in a library; all that is known of it under -v. */
static void print_member(const struct report *report, const struct patch_member *member,
                         const struct patch_scan *scan)
{
    size_t unreachable = findings_unreachable(scan);

    if (report->verbosity > 0) {
        print_scan(report, member->path, scan);
        return;
    }
    if (scan->refusal.code != PATCH_OK)
        report_line(report, "%s: not patchable: %s [%s]", member->name, scan->refusal.reason,
                    patch_code_name(scan->refusal.code));
    if (unreachable > 0)
        report_line(report, "%s: %zu wait%s cannot be redirected (greenify scan shows %s)",
                    member->name, unreachable, plural(unreachable),
                    unreachable == 1 ? "it" : "them");
}

static void scan_members(const struct report *report, const struct patch_closure *closure,
                         const struct patch_options *options)
{
    struct patch_error error;

    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];
        struct patch_scan *scan;

        if (member->exempt || member->function_count == 0 || member->error.code != PATCH_OK)
            continue;
        if (patch_scan(member->path, options, &scan, &error)) {
            print_member(report, member, scan);
            patch_scan_destroy(scan);
        } else {
            message_failure(member->path, &error);
        }
    }
}

static enum exit_status scan_closure(struct report *report, const char *file,
                                     const struct patch_options *options)
{
    struct patch_closure *closure;
    struct patch_error error;
    enum exit_status status;
    json_t *object = report_file(report, file);

    if (!patch_closure_find(file, options, &closure, &error)) {
        message_failure(file, &error);
        if (report->json)
            report_put(report, object, "error", report_failure(&error));
        return STATUS_FAULT;
    }
    if (report->json) {
        report_put(report, object, "members", outline_json(report, closure));
    } else {
        outline_print(report, closure);
        if (report->verbosity >= 0)
            scan_members(report, closure, options);
        outline_print_summary(report, closure);
    }
    status = outline_functions(closure) > 0 ? STATUS_DONE : STATUS_NOTHING;
    patch_closure_destroy(closure);
    return status;
}

/* The hooks that wait and were not chosen, ended by NULL; the caller frees the array. NULL, which
 * is an empty list too, without memory for it. */
static const char **other_names(const struct hooklist *list)
{
    const char **names = calloc(hook_row_count + 1, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; names != NULL && i < hook_row_count; i++)
        if (!hooklist_has(list, i) && hook_waits(&hook_rows[i]))
            names[count++] = hook_rows[i].name;
    return names;
}

static enum exit_status run(const struct settings *settings)
{
    enum exit_status (*scan)(struct report *, const char *, const struct patch_options *) =
        settings->deps ? scan_closure : scan_file;
    struct patch_options options = settings_patch_options(settings);
    const char **others = other_names(settings->hooks);
    size_t counts[STATUS_NOTHING + 1] = {0};
    struct report report;

    options.others = others;
    report_init(&report, "scan", settings);
    for (size_t i = 0; i < settings->file_count; i++)
        counts[scan(&report, settings->files[i], &options)]++;
    free(others);
    return report_finish(&report, counts[STATUS_FAULT] > 0  ? STATUS_FAULT
                                  : counts[STATUS_DONE] > 0 ? STATUS_DONE
                                                            : STATUS_NOTHING);
}

static const struct option_row *const options[] = {
    &option_deps,    &option_hooks, &option_runtime, &option_json, &option_quiet,
    &option_verbose, &option_help,  &option_version, NULL,
};

const struct command command_scan = {
    "scan", "FILE...", "list what blocks, from where, and what can be redirected", options, run};
