/* SPDX-License-Identifier: MIT
 *
 * The streams at which the waits of edges.c are, and what happens to them.
 */
#ifndef TEST_EDGES_H
#define TEST_EDGES_H

#include <stdbool.h>
#include <stdint.h>

struct stream {
    int out, in; /* < 0: closed */
    unsigned char sign;
    bool open, tcp;
    bool trusted; /* its number may be, by the hub: it was born in a hook (descriptor.h) */
    bool ended;   /* nothing more comes */
    bool broken;  /* it may be reset */
    bool loose;   /* urgent bytes are in it, which are not counted */
    long coming;  /* bytes, not read yet */
};

extern uint64_t edges_dice;

void streams_begin(void);
void streams_end(void); /* all are closed */

/* How many there were, of what kinds of happenings: for the last line. */
const char *streams_tell(void);

/* One that is open, or NULL. */
struct stream *stream_any(void);

/* Something happens to some stream. */
void stream_happen(void);

/* Whether the number was closed out of the hooks' sight when the hub trusted it; and closes it in
 * their sight. */
bool stream_is_hidden(int fd);
void stream_end(int fd);

/* --- of edges.c ------------------------------------------------------------------------------- */

/* fd is about to be closed by a hook. */
void edges_closed(int fd);

/* Whether somebody waits at it. */
bool edges_awaited(const struct stream *stream);

#endif
