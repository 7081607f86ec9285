/* SPDX-License-Identifier: MIT
 *
 * Sets of names, small and large.
 */
#include "fixture.h"
#include "names.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(an_empty_set_has_no_name)
{
    static const char *const none[] = {NULL};
    struct names names;
    struct patch_error error;

    ck_assert(names_init(&names, none, &error));
    ck_assert(!names_have(&names, ""));
    ck_assert(!names_have(&names, "recv"));
    names_finish(&names);
}
END_TEST

START_TEST(a_set_has_each_of_its_names_and_no_other)
{
    enum { MOST = 1000 };
    char texts[MOST][8];
    const char *list[MOST + 1];
    struct patch_error error;

    for (size_t count = 1; count <= MOST; count += 37) {
        struct names names;
        for (size_t i = 0; i < count; i++) {
            snprintf(texts[i], sizeof(texts[i]), "n%zu", i);
            list[i] = texts[i];
        }
        list[count] = NULL;
        ck_assert(names_init(&names, list, &error));
        for (size_t i = 0; i < 2 * count; i++) {
            char name[8];
            snprintf(name, sizeof(name), "n%zu", i);
            ck_assert_int_eq(names_have(&names, name), i < count);
        }
        names_finish(&names);
    }
}
END_TEST

START_TEST(a_name_may_be_in_the_list_twice)
{
    static const char *const list[] = {"recv", "send", "recv", NULL};
    struct names names;
    struct patch_error error;

    ck_assert(names_init(&names, list, &error));
    ck_assert(names_have(&names, "recv"));
    ck_assert(names_have(&names, "send"));
    ck_assert(!names_have(&names, "rec"));
    names_finish(&names);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_empty_set_has_no_name,
        a_set_has_each_of_its_names_and_no_other,
        a_name_may_be_in_the_list_twice,
    };
    return FIXTURE_RUN("names", tests);
}
