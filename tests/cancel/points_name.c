/* SPDX-License-Identifier: MIT
 *
 * Names, users and groups, which workers look up. The files of the system answer at once: the flow
 * is killed before the loop has looked whether its worker is done. The resolver asks a name server
 * of our own.
 */
#include "cancel.h"
#include "hook.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[4096];

/* --- hosts ------------------------------------------------------------------------------------ */

/* EAI_SYSTEM: errno has it. */
static int name_error(int error)
{
    return error == EAI_SYSTEM ? errno : error;
}

static int call_getaddrinfo(void)
{
    struct addrinfo hints = {.ai_family = AF_INET}, *found;
    int error = greenify_getaddrinfo("localhost", "80", &hints, &found);

    if (error == 0)
        freeaddrinfo(found);
    return name_error(error);
}

static const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {0x0100007f}};

static int call_getnameinfo(void)
{
    return name_error(greenify_getnameinfo((const struct sockaddr *)&here, sizeof here, buffer,
                                           sizeof buffer, NULL, 0, 0));
}

static int found_error(const void *found)
{
    return found == NULL ? errno : 0;
}

static int call_gethostbyname(void)
{
    return found_error(greenify_gethostbyname("localhost"));
}

static int call_gethostbyname2(void)
{
    return found_error(greenify_gethostbyname2("localhost", AF_INET));
}

static int call_gethostbyaddr(void)
{
    return found_error(greenify_gethostbyaddr(&here.sin_addr, sizeof here.sin_addr, AF_INET));
}

/* What the result says is the error of the moment; errno has ours. */
static int host_error(int error, const struct hostent *found)
{
    return error != 0 || found == NULL ? errno : 0;
}

static int call_gethostbyname_r(void)
{
    struct hostent host, *found = NULL;
    int code,
        error = greenify_gethostbyname_r("localhost", &host, buffer, sizeof buffer, &found, &code);

    return host_error(error, found);
}

static int call_gethostbyname2_r(void)
{
    struct hostent host, *found = NULL;
    int code, error = greenify_gethostbyname2_r("localhost", AF_INET, &host, buffer, sizeof buffer,
                                                &found, &code);

    return host_error(error, found);
}

static int call_gethostbyaddr_r(void)
{
    struct hostent host, *found = NULL;
    int code, error = greenify_gethostbyaddr_r(&here.sin_addr, sizeof here.sin_addr, AF_INET, &host,
                                               buffer, sizeof buffer, &found, &code);

    return host_error(error, found);
}

/* --- the resolver ----------------------------------------------------------------------------- */

static int server = -1;
static struct __res_state own;
static unsigned char question[512], answer[512];
static int question_size;

static void ask_server(res_state state, const struct sockaddr_in *address)
{
    res_ninit(state);
    state->nscount = 1;
    state->nsaddr_list[0] = *address;
    state->retrans = 20;
    state->retry = 1;
    state->options &= ~(unsigned long)(RES_USE_EDNS0 | RES_ROTATE);
    state->dnsrch[0] = NULL;
}

static bool open_server(void)
{
    struct sockaddr_in address = here;
    socklen_t size = sizeof address;

    server = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server, (struct sockaddr *)&address, size) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &size) != 0)
        return false;
    ask_server(&_res, &address);
    ask_server(&own, &address);
    question_size =
        res_nmkquery(&own, QUERY, "name.test", C_IN, T_A, NULL, 0, NULL, question, sizeof question);
    return question_size > 0;
}

static void answer_one(int flags)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    unsigned char message[512];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(server, message, 256, flags, (struct sockaddr *)&from, &size);
    HEADER *header = (HEADER *)message;

    if (length < HFIXEDSZ)
        return;
    header->qr = header->ra = 1;
    header->ancount = htons(1);
    memcpy(message + length, record, sizeof record);
    sendto(server, message, (size_t)length + sizeof record, 0, (struct sockaddr *)&from, size);
}

/* The question of the killed call stands before that of the next. */
static void answer_two(void)
{
    answer_one(0);
    answer_one(0);
}

static void close_server(void)
{
    answer_one(MSG_DONTWAIT);
    usleep(2000); /* the worker of a killed call is done */
    close(server);
    res_nclose(&_res);
    res_nclose(&own);
}

static int call_res_query(void)
{
    return failure(greenify_res_query("name.test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_nquery(void)
{
    return failure(greenify_res_nquery(&own, "name.test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_search(void)
{
    return failure(greenify_res_search("name.test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_nsearch(void)
{
    return failure(greenify_res_nsearch(&own, "name.test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_querydomain(void)
{
    return failure(greenify_res_querydomain("name", "test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_nquerydomain(void)
{
    return failure(
        greenify_res_nquerydomain(&own, "name", "test", C_IN, T_A, answer, sizeof answer));
}

static int call_res_send(void)
{
    return failure(greenify_res_send(question, question_size, answer, sizeof answer));
}

static int call_res_nsend(void)
{
    return failure(greenify_res_nsend(&own, question, question_size, answer, sizeof answer));
}

/* --- users and groups ------------------------------------------------------------------------- */

static int call_getpwnam(void)
{
    return found_error(greenify_getpwnam("root"));
}

static int call_getpwuid(void)
{
    return found_error(greenify_getpwuid(0));
}

static int call_getgrnam(void)
{
    return found_error(greenify_getgrnam("root"));
}

static int call_getgrgid(void)
{
    return found_error(greenify_getgrgid(0));
}

static int call_getpwnam_r(void)
{
    struct passwd user, *found;

    return greenify_getpwnam_r("root", &user, buffer, sizeof buffer, &found);
}

static int call_getpwuid_r(void)
{
    struct passwd user, *found;

    return greenify_getpwuid_r(0, &user, buffer, sizeof buffer, &found);
}

static int call_getgrnam_r(void)
{
    struct group group, *found;

    return greenify_getgrnam_r("root", &group, buffer, sizeof buffer, &found);
}

static int call_getgrgid_r(void)
{
    struct group group, *found;

    return greenify_getgrgid_r(0, &group, buffer, sizeof buffer, &found);
}

static int call_getgrouplist(void)
{
    gid_t groups[64];
    int count = 64;

    return failure(greenify_getgrouplist("root", 0, groups, &count));
}

/* Whoever is not root may not. */
static int call_initgroups(void)
{
    int error = failure(greenify_initgroups("root", 0));

    return error == EPERM ? 0 : error;
}

const struct point points_name[] = {
    POINT(getaddrinfo, NULL, call_getaddrinfo, NULL, NULL, .may_be_done = true),
    POINT(getnameinfo, NULL, call_getnameinfo, NULL, NULL, .may_be_done = true),
    POINT(gethostbyname, NULL, call_gethostbyname, NULL, NULL, .may_be_done = true),
    POINT(gethostbyname2, NULL, call_gethostbyname2, NULL, NULL, .may_be_done = true),
    POINT(gethostbyaddr, NULL, call_gethostbyaddr, NULL, NULL, .may_be_done = true),
    POINT(gethostbyname_r, NULL, call_gethostbyname_r, NULL, NULL, .may_be_done = true),
    POINT(gethostbyname2_r, NULL, call_gethostbyname2_r, NULL, NULL, .may_be_done = true),
    POINT(gethostbyaddr_r, NULL, call_gethostbyaddr_r, NULL, NULL, .may_be_done = true),
    POINT(res_query, open_server, call_res_query, answer_two, close_server),
    POINT(res_nquery, open_server, call_res_nquery, answer_two, close_server),
    POINT(res_search, open_server, call_res_search, answer_two, close_server),
    POINT(res_nsearch, open_server, call_res_nsearch, answer_two, close_server),
    POINT(res_querydomain, open_server, call_res_querydomain, answer_two, close_server),
    POINT(res_nquerydomain, open_server, call_res_nquerydomain, answer_two, close_server),
    POINT(res_send, open_server, call_res_send, answer_two, close_server),
    POINT(res_nsend, open_server, call_res_nsend, answer_two, close_server),
    POINT(getpwnam, NULL, call_getpwnam, NULL, NULL, .may_be_done = true),
    POINT(getpwuid, NULL, call_getpwuid, NULL, NULL, .may_be_done = true),
    POINT(getgrnam, NULL, call_getgrnam, NULL, NULL, .may_be_done = true),
    POINT(getgrgid, NULL, call_getgrgid, NULL, NULL, .may_be_done = true),
    POINT(getpwnam_r, NULL, call_getpwnam_r, NULL, NULL, .may_be_done = true),
    POINT(getpwuid_r, NULL, call_getpwuid_r, NULL, NULL, .may_be_done = true),
    POINT(getgrnam_r, NULL, call_getgrnam_r, NULL, NULL, .may_be_done = true),
    POINT(getgrgid_r, NULL, call_getgrgid_r, NULL, NULL, .may_be_done = true),
    POINT(getgrouplist, NULL, call_getgrouplist, NULL, NULL, .may_be_done = true),
    POINT(initgroups, NULL, call_initgroups, NULL, NULL, .may_be_done = true),
};
const size_t points_name_count = COUNT_OF(points_name);
