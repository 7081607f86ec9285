/* SPDX-License-Identifier: MIT
 *
 * An echo server in plain blocking style. It is a library, so that the same file serves threads as
 * it is, and coroutines once it is patched.
 */
#ifndef BENCH_ECHO_BLOCKING_H
#define BENCH_ECHO_BLOCKING_H

/* Serves every connection to `listening` by a flow of its own, which `start` begins: it must let
 * serve(argument) run and return at once. Ends the program when a call fails. */
void accept_forever(int listening, void (*start)(void *(*serve)(void *), void *argument));

#endif
