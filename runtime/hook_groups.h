/* SPDX-License-Identifier: MIT
 *
 * The groups of the hook table (hooks.def), for both sides:
 *      net      sockets and descriptor I/O
 *      poll     poll, select, epoll
 *      time     sleeps
 *      name     the resolver
 *      user     names of users and groups
 *      process  waiting for children and commands
 *      signal   waiting for signals
 *      ipc      message queues and semaphores of processes
 *      file     what waits for a disk, file locks, the opening of FIFOs
 *      sync     locks, condition variables, semaphores, joins
 *      thread   threads, which become coroutines, and all that belongs to a thread
 */
#ifndef GREEN_HOOK_GROUPS_H
#define GREEN_HOOK_GROUPS_H

/* Those that are redirected where nobody chooses, as a list with commas. */
#define HOOK_GROUPS_DEFAULT "net,poll,time,name"

#endif
