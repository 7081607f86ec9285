/* SPDX-License-Identifier: MIT
 *
 * The hook table as data, and the small language of --hooks.
 */
#include "hooklist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOOK(group, name, waits) {#group, #name, waits},
const struct hook hook_rows[] = {
#include "hooks.def"
};
#undef HOOK

#define ROW_COUNT (sizeof(hook_rows) / sizeof(hook_rows[0]))
const size_t hook_row_count = ROW_COUNT;

bool hook_waits(const struct hook *hook)
{
    static const char never[] = "not at all";

    return strncmp(hook->waits, never, sizeof(never) - 1) != 0;
}

struct hooklist {
    bool chosen[ROW_COUNT];
    const char *names[ROW_COUNT + 1];
};

static bool equals(const char *name, const char *word, size_t length)
{
    return strlen(name) == length && memcmp(name, word, length) == 0;
}

/* Returns how many rows the word names. */
static size_t choose(struct hooklist *list, const char *word, size_t length, bool chosen)
{
    size_t matches = 0;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (equals(hook_rows[i].group, word, length) || equals(hook_rows[i].name, word, length)) {
            list->chosen[i] = chosen;
            matches++;
        }
    }
    return matches;
}

static bool apply(struct hooklist *list, const char *text, char *reason, size_t size)
{
    const char *word = text;

    for (;;) {
        size_t length = strcspn(word, ",");
        bool remove = length > 0 && word[0] == '-';

        if (choose(list, word + remove, length - remove, !remove) == 0) {
            snprintf(reason, size, "'%.*s' is neither a group nor a function of the hook table",
                     (int)length, word);
            return false;
        }
        if (word[length] == '\0')
            return true;
        word += length + 1;
    }
}

static size_t collect_names(struct hooklist *list)
{
    size_t count = 0;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (list->chosen[i])
            list->names[count++] = hook_rows[i].name;
    }
    return count;
}

struct hooklist *hooklist_parse(const char *text, char *reason, size_t size)
{
    struct hooklist *list = calloc(1, sizeof(*list));

    if (list == NULL) {
        snprintf(reason, size, "out of memory");
        return NULL;
    }
    if (text[0] == '-' && !apply(list, HOOKLIST_DEFAULT, reason, size))
        goto fail;
    if (!apply(list, text, reason, size))
        goto fail;
    if (collect_names(list) == 0) {
        snprintf(reason, size, "'%s' leaves no function to redirect", text);
        goto fail;
    }
    return list;
fail:
    hooklist_destroy(list);
    return NULL;
}

void hooklist_destroy(struct hooklist *list)
{
    free(list);
}

const char *const *hooklist_names(const struct hooklist *list)
{
    return list->names;
}

bool hooklist_has(const struct hooklist *list, size_t row)
{
    return list->chosen[row];
}
