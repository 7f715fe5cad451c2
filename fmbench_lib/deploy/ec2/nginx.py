"""nginx in a container in front of the copies of a model: one address, least connections first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.host.ports import HOST

DEFAULT_IMAGE = "public.ecr.aws/nginx/nginx:1.28"
_CONFIG_FILE = "nginx.conf"
_TARGET = "/etc/fmbench/nginx.conf"
_LOGGED = re.compile(r'^fmbench \S+ (?P<status>\d+) (?P<copy>[\d.]+:\d+) .*"POST ')

_CONFIG = """\
daemon off;
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
{listening}
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


def balancer(
    name: str, image: str, port: int, copies: Sequence[Container], folder: Path, listen_at: str | None = None
) -> Container:
    """The container that listens on `port` and forwards requests to the copies; `listen_at` opens it to others.

    It is on the host's network, like the copies' ports: container networks would add a hop.
    """
    made = Container(
        name=name,
        image=image,
        host_port=port,
        container_port=port,
        path=copies[0].path,
        entrypoint=("nginx",),
        command=("-c", _TARGET),
        folder=folder,
        mounts=(Mount(folder / _CONFIG_FILE, _TARGET),),
        network="host",
        listen_at=listen_at,
    )
    return replace(made, files={_CONFIG_FILE: config(port, [copy.host_port for copy in copies], made.hosts)})


def config(port: int, copies: Sequence[int], hosts: Sequence[str] = (HOST,)) -> str:
    """nginx's configuration for a balancer on `port` of these addresses, in front of copies at these ports.

    Nothing in it may distort the measurement: no request is retried on another copy, no copy is silently taken out of
    rotation, no response is buffered or cut off (a day is longer than any generation), and no client connection is
    closed for its age or its number of requests. Each request opens a new connection to its copy, since some servers
    close theirs after a stream without announcing it. `zone` makes all nginx workers share one connection count.
    """
    servers = "\n".join(f"        server {HOST}:{copy} max_fails=0;" for copy in copies)
    listening = "\n".join(f"        listen {host}:{port} backlog=4096;" for host in hosts)
    return _CONFIG.format(listening=listening, servers=servers)


def requests_per_copy(log: Iterable[str]) -> Counter[str]:
    """The number of requests (POST) that each copy got, by its address, from the balancer's log."""
    return Counter(match["copy"] for line in log if (match := _LOGGED.match(line)))
