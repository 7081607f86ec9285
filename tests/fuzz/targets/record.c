/* SPDX-License-Identifier: MIT
 *
 * RECORD of a Python package: what is not changed keeps its bytes, what is written is read again.
 */
#include "record.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void require_same_paths(const struct record *record, const struct record *again)
{
    FUZZ_REQUIRE(again->count == record->count, "%zu rows were written, %zu are read",
                 record->count, again->count);
    for (size_t i = 0; i < record->count; i++)
        FUZZ_REQUIRE(strcmp(record->rows[i].path, again->rows[i].path) == 0,
                     "'%s' is read back as '%s'", record->rows[i].path, again->rows[i].path);
}

static void change(struct record *record)
{
    char reason[160] = "";
    struct record again;
    size_t size;
    char *text;

    if (record_find(record, "new, \"one\"") != NULL)
        return;
    for (size_t i = 0; i < record->count; i += 2)
        FUZZ_REQUIRE(record_set(&record->rows[i], "sha256=x", i), "no memory");
    FUZZ_REQUIRE(record_add(record, "new, \"one\"", "sha256=y", 7), "no memory");
    text = record_write(record, &size);
    FUZZ_REQUIRE(record_parse(&again, text, size, reason, sizeof(reason)),
                 "what was written cannot be read: %s", reason);
    require_same_paths(record, &again);
    record_finish(&again);
    free(text);
}

/* Empty lines are no rows. */
static void require_kept(const uint8_t *bytes, size_t size, const char *text, size_t written)
{
    size_t at = 0;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            continue;
        while (at < written && (text[at] == '\n' || text[at] == '\r'))
            at++;
        FUZZ_REQUIRE(at < written && (uint8_t)text[at] == bytes[i],
                     "unchanged rows are written otherwise, from %zu on", i);
        at++;
    }
}

void fuzz_record(const uint8_t *bytes, size_t size)
{
    char reason[160] = "";
    struct record record;
    size_t written;
    char *text;

    if (!record_parse(&record, (const char *)bytes, size, reason, sizeof(reason))) {
        FUZZ_REQUIRE(reason[0] != '\0', "refused without reason");
        record_finish(&record);
        return;
    }
    for (size_t i = 0; i < record.count; i++)
        FUZZ_REQUIRE(record_find(&record, record.rows[i].path) != NULL, "a row is not found");
    text = record_write(&record, &written);
    require_kept(bytes, size, text, written);
    free(text);
    change(&record);
    record_finish(&record);
}
