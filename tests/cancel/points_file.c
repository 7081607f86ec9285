/* SPDX-License-Identifier: MIT
 *
 * Disks, file locks, and what processes share. A disk is too fast to be waited for: the flow waits
 * for its worker, and is killed before the loop has looked whether that is done.
 */
#include "cancel.h"
#include "hook.h"

#include <errno.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <unistd.h>

static char buffer[64];
static struct iovec part = {buffer, sizeof buffer};

/* --- a file ----------------------------------------------------------------------------------- */

static int file = -1, other = -1;
static void *mapping;

static bool open_file(void)
{
    char name[] = "/tmp/greenify-cancel-XXXXXX", link[64];

    file = mkstemp(name);
    if (file < 0 || ftruncate(file, 4096) != 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    other = open(link, O_RDWR);
    mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    unlink(name);
    return other >= 0 && mapping != MAP_FAILED;
}

/* A worker may still be at it. */
static void close_file(void)
{
    usleep(2000);
    munmap(mapping, 4096);
    close(file);
    close(other);
}

static int call_fsync(void)
{
    return failure(greenify_fsync(file));
}

static int call_fdatasync(void)
{
    return failure(greenify_fdatasync(file));
}

static int call_syncfs(void)
{
    return failure(greenify_syncfs(file));
}

static int call_sync(void)
{
    greenify_sync();
    return 0;
}

static int call_msync(void)
{
    return failure(greenify_msync(mapping, 4096, MS_SYNC));
}

static int call_posix_fallocate(void)
{
    return greenify_posix_fallocate(file, 0, 8192);
}

static int call_pread(void)
{
    return failure(greenify_pread(file, buffer, sizeof buffer, 0));
}

static int call_pread_checked(void)
{
    return failure(greenify___pread_chk(file, buffer, sizeof buffer, 0, sizeof buffer));
}

static int call_preadv(void)
{
    return failure(greenify_preadv(file, &part, 1, 0));
}

static int call_pwrite(void)
{
    return failure(greenify_pwrite(file, buffer, sizeof buffer, 0));
}

static int call_pwritev(void)
{
    return failure(greenify_pwritev(file, &part, 1, 0));
}

/* --- FIFOs ------------------------------------------------------------------------------------ */

static char fifo[64];

static bool make_fifo(void)
{
    snprintf(fifo, sizeof fifo, "/tmp/greenify-cancel-fifo.%d", (int)getpid());
    unlink(fifo);
    return mkfifo(fifo, 0600) == 0;
}

/* Both sides at once. */
static void open_other_side(void)
{
    other = open(fifo, O_RDWR);
}

static void remove_fifo(void)
{
    close(other);
    unlink(fifo);
}

static int opened(int fd)
{
    if (fd >= 0)
        close(fd);
    return failure(fd);
}

static int call_open(void)
{
    return opened(greenify_open(fifo, O_RDONLY));
}

static int call_open_for_writing(void)
{
    return opened(greenify_open(fifo, O_WRONLY));
}

static int call_open_checked(void)
{
    return opened(greenify___open_2(fifo, O_RDONLY));
}

static int call_openat(void)
{
    return opened(greenify_openat(AT_FDCWD, fifo, O_RDONLY));
}

static int call_openat_checked(void)
{
    return opened(greenify___openat_2(AT_FDCWD, fifo, O_RDONLY));
}

static int call_creat(void)
{
    return opened(greenify_creat(fifo, 0600));
}

/* --- its locks -------------------------------------------------------------------------------- */

static struct flock whole(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* By another open file description. */
static bool lock_other(void)
{
    return open_file() && flock(other, LOCK_EX) == 0;
}

static void unlock_other(void)
{
    flock(other, LOCK_UN);
}

static int call_flock(void)
{
    return failure(greenify_flock(file, LOCK_EX));
}

static bool lock_record(void)
{
    struct flock range = whole(F_WRLCK);

    return open_file() && fcntl(other, F_OFD_SETLK, &range) == 0;
}

static void unlock_record(void)
{
    struct flock range = whole(F_UNLCK);

    fcntl(other, F_OFD_SETLK, &range);
}

static int call_lockf(void)
{
    return failure(greenify_lockf(file, F_LOCK, 0));
}

static int call_fcntl(void)
{
    struct flock range = whole(F_WRLCK);

    return failure(greenify_fcntl(file, F_SETLKW, &range));
}

static int call_fcntl_of_file(void)
{
    struct flock range = whole(F_WRLCK);

    return failure(greenify_fcntl(file, F_OFD_SETLKW, &range));
}

/* --- POSIX queues ----------------------------------------------------------------------------- */

static mqd_t queue;

static bool open_queue(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof buffer};
    char name[64];

    snprintf(name, sizeof name, "/greenify-cancel.%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue != (mqd_t)-1)
        mq_unlink(name);
    return queue != (mqd_t)-1;
}

static void close_queue(void)
{
    mq_close(queue);
}

static void put_message(void)
{
    if (mq_send(queue, buffer, 1, 0) != 0)
        abort();
}

static bool open_full_queue(void)
{
    bool opened = open_queue();

    if (opened)
        put_message();
    return opened;
}

static void take_message(void)
{
    if (mq_receive(queue, buffer, sizeof buffer, NULL) < 0)
        abort();
}

static int call_mq_receive(void)
{
    return failure(greenify_mq_receive(queue, buffer, sizeof buffer, NULL));
}

static int call_mq_timedreceive(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return failure(greenify_mq_timedreceive(queue, buffer, sizeof buffer, NULL, &limit));
}

static int call_mq_send(void)
{
    return failure(greenify_mq_send(queue, buffer, 1, 0));
}

static int call_mq_timedsend(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return failure(greenify_mq_timedsend(queue, buffer, 1, 0, &limit));
}

/* --- System V --------------------------------------------------------------------------------- */

static struct message {
    long type;
    char text[8];
} message = {1, ""};

static int messages, semaphores;

static bool open_messages(void)
{
    messages = msgget(IPC_PRIVATE, 0600);
    return messages >= 0;
}

static bool open_full_messages(void)
{
    if (!open_messages())
        return false;
    while (msgsnd(messages, &message, sizeof message.text, IPC_NOWAIT) == 0)
        continue;
    return true;
}

static void close_messages(void)
{
    msgctl(messages, IPC_RMID, NULL);
}

static void add_message(void)
{
    if (msgsnd(messages, &message, sizeof message.text, IPC_NOWAIT) != 0)
        abort();
}

static void remove_message(void)
{
    if (msgrcv(messages, &message, sizeof message.text, 0, IPC_NOWAIT) < 0)
        abort();
}

static int call_msgrcv(void)
{
    return failure(greenify_msgrcv(messages, &message, sizeof message.text, 0, 0));
}

static int call_msgsnd(void)
{
    return failure(greenify_msgsnd(messages, &message, sizeof message.text, 0));
}

static bool open_semaphores(void)
{
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    return semaphores >= 0;
}

static void close_semaphores(void)
{
    semctl(semaphores, 0, IPC_RMID);
}

static void raise_semaphore(void)
{
    struct sembuf raise = {0, 1, 0};

    if (semop(semaphores, &raise, 1) != 0)
        abort();
}

static int call_semop(void)
{
    struct sembuf lower = {0, -1, 0};

    return failure(greenify_semop(semaphores, &lower, 1));
}

static int call_semtimedop(void)
{
    struct timespec limit = {1000, 0};
    struct sembuf lower = {0, -1, 0};

    return failure(greenify_semtimedop(semaphores, &lower, 1, &limit));
}

const struct point points_file[] = {
    POINT(fsync, open_file, call_fsync, NULL, close_file, .may_be_done = true),
    POINT(fdatasync, open_file, call_fdatasync, NULL, close_file, .may_be_done = true),
    POINT(syncfs, open_file, call_syncfs, NULL, close_file, .may_be_done = true),
    POINT(sync, open_file, call_sync, NULL, close_file, .may_be_done = true),
    POINT(msync, open_file, call_msync, NULL, close_file, .may_be_done = true),
    POINT(posix_fallocate, open_file, call_posix_fallocate, NULL, close_file, .may_be_done = true),
    POINT(pread, open_file, call_pread, NULL, close_file, .may_be_done = true),
    POINT(__pread_chk, open_file, call_pread_checked, NULL, close_file, .may_be_done = true),
    POINT(preadv, open_file, call_preadv, NULL, close_file, .may_be_done = true),
    POINT(pwrite, open_file, call_pwrite, NULL, close_file, .may_be_done = true),
    POINT(pwritev, open_file, call_pwritev, NULL, close_file, .may_be_done = true),
    POINT(open, make_fifo, call_open, open_other_side, remove_fifo),
    POINT(open, make_fifo, call_open_for_writing, open_other_side, remove_fifo),
    POINT(__open_2, make_fifo, call_open_checked, open_other_side, remove_fifo),
    POINT(openat, make_fifo, call_openat, open_other_side, remove_fifo),
    POINT(__openat_2, make_fifo, call_openat_checked, open_other_side, remove_fifo),
    POINT(creat, make_fifo, call_creat, open_other_side, remove_fifo),
    POINT(flock, lock_other, call_flock, unlock_other, close_file),
    POINT(lockf, lock_record, call_lockf, unlock_record, close_file),
    POINT(fcntl, lock_record, call_fcntl, unlock_record, close_file),
    POINT(fcntl, lock_record, call_fcntl_of_file, unlock_record, close_file),
    POINT(mq_receive, open_queue, call_mq_receive, put_message, close_queue),
    POINT(mq_timedreceive, open_queue, call_mq_timedreceive, put_message, close_queue),
    POINT(mq_send, open_full_queue, call_mq_send, take_message, close_queue),
    POINT(mq_timedsend, open_full_queue, call_mq_timedsend, take_message, close_queue),
    POINT(msgrcv, open_messages, call_msgrcv, add_message, close_messages),
    POINT(msgsnd, open_full_messages, call_msgsnd, remove_message, close_messages),
    POINT(semop, open_semaphores, call_semop, raise_semaphore, close_semaphores),
    POINT(semtimedop, open_semaphores, call_semtimedop, raise_semaphore, close_semaphores),
};
const size_t points_file_count = COUNT_OF(points_file);
