/* SPDX-License-Identifier: MIT
 *
 * What other threads have to say to a hub: a queue that they may post to at any time, even after
 * the hub is gone.
 */
#ifndef GREEN_MAILBOX_H
#define GREEN_MAILBOX_H

struct epollset;
struct mailbox;

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail); /* in the hub's thread */
    void (*drop)(struct mail *mail);    /* the hub is gone; in the posting thread */
};

/* The hub's reference; `set` is woken by a post. NULL with ENOMEM. */
struct mailbox *mailbox_create(struct epollset *set);

/* The hub goes: nothing is delivered any more. Gives the hub's reference up. Accepts NULL. */
void mailbox_close(struct mailbox *mailbox);

/* A reference for another thread, given up by mailbox_post() or mailbox_release(). */
struct mailbox *mailbox_reference(struct mailbox *mailbox);
void mailbox_release(struct mailbox *mailbox);

/* Hands the mail over and gives up the caller's reference. From any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Hands the mail over without a reference, to a hub that is sure to live until this returns. Never
 * waits: from signal handlers too. */
void mailbox_drop_in(struct mailbox *mailbox, struct mail *mail);

/* Delivers everything posted so far, oldest first. */
void mailbox_deliver(struct mailbox *mailbox);

#endif
