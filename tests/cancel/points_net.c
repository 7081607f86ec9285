/* SPDX-License-Identifier: MIT
 *
 * Sockets, pipes, terminals: points that wait for data, room or a connection.
 */
#include "cancel.h"
#include "hook.h"

#include <errno.h>
#include <netinet/in.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static char byte[1];
static struct iovec part = {byte, 1};
static int s[2], more[2];

static void close_all(int *fds)
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* --- data ------------------------------------------------------------------------------------- */

static bool open_pair(void)
{
    more[0] = more[1] = -1;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0;
}

static void close_pairs(void)
{
    close_all(s);
    close_all(more);
}

static void write_one(void)
{
    if (write(s[1], "x", 1) != 1)
        abort();
}

static int call_read(void)
{
    return failure(greenify_read(s[0], byte, 1));
}

static int call_read_checked(void)
{
    return failure(greenify___read_chk(s[0], byte, 1, 1));
}

static int call_readv(void)
{
    return failure(greenify_readv(s[0], &part, 1));
}

static int call_preadv2(void)
{
    return failure(greenify_preadv2(s[0], &part, 1, -1, 0));
}

static int call_recv(void)
{
    return failure(greenify_recv(s[0], byte, 1, 0));
}

static int call_recv_all(void)
{
    return failure(greenify_recv(s[0], byte, 1, MSG_WAITALL));
}

static int call_recv_checked(void)
{
    return failure(greenify___recv_chk(s[0], byte, 1, 1, 0));
}

static int call_recvfrom(void)
{
    return failure(greenify_recvfrom(s[0], byte, 1, 0, NULL, NULL));
}

static int call_recvfrom_checked(void)
{
    return failure(greenify___recvfrom_chk(s[0], byte, 1, 1, 0, NULL, NULL));
}

static int call_recvmsg(void)
{
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return failure(greenify_recvmsg(s[0], &message, 0));
}

static int call_recvmmsg(void)
{
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};

    return failure(greenify_recvmmsg(s[0], &message, 1, 0, NULL));
}

/* --- room ------------------------------------------------------------------------------------- */

static bool open_full_pair(void)
{
    static const char page[4096];

    if (!open_pair())
        return false;
    while (send(s[0], page, sizeof page, MSG_DONTWAIT) > 0)
        continue;
    return true;
}

static void drain(void)
{
    static char bytes[1 << 20];

    while (recv(s[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

static int call_write(void)
{
    return failure(greenify_write(s[0], byte, 1));
}

static int call_writev(void)
{
    return failure(greenify_writev(s[0], &part, 1));
}

static int call_pwritev2(void)
{
    return failure(greenify_pwritev2(s[0], &part, 1, -1, 0));
}

static int call_send(void)
{
    return failure(greenify_send(s[0], byte, 1, 0));
}

static int call_sendto(void)
{
    return failure(greenify_sendto(s[0], byte, 1, 0, NULL, 0));
}

static int call_sendmsg(void)
{
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return failure(greenify_sendmsg(s[0], &message, 0));
}

static int call_sendmmsg(void)
{
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};

    return failure(greenify_sendmmsg(s[0], &message, 1, 0));
}

/* --- files, pipes and the like ---------------------------------------------------------------- */

static bool open_file_and_full_pair(void)
{
    char name[] = "/tmp/greenify-cancel-XXXXXX";

    if (!open_full_pair())
        return false;
    more[0] = mkstemp(name);
    unlink(name);
    return more[0] >= 0 && write(more[0], "12345678", 8) == 8;
}

static int call_sendfile(void)
{
    off_t position = 0;

    return failure(greenify_sendfile(s[0], more[0], &position, 8));
}

static bool open_pipes(void)
{
    return pipe(s) == 0 && pipe(more) == 0;
}

static int call_splice(void)
{
    return failure(greenify_splice(s[0], NULL, more[1], NULL, 1, 0));
}

static int call_tee(void)
{
    return failure(greenify_tee(s[0], more[1], 1, 0));
}

static int call_read_pipe(void)
{
    return failure(greenify_read(s[0], byte, 1));
}

static bool open_full_pipe(void)
{
    char page[4096] = {0};

    more[0] = more[1] = -1;
    if (pipe(s) != 0 || fcntl(s[1], F_SETFL, O_NONBLOCK) != 0)
        return false;
    while (write(s[1], page, sizeof page) > 0)
        continue;
    return fcntl(s[1], F_SETFL, 0) == 0;
}

static int call_write_pipe(void)
{
    return failure(greenify_write(s[1], byte, 1));
}

static void drain_pipe(void)
{
    char page[4096];

    if (read(s[0], page, sizeof page) != sizeof page)
        abort();
}

static bool open_eventfd(void)
{
    s[1] = more[0] = more[1] = -1;
    s[0] = eventfd(0, 0);
    return s[0] >= 0;
}

static void count_event(void)
{
    if (eventfd_write(s[0], 1) != 0)
        abort();
}

static int call_eventfd_read(void)
{
    eventfd_t value;

    return failure(greenify_eventfd_read(s[0], &value));
}

static bool open_full_eventfd(void)
{
    return open_eventfd() && eventfd_write(s[0], UINT64_MAX - 1) == 0;
}

static void take_events(void)
{
    eventfd_t value;

    if (eventfd_read(s[0], &value) != 0)
        abort();
}

static int call_eventfd_write(void)
{
    return failure(greenify_eventfd_write(s[0], 1));
}

static bool open_terminal(void)
{
    more[0] = more[1] = -1;
    return openpty(&s[1], &s[0], NULL, NULL, NULL) == 0;
}

static int call_tcdrain(void)
{
    return failure(greenify_tcdrain(s[0]));
}

static int call_tcsendbreak(void)
{
    return failure(greenify_tcsendbreak(s[0], 0));
}

/* --- connections ------------------------------------------------------------------------------ */

static union {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in inet;
} address;
static socklen_t address_size;

/* s[0] listens. */
static bool listen_at(int family, socklen_t size)
{
    s[1] = more[0] = more[1] = -1;
    memset(&address, 0, sizeof address);
    address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        address.inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s[0] = socket(family, SOCK_STREAM, 0);
    address_size = sizeof address;
    return bind(s[0], &address.any, size) == 0 && listen(s[0], 0) == 0 &&
           getsockname(s[0], &address.any, &address_size) == 0;
}

static bool listen_locally(void)
{
    return listen_at(AF_UNIX, sizeof(sa_family_t));
}

static int connect_at_once(void)
{
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (connect(fd, &address.any, address_size) != 0 && errno != EINPROGRESS && errno != EAGAIN)
        abort();
    return fd;
}

static void connect_one(void)
{
    s[1] = connect_at_once();
}

static int call_accept(void)
{
    int fd = greenify_accept(s[0], NULL, NULL);

    if (fd >= 0)
        greenify_close(fd);
    return failure(fd);
}

static int call_accept4(void)
{
    int fd = greenify_accept4(s[0], NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        greenify_close(fd);
    return failure(fd);
}

/* The queue of those that nobody has accepted is full with one. */
static bool listen_and_fill(void)
{
    if (!listen_locally())
        return false;
    more[0] = connect_at_once();
    return true;
}

/* The kernel tries it again by itself, after a second. */
static bool listen_and_fill_inet(void)
{
    if (!listen_at(AF_INET, sizeof(struct sockaddr_in)))
        return false;
    more[0] = connect_at_once();
    return true;
}

static void accept_all(void)
{
    int fd;

    fcntl(s[0], F_SETFL, O_NONBLOCK);
    while ((fd = accept(s[0], NULL, NULL)) >= 0)
        close(fd);
}

static int call_connect(void)
{
    int fd = greenify_socket(address.any.sa_family, SOCK_STREAM, 0);
    int error = failure(greenify_connect(fd, &address.any, address_size));

    greenify_close(fd);
    return error;
}

/* What the other side does not read keeps a close with SO_LINGER waiting. */
static int peers[2], peer_count;

static bool listen_for_closes(void)
{
    peer_count = 0;
    return listen_at(AF_INET, sizeof(struct sockaddr_in)) && listen(s[0], 2) == 0;
}

static int connect_and_fill(void)
{
    const struct linger linger = {1, 1000};
    static const char page[65536];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, &address.any, address_size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0)
        abort();
    peers[peer_count++] = accept(s[0], NULL, NULL);
    while (send(fd, page, sizeof page, MSG_DONTWAIT) > 0)
        continue;
    return fd;
}

static int call_close(void)
{
    return failure(greenify_close(connect_and_fill()));
}

/* That of the killed call as well, whose worker goes on. */
static void read_to_the_end(void)
{
    static char bytes[65536];

    while (peer_count > 0) {
        while (recv(peers[peer_count - 1], bytes, sizeof bytes, 0) > 0)
            continue;
        close(peers[--peer_count]);
    }
}

static void close_listener(void)
{
    read_to_the_end();
    close_pairs();
}

const struct point points_net[] = {
    POINT(close, listen_for_closes, call_close, read_to_the_end, close_listener),
    POINT(connect, listen_and_fill, call_connect, accept_all, close_pairs),
    POINT(connect, listen_and_fill_inet, call_connect, accept_all, close_pairs),
    POINT(accept, listen_locally, call_accept, connect_one, close_pairs),
    POINT(accept4, listen_locally, call_accept4, connect_one, close_pairs),
    POINT(read, open_pair, call_read, write_one, close_pairs),
    POINT(read, open_pipes, call_read_pipe, write_one, close_pairs),
    POINT(__read_chk, open_pair, call_read_checked, write_one, close_pairs),
    POINT(readv, open_pair, call_readv, write_one, close_pairs),
    POINT(preadv2, open_pair, call_preadv2, write_one, close_pairs),
    POINT(recv, open_pair, call_recv, write_one, close_pairs),
    POINT(recv, open_pair, call_recv_all, write_one, close_pairs),
    POINT(__recv_chk, open_pair, call_recv_checked, write_one, close_pairs),
    POINT(recvfrom, open_pair, call_recvfrom, write_one, close_pairs),
    POINT(__recvfrom_chk, open_pair, call_recvfrom_checked, write_one, close_pairs),
    POINT(recvmsg, open_pair, call_recvmsg, write_one, close_pairs),
    POINT(recvmmsg, open_pair, call_recvmmsg, write_one, close_pairs),
    POINT(eventfd_read, open_eventfd, call_eventfd_read, count_event, close_pairs),
    POINT(write, open_full_pair, call_write, drain, close_pairs),
    POINT(write, open_full_pipe, call_write_pipe, drain_pipe, close_pairs),
    POINT(writev, open_full_pair, call_writev, drain, close_pairs),
    POINT(pwritev2, open_full_pair, call_pwritev2, drain, close_pairs),
    POINT(send, open_full_pair, call_send, drain, close_pairs),
    POINT(sendto, open_full_pair, call_sendto, drain, close_pairs),
    POINT(sendmsg, open_full_pair, call_sendmsg, drain, close_pairs),
    POINT(sendmmsg, open_full_pair, call_sendmmsg, drain, close_pairs),
    POINT(eventfd_write, open_full_eventfd, call_eventfd_write, take_events, close_pairs),
    POINT(sendfile, open_file_and_full_pair, call_sendfile, drain, close_pairs),
    POINT(splice, open_pipes, call_splice, write_one, close_pairs),
    POINT(tee, open_pipes, call_tee, write_one, close_pairs),
    POINT(tcdrain, open_terminal, call_tcdrain, NULL, close_pairs, .may_be_done = true),
    POINT(tcsendbreak, open_terminal, call_tcsendbreak, NULL, close_pairs, .may_be_done = true),
};
const size_t points_net_count = COUNT_OF(points_net);
