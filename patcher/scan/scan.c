/* SPDX-License-Identifier: MIT
 *
 * patch_scan(): what one file imports, by which relocations, called from where, and what else
 * waits.
 */
#include "elf/image.h"
#include "elf/versions.h"
#include "error.h"
#include "io/file.h"
#include "scan/findings.h"
#include "scan/survey.h"
#include "undo.h"

#include <stdlib.h>
#include <string.h>

static bool copy_string(char **to, const char *from, struct patch_error *error)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL || error_memory(error);
}

static bool copy_relocations(struct patch_import *to, const struct import *from,
                             struct patch_error *error)
{
    to->relocations = calloc(from->relocation_count + 1, sizeof(*to->relocations));
    if (to->relocations == NULL)
        return error_memory(error);
    for (size_t i = 0; i < from->relocation_count; i++)
        to->relocations[i] =
            (struct patch_relocation){from->relocations[i].kind, from->relocations[i].address};
    to->relocation_count = from->relocation_count;
    return true;
}

static bool copy_sites(struct patch_import *to, size_t import, const struct call_sites *sites,
                       struct patch_error *error)
{
    size_t first;
    size_t count = callsites_of(sites, import, &first);

    to->call_sites = calloc(count + 1, sizeof(*to->call_sites));
    if (to->call_sites == NULL)
        return error_memory(error);
    for (; to->call_site_count < count; to->call_site_count++) {
        const struct call_site *site = &sites->items[first + to->call_site_count];
        struct patch_call_site *copy = &to->call_sites[to->call_site_count];
        copy->address = site->place.address;
        copy->start = site->place.end != 0 ? site->place.start : 0;
        copy->kind = site->kind;
        if (!copy_string(&copy->function, site->place.name, error))
            return false;
    }
    return true;
}

static int compare_imports(const void *a, const void *b)
{
    return strcmp(((const struct patch_import *)a)->name, ((const struct patch_import *)b)->name);
}

static bool copy_imports(const struct image *image, const struct survey *survey,
                         const struct versions *versions, struct patch_scan *scan,
                         struct patch_error *error)
{
    const struct imports *imports = &survey->imports;

    scan->imports = calloc(imports->count + 1, sizeof(*scan->imports));
    if (scan->imports == NULL)
        return error_memory(error);
    for (size_t i = 0; i < imports->count; i++) {
        const struct import *from = &imports->items[i];
        if (survey->parts[i] != SURVEY_CHOSEN)
            continue;
        struct patch_import *to = &scan->imports[scan->import_count++];
        to->redirected = from->redirected;
        if (!copy_string(&to->name, from->name, error) ||
            !copy_string(&to->version, versions_name(versions, image, from->symbol), error) ||
            !copy_relocations(to, from, error) || !copy_sites(to, i, &survey->sites, error))
            return false;
    }
    qsort(scan->imports, scan->import_count, sizeof(*scan->imports), compare_imports);
    return true;
}

static bool copy_needed(const struct image *image, struct patch_scan *scan,
                        struct patch_error *error)
{
    size_t count = 0;

    scan->needed = calloc(image->dynamic_count + 1, sizeof(*scan->needed));
    if (scan->needed == NULL)
        return error_memory(error);
    for (size_t i = 0; i < image->dynamic_count; i++) {
        if (image->dynamic[i].d_tag != DT_NEEDED)
            continue;
        const char *name = image_string(image, image->dynamic[i].d_un.d_val);
        if (!copy_string(&scan->needed[count++], name, error))
            return false;
    }
    return true;
}

static bool find_findings(const struct image *image, const struct survey *survey,
                          struct patch_scan *scan, struct patch_error *error)
{
    struct findings findings;

    if (!findings_collect(image, survey, &findings, error))
        return false;
    scan->findings = findings.items;
    scan->finding_count = findings.count;
    return true;
}

static bool fill(const struct image *image, const struct patch_options *options,
                 struct patch_scan *scan, struct patch_error *error)
{
    struct versions versions = {0};
    struct survey survey = {0};
    struct undo undo;
    bool done = false;

    if (!versions_load(image, &versions, error) || !survey_make(image, options, &survey, error))
        goto out;
    scan->machine = image->arch->name;
    scan->decoded = image->arch->code != NULL;
    scan->patched = survey.imports.runtime_needed && survey.imports.redirected > 0;
    scan->reverts = undo_find(image, &undo);
    done = copy_string(&scan->soname, image_soname(image), error) &&
           copy_imports(image, &survey, &versions, scan, error) &&
           copy_needed(image, scan, error) && find_findings(image, &survey, scan, error);
out:
    versions_finish(&versions);
    survey_finish(&survey);
    return done;
}

/* What the planner says, who knows; to a file that may be a copy. */
static void ask_for_refusal(const char *input, const struct patch_options *options,
                            struct patch_scan *scan)
{
    struct patch_options copying = *options;

    copying.allow_hard_links = true;
    for (size_t i = 0; i < scan->import_count; i++) {
        if (scan->imports[i].redirected)
            continue;
        if (patch_prepare(input, NULL, &copying, NULL, NULL, &scan->refusal) != PATCH_FAILED)
            scan->refusal.code = PATCH_OK;
        return;
    }
}

bool patch_scan(const char *input, const struct patch_options *options, struct patch_scan **out,
                struct patch_error *error)
{
    struct file file;
    struct image *image = NULL;
    bool done = false;

    *out = NULL;
    struct patch_scan *scan = calloc(1, sizeof(*scan));
    if (scan == NULL)
        return error_memory(error);
    if (!file_open(&file, input, error))
        goto out;
    done = image_open(&file, &image, error) && fill(image, options, scan, error) &&
           image_sound(image, error);
    image_destroy(image);
    file_finish(&file);
    if (done)
        ask_for_refusal(input, options, scan);
out:
    if (done)
        *out = scan;
    else
        patch_scan_destroy(scan);
    return done;
}

void patch_scan_destroy(struct patch_scan *scan)
{
    if (scan == NULL)
        return;
    for (size_t i = 0; i < scan->import_count; i++) {
        struct patch_import *import = &scan->imports[i];
        for (size_t k = 0; k < import->call_site_count; k++)
            free(import->call_sites[k].function);
        free(import->call_sites);
        free(import->relocations);
        free(import->name);
        free(import->version);
    }
    for (size_t i = 0; i < scan->finding_count; i++) {
        free(scan->findings[i].what);
        free(scan->findings[i].function);
    }
    free(scan->findings);
    for (size_t i = 0; scan->needed != NULL && scan->needed[i] != NULL; i++)
        free(scan->needed[i]);
    free(scan->needed);
    free(scan->imports);
    free(scan->soname);
    free(scan);
}
