/* SPDX-License-Identifier: MIT
 *
 * The process around the command: descriptors and signals as the rest of the program expects them.
 */
#include "command.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A file that we open must never become descriptor 0, 1 or 2: the report would be written into it.
 * Opened for reading only, a closed standard output still fails, and so is reported. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            _exit(STATUS_FAULT);
    }
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    /* A reader that went away and a file size limit are write errors like others, and cleaned up.
     */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write */
    return (int)command_main(argc, argv);
}
