"""nginx in a container before the copies of a model: one address, the copy with fewest open requests goes first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.host.ports import HOST

DEFAULT_IMAGE = "public.ecr.aws/nginx/nginx:1.28"
_CONFIG_FILE = "nginx.conf"
_TARGET = "/etc/fmbench/nginx.conf"
_LOGGED = re.compile(r'^fmbench \S+ (?P<status>\d+) (?P<copy>[\d.]+:\d+) .*"POST ')


def balancer(name: str, image: str, port: int, copies: Sequence[Container], folder: Path) -> Container:
    """The container that listens on `port` and passes requests on to the copies.

    It is on the host's network, where the copies' ports are: between container networks there would be one hop more.
    """
    return Container(
        name=name,
        image=image,
        host_port=port,
        container_port=port,
        path=copies[0].path,
        entrypoint=("nginx",),
        command=("-c", _TARGET),
        folder=folder,
        files={_CONFIG_FILE: config(port, [copy.host_port for copy in copies])},
        mounts=(Mount(folder / _CONFIG_FILE, _TARGET),),
        network="host",
    )


def config(port: int, copies: Sequence[int]) -> str:
    """nginx's configuration.

    Nothing in it may change what is measured: no request is repeated on another copy and no copy set aside in silence,
    no answer is held back, none is cut off (a day is longer than any generation), and no connection of a client is
    closed for its age or its number of requests. Connections to the copies are opened anew for each request, since some
    servers close theirs after a stream without saying so. `zone` makes all of nginx's processes count together.
    """
    servers = "\n".join(f"        server {HOST}:{copy} max_fails=0;" for copy in copies)
    return f"""daemon off;
worker_processes 4;
pid /tmp/nginx.pid;
error_log stderr warn;
events {{
    worker_connections 16384;
}}
http {{
    log_format fmbench 'fmbench $time_iso8601 $status $upstream_addr $upstream_header_time $request_time "$request"';
    access_log /dev/stdout fmbench;
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    client_max_body_size 0;
    keepalive_timeout 1d;
    keepalive_requests 100000000;
    keepalive_time 1d;
    client_body_timeout 1d;
    send_timeout 1d;
    tcp_nodelay on;
    upstream copies {{
        zone copies 256k;
        least_conn;
{servers}
    }}
    server {{
        listen {HOST}:{port} backlog=4096;
        location / {{
            proxy_pass http://copies;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection close;
            proxy_connect_timeout 75s;
            proxy_read_timeout 1d;
            proxy_send_timeout 1d;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_next_upstream off;
        }}
    }}
}}
"""


def requests_per_copy(log: Iterable[str]) -> Counter[str]:
    """How many requests (POST) each copy got, by its address, from the balancer's own log."""
    return Counter(found["copy"] for line in log if (found := _LOGGED.match(line)))
