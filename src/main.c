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
 * Opened for reading only, a closed standard output still fails, and so is reported. A program that
 * we become finds them closed as they were. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) != fd)
            _exit(STATUS_FAULT);
    }
}

static void pass_over(int number)
{
    (void)number;
}

/* A system call then fails with an error like others, and what was begun is cleaned up. By a
 * handler, since a program that we become would inherit that the signal is ignored. */
static void survive(int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action = (struct sigaction){.sa_handler = pass_over, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    survive(SIGPIPE);                      /* the reader of our output went away */
    survive(SIGXFSZ);                      /* a file size limit */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write */
    return (int)command_main(argc, argv);
}
