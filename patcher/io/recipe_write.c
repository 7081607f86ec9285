/* SPDX-License-Identifier: MIT
 *
 * Writing what a recipe says. Of a large file some chunks that are summed are a job, and two threads
 * share the jobs: while one is in the kernel with the file, the other one reads and sums. A file
 * system that can share blocks does not copy at all.
 */
#include "error.h"
#include "io/recipe.h"
#include "io/recipe_pass.h"

#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    THREADS = 2,             /* the kernel lets one write to a file at a time */
    WORTH_THREADS = 1 << 20, /* bytes of a file */
    SHARED_BLOCK = 1 << 12,  /* nearly everywhere */
    /* What one call reads and one writes. The most fits a processor's cache; less costs file
     * systems more that keep large pages. Of a small file the memory for it would cost more. */
    MOST_PART = 1 << 19,
    LEAST_PART = 1 << 16,
    PARTS = 1 << 6,
    WORTH_JOB = 1 << 20, /* bytes: where two jobs meet, a page is written twice */
};

struct jobs {
    struct recipe_work work;
    struct sum *sum; /* or NULL */
    unsigned threads;
    unsigned chunks; /* of the sum, that are one job */
    unsigned count;
    _Atomic unsigned next;
    _Atomic bool failed;
};

struct worker {
    struct jobs *jobs;
    struct recipe_pass pass;
    struct summing summing;
    bool failed;
    bool started;
    pthread_t thread;
};

/* --- jobs --------------------------------------------------------------------------------------
 */

/* Without a sum there is one job; behind those of the input's chunks comes what is in none. */
static void share_jobs(struct jobs *jobs)
{
    if (jobs->sum == NULL) {
        jobs->count = 1;
        return;
    }
    jobs->chunks = jobs->threads == 1 ? jobs->sum->count : 1;
    while (jobs->chunks * THREADS < jobs->sum->count &&
           sum_chunk_start(jobs->sum, jobs->chunks) < WORTH_JOB)
        jobs->chunks *= 2;
    jobs->count = jobs->sum->count / jobs->chunks + jobs->work.sums_input;
}

static bool do_job(const struct jobs *jobs, struct recipe_pass *pass, unsigned job)
{
    bool (*put)(struct recipe_pass * pass, uint64_t start, uint64_t end) =
        jobs->work.sums_input ? recipe_pass_input : recipe_pass_output;
    unsigned first = job * jobs->chunks;
    unsigned end = first + jobs->chunks;

    if (jobs->sum == NULL)
        return recipe_pass_output(pass, 0, jobs->work.recipe->size);
    if (first == jobs->sum->count)
        return recipe_pass_gaps(pass);
    summing_begin(pass->sum, first);
    if (!put(pass, sum_chunk_start(jobs->sum, first), sum_chunk_start(jobs->sum, end)))
        return false;
    summing_end(pass->sum, end);
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct jobs *jobs = worker->jobs;

    while (!jobs->failed) {
        unsigned job = jobs->next++;
        if (job >= jobs->count)
            break;
        worker->failed = !do_job(jobs, &worker->pass, job);
        if (worker->failed)
            jobs->failed = true;
    }
    return NULL;
}

/* --- threads -----------------------------------------------------------------------------------
 */

static uint64_t part_size(uint64_t file)
{
    uint64_t size = LEAST_PART;

    while (size < MOST_PART && size < file / PARTS)
        size *= 2;
    return size;
}

static bool worker_init(struct worker *worker, struct jobs *jobs, struct patch_error *error)
{
    *worker = (struct worker){.jobs = jobs};
    worker->pass.work = &jobs->work;
    worker->pass.size = part_size(jobs->work.recipe->size);
    worker->pass.part = aligned_alloc(SHARED_BLOCK, worker->pass.size);
    if (worker->pass.part == NULL)
        return error_memory(error);
    if (jobs->sum == NULL)
        return true;
    worker->pass.sum = &worker->summing;
    return summing_init(&worker->summing, jobs->sum, error);
}

static void worker_finish(struct worker *worker)
{
    free(worker->pass.part);
    summing_finish(&worker->summing);
}

static unsigned count_threads(const struct jobs *jobs)
{
    cpu_set_t processors;

    if (jobs->sum == NULL || jobs->sum->count == 1 || jobs->work.recipe->size < WORTH_THREADS ||
        sched_getaffinity(0, sizeof(processors), &processors) != 0)
        return 1;
    return CPU_COUNT(&processors) < THREADS ? 1 : THREADS;
}

/* The signals of the process are no business of ours. Without a thread the rest goes slower. */
static void start(struct worker *worker)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool run(struct jobs *jobs, struct patch_error *error)
{
    struct worker workers[THREADS] = {0};
    unsigned count = jobs->threads;
    bool done = true;

    for (unsigned i = 0; i < count; i++)
        done = done && worker_init(&workers[i], jobs, error);
    if (done) {
        for (unsigned i = 1; i < count; i++)
            start(&workers[i]);
        work(&workers[0]);
        for (unsigned i = 1; i < count; i++)
            if (workers[i].started)
                pthread_join(workers[i].thread, NULL);
        if (!jobs->failed)
            workers[0].failed = !recipe_pass_copy(&workers[0].pass);
    }
    for (unsigned i = count; i-- > 0;) {
        done = done && !workers[i].failed;
        if (workers[i].failed && error != NULL)
            *error = workers[i].pass.error;
        worker_finish(&workers[i]);
    }
    return done;
}

/* --- all of it ---------------------------------------------------------------------------------
 */

/* Only whole blocks can be shared, and the last one of a file with the last one of another. */
static uint64_t share(const struct recipe_work *work, const struct recipe_range *range)
{
    bool to_the_end = range->from + range->size == work->input->size &&
                      range->to + range->size == work->recipe->size;
    struct file_clone_range wanted = {
        .src_fd = work->input->fd,
        .src_offset = range->from,
        .src_length = to_the_end ? range->size : range->size / SHARED_BLOCK * SHARED_BLOCK,
        .dest_offset = range->to,
    };

    if (work->fd < 0 || work->input->fd < 0 || wanted.src_length == 0 ||
        ((range->from | range->to) & (SHARED_BLOCK - 1)) != 0 ||
        ioctl(work->fd, FICLONERANGE, &wanted) != 0)
        return 0;
    return wanted.src_length;
}

bool recipe_write(const struct recipe *recipe, const struct reader *input, int fd,
                  struct sum *input_sum, struct sum *output_sum, struct patch_error *error)
{
    struct jobs jobs = {
        .work = {.recipe = recipe, .input = input, .fd = fd, .sums_input = input_sum != NULL},
        .sum = input_sum != NULL ? input_sum : output_sum,
    };

    if (fd >= 0 && ftruncate(fd, (off_t)recipe->size) != 0)
        return error_system(error, "write");
    for (size_t i = 0; i < recipe->base_count; i++)
        jobs.work.shared[i] = share(&jobs.work, &recipe->base[i]);
    jobs.threads = count_threads(&jobs);
    share_jobs(&jobs);
    return run(&jobs, error);
}
