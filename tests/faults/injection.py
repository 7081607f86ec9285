# SPDX-License-Identifier: MIT
"""One run of the command under strace, which kills it or makes one call fail."""

import errno
import os
import re
import subprocess
import tempfile

COMMAND = os.environ["GREENIFY"]

# What a call can say. Those that are not here cannot fail in a way that a caller has to expect.
ERRORS = {
    "read": ("EIO", "EINTR"), "pread64": ("EIO", "EINTR"),
    "write": ("ENOSPC", "EINTR"), "pwrite64": ("ENOSPC", "EDQUOT", "EINTR"),
    "copy_file_range": ("ENOSPC", "EIO", "EXDEV", "EOPNOTSUPP", "EINVAL", "EINTR"),
    "sendfile": ("ENOSPC", "EIO", "EINVAL"), "ioctl": ("EOPNOTSUPP", "EIO"),
    "openat": ("EMFILE", "EACCES"), "readlink": ("EIO",), "access": ("EACCES",),
    "newfstatat": ("EIO",), "fstat": ("EIO",), "statx": ("EIO",), "lseek": ("EIO",),
    "mmap": ("ENOMEM",), "mprotect": ("ENOMEM",), "madvise": ("ENOMEM",),
    "fallocate": ("ENOSPC", "EOPNOTSUPP"), "ftruncate": ("ENOSPC",),
    "fchown": ("EPERM", "EDQUOT"), "fchmod": ("EPERM",), "utimensat": ("EPERM",),
    "flistxattr": ("EIO",), "fgetxattr": ("EIO",),
    "fsetxattr": ("ENOSPC", "EPERM", "EOPNOTSUPP"),
    "fsync": ("EIO", "ENOSPC"), "fdatasync": ("EIO", "ENOSPC"), "sync_file_range": ("EIO",),
    "linkat": ("ENOSPC", "EMLINK"), "rename": ("EIO",), "renameat": ("EIO", "ENOSPC"),
    "renameat2": ("EIO", "ENOSPC"), "unlinkat": ("EIO",), "unlink": ("EIO",), "rmdir": ("EIO",),
    "mkdir": ("ENOSPC",), "mkdirat": ("ENOSPC",), "getdents64": ("EIO",), "close": ("EIO",),
    "getrandom": ("EINTR",), "flock": ("ENOLCK", "EINTR"), "getcwd": ("ENOMEM",),
    "pipe2": ("EMFILE",), "memfd_create": ("EMFILE",),
}
# Folders on file systems without nameless files.
NAMELESS_ERRORS = ("EOPNOTSUPP", "EISDIR", "ENOSPC")

# Calls that leave something behind. Being killed at another one is the same as at the next of these.
CHANGING = {"write", "pwrite64", "copy_file_range", "sendfile", "ioctl", "fallocate", "ftruncate",
            "fchown", "fchmod", "utimensat", "fsetxattr", "fsync", "fdatasync", "linkat", "rename",
            "renameat", "renameat2", "unlinkat", "unlink", "rmdir", "mkdir", "mkdirat", "flock",
            "exit_group"}


class Call:
    """One system call of a run: the `number`-th of its name."""

    def __init__(self, name, number, text):
        self.name = name
        self.number = number
        self.text = text

    def __str__(self):
        return f"{self.name} {self.number} ({self.text.strip()[:100]})"

    @property
    def succeeded(self):
        return " = -1 " not in self.text

    @property
    def changes(self):
        return self.name in CHANGING or "O_TMPFILE" in self.text or "O_CREAT" in self.text

    @property
    def errors(self):
        return NAMELESS_ERRORS if "O_TMPFILE" in self.text else ERRORS.get(self.name, ())

    def must_survive(self, error):
        """Whether the command has another way: to try again, or to do without."""
        if "O_TMPFILE" in self.text:
            return error != "ENOSPC"
        return error in ("EINTR", "EXDEV", "EOPNOTSUPP") and not self.text.startswith("1,") and \
            self.name in ("read", "write", "pread64", "pwrite64", "copy_file_range", "ioctl")

    @property
    def makes_visible(self):
        """Gives a destination its new content."""
        return self.succeeded and (self.name.startswith("rename") or (
            self.name == "linkat" and ".greenify-" not in self.text))

    @property
    def names_temporary(self):
        """Leaves a temporary file with a name behind, until it is renamed or removed."""
        return self.succeeded and ".greenify-" in self.text and (
            self.name == "linkat" or (self.name == "openat" and "O_CREAT" in self.text))


def works():
    """Why it does not, or None: strace may be missing, or forbidden."""
    try:
        run = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EIO",
                              "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "strace is not installed"
    return None if run.returncode == 0 else f"strace cannot be used here: {run.stderr.strip()}"


def command(arguments, options=(), program=COMMAND, **keywords):
    """The command, under strace where there are options for that."""
    tracer = ["strace", "-f", "-qq", *options] if options else []
    return subprocess.run([*tracer, program, *map(str, arguments)], capture_output=True, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, timeout=60, **keywords)


def calls(arguments, options=(), **keywords):
    """The run and its calls from the beginning of main() on; the loader's are not ours."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace", errors="replace") as log:
        run = command(arguments, ["-s", "64", "-o", log.name, *options], **keywords)
        lines = log.read().splitlines()
    counts = {}
    found = []
    ours = False
    for line in lines:
        match = re.match(r"^(\d+) +(\w+)\((.*)$", line)
        if match is None or match[1] != lines[0].split()[0]:
            continue  # of another thread: strace counts for each
        name = match[2]
        counts[name] = counts.get(name, 0) + 1
        ours = ours or line.endswith(" = 0") and "fcntl(0, F_GETFD)" in line
        if ours:
            found.append(Call(name, counts[name], match[3]))
    return run, found


def injected(options):
    """Names of the calls that these options for strace are about."""
    return [option.split("=")[1].split(":")[0] for option in options if option[:7] == "inject="]


def inject(call, what, arguments, options=(), **keywords):
    """`options` may inject something else into calls of another name."""
    names = ",".join([call.name, *injected(options)])
    return command(arguments, ["-o", "/dev/null", "-e", f"trace={names}", "-e",
                               f"inject={call.name}:{what}:when={call.number}", *options],
                   **keywords)


def kill(call, arguments, options=(), **keywords):
    """Dies before the call does anything."""
    return inject(call, "signal=KILL", arguments, options, **keywords)


def fail(call, error, arguments, options=(), **keywords):
    return inject(call, f"error={error}", arguments, options, **keywords)


# How a lack of memory is put, by us and by the loader.
NO_MEMORY = ("out of memory", "failed to map segment from shared object",
             "cannot map zero-fill pages")


def told(error, text):
    """Whether a message says what went wrong."""
    return os.strerror(getattr(errno, error)) in text or (
        error == "ENOMEM" and any(words in text for words in NO_MEMORY))
