# SPDX-License-Identifier: MIT
"""An echo server under gevent, a greenlet a connection."""
import gevent
from gevent import socket

MESSAGE_ROOM = 4096


def serve(connection):
    with connection:
        while received := connection.recv(MESSAGE_ROOM):
            connection.sendall(received)


def main():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(4096)
    print(listening.getsockname()[1], flush=True)
    while True:
        gevent.spawn(serve, listening.accept()[0])


if __name__ == "__main__":
    main()
