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

/* Words that mean more than the rows that they name: the choice of who does not choose, and what a
 * group is not chosen without. Who takes the group out again leaves the latter in. */
static const struct {
    const char *word, *list;
    bool also_removes;
} words[] = {
    {"default", HOOKLIST_DEFAULT, true},
    {"thread", "sync", false}, /* they have to wait for each other */
};

static size_t choose_all(struct hooklist *list, const char *text, bool chosen);

static size_t choose_meant(struct hooklist *list, const char *word, size_t length, bool chosen)
{
    size_t matches = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (equals(words[i].word, word, length) && (chosen || words[i].also_removes))
            matches += choose_all(list, words[i].list, chosen);
    }
    return matches;
}

static const char *group_of(size_t row)
{
    return hook_rows[row].group;
}

static const char *name_of(size_t row)
{
    return hook_rows[row].name;
}

static size_t choose_by(const char *(*field)(size_t row), struct hooklist *list, const char *word,
                        size_t length, bool chosen)
{
    size_t matches = 0;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (equals(field(i), word, length)) {
            list->chosen[i] = chosen;
            matches++;
        }
    }
    return matches;
}

/* Returns how many rows the word names. One that is both a group and a function is the group. */
static size_t choose(struct hooklist *list, const char *word, size_t length, bool chosen)
{
    size_t matches = choose_meant(list, word, length, chosen);

    matches += choose_by(group_of, list, word, length, chosen);
    return matches != 0 ? matches : choose_by(name_of, list, word, length, chosen);
}

static size_t choose_all(struct hooklist *list, const char *text, bool chosen)
{
    size_t matches = 0, length;

    for (const char *word = text; *word != '\0'; word += length + (word[length] == ',')) {
        length = strcspn(word, ",");
        matches += choose(list, word, length, chosen);
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
