/* SPDX-License-Identifier: MIT
 *
 * Whose usleep() it is says the version: that of libother, which does not wait.
 */
#include <unistd.h>

int wait_after_all(void);

int wait_after_all(void)
{
    return usleep(1);
}
