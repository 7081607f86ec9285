/* SPDX-License-Identifier: MIT
 *
 * Mail from other threads: its order, and what happens when nobody is at home any more.
 */
#include "epollset.h"
#include "mailbox.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int delivered, dropped;
static int order[3], last_number;

struct letter {
    struct mail mail;
    int number;
};

static struct epollset set;

static void deliver(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;

    if (delivered < 3)
        order[delivered] = letter->number;
    last_number = letter->number;
    delivered++;
    free(letter);
}

static void drop(struct mail *mail)
{
    dropped++;
    free(mail);
}

static void post(struct mailbox *mailbox, int number)
{
    struct letter *letter = malloc(sizeof *letter);

    *letter = (struct letter){.mail = {.deliver = deliver, .drop = drop}, .number = number};
    mailbox_post(mailbox_reference(mailbox), &letter->mail);
}

static struct mailbox *create(void)
{
    ck_assert_int_eq(epollset_init(&set), 0);
    return mailbox_create(&set);
}

START_TEST(the_oldest_is_delivered_first)
{
    struct mailbox *mailbox = create();

    for (int i = 0; i < 3; i++)
        post(mailbox, i);
    ck_assert(set.woken);
    mailbox_deliver(mailbox);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(order[i], i);
    mailbox_deliver(mailbox);
    ck_assert_int_eq(delivered, 3);
    mailbox_close(mailbox);
    ck_assert_int_eq(dropped, 0);
}
END_TEST

START_TEST(a_closed_mailbox_drops)
{
    struct mailbox *mailbox = create();
    struct mailbox *reference = mailbox_reference(mailbox);

    post(mailbox, 1);
    mailbox_close(mailbox);
    ck_assert_int_eq(dropped, 1);
    post(reference, 2);
    ck_assert_int_eq(dropped, 2);
    ck_assert_int_eq(delivered, 0);
    mailbox_release(reference);
    mailbox_close(NULL);
}
END_TEST

enum { LETTERS = 1000, POSTMEN = 4 };

static void *carry(void *mailbox)
{
    for (int i = 0; i < LETTERS; i++)
        post(mailbox, i);
    mailbox_release(mailbox);
    return NULL;
}

START_TEST(many_threads_post_and_nothing_is_lost)
{
    struct mailbox *mailbox = create();
    pthread_t threads[POSTMEN];

    for (int i = 0; i < POSTMEN; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, carry, mailbox_reference(mailbox)), 0);
    while (delivered < LETTERS * POSTMEN / 2)
        mailbox_deliver(mailbox);
    mailbox_close(mailbox);
    for (int i = 0; i < POSTMEN; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(delivered + dropped, LETTERS * POSTMEN);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_oldest_is_delivered_first,
        a_closed_mailbox_drops,
        many_threads_post_and_nothing_is_lost,
    };

    return run_suite("mailbox", tests, sizeof tests / sizeof tests[0]);
}
