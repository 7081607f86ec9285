# SPDX-License-Identifier: MIT
"""The clients of test_clients.py: what each is, and how its server is set up.

Every job waits for its server for WAIT seconds, in one or several steps.
"""
import contextlib
import dataclasses

import servers

WAIT = 0.3
DEFAULT_HOOKS = "net,poll,time,name"


@dataclasses.dataclass
class Setting:
    """What the programs in fixtures/clients are asked to do."""
    target: str
    query: str
    expect: str
    authority: str = ""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A client library. `setting` makes a context manager: its server, as long as that runs."""
    name: str
    title: str
    soname: str
    setting: object
    connections: int = 200  # at once; in the full test that many for each
    binding: str = ""  # Debian's Python module for this library, where there is one
    hooks: str = DEFAULT_HOOKS
    program: str = ""

    def __post_init__(self):
        object.__setattr__(self, "program", f"many_{self.program or self.name}")


@contextlib.contextmanager
def mariadb():
    with servers.MariaDB() as server:
        yield Setting(server.socket, f"SELECT %d, SLEEP({WAIT})", "%d|0")


@contextlib.contextmanager
def mariadb_tls():
    with servers.MariaDB(tls=True) as server:
        yield Setting(f"tls:127.0.0.1:{server.port}", f"SELECT %d, SLEEP({WAIT})", "%d|0",
                      server.authority)


@contextlib.contextmanager
def postgresql():
    with servers.PostgreSQL() as server:
        yield Setting(server.conninfo("require"), f"SELECT %d, pg_sleep({WAIT})", "%d|")


@contextlib.contextmanager
def nginx(query):
    with servers.Nginx() as server:
        yield Setting(server.url(WAIT, "%d"), query, "%d", server.authority)


@contextlib.contextmanager
def redis():
    with servers.Redis() as server:
        yield Setting(f"127.0.0.1:{server.port}", f"BLPOP nothing {WAIT}", "%d|nil")


@contextlib.contextmanager
def memcached():
    """Three commands, one after another."""
    with servers.Memcached() as server, servers.Distance(server.port, WAIT / 3) as distance:
        yield Setting(f"127.0.0.1:{distance.port}", "value %d", "value %d")


@contextlib.contextmanager
def mosquitto():
    """The handshake of TLS, connect, subscribe, publish."""
    with servers.Mosquitto() as server, servers.Distance(server.port, WAIT / 4) as distance:
        yield Setting(f"localhost:{distance.port}", "message %d", "message %d", server.authority)


@contextlib.contextmanager
def openldap():
    """The handshake of TLS, bind, search."""
    with servers.OpenLDAP(200) as server, servers.Distance(server.port, WAIT / 3) as distance:
        yield Setting(f"ldaps://127.0.0.1:{distance.port}", "", "entry %d", server.authority)


@contextlib.contextmanager
def openssh():
    with servers.OpenSSH() as server:
        yield Setting(f"{server.user}@{server.port}:{server.key}", f"sleep {WAIT}; echo %d", "%d")


KINDS = [
    Kind("mysql", "libmariadb", "libmariadb.so.3", mariadb, binding="MySQLdb"),
    Kind("mysql_tls", "libmariadb over TLS", "libmariadb.so.3", mariadb_tls, program="mysql"),
    Kind("pq", "libpq over TLS", "libpq.so.5", postgresql, binding="psycopg2"),
    Kind("curl", "libcurl with libssl, HTTP/2", "libcurl.so.4", lambda: nginx("HTTP/2")),
    Kind("curl_gnutls", "libcurl with libgnutls, HTTPS", "libcurl-gnutls.so.4", lambda: nginx(""),
         binding="pycurl"),
    Kind("neon", "neon with libgnutls, HTTPS", "libneon-gnutls.so.27", lambda: nginx("")),
    Kind("redis", "hiredis", "libhiredis.so.0.14", redis),
    Kind("memcached", "libmemcached", "libmemcached.so.11", memcached, binding="pylibmc"),
    Kind("mosquitto", "libmosquitto over TLS", "libmosquitto.so.1", mosquitto),
    # It holds a mutex of the whole process while it looks a name up.
    Kind("ldap", "libldap with libgnutls", "libldap-2.5.so.0", openldap, binding="ldap",
         hooks=DEFAULT_HOOKS + ",sync"),
    # Each connection costs its server two processes.
    Kind("ssh2", "libssh2", "libssh2.so.1", openssh, connections=20),
]
