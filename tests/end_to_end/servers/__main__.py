# SPDX-License-Identifier: MIT
import signal
import subprocess
import sys

from . import MariaDB, ServerError


def main(arguments):
    if arguments[:2] != ["mariadb", "--"] or len(arguments) < 3:
        sys.exit("usage: python3 -m servers mariadb -- COMMAND...")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with MariaDB() as server:
            command = [word.replace("{socket}", server.socket) for word in arguments[2:]]
            return subprocess.run(command, check=False).returncode
    except ServerError as error:
        sys.exit(f"servers: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
