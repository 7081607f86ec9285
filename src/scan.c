/* SPDX-License-Identifier: MIT
 *
 * greenify scan: which hooked functions each file imports, by which relocations, called from where.
 */
#include "command.h"

#include "option.h"
#include "outline.h"
#include "report.h"
#include "rewriting.h"
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- text ------------------------------------------------------------------------------------- */

static void print_relocations(const struct report *report, const struct patch_import *import)
{
    for (size_t i = 0; i < import->relocation_count; i++)
        report_line(report, "    %s at 0x%" PRIx64, import->relocations[i].kind,
                    import->relocations[i].address);
}

static bool is_first_of_function(const struct patch_import *import, size_t site)
{
    for (size_t i = 0; i < site; i++) {
        const char *function = import->call_sites[i].function;

        if (function != NULL && strcmp(function, import->call_sites[site].function) == 0)
            return false;
    }
    return true;
}

/* "    called by NAME, NAME, 0xADDRESS": each function once, and sites that no symbol covers. */
static void print_callers(const struct report *report, const struct patch_import *import)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const char *separator = "";

    if (stream == NULL)
        return;
    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];

        if (site->function == NULL)
            fprintf(stream, "%s0x%" PRIx64, separator, site->address);
        else if (is_first_of_function(import, i))
            fprintf(stream, "%s%s", separator, site->function);
        separator = ", ";
    }
    if (fclose(stream) == 0 && size > 0)
        report_line(report, "    called by %s", text);
    free(text);
}

static void print_sites(const struct report *report, const struct patch_import *import)
{
    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];

        report_detail(report, "    %s at 0x%" PRIx64 "%s%s", site->kind, site->address,
                      site->function != NULL ? " in " : "",
                      site->function != NULL ? site->function : "");
    }
}

static void print_scan(const struct report *report, const char *file, const struct patch_scan *scan)
{
    report_line(report, "%s: %s, %zu hooked import%s, %s%s", file, scan->machine,
                scan->import_count, plural(scan->import_count),
                scan->patched ? "patched" : "not patched",
                scan->reverts ? ", can be reverted" : "");
    if (!scan->decoded)
        report_line(report, "  call sites: not decoded for %s", scan->machine);
    for (size_t i = 0; scan->needed[i] != NULL; i++)
        report_detail(report, "  needs %s", scan->needed[i]);
    for (size_t i = 0; i < scan->import_count; i++) {
        const struct patch_import *import = &scan->imports[i];

        report_line(report, "  %s%s%s: %s", import->name, import->version != NULL ? "@" : "",
                    import->version != NULL ? import->version : "",
                    import->redirected ? "patched" : "patchable");
        print_relocations(report, import);
        if (report->verbosity > 0)
            print_sites(report, import);
        else
            print_callers(report, import);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *import_json(struct report *report, const struct patch_import *import, bool decoded)
{
    json_t *object = json_object();
    json_t *relocations = json_array();
    json_t *sites = decoded ? json_array() : json_null();

    report_put(report, object, "name", report_string(import->name));
    report_put(report, object, "version", report_string(import->version));
    report_put(report, object, "state", json_string(import->redirected ? "patched" : "patchable"));
    for (size_t i = 0; i < import->relocation_count; i++) {
        const struct patch_relocation *relocation = &import->relocations[i];

        report_add(report, relocations,
                   json_pack("{s:s, s:I}", "kind", relocation->kind, "address",
                             (json_int_t)relocation->address));
    }
    report_put(report, object, "relocations", relocations);
    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];

        report_add(report, sites,
                   json_pack("{s:s, s:I, s:o}", "kind", site->kind, "address",
                             (json_int_t)site->address, "function", report_string(site->function)));
    }
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
        report_add(report, imports, import_json(report, &scan->imports[i], scan->decoded));
    report_put(report, object, "imports", imports);
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

/* Under -v also where each library makes its calls. */
static void scan_members(struct report *report, const struct patch_closure *closure,
                         const struct patch_options *options)
{
    struct patch_error error;

    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];
        struct patch_scan *scan;

        if (member->exempt || member->function_count == 0)
            continue;
        if (patch_scan(member->path, options, &scan, &error)) {
            print_scan(report, member->path, scan);
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
    if (report->json)
        report_put(report, object, "members", outline_json(report, closure));
    else
        outline_print(report, closure);
    if (!report->json && report->verbosity > 0)
        scan_members(report, closure, options);
    status = outline_functions(closure) > 0 ? STATUS_DONE : STATUS_NOTHING;
    patch_closure_destroy(closure);
    return status;
}

static enum exit_status run(const struct settings *settings)
{
    enum exit_status (*scan)(struct report *, const char *, const struct patch_options *) =
        settings->deps ? scan_closure : scan_file;
    struct patch_options options = settings_patch_options(settings);
    size_t counts[STATUS_NOTHING + 1] = {0};
    struct report report;

    report_init(&report, "scan", settings);
    for (size_t i = 0; i < settings->file_count; i++)
        counts[scan(&report, settings->files[i], &options)]++;
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
