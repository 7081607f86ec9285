# SPDX-License-Identifier: MIT
"""Private servers on sockets of their own, one file each.

Each is a context manager: started in a temporary folder, waited for, and at the end stopped by its
own process id and removed. As root they run as `nobody`, because PostgreSQL refuses root.
Also a program: `python3 -m servers mariadb -- COMMAND...` runs COMMAND with {socket} replaced.
"""
from .distance import Distance
from .mariadb import MariaDB
from .memcached import Memcached
from .mosquitto import Mosquitto
from .nginx import Nginx
from .openldap import OpenLDAP
from .openssh import OpenSSH
from .postgresql import PostgreSQL
from .process import ServerError
from .redis import Redis
from .slow_http import SlowHTTP

__all__ = ["Distance", "MariaDB", "Memcached", "Mosquitto", "Nginx", "OpenLDAP", "OpenSSH",
           "PostgreSQL", "Redis", "ServerError", "SlowHTTP"]
