# SPDX-License-Identifier: MIT
import glob

from .process import Server, free_port, tool

CONFIGURATION = """
daemon off;
worker_processes 1;
pid pid;
error_log stderr;
load_module {module};
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} ssl http2 backlog=1000;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        # /SECONDS/TEXT answers with TEXT, after that time.
        location ~ ^/(?<seconds>[0-9.]+)/(?<text>.*)$ {{
            echo_sleep $seconds;
            echo -n $text;
        }}
    }}
}}
"""


class Nginx(Server):
    """HTTPS on localhost:`port`, by HTTP/2 with clients that offer it. `authority`: a file."""

    def _start(self):
        modules = glob.glob("/usr/lib/nginx/modules/ngx_http_echo_module.so")
        key, self.authority = self._make_certificate(self.folder)
        self.port = free_port()
        self._write("configuration", CONFIGURATION.format(
            module="".join(modules), port=self.port, key=key, certificate=self.authority))
        self._launch(tool("nginx", "/usr/sbin"), "-p", self.folder, "-e", "stderr",
                     "-c", "configuration")

    def url(self, seconds, text):
        return f"https://localhost:{self.port}/{seconds}/{text}"

    def _ready(self):
        return self._accepts(self.port)
