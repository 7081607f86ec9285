/* SPDX-License-Identifier: MIT
 *
 * A stack of mail, and a lock for the set and the count of references.
 */
#include "mailbox.h"

#include "epollset.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
    pthread_mutex_t lock;
    struct epollset *set; /* NULL: closed */
    _Atomic(struct mail *) newest;
    unsigned references;
};

struct mailbox *mailbox_create(struct epollset *set)
{
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);

    if (mailbox == NULL)
        return NULL;
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->set = set;
    mailbox->references = 1;
    return mailbox;
}

/* Unlocks, and frees with the last reference. */
static void unlock_and_release(struct mailbox *mailbox)
{
    unsigned left = --mailbox->references;

    pthread_mutex_unlock(&mailbox->lock);
    if (left == 0) {
        pthread_mutex_destroy(&mailbox->lock);
        free(mailbox);
    }
}

static void drop_all(struct mail *mail)
{
    while (mail != NULL) {
        struct mail *next = mail->next;

        mail->drop(mail);
        mail = next;
    }
}

void mailbox_close(struct mailbox *mailbox)
{
    struct mail *undelivered;

    if (mailbox == NULL)
        return;
    pthread_mutex_lock(&mailbox->lock);
    mailbox->set = NULL;
    undelivered = atomic_exchange(&mailbox->newest, NULL);
    unlock_and_release(mailbox);
    drop_all(undelivered);
}

struct mailbox *mailbox_reference(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->references++;
    pthread_mutex_unlock(&mailbox->lock);
    return mailbox;
}

void mailbox_release(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    unlock_and_release(mailbox);
}

void mailbox_drop_in(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = atomic_load(&mailbox->newest);
    while (!atomic_compare_exchange_weak(&mailbox->newest, &mail->next, mail))
        continue;
    epollset_wake(mailbox->set);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *refused = NULL;

    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->set == NULL)
        refused = mail;
    else
        mailbox_drop_in(mailbox, mail);
    unlock_and_release(mailbox);
    drop_all(refused);
}

void mailbox_deliver(struct mailbox *mailbox)
{
    struct mail *newest = atomic_exchange(&mailbox->newest, NULL), *oldest = NULL;

    while (newest != NULL) {
        struct mail *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct mail *next = oldest->next;

        oldest->deliver(oldest);
        oldest = next;
    }
}
