/* SPDX-License-Identifier: MIT
 *
 * patch_verify_load(): the dynamic loader has the last word. The library is loaded by a child, for
 * its constructors may do anything: print, crash, hang.
 */
#include "check/verify.h"
#include "elf/image.h"
#include "error.h"
#include "imports.h"
#include "io/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* What the child tells; small enough for one write to a pipe to be whole. */
struct message {
    enum patch_verdict verdict;
    bool loaded; /* false: dlopen() failed and the detail says why */
    char detail[VERIFY_DETAIL];
};

/* --- in the child ------------------------------------------------------------------------------
 */

static bool is_runtime(const char *path, const char *runtime)
{
    return strcmp(file_base_name(path), file_base_name(runtime)) == 0;
}

/* The runtime may go by another file name than its DT_SONAME. */
static bool in_runtime(const Dl_info *info, const struct link_map *map, const char *runtime)
{
    const ElfW(Dyn) * entry;
    const char *strings = NULL;
    uint64_t soname = 0;

    if (info->dli_fname != NULL && is_runtime(info->dli_fname, runtime))
        return true;
    if (map == NULL)
        return false;
    for (entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        if (entry->d_tag == DT_SONAME)
            soname = entry->d_un.d_val;
    }
    return strings != NULL && soname != 0 && is_runtime(strings + soname, runtime);
}

static void check_slots(const struct link_map *library, const struct imports *imports,
                        const struct patch_options *options, struct message *message)
{
    size_t count = 0;

    for (size_t i = 0; i < imports->relocation_count; i++) {
        const struct import *import = &imports->items[imports->relocations[i].import];
        void *value;
        Dl_info info = {0};
        struct link_map *map = NULL;
        if (!import->redirected)
            continue;
        memcpy(&value, (const void *)(library->l_addr + imports->relocations[i].address),
               sizeof(value));
        bool known = dladdr1(value, &info, (void **)&map, RTLD_DL_LINKMAP) != 0;
        if (!known || !in_runtime(&info, map, options->runtime)) {
            message->verdict = PATCH_FAULT;
            snprintf(message->detail, sizeof(message->detail),
                     "the slot of %s at 0x%" PRIx64 " is bound to %s in %s", import->name,
                     imports->relocations[i].address,
                     known && info.dli_sname != NULL ? info.dli_sname : "nothing known",
                     known && info.dli_fname != NULL ? info.dli_fname : "no library");
            return;
        }
        count++;
    }
    if (count == 0) {
        message->verdict = PATCH_SKIPPED;
        snprintf(message->detail, sizeof(message->detail), "nothing is redirected");
        return;
    }
    message->verdict = PATCH_PASS;
    snprintf(message->detail, sizeof(message->detail), "%zu slots lie inside %s", count,
             options->runtime);
}

static void be_quiet(void)
{
    struct rlimit no_core = {0, 0};
    int null = open("/dev/null", O_RDWR);

    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
}

/* What this process runs on itself (libz, when LD_LIBRARY_PATH leads to its patched copy) was bound
 * lazily and stays so; in a name space of its own it is loaded once more, and bound at once. */
static void *load(const char *path)
{
    bool here = dlopen(path, RTLD_LAZY | RTLD_NOLOAD) != NULL;

    return here ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW) : dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* The loader's words, and what helps when it is the runtime that it could not find. */
static void explain_refusal(const char *text, const struct patch_options *options,
                            struct message *message)
{
    bool runtime = strstr(text, file_base_name(options->runtime)) != NULL &&
                   strstr(text, "cannot open shared object file") != NULL;

    snprintf(message->detail, sizeof(message->detail), "%s%s", text,
             runtime ? "; LD_LIBRARY_PATH can name the runtime's folder" : "");
}

static _Noreturn void child(const char *path, const struct imports *imports,
                            const struct patch_options *options, int to)
{
    struct message message = {.verdict = PATCH_FAULT};
    struct link_map *map;

    be_quiet();
    void *library = load(path);
    if (library == NULL) {
        explain_refusal(dlerror(), options, &message);
    } else if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) {
        snprintf(message.detail, sizeof(message.detail), "%s", dlerror());
    } else {
        message.loaded = true;
        check_slots(map, imports, options, &message);
    }
    /* No exit(): destructors of a library that was only looked at are none of our business. */
    _exit(write(to, &message, sizeof(message)) == (ssize_t)sizeof(message) ? 0 : 1);
}

/* --- in the parent -----------------------------------------------------------------------------
 */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False when the child said nothing before it ended, or before the deadline. */
static bool receive(int from, int64_t deadline, struct message *message)
{
    struct pollfd waited = {.fd = from, .events = POLLIN};

    for (;;) {
        int64_t left = deadline - now_ms();
        int ready = left > 0 ? poll(&waited, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || read(from, message, sizeof(*message)) != (ssize_t)sizeof(*message))
            return false;
        message->detail[sizeof(message->detail) - 1] = '\0';
        return true;
    }
}

/* Whether the child ends by itself before the deadline; one that closed the pipe may live on. It
 * stays unreaped, so that its number cannot be another's. */
static bool ends(pid_t pid, int64_t deadline)
{
    const struct timespec pause = {.tv_nsec = 2000000};

    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT | WNOHANG) == 0 &&
            ended.si_pid == pid)
            return true;
        if (now_ms() >= deadline)
            return false;
        nanosleep(&pause, NULL);
    }
}

static void explain_end(int status, struct message *message)
{
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (WIFSIGNALED(status))
        snprintf(message->detail, sizeof(message->detail),
                 "the process that loaded it died: SIG%s (%s)", name != NULL ? name : "?",
                 strsignal(WTERMSIG(status)));
    else
        snprintf(message->detail, sizeof(message->detail),
                 "the process that loaded it ended with status %d",
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* Reads what the child says, and ends it and all that it started. */
static void hear(pid_t pid, int from, unsigned patience, struct message *message)
{
    int64_t deadline = now_ms() + patience;
    bool told = receive(from, deadline, message);
    bool ended = told || ends(pid, deadline);
    int status = 0;

    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* it may have left its group */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (told)
        return;
    *message = (struct message){.verdict = PATCH_FAULT};
    if (ended)
        explain_end(status, message);
    else
        snprintf(message->detail, sizeof(message->detail),
                 "loading took more than %g s: an initialiser blocks", patience / 1000.0);
}

static bool run_child(const char *path, const struct imports *imports,
                      const struct patch_options *options, unsigned patience,
                      struct message *message, struct patch_error *error)
{
    int pipe_fds[2];

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return error_system(error, "pipe2");
    pid_t pid = fork();
    if (pid < 0) {
        error_system(error, "fork");
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return false;
    }
    if (pid == 0)
        child(path, imports, options, pipe_fds[1]);
    setpgid(pid, pid); /* both sides do it, so that whoever comes first has done it */
    close(pipe_fds[1]);
    hear(pid, pipe_fds[0], patience, message);
    close(pipe_fds[0]);
    return true;
}

/* Why the loader of this process cannot be asked; NULL when it can. */
static const char *cannot_load(const struct image *image)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS_1);
    Elf64_Ehdr own = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && read(fd, &own, sizeof(own)) == (ssize_t)sizeof(own);

    if (fd >= 0)
        close(fd);
    if (known &&
        (own.e_machine != image->arch->machine || own.e_ident[EI_CLASS] != image->codec->class ||
         own.e_ident[EI_DATA] != image->codec->order))
        return "its machine is not this one";
    if (flags != NULL && (flags->d_un.d_val & DF_1_PIE) != 0)
        return "it is an executable";
    return NULL;
}

static void tell(const struct message *message, patch_check_sink *sink, void *context, bool *sound)
{
    enum patch_verdict verdicts[2] = {message->loaded ? PATCH_PASS : message->verdict,
                                      message->loaded ? message->verdict : PATCH_SKIPPED};
    const char *details[2] = {message->loaded ? "" : message->detail,
                              message->loaded ? message->detail : "not loaded"};

    for (size_t i = 0; i < 2; i++) {
        if (verdicts[i] == PATCH_FAULT)
            *sound = false;
        if (sink != NULL)
            sink(context, verify_load_checks[i].name, verdicts[i], details[i]);
    }
}

bool verify_load(const char *input, const struct patch_options *options, unsigned patience,
                 patch_check_sink *sink, void *context, bool *sound, struct patch_error *error)
{
    struct file file;
    struct image *image = NULL;
    struct imports imports = {0};
    struct message message = {0};

    *sound = true;
    if (!file_open(&file, input, error))
        return false;
    bool done = image_open(&file, &image, error) && image_load_tables(image, error) &&
                imports_collect(image, options, &imports, error);
    if (done) {
        const char *why = cannot_load(image);
        message.verdict = PATCH_SKIPPED;
        if (why != NULL)
            snprintf(message.detail, sizeof(message.detail), "%s", why);
        else
            done = run_child(file.path, &imports, options, patience, &message, error);
    }
    if (done)
        tell(&message, sink, context, sound);
    imports_finish(&imports);
    image_destroy(image);
    file_finish(&file);
    return done;
}

bool patch_verify_load(const char *input, const struct patch_options *options,
                       patch_check_sink *sink, void *context, bool *sound,
                       struct patch_error *error)
{
    return verify_load(input, options, PATIENCE_MS, sink, context, sound, error);
}
