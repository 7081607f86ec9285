/* SPDX-License-Identifier: MIT */
#ifndef TEST_SLOTS_H
#define TEST_SLOTS_H

#include <poll.h>

typedef int poll_function(struct pollfd *, nfds_t, int);
typedef int wait_function(struct pollfd *fd, int timeout);

extern poll_function *const fixed[];
extern poll_function *changeable[];
wait_function by_call, by_fixed_table, by_changeable_table;
poll_function *by_address(void);
void call_many(void);

#endif
