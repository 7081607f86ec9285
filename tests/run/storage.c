/* SPDX-License-Identifier: MIT
 *
 * A library with as much static storage for threads as an allocator has.
 */
char *storage_of_thread(void);

char *storage_of_thread(void)
{
    static __thread char bytes[4096] __attribute__((tls_model("initial-exec")));

    return bytes;
}
