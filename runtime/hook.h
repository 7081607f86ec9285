/* SPDX-License-Identifier: MIT
 *
 * Prototypes of all hooks, made from the hook table: greenify_NAME has the type of NAME. These are
 * their entries (arch/<machine>/hooks.S), where a thread without a hub goes to libc:
 *
 *      greenify_recv --no hub--> recv        --hub--> greenify_recv() as hook_socket.c has it
 */
#ifndef GREEN_HOOK_H
#define GREEN_HOOK_H

#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* What code compiled with _FORTIFY_SOURCE imports instead. libc's ABI (debug/ in glibc); the
 * headers declare these only where they use them. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t position, size_t room);
__typeof__(__pread_chk) __pread64_chk;
int __open_2(const char *path, int flags);
__typeof__(__open_2) __open64_2;
int __openat_2(int folder, const char *path, int flags);
__typeof__(__openat_2) __openat64_2;
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *__restrict buffer, size_t size, size_t room, int flags,
                       __SOCKADDR_ARG address, socklen_t *__restrict length);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room);

/* Other names of the same functions in libc, which no header declares. */
__typeof__(read) __read;
__typeof__(write) __write;
__typeof__(recv) __recv;
__typeof__(send) __send;
__typeof__(connect) __connect;
__typeof__(close) __close;
__typeof__(dup2) __dup2;
__typeof__(fcntl) __fcntl;
__typeof__(poll) __poll;
__typeof__(select) __select;
__typeof__(nanosleep) __nanosleep;
__typeof__(sendmmsg) __sendmmsg;
__typeof__(wait) __wait;
__typeof__(waitpid) __waitpid;
__typeof__(pread64) __pread64;
__typeof__(pwrite64) __pwrite64;
__typeof__(sched_yield) __sched_yield;
__typeof__(sigsuspend) __sigsuspend;
__typeof__(open) __open, __open64;

/* As <resolv.h> has them; with it come names like REFUSED. */
struct __res_state;
int res_query(const char *name, int class, int type, unsigned char *answer, int room);
int res_search(const char *name, int class, int type, unsigned char *answer, int room);
int res_querydomain(const char *name, const char *domain, int class, int type,
                    unsigned char *answer, int room);
int res_send(const unsigned char *message, int size, unsigned char *answer, int room);
int res_nquery(struct __res_state *state, const char *name, int class, int type,
               unsigned char *answer, int room);
int res_nsearch(struct __res_state *state, const char *name, int class, int type,
                unsigned char *answer, int room);
int res_nquerydomain(struct __res_state *state, const char *name, const char *domain, int class,
                     int type, unsigned char *answer, int room);
int res_nsend(struct __res_state *state, const unsigned char *message, int size,
              unsigned char *answer, int room);

/* Those of libresolv, for what was linked against glibc before 2.34. */
__typeof__(res_query) __res_query;
__typeof__(res_search) __res_search;
__typeof__(res_querydomain) __res_querydomain;
__typeof__(res_send) __res_send;
__typeof__(res_nquery) __res_nquery;
__typeof__(res_nsearch) __res_nsearch;
__typeof__(res_nquerydomain) __res_nquerydomain;
__typeof__(res_nsend) __res_nsend;

/* glibc's own names; its headers do not declare them any more. */
__typeof__(pthread_mutex_lock) __pthread_mutex_lock;
__typeof__(pthread_mutex_trylock) __pthread_mutex_trylock;
__typeof__(pthread_mutex_unlock) __pthread_mutex_unlock;
__typeof__(pthread_rwlock_rdlock) __pthread_rwlock_rdlock;
__typeof__(pthread_rwlock_wrlock) __pthread_rwlock_wrlock;
__typeof__(pthread_rwlock_trywrlock) __pthread_rwlock_trywrlock;
__typeof__(pthread_rwlock_unlock) __pthread_rwlock_unlock;
__typeof__(pthread_once) __pthread_once;

__typeof__(pthread_key_create) __pthread_key_create;
__typeof__(pthread_getspecific) __pthread_getspecific;
__typeof__(pthread_setspecific) __pthread_setspecific;
/* What pthread_cleanup_push_defer_np() and its pop call: declared only where C++ does not. */

/* The C++ ABI's (2.8); in libstdc++ or libc++abi. */
int __cxa_guard_acquire(long long *guard);
void __cxa_guard_release(long long *guard);
void __cxa_guard_abort(long long *guard);

/* hook_inside.h gives the functions behind the entries names of their own. */
#ifndef HOOK_SYMBOL
#define HOOK_SYMBOL(name) __asm__("greenify_" #name) __attribute__((visibility("default")))
#endif

#define HOOK(group, name, what) extern __typeof__(name) greenify_##name HOOK_SYMBOL(name);
#include "hooks.def"
#undef HOOK

#endif
