/* SPDX-License-Identifier: MIT
 *
 * Users and groups that a slow module of nsswitch.conf(5) knows (nss_slow.c): others run meanwhile,
 * static results belong to the coroutine, and a look-up can be killed.
 */
#include "green.h"
#include "hook.h"
#include "nss_slow.h"
#include "support.h"

#include <errno.h>
#include <nss.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 16, MEMBERS = 300 };
#define SLOW 0.1 /* seconds, each */

static void set_up(void)
{
    ck_assert_int_eq(__nss_configure_lookup("passwd", "slow"), 0);
    ck_assert_int_eq(__nss_configure_lookup("group", "slow"), 0);
    ck_assert_int_eq(__nss_configure_lookup("initgroups", "slow"), 0);
}

/* Each returns what it was asked about, if all is right. */
static void *ask_for_user(void *name)
{
    const struct passwd *user = greenify_getpwnam(name);

    green_sleep(0.01);
    return user != NULL && strcmp(user->pw_name, name) == 0 && user->pw_uid == 4711 &&
                   strcmp(user->pw_shell, "/bin/sh") == 0
               ? name
               : NULL;
}

static bool has_all_members(const struct group *group)
{
    int count = 0;

    while (group->gr_mem[count] != NULL) {
        if (atoi(group->gr_mem[count] + 1) != count)
            return false;
        count++;
    }
    return count == MEMBERS;
}

static void *ask_for_group(void *name)
{
    const struct group *group = greenify_getgrnam(name);

    green_sleep(0.01);
    return group != NULL && strcmp(group->gr_name, name) == 0 && has_all_members(group) ? name
                                                                                        : NULL;
}

static void *ask_for_group_with_a_buffer(void *name)
{
    char buffer[8192], little[100];
    struct group group, *found = NULL;

    if (greenify_getgrnam_r(name, &group, little, sizeof little, &found) != ERANGE)
        return NULL;
    if (greenify_getgrnam_r(name, &group, buffer, sizeof buffer, &found) != 0 || found != &group)
        return NULL;
    return strcmp(group.gr_name, name) == 0 && has_all_members(&group) ? name : NULL;
}

static void *ask_for_groups(void *name)
{
    gid_t groups[4];
    int count = 4;

    return greenify_getgrouplist(name, 5, groups, &count) == 2 && groups[0] == 5 &&
                   groups[1] == 4711
               ? name
               : NULL;
}

START_TEST(all_are_answered_at_once)
{
    static void *(*const questions[])(void *) = {ask_for_user, ask_for_group,
                                                 ask_for_group_with_a_buffer, ask_for_groups};
    static char names[4 * MANY][8];
    green_t *g[4 * MANY];
    void *result;
    double begin;

    set_up();
    begin = now();
    for (int i = 0; i < 4 * MANY; i++) {
        names[i][0] = (char)('A' + i);
        g[i] = green_spawn(questions[i % 4], names[i]);
    }
    for (int i = 0; i < 4 * MANY; i++) {
        ck_assert_int_eq(green_join(g[i], &result, -1), 0);
        ck_assert_ptr_eq(result, names[i]);
    }
    ck_assert_double_lt(now() - begin, 4 * MANY * SLOW / 2);
}
END_TEST

static void *ask_and_tell(void *unused)
{
    char buffer[1000];
    struct passwd user, *found = &user;
    int error = greenify_getpwnam_r("late", &user, buffer, sizeof buffer, &found);

    (void)unused;
    return (void *)(intptr_t)(found == NULL ? error : -1);
}

static void *ask_and_tell_errno(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_getpwnam("late") == NULL ? errno : -1);
}

START_TEST(a_kill_ends_a_look_up)
{
    static void *(*const questions[])(void *) = {ask_and_tell, ask_and_tell_errno};
    void *error;

    set_up();
    ck_assert_int_eq(dup2(STDERR_FILENO, GATE), GATE); /* none of the two is answered */
    for (int i = 0; i < 2; i++) {
        green_t *g = green_spawn(questions[i], NULL);

        green_yield();
        ck_assert_int_eq(green_kill(g, ECANCELED), 0);
        ck_assert_int_eq(green_join(g, &error, -1), 0);
        ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    }
    close(GATE);
    green_sleep(3 * SLOW); /* the jobs end, and are freed */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_are_answered_at_once,
        a_kill_ends_a_look_up,
    };

    return run_suite("user", tests, sizeof tests / sizeof tests[0]);
}
