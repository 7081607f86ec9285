/* SPDX-License-Identifier: MIT
 *
 * A lock, a list, and a count of references.
 */
#include "mailbox.h"

#include "loop.h"

#include <pthread.h>
#include <stdlib.h>

struct mailbox {
    pthread_mutex_t lock;
    struct loop *loop; /* NULL: closed */
    struct mail *newest;
    unsigned references;
};

struct mailbox *mailbox_create(struct loop *loop)
{
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);

    if (mailbox == NULL)
        return NULL;
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->loop = loop;
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
    mailbox->loop = NULL;
    undelivered = mailbox->newest;
    mailbox->newest = NULL;
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

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *refused = NULL;

    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->loop == NULL) {
        refused = mail;
    } else {
        mail->next = mailbox->newest;
        mailbox->newest = mail;
        mailbox->loop->ops->wake(mailbox->loop);
    }
    unlock_and_release(mailbox);
    drop_all(refused);
}

bool mailbox_try_post(struct mailbox *mailbox, struct mail *mail)
{
    bool open;

    if (pthread_mutex_trylock(&mailbox->lock) != 0)
        return false;
    open = mailbox->loop != NULL;
    if (open) {
        mail->next = mailbox->newest;
        mailbox->newest = mail;
        mailbox->loop->ops->wake(mailbox->loop);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return open;
}

void mailbox_deliver(struct mailbox *mailbox)
{
    struct mail *newest, *oldest = NULL;

    pthread_mutex_lock(&mailbox->lock);
    newest = mailbox->newest;
    mailbox->newest = NULL;
    pthread_mutex_unlock(&mailbox->lock);
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
