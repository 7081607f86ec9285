/* SPDX-License-Identifier: MIT
 *
 * Prototypes of all hooks, made from the hook table: greenify_NAME has the type of NAME. A hook in
 * a thread without a hub is one test and a jump to libc.
 */
#ifndef GREEN_HOOK_H
#define GREEN_HOOK_H

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What code compiled with _FORTIFY_SOURCE imports instead. libc's ABI (debug/ in glibc); the
 * headers declare these only where they use them. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *__restrict buffer, size_t size, size_t room, int flags,
                       __SOCKADDR_ARG address, socklen_t *__restrict length);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room);

#define HOOK(group, name, what)                                                                    \
    __attribute__((visibility("default"))) extern __typeof__(name) greenify_##name;
#include "hooks.def"
#undef HOOK

#endif
