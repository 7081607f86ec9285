/* SPDX-License-Identifier: MIT */
#include "vforked.h"

#include <sys/types.h>
#include <unistd.h>

static pid_t owner; /* 0: there never was a hub */

void vforked_set_up(void)
{
    owner = getpid();
}

bool vforked(void)
{
    return owner != 0 && getpid() != owner;
}
