/* SPDX-License-Identifier: MIT
 *
 * The language of --hooks.
 */
#include "hooklist.h"
#include "run_suite.h"

#include <stdlib.h>
#include <string.h>

static size_t count_names(const struct hooklist *list)
{
    const char *const *names = hooklist_names(list);
    size_t count = 0;

    while (names[count] != NULL)
        count++;
    return count;
}

static size_t count_group(const char *group)
{
    size_t count = 0;

    for (size_t i = 0; i < hook_row_count; i++)
        count += strcmp(hook_rows[i].group, group) == 0;
    return count;
}

static bool has_name(const struct hooklist *list, const char *name)
{
    for (const char *const *names = hooklist_names(list); *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

static struct hooklist *parse(const char *text)
{
    char reason[256] = "";
    struct hooklist *list = hooklist_parse(text, reason, sizeof(reason));

    ck_assert_msg(list != NULL, "'%s': %s", text, reason);
    return list;
}

static void refuse(const char *text, const char *quoted)
{
    char reason[256] = "";

    ck_assert_ptr_null(hooklist_parse(text, reason, sizeof(reason)));
    ck_assert_msg(strstr(reason, quoted) != NULL, "'%s': %s", text, reason);
}

START_TEST(default_list_is_its_four_groups)
{
    struct hooklist *list = parse(HOOKLIST_DEFAULT);

    ck_assert_uint_eq(count_names(list), count_group("net") + count_group("poll") +
                                             count_group("time") + count_group("name"));
    ck_assert(has_name(list, "connect"));
    ck_assert(has_name(list, "getaddrinfo"));
    hooklist_destroy(list);
}
END_TEST

START_TEST(group_names_all_its_rows)
{
    struct hooklist *list = parse("time");

    ck_assert_uint_eq(count_names(list), count_group("time"));
    for (size_t i = 0; i < hook_row_count; i++)
        ck_assert_int_eq(hooklist_has(list, i), strcmp(hook_rows[i].group, "time") == 0);
    hooklist_destroy(list);
}
END_TEST

START_TEST(default_is_a_word)
{
    struct hooklist *list = parse("process,default"), *less = parse("sync,default,-default");

    ck_assert_uint_eq(count_names(list), count_group("net") + count_group("poll") +
                                             count_group("time") + count_group("name") +
                                             count_group("process"));
    ck_assert_uint_eq(count_names(less), count_group("sync"));
    hooklist_destroy(list);
    hooklist_destroy(less);
}
END_TEST

START_TEST(group_goes_before_a_function_of_its_name)
{
    struct hooklist *list = parse("sync");

    ck_assert_uint_eq(count_names(list), count_group("sync"));
    ck_assert(!has_name(list, "sync")); /* that is one of the group "file" */
    hooklist_destroy(list);
}
END_TEST

START_TEST(threads_bring_what_they_wait_with)
{
    struct hooklist *list = parse("thread"), *less = parse("thread,-sync"),
                    *locks = parse("thread,-thread");

    ck_assert_uint_eq(count_names(list), count_group("thread") + count_group("sync"));
    ck_assert_uint_eq(count_names(less), count_group("thread"));
    ck_assert_uint_eq(count_names(locks), count_group("sync"));
    hooklist_destroy(list);
    hooklist_destroy(less);
    hooklist_destroy(locks);
}
END_TEST

START_TEST(names_come_in_the_order_of_the_table)
{
    struct hooklist *list = parse("sleep,recv");

    ck_assert_uint_eq(count_names(list), 2);
    ck_assert_str_eq(hooklist_names(list)[0], "recv");
    ck_assert_str_eq(hooklist_names(list)[1], "sleep");
    hooklist_destroy(list);
}
END_TEST

START_TEST(name_twice_counts_once)
{
    struct hooklist *list = parse("recv,recv");

    ck_assert_uint_eq(count_names(list), 1);
    hooklist_destroy(list);
}
END_TEST

START_TEST(minus_takes_out_a_name)
{
    struct hooklist *list = parse("net,-close");

    ck_assert_uint_eq(count_names(list), count_group("net") - 1);
    ck_assert(!has_name(list, "close"));
    hooklist_destroy(list);
}
END_TEST

START_TEST(minus_takes_out_a_group)
{
    struct hooklist *list = parse("net,time,-net");

    ck_assert_uint_eq(count_names(list), count_group("time"));
    hooklist_destroy(list);
}
END_TEST

START_TEST(leading_minus_starts_from_the_default)
{
    struct hooklist *all = parse(HOOKLIST_DEFAULT);
    struct hooklist *list = parse("-recv");

    ck_assert_uint_eq(count_names(list), count_names(all) - 1);
    ck_assert(!has_name(list, "recv"));
    hooklist_destroy(list);
    hooklist_destroy(all);
}
END_TEST

START_TEST(later_words_win)
{
    struct hooklist *list = parse("net,-net,recv");

    ck_assert_uint_eq(count_names(list), 1);
    hooklist_destroy(list);
}
END_TEST

START_TEST(unknown_words_are_named)
{
    refuse("net,nothing,time", "'nothing'");
    refuse("net,-nothing", "'-nothing'");
    refuse("rec", "'rec'");
    refuse("recvv", "'recvv'");
    refuse("net time", "'net time'");
}
END_TEST

START_TEST(empty_words_are_refused)
{
    refuse("", "''");
    refuse("net,", "''");
    refuse(",net", "''");
    refuse("net,,time", "''");
    refuse("-", "'-'");
}
END_TEST

START_TEST(list_that_leaves_nothing_is_refused)
{
    refuse("recv,-recv", "leaves no function");
    refuse("-net,-poll,-time,-name", "leaves no function");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        default_list_is_its_four_groups,
        group_names_all_its_rows,
        default_is_a_word,
        group_goes_before_a_function_of_its_name,
        threads_bring_what_they_wait_with,
        names_come_in_the_order_of_the_table,
        name_twice_counts_once,
        minus_takes_out_a_name,
        minus_takes_out_a_group,
        leading_minus_starts_from_the_default,
        later_words_win,
        unknown_words_are_named,
        empty_words_are_refused,
        list_that_leaves_nothing_is_refused,
    };

    return run_suite("hooklist", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
