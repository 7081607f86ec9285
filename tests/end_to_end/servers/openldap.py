# SPDX-License-Identifier: MIT
from .process import Server, free_port, tool

CONFIGURATION = """
include /etc/ldap/schema/core.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
threads 4
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "dc=green"
directory {folder}
"""

ROOT = """dn: dc=green
objectClass: dcObject
objectClass: organization
dc: green
o: green

"""

ENTRY = """dn: ou={number},dc=green
objectClass: organizationalUnit
ou: {number}
description: entry {number}
userPassword: secret {number}

"""


class OpenLDAP(Server):
    """LDAP over TLS on localhost:`port`, with `entries` units ou=0,dc=green and so on, whose
    description is "entry 0", and with which one binds by "secret 0". `authority`: a file."""

    def __init__(self, entries):
        self._entries = entries

    def _start(self):
        key, self.authority = self._make_certificate(self.folder)
        self.port = free_port()
        configuration = self._write("configuration", CONFIGURATION.format(
            folder=self.folder, certificate=self.authority, key=key))
        entries = self._write("entries", ROOT + "".join(
            ENTRY.format(number=number) for number in range(self._entries)))
        slapd = tool("slapd", "/usr/sbin")
        self._run(slapd, "-T", "add", "-q", "-f", configuration, "-l", entries)
        self._launch(slapd, "-f", configuration, "-d", "none",
                     "-h", f"ldaps://127.0.0.1:{self.port}")

    def _ready(self):
        return self._accepts(self.port)
