/* SPDX-License-Identifier: MIT
 *
 * A function that bears the name of one of libc's.
 */
int usleep(unsigned microseconds);

int usleep(unsigned microseconds)
{
    return 41 + (int)microseconds;
}
