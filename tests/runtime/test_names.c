/* SPDX-License-Identifier: MIT
 *
 * The resolver inside coroutines: static results are the coroutine's, a wait can be ended, and
 * others run meanwhile.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <string.h>

static int wrong;

static void *keep_its_own(void *text)
{
    for (int i = 0; i < 5; i++) {
        const struct hostent *host = greenify_gethostbyname(text);

        green_yield();
        green_sleep(0.001);
        wrong += host == NULL || strcmp(host->h_name, text) != 0 ||
                 strcmp(inet_ntoa(*(struct in_addr *)host->h_addr_list[0]), text) != 0;
    }
    return NULL;
}

START_TEST(static_results_belong_to_the_coroutine)
{
    char *texts[] = {(char[]){"127.0.0.1"}, (char[]){"10.20.30.40"}, (char[]){"1.2.3.4"}};
    green_t *g[3];

    for (int i = 0; i < 3; i++)
        g[i] = green_spawn(keep_its_own, texts[i]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    keep_its_own((char[]){"5.6.7.8"}); /* the root has its own, too */
    ck_assert_int_eq(wrong, 0);
}
END_TEST

static void *look_up(void *error)
{
    struct addrinfo *list = NULL;
    int status = greenify_getaddrinfo("127.0.0.1", "80", NULL, &list);

    *(int *)error = errno;
    if (status == 0)
        freeaddrinfo(list);
    return (void *)(intptr_t)status;
}

START_TEST(a_kill_ends_a_look_up)
{
    int error = 0;
    void *status = NULL;
    green_t *g = green_spawn(look_up, &error);

    green_kill(g, ECANCELED);
    ck_assert_int_eq(green_join(g, &status, -1), 0);
    ck_assert_int_eq((int)(intptr_t)status, EAI_SYSTEM);
    ck_assert_int_eq(error, ECANCELED);
    g = green_spawn(look_up, &error); /* the next one works again */
    ck_assert_int_eq(green_join(g, &status, -1), 0);
    ck_assert_int_eq((int)(intptr_t)status, 0);
}
END_TEST

static void *query(void *error)
{
    unsigned char answer[512];
    int size = greenify_res_query("example.test", 1, 1, answer, sizeof answer);

    *(int *)error = errno;
    return (void *)(intptr_t)size;
}

START_TEST(a_kill_ends_a_query)
{
    int error = 0;
    void *size = NULL;
    green_t *g = green_spawn(query, &error);

    green_yield();
    green_kill(g, ECANCELED);
    ck_assert_int_eq(green_join(g, &size, -1), 0);
    ck_assert_int_eq((int)(intptr_t)size, -1);
    ck_assert_int_eq(error, ECANCELED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        static_results_belong_to_the_coroutine,
        a_kill_ends_a_look_up,
        a_kill_ends_a_query,
    };

    return run_suite("names", tests, sizeof tests / sizeof tests[0]);
}
