/* SPDX-License-Identifier: MIT
 *
 * Rewriting ELF shared objects so that imports of chosen functions go to a runtime library.
 * The only header that the command and other programs see. The library knows nothing of what the
 * functions do: which names to redirect is data, handed in by the caller. It never prints, never
 * exits, and never leaves a file half written.
 */
#ifndef GREENIFY_PATCHER_H
#define GREENIFY_PATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PATCH_MUST_CHECK __attribute__((warn_unused_result))

/* --- errors ----------------------------------------------------------------------------------- */

/* What kind of thing went wrong. The names are stable: tests and --json output use them. */
enum patch_code {
#define PATCH_ERROR(code, name) PATCH_##code,
#include "errors.def"
#undef PATCH_ERROR
};

/* One failure, complete in itself; filled in by the call that returns false. */
struct patch_error {
    enum patch_code code;
    char table[64];   /* table or section and index, as in ".rela.plt[12]"; "" where none applies */
    bool has_offset;  /* whether `offset` means anything */
    uint64_t offset;  /* place in the file, in bytes from its start */
    char reason[256]; /* one clause, no final period */
    int system_error; /* errno of the call that failed, or 0 */
};

/* "unsupported-machine" and the like, for reports and --json. Never NULL. */
const char *patch_code_name(enum patch_code code);

/* "TABLE at 0xOFFSET: REASON", cut to `size` bytes, always terminated. */
void patch_error_format(const struct patch_error *error, char *text, size_t size);

/* --- what to redirect ------------------------------------------------------------------------- */

/* Borrowed for the duration of each call that takes it. */
struct patch_options {
    const char *const *functions; /* names to redirect, in any order, ended by NULL */
    const char *prefix;           /* an import NAME becomes PREFIX NAME: "greenify_" */
    const char *runtime;          /* DT_NEEDED entry that provides these: "libgreen.so.1" */
    uint64_t bss_limit; /* most .bss bytes the extension layout may put into the file; 0: 64 MiB */
    bool allow_hard_links; /* rewrite a file that has other names (they keep the old content) */
    bool allow_overlay;    /* accept bytes behind the last thing that the headers describe */
    bool allow_signed;     /* change bytes that somebody checks before they are used */
    bool no_new_segment;   /* refuse what only a grown program header table could serve */
    const char *const *others; /* names that could be redirected as well, ended by NULL, or NULL:
                                  patch_scan() tells which of them are imported */
    const char *runpath;   /* folder to put in front of DT_RUNPATH ("$ORIGIN"), or NULL. Done also
                              where no import is redirected; with no functions, to any library */
};

/* Where the grown string table went. The last resort is PATCH_LAYOUT_NEW_SEGMENT: strip, objcopy
 * and their kin destroy such a file and exit with 0, so it has to be stripped first. */
enum patch_layout {
    PATCH_LAYOUT_NONE,      /* not patched */
    PATCH_LAYOUT_CAVE,      /* into the padding behind a read-only segment; the file did not grow */
    PATCH_LAYOUT_EXTENSION, /* behind the last segment, whose .bss now stands in the file */
    PATCH_LAYOUT_NEW_SEGMENT, /* into a segment of its own, with a longer program header table */
};
/* "none", "cave", "extension", "new-segment" */
const char *patch_layout_name(enum patch_layout layout);

/* What patch_prepare() or patch_prepare_revert() did, or found. */
struct patch_report {
    enum patch_layout layout;
    bool restored;           /* a revert: the layout is the one that is given up */
    size_t remaining;        /* a revert: functions that stay redirected, as what is given back was
                                patched before another tool edited it */
    const char *machine;     /* "x86-64", "s390x"; static storage */
    const char *needed_slot; /* "spare", "DT_RELACOUNT", "DT_RELCOUNT", "DT_FLAGS" or "present";
                              * static storage */
    size_t redirected;       /* undefined symbols that are redirected */
    size_t relocations;      /* relocations that follow them */
    uint64_t size_before;    /* of the file, in bytes */
    uint64_t size_after;
    char **names; /* the functions, sorted, `redirected` of them; owned by the report */
};
void patch_report_finish(struct patch_report *report);

/* --- change: a new version of one file, complete but not yet visible -------------------------- */

/* Several files are one transaction: prepare each, then commit each, or discard all. Each change
 * holds two file descriptors. */
struct patch_change;

enum patch_outcome {
    PATCH_FAILED,  /* see the error; nothing was left behind */
    PATCH_NOTHING, /* sound input, nothing to do (no such import, or redirected already) */
    PATCH_READY,   /* *change holds a file to commit */
};

/* Plans the redirection of `input` and writes the result to a temporary file beside `output`
 * (NULL: beside `input` itself, symbolic links resolved, to replace it), with mode, owner, times,
 * extended attributes and ACLs of the input. `report` may be NULL, `change` may be NULL for a dry
 * run, which writes nothing. The caller owns *change.
 * A file that was patched before, for fewer functions, is planned anew from its original, for the
 * earlier and the new functions together, so that one revert leads back to that; where another tool
 * edited it since, it is patched as it stands, and a revert leads back to there. */
PATCH_MUST_CHECK enum patch_outcome
patch_prepare(const char *input, const char *output, const struct patch_options *options,
              struct patch_change **change, struct patch_report *report, struct patch_error *error);

/* The same for the way back: the original, byte for byte, from the record inside `input`. Fails
 * with PATCH_CHANGED_SINCE and a reason that says what differs when another tool edited the file
 * afterwards, PATCH_NOTHING when it was never patched. */
PATCH_MUST_CHECK enum patch_outcome patch_prepare_revert(const char *input, const char *output,
                                                         const struct patch_options *options,
                                                         struct patch_change **change,
                                                         struct patch_report *report,
                                                         struct patch_error *error);

/* Waits until the new content is on the disk. patch_commit() does so too; with several files it is
 * better done for all of them before the first is committed, since it can fail. */
PATCH_MUST_CHECK bool patch_sync(struct patch_change *change, struct patch_error *error);

/* Gives the new version the name of its destination, in one step, and syncs the folder. Frees the
 * change, also on failure. Fails with PATCH_CHANGED_SINCE when the input that it would replace is
 * not the one that was read. */
PATCH_MUST_CHECK bool patch_commit(struct patch_change *change, struct patch_error *error);

/* Removes the temporary file. Frees the change. Accepts NULL. */
void patch_discard(struct patch_change *change);

/* A new version of any file, say of a list that names a patched one, as a change like those above:
 * `bytes` with the attributes of `input`. Heeds options->allow_hard_links. */
PATCH_MUST_CHECK bool patch_prepare_contents(const char *input, const char *output,
                                             const void *bytes, uint64_t size,
                                             const struct patch_options *options,
                                             struct patch_change **change,
                                             struct patch_error *error);

/* The same with the bytes of `input` itself. */
PATCH_MUST_CHECK bool patch_prepare_copy(const char *input, const char *output,
                                         const struct patch_options *options,
                                         struct patch_change **change, struct patch_error *error);

/* Hands the bytes that a commit will make visible to `sink`, part by part. */
typedef void patch_bytes_sink(void *context, const void *bytes, size_t size);
PATCH_MUST_CHECK bool patch_change_read(const struct patch_change *change, patch_bytes_sink *sink,
                                        void *context, struct patch_error *error);

/* --- scan ------------------------------------------------------------------------------------- */

/* One place that calls or loads the address of an import. */
struct patch_call_site {
    char *function;   /* the function that contains it, or NULL where no symbol covers it */
    uint64_t start;   /* where that begins; 0 where unwinding tables do not know either */
    uint64_t address; /* of the instruction, as in the file (not relocated) */
    const char *kind; /* "call", "jump", "load"; static storage */
};

/* One relocation that an import's address is written by. */
struct patch_relocation {
    const char *kind; /* "JUMP_SLOT", "GLOB_DAT", "ABS64", "ABS32"; static storage */
    uint64_t address; /* of the slot */
};

struct patch_import {
    char *name;    /* without the prefix */
    char *version; /* "GLIBC_2.2.5", or NULL */
    bool redirected;
    struct patch_relocation *relocations;
    size_t relocation_count;
    struct patch_call_site *call_sites;
    size_t call_site_count;
};

/* What else scan finds: waits that redirected imports do not reach, or not as they are chosen. */
enum patch_finding_kind {
    PATCH_FINDING_TRAP,       /* an instruction that enters the kernel */
    PATCH_FINDING_SYSCALL,    /* a call of syscall() */
    PATCH_FINDING_LOOKUP,     /* a function that is looked up by name */
    PATCH_FINDING_OPENED,     /* a library that is opened at run time */
    PATCH_FINDING_STREAM,     /* stdio on what may be a socket */
    PATCH_FINDING_COPY,       /* a function of libc that is part of the file */
    PATCH_FINDING_GO,         /* Go's runtime */
    PATCH_FINDING_NOT_CHOSEN, /* an import among options->others */
    PATCH_FINDING_NOT_HOOKED, /* an import that waits and is in no list */
};

enum patch_reach { PATCH_REDIRECTED, PATCH_REDIRECTABLE, PATCH_UNREACHABLE };
enum patch_answer { PATCH_NO, PATCH_YES, PATCH_UNKNOWN };

struct patch_finding {
    enum patch_finding_kind kind;
    bool placed;      /* stands at `address`: else it is about the whole file */
    uint64_t address; /* of the instruction, the string or the function */
    char *function;   /* that contains it, and where that begins: as in a call site */
    uint64_t start;
    char *what;      /* the system call, function or library; NULL: not known */
    const char *how; /* the instruction or function by which: "syscall", "dlsym"; or NULL */
    bool numbered;   /* `number` is that of the system call */
    uint64_t number;
    enum patch_answer blocks;
    const char *waits; /* "for data", or NULL; static storage */
    bool certain;      /* else a guess by a name */
    enum patch_reach reach;
};

const char *patch_finding_name(enum patch_finding_kind kind);   /* never NULL */
const char *patch_finding_reason(enum patch_finding_kind kind); /* one clause, for its reach */
const char *patch_reach_name(enum patch_reach reach); /* "can be redirected" and so on */

struct patch_scan {
    const char *machine;
    char *soname;                 /* or NULL */
    bool patched;                 /* the runtime is needed and at least one import is redirected */
    bool reverts;                 /* an undo record stands in the file */
    bool decoded;                 /* code was looked into: not done on every machine */
    struct patch_error refusal;   /* code PATCH_OK, or why imports that are not redirected cannot be */
    struct patch_import *imports; /* the hooked ones only, by name */
    size_t import_count;
    struct patch_finding *findings; /* by kind, then by address */
    size_t finding_count;
    char **needed; /* DT_NEEDED entries in order, ended by NULL */
};

/* Lists the imports among options->functions, redirected or not, and what else may wait. The caller
 * owns *scan. */
PATCH_MUST_CHECK bool patch_scan(const char *input, const struct patch_options *options,
                                 struct patch_scan **scan, struct patch_error *error);
void patch_scan_destroy(struct patch_scan *scan); /* accepts NULL */

/* --- closure: a file and the libraries that the loader would load for it ---------------------- */

/* By what the loader finds a library. */
enum patch_found {
    PATCH_FOUND_NOWHERE,
    PATCH_FOUND_LOADED, /* another member goes by this name */
    PATCH_FOUND_PATH,   /* the entry is itself a path */
    PATCH_FOUND_RPATH,
    PATCH_FOUND_ENVIRONMENT, /* LD_LIBRARY_PATH */
    PATCH_FOUND_RUNPATH,
    PATCH_FOUND_CACHE,
    PATCH_FOUND_DEFAULT, /* the folders that the loader looks into at last */
};
const char *patch_found_name(enum patch_found found); /* "rpath", "cache"...; static storage */

#define PATCH_NO_MEMBER ((size_t)-1)

/* One DT_NEEDED entry. */
struct patch_need {
    char *name;    /* as it stands in the file */
    size_t member; /* that it leads to, or PATCH_NO_MEMBER: missing */
    enum patch_found found;
};

struct patch_member {
    char *path;  /* as the loader would open it; its symbolic links are not resolved */
    char *name;  /* that others ask for it by: DT_SONAME, else the last component of the path */
    bool exempt; /* libc, the loader, the runtime or what that needs: never patched */
    struct patch_need *needs; /* of an exempt member: none are listed */
    size_t need_count;
    char **functions; /* chosen functions that it imports, redirected or not, sorted */
    size_t function_count;
    size_t redirected;        /* how many of them are redirected */
    struct patch_error error; /* code PATCH_OK, or why it could not be read as a library */
};

/* In the order in which the loader would load them, breadth first; members[0] is the file given. */
struct patch_closure {
    struct patch_member *members;
    size_t count;
    char *runtime; /* the file that options->runtime leads to from here, or NULL */
};

/* Follows the DT_NEEDED entries of `input` as ld.so(8) does, with this process's LD_LIBRARY_PATH.
 * Missing and unreadable libraries are told in the result; only what stops the walk at its first
 * file is a failure. The caller owns *closure. */
PATCH_MUST_CHECK bool patch_closure_find(const char *input, const struct patch_options *options,
                                         struct patch_closure **closure, struct patch_error *error);
void patch_closure_destroy(struct patch_closure *closure); /* accepts NULL */

/* --- verify ----------------------------------------------------------------------------------- */

enum patch_verdict { PATCH_PASS, PATCH_FAULT, PATCH_SKIPPED };

/* Called once for each check, in the order of the table of checks. `name` is stable
 * ("load-congruence"), `detail` says what was found and where, "" for a plain pass. Both are
 * borrowed. */
typedef void patch_check_sink(void *context, const char *name, enum patch_verdict verdict,
                              const char *detail);

/* Structure, that every import among options->functions is redirected, and, where the undo record
 * leads back to the original, that nothing else differs from that. Returns false when the file
 * could not be read at all; *sound tells whether every check passed. */
PATCH_MUST_CHECK bool patch_verify(const char *input, const struct patch_options *options,
                                   patch_check_sink *sink, void *context, bool *sound,
                                   struct patch_error *error);

/* The same against the file `original` instead of the undo record (NULL: by that). An original that
 * cannot be read is a fault of the checks "original...", not a failure. */
PATCH_MUST_CHECK bool patch_verify_original(const char *input, const char *original,
                                            const struct patch_options *options,
                                            patch_check_sink *sink, void *context, bool *sound,
                                            struct patch_error *error);

/* The table of checks, those of patch_verify_load() last: the name of check `index` and what it
 * asserts, in one phrase; static storage. False behind the last. */
PATCH_MUST_CHECK bool patch_check_describe(size_t index, const char **name, const char **purpose);

/* Loads `input` with the dynamic loader in a child process and checks that each redirected slot
 * holds an address inside the runtime. `sink` and `sound` as above. */
PATCH_MUST_CHECK bool patch_verify_load(const char *input, const struct patch_options *options,
                                        patch_check_sink *sink, void *context, bool *sound,
                                        struct patch_error *error);

#ifdef __cplusplus
}
#endif

#endif
