# SPDX-License-Identifier: MIT
"""Files with everything that must survive, and what of it is there afterwards."""

import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"]) / "fixtures/libraries/calls.c"
NOBODY = 65534
LARGE = 5 << 20
TIME = 1_600_000_000_123_456_789

# user::rw- user:nobody:r-- group::r-- mask::r-- other::r--, as the kernel keeps it (acl(5)).
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, who) for tag, permissions, who in (
        (0x01, 6, 0xffffffff), (0x02, 4, NOBODY), (0x04, 4, 0xffffffff), (0x10, 4, 0xffffffff),
        (0x20, 4, 0xffffffff)))
# cap_net_raw+ep, revision 2 (capabilities(7)).
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)

ATTRIBUTES = {"user.greenify": b"kept", "system.posix_acl_access": ACL}
if os.getuid() == 0:
    ATTRIBUTES["security.capability"] = CAPABILITY


class Masters:
    """Libraries that are compiled once and copied often."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-faults-"))
        self.library = self.folder / "master.so"
        self.large = self.folder / "large.so"
        gcc = ["gcc", "-shared", "-fPIC", "-O1"]
        subprocess.run([*gcc, SOURCE, "-o", self.library], check=True)
        # As much as two threads share, and the disk begins with before all is written.
        subprocess.run([*gcc, SOURCE, "-xc", "-", "-o", self.large], check=True, text=True,
                       input=f"const char filling[{LARGE}] = {{1}};")

    def remove(self):
        shutil.rmtree(self.folder)

    def put(self, path, large=False):
        """A copy with mode, owner, attributes and times that are not those of a new file."""
        shutil.copyfile(self.large if large else self.library, path)
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        path.chmod(0o644)
        for name, value in ATTRIBUTES.items():
            try:
                os.setxattr(path, name, value)
            except OSError:
                pass # a file system without them
        os.utime(path, ns=(TIME, TIME))


def state(path):
    """All of a file that a mix of two versions would show in; None where there is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    attributes = {name: os.getxattr(path, name) for name in sorted(os.listxattr(path))}
    return (hashlib.sha256(path.read_bytes()).hexdigest(), status.st_mode, status.st_uid,
            status.st_gid, status.st_mtime_ns, attributes)


def states(folder):
    """Of every file below a folder, by its path in it."""
    return {str(path.relative_to(folder)): state(path)
            for path in sorted(folder.rglob("*")) if not path.is_dir()}
