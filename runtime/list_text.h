/* SPDX-License-Identifier: MIT
 *
 * Lists in variables of the environment.
 */
#ifndef GREEN_LIST_TEXT_H
#define GREEN_LIST_TEXT_H

#include <stdbool.h>
#include <string.h>

/* Whether `word` stands in the list, between separators. */
static inline bool list_text_has(const char *list, char separator, const char *word)
{
    size_t length = strlen(word);

    for (;;) {
        const char *end = strchrnul(list, separator);

        if ((size_t)(end - list) == length && memcmp(list, word, length) == 0)
            return true;
        if (*end == '\0')
            return false;
        list = end + 1;
    }
}

#endif
