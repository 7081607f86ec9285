/* SPDX-License-Identifier: MIT
 *
 * What the echo servers have in common: the listening socket, whose port they print.
 */
#ifndef BENCH_ECHO_SERVER_H
#define BENCH_ECHO_SERVER_H

enum { MESSAGE_ROOM = 4096 };

/* A TCP socket that listens on a free port of 127.0.0.1; prints the port. `type_flags`: 0 or
 * SOCK_NONBLOCK. Ends the program where that fails. */
int listen_anywhere(int type_flags);

#endif
