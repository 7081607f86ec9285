/* SPDX-License-Identifier: MIT */
#ifndef NSS_SLOW_H
#define NSS_SLOW_H

/* A number that nobody else has here. */
enum { GATE = 700 };

#endif
