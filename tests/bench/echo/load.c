/* SPDX-License-Identifier: MIT
 *
 *      load PORT PID CONNECTIONS REQUESTS
 *
 * Keeps one message of 64 bytes under way on each connection to the echo server PID, compares every
 * answer, and prints what the server used: nanoseconds of processor time for each request, user and
 * system together, and requests a second.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, EVENTS = 1024, WARM_UP = 20 };

/* The number of the message under way, repeated. */
struct message {
    uint64_t words[MESSAGE / sizeof(uint64_t)];
};

static int set;
static struct message *under_way; /* by connection */
static int *sockets;

static double seconds(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) != 0)
        err(EXIT_FAILURE, "clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void open_connection(int i, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    int one = 1;

    sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sockets[i] < 0 || connect(sockets[i], (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, sockets[i], &event) != 0)
        err(EXIT_FAILURE, "connection %d", i);
}

static void ask(int i, uint64_t number)
{
    struct message *message = &under_way[i];

    for (size_t k = 0; k < sizeof message->words / sizeof message->words[0]; k++)
        message->words[k] = number + k;
    if (send(sockets[i], message, sizeof *message, MSG_NOSIGNAL) != (ssize_t)sizeof *message)
        err(EXIT_FAILURE, "send");
}

static void check_answer(int i)
{
    struct message answer;
    ssize_t received = recv(sockets[i], &answer, sizeof answer, MSG_WAITALL);

    if (received != (ssize_t)sizeof answer ||
        memcmp(&answer, &under_way[i], sizeof answer) != 0)
        errx(EXIT_FAILURE, "a wrong answer on connection %d", i);
}

/* Until `requests` answers have come; every connection has one message under way. */
static void exchange(int connections, long requests)
{
    static struct epoll_event events[EVENTS];
    long asked = 0, answered = 0;

    for (int i = 0; i < connections && asked < requests; i++)
        ask(i, (uint64_t)asked++);
    while (answered < requests) {
        int count = epoll_wait(set, events, EVENTS, 10000);

        if (count <= 0)
            errx(EXIT_FAILURE, "no answer for ten seconds");
        for (int k = 0; k < count; k++) {
            int i = (int)events[k].data.u32;

            check_answer(i);
            answered++;
            if (asked < requests)
                ask(i, (uint64_t)asked++);
        }
    }
}

static void allow_descriptors(int count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(EXIT_FAILURE, "getrlimit");
    if (limit.rlim_cur >= (rlim_t)count)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < (rlim_t)count)
        errx(EXIT_FAILURE, "%d descriptors are too many here", count);
}

int main(int argc, char **argv)
{
    int connections = argc == 5 ? atoi(argv[3]) : 0;
    long requests = argc == 5 ? atol(argv[4]) : 0;
    double wall, cpu;
    clockid_t server;

    if (connections <= 0 || requests <= 0)
        errx(2, "usage: load PORT PID CONNECTIONS REQUESTS");
    allow_descriptors(connections + 64);
    set = epoll_create1(EPOLL_CLOEXEC);
    sockets = calloc((size_t)connections, sizeof *sockets);
    under_way = calloc((size_t)connections, sizeof *under_way);
    if (set < 0 || sockets == NULL || under_way == NULL)
        err(EXIT_FAILURE, "set-up");
    for (int i = 0; i < connections; i++)
        open_connection(i, (uint16_t)atoi(argv[1]));
    errno = clock_getcpuclockid(atoi(argv[2]), &server);
    if (errno != 0)
        err(EXIT_FAILURE, "the server's clock");
    exchange(connections, (long)connections * WARM_UP);
    cpu = seconds(server);
    wall = seconds(CLOCK_MONOTONIC);
    exchange(connections, requests);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(server) - cpu;
    printf("%.1f %.0f\n", cpu / (double)requests * 1e9, (double)requests / wall);
    return EXIT_SUCCESS;
}
