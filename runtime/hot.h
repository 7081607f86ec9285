/* SPDX-License-Identifier: MIT
 *
 * The path of a call that waits for one descriptor, from the hook to the switch and back. The
 * kernel's own code drives it out of the caches between any two calls, so that what it costs is the
 * cache lines it is in: its functions stand together, and what seldom happens stands apart.
 */
#ifndef GREEN_HOT_H
#define GREEN_HOT_H

#define HOT               __attribute__((hot))
#define OFTEN(condition)  __builtin_expect((condition) ? 1 : 0, 1)
#define SELDOM(condition) __builtin_expect((condition) ? 1 : 0, 0)

#endif
