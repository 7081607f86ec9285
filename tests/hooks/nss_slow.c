/* SPDX-License-Identifier: MIT
 *
 * A module of nsswitch.conf(5) that takes its time, as one that asks a server does: every name is
 * known, users and groups have id 4711, and a group has many members. The user "late" is told of
 * when the descriptor GATE is closed.
 */
#include "nss_slow.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAUSE = 100000, MEMBERS = 300, MEMBER = 8 };

enum nss_status _nss_slow_getpwnam_r(const char *name, struct passwd *user, char *buffer,
                                     size_t size, int *error);
enum nss_status _nss_slow_getgrnam_r(const char *name, struct group *group, char *buffer,
                                     size_t size, int *error);
enum nss_status _nss_slow_initgroups_dyn(const char *name, gid_t group, long *start, long *size,
                                         gid_t **groups, long limit, int *error);

enum nss_status _nss_slow_getpwnam_r(const char *name, struct passwd *user, char *buffer,
                                     size_t size, int *error)
{
    do
        usleep(PAUSE);
    while (strcmp(name, "late") == 0 && fcntl(GATE, F_GETFD) >= 0);
    if (strlen(name) >= size) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    *user = (struct passwd){.pw_name = strcpy(buffer, name),
                            .pw_passwd = (char *)"x",
                            .pw_uid = 4711,
                            .pw_gid = 4711,
                            .pw_gecos = (char *)"",
                            .pw_dir = (char *)"/",
                            .pw_shell = (char *)"/bin/sh"};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_slow_getgrnam_r(const char *name, struct group *group, char *buffer,
                                     size_t size, int *error)
{
    char **members = (char **)(void *)buffer; /* glibc's buffers are aligned */
    char *next = (char *)(members + MEMBERS + 1);

    if (sizeof *members * (MEMBERS + 1) + MEMBER * MEMBERS + strlen(name) >= size) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    usleep(PAUSE);
    for (int i = 0; i < MEMBERS; i++, next += MEMBER) {
        snprintf(next, MEMBER, "m%d", i);
        members[i] = next;
    }
    members[MEMBERS] = NULL;
    *group = (struct group){
        .gr_name = strcpy(next, name), .gr_passwd = (char *)"x", .gr_gid = 4711, .gr_mem = members};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_slow_initgroups_dyn(const char *name, gid_t group, long *start, long *size,
                                         gid_t **groups, long limit, int *error)
{
    (void)name, (void)group, (void)limit, (void)error;
    usleep(PAUSE);
    if (*start < *size)
        (*groups)[(*start)++] = 4711;
    return NSS_STATUS_SUCCESS;
}
