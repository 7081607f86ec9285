/* SPDX-License-Identifier: MIT
 *
 * The first pass over the archive: names and sizes, RECORD and WHEEL.
 */
#include "wheel_list.h"

#include "settings.h"
#include "wheel_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 64 << 20, COUNT_LIMIT = 1000000 };

bool wheel_refuse(struct patch_error *error, enum patch_code code, const char *format, ...)
{
    va_list arguments;

    *error = (struct patch_error){.code = code};
    va_start(arguments, format);
    vsnprintf(error->reason, sizeof(error->reason), format, arguments);
    va_end(arguments);
    return false;
}

bool wheel_failed(struct patch_error *error, const char *what, int number)
{
    wheel_refuse(error, PATCH_SYSTEM, "%s: %s", what, strerror(number));
    error->system_error = number;
    return false;
}

static bool no_memory(struct patch_error *error)
{
    return wheel_refuse(error, PATCH_MEMORY, "out of memory");
}

uint64_t wheel_limit(const struct settings *settings)
{
    return settings->size_limit != 0 ? settings->size_limit : (uint64_t)8 << 30;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *wrong_name(const char *name)
{
    if (name[0] == '/')
        return "is absolute";
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '\\')
            return "contains a control character or a backslash";
    for (const char *part = name; *part != '\0';) {
        size_t length = strcspn(part, "/");

        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && strncmp(part, "..", 2) == 0))
            return "has a part that is empty, '.' or '..'";
        part += length + (part[length] == '/');
    }
    return name[0] == '\0' ? "is empty" : NULL;
}

const char *wheel_entry_name(struct archive_entry *entry, struct patch_error *error)
{
    const char *name = libarchive.archive_entry_pathname(entry);
    mode_t type = libarchive.archive_entry_filetype(entry);
    const char *wrong = name != NULL ? wrong_name(name) : "is no UTF-8";

    if (wrong != NULL)
        wheel_refuse(error, PATCH_PACKAGE, "the name '%.120s' %s", name != NULL ? name : "?",
                     wrong);
    else if (type != AE_IFREG && type != AE_IFDIR)
        wheel_refuse(error, PATCH_PACKAGE, "'%.160s' is neither a file nor a folder", name);
    else if (type == AE_IFREG && !libarchive.archive_entry_size_is_set(entry))
        wheel_refuse(error, PATCH_PACKAGE, "'%.160s' has no size", name);
    else
        return name;
    return NULL;
}

bool wheel_is_info(const struct wheel_list *list, const char *name, const char *base)
{
    size_t length = strlen(list->info);

    return strncmp(name, list->info, length) == 0 && name[length] == '/' &&
           strcmp(name + length + 1, base) == 0;
}

bool wheel_is_signature(const struct wheel_list *list, const char *name)
{
    return wheel_is_info(list, name, "RECORD.jws") || wheel_is_info(list, name, "RECORD.p7s");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool wheel_list_has(const struct wheel_list *list, const char *name)
{
    return bsearch(&name, list->names, list->count, sizeof(*list->names), compare_names) != NULL;
}

/* --- the entries ------------------------------------------------------------------------------ */

static bool add_name(struct wheel_list *list, const char *name, struct patch_error *error)
{
    if (list->count == COUNT_LIMIT)
        return wheel_refuse(error, PATCH_PACKAGE, "more than %d entries", COUNT_LIMIT);
    if (list->count == list->capacity) {
        size_t larger = list->capacity * 2 + 64;
        char **names = realloc(list->names, larger * sizeof(*names));

        if (names == NULL)
            return no_memory(error);
        list->names = names;
        list->capacity = larger;
    }
    list->names[list->count] = strdup(name);
    if (list->names[list->count] == NULL)
        return no_memory(error);
    list->count++;
    return true;
}

/* "NAME-VERSION.dist-info" when `name` is its RECORD at the top of the archive. */
static bool take_info(struct wheel_list *list, const char *name, struct patch_error *error)
{
    static const char ending[] = ".dist-info";
    size_t length = strcspn(name, "/");
    size_t dash;

    if (strcmp(name + length, "/RECORD") != 0 || length <= sizeof(ending) - 1 ||
        strncmp(name + length - (sizeof(ending) - 1), ending, sizeof(ending) - 1) != 0)
        return true;
    if (list->info != NULL)
        return wheel_refuse(error, PATCH_PACKAGE, "two folders *.dist-info have a RECORD");
    dash = strcspn(name, "-");
    list->info = strndup(name, length);
    if (list->info == NULL ||
        asprintf(&list->libraries, "%.*s.libs", (int)(dash < length ? dash : length), name) < 0)
        return no_memory(error);
    return true;
}

static bool take_entry(struct wheel_list *list, struct archive_entry *entry,
                       const struct settings *settings, struct patch_error *error)
{
    const char *name = wheel_entry_name(entry, error);
    int64_t size = libarchive.archive_entry_size(entry);

    if (name == NULL)
        return false;
    if (size < 0 || (uint64_t)size > wheel_limit(settings) - list->unpacked)
        return wheel_refuse(error, PATCH_PACKAGE,
                            "it would unpack to more than %llu bytes; --size-limit allows more",
                            (unsigned long long)wheel_limit(settings));
    list->unpacked += (uint64_t)size;
    return add_name(list, name, error) && take_info(list, name, error);
}

static bool read_names(struct wheel_list *list, const char *path, const struct settings *settings,
                       struct patch_error *error)
{
    struct wheel_file *file = wheel_file_open(path, error);
    struct archive_entry *entry;
    int result = ARCHIVE_OK;
    bool done = file != NULL;

    while (done &&
           (result = libarchive.archive_read_next_header(file->archive, &entry)) == ARCHIVE_OK)
        done = take_entry(list, entry, settings, error);
    if (done && result != ARCHIVE_EOF)
        done = wheel_refuse(error, PATCH_PACKAGE, "is a broken zip archive: %s",
                            libarchive.archive_error_string(file->archive));
    return wheel_file_close(file, error) && done;
}

static bool judge_names(struct wheel_list *list, const struct settings *settings,
                        struct patch_error *error)
{
    if (list->info == NULL)
        return wheel_refuse(error, PATCH_PACKAGE, "has no *.dist-info/RECORD: it is no wheel");
    qsort(list->names, list->count, sizeof(*list->names), compare_names);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0 && strcmp(list->names[i], list->names[i - 1]) == 0)
            return wheel_refuse(error, PATCH_PACKAGE, "'%.160s' is there twice", list->names[i]);
        list->has_signature |= wheel_is_signature(list, list->names[i]);
    }
    if (list->has_signature && !settings->unsign)
        return wheel_refuse(error, PATCH_SIGNED,
                            "its RECORD is signed; --drop-signatures leaves the signature out");
    return true;
}

/* --- RECORD and WHEEL ------------------------------------------------------------------------- */

/* The data of the current entry, with a NUL behind it; the caller frees it. */
static char *read_text(struct archive *archive, struct archive_entry *entry, size_t *size,
                       struct patch_error *error)
{
    int64_t whole = libarchive.archive_entry_size(entry);
    char *text;
    la_ssize_t n;

    if (whole > TEXT_LIMIT) {
        wheel_refuse(error, PATCH_PACKAGE, "'%.160s' is too large",
                     libarchive.archive_entry_pathname(entry));
        return NULL;
    }
    text = malloc((size_t)whole + 1);
    if (text == NULL) {
        no_memory(error);
        return NULL;
    }
    n = libarchive.archive_read_data(archive, text, (size_t)whole);
    if (n != whole) {
        wheel_refuse(error, PATCH_PACKAGE, "'%.120s' cannot be unpacked: %s",
                     libarchive.archive_entry_pathname(entry),
                     n < 0 ? libarchive.archive_error_string(archive) : "it ends early");
        free(text);
        return NULL;
    }
    text[n] = '\0';
    *size = (size_t)n;
    return text;
}

static bool take_text(struct wheel_list *list, struct archive *archive, struct archive_entry *entry,
                      struct patch_error *error)
{
    const char *name = libarchive.archive_entry_pathname(entry);
    char reason[160];
    size_t size;
    char *text;
    bool done = true;

    if (!wheel_is_info(list, name, "RECORD") && !wheel_is_info(list, name, "WHEEL"))
        return true;
    text = read_text(archive, entry, &size, error);
    if (text == NULL)
        return false;
    if (wheel_is_info(list, name, "WHEEL")) {
        list->tags = text;
        return true;
    }
    if (!record_parse(&list->record, text, size, reason, sizeof(reason)))
        done = wheel_refuse(error, PATCH_PACKAGE, "RECORD: %s", reason);
    free(text);
    return done;
}

static bool read_texts(struct wheel_list *list, const char *path, struct patch_error *error)
{
    struct wheel_file *file = wheel_file_open(path, error);
    struct archive_entry *entry;
    bool done = file != NULL;

    while (done && libarchive.archive_read_next_header(file->archive, &entry) == ARCHIVE_OK)
        done = take_text(list, file->archive, entry, error);
    done = wheel_file_close(file, error) && done;
    if (done && list->tags == NULL)
        done = wheel_refuse(error, PATCH_PACKAGE, "has no %.120s/WHEEL", list->info);
    return done;
}

/* Each file has its row and each row its file. */
static bool judge_rows(struct wheel_list *list, struct patch_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];

        if (name[strlen(name) - 1] != '/' && !wheel_is_signature(list, name) &&
            record_find(&list->record, name) == NULL)
            return wheel_refuse(error, PATCH_PACKAGE, "RECORD has no row for '%.160s'", name);
    }
    for (size_t i = 0; i < list->record.count; i++) {
        struct record_row *row = &list->record.rows[i];

        if (wheel_is_signature(list, row->path))
            row->dropped = true;
        else if (!wheel_list_has(list, row->path))
            return wheel_refuse(error, PATCH_PACKAGE, "RECORD lists '%.160s', which is not there",
                                row->path);
    }
    return true;
}

bool wheel_list_read(struct wheel_list *list, const char *path, const struct settings *settings,
                     struct patch_error *error)
{
    *list = (struct wheel_list){0};
    return read_names(list, path, settings, error) && judge_names(list, settings, error) &&
           read_texts(list, path, error) && judge_rows(list, error);
}

void wheel_list_finish(struct wheel_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    free(list->info);
    free(list->libraries);
    free(list->tags);
    record_finish(&list->record);
    *list = (struct wheel_list){0};
}
