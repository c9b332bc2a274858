"""The configurations compared: Weir, HAProxy and nginx in front of the same origin.

"on" is what a sidecar has on: an access log in a file, statistics, retries and passive ejection.
"bare" forwards and nothing else.
"""
from pathlib import Path

ORIGIN_PORT = 9000
FIRST_OF_MANY = 20001  # the origin listens on ORIGIN_PORT and on these many ports
PROXY_PORT = 8080
ADMIN_PORT = 19347
IDLE = "keepalive_timeout 3600s; keepalive_requests 1000000000;"


def nginx_head(folder, connections=20000):
    return (
        f"daemon off; worker_processes WORKERS; pid {folder}/nginx.pid; error_log {folder}/error.log error;\n"
        f"worker_rlimit_nofile 20000; events {{ worker_connections {connections}; }}\n"
        f"http {{ client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_body_buffer_size 128k; {IDLE}\n"
    )


def origin(folder, address, many):
    """nginx answering 1 KB from its configuration, 64 KB and 16 MB from cached files."""
    (folder / "64k").write_bytes(b"x" * 65536)
    (folder / "16m").write_bytes(b"x" * (16 << 20))
    listens = f"listen {address}:{ORIGIN_PORT} backlog=8192;"
    if many:
        listens += f" listen {address}:{FIRST_OF_MANY}-{FIRST_OF_MANY + many - 1};"
    config = folder / "origin.conf"
    config.write_text(
        nginx_head(folder).replace("WORKERS", "1")
        + "access_log off; sendfile on; tcp_nopush on; open_file_cache max=10 inactive=1h;\n"
        + f"server {{ {listens} root {folder}; error_page 405 =200 $uri;\n"
        + "location /64k { } location /16m { } location / { return 200 '" + "x" * 1024 + "'; } } }\n"
    )
    return ["nginx", "-c", str(config)]


def targets(address, endpoints):
    if endpoints == 1:
        return [f"{address}:{ORIGIN_PORT}"]
    return [f"{address}:{FIRST_OF_MANY + i}" for i in range(endpoints)]


def weir(folder, binary, net, workers=1, bare=False, routes=1, endpoints=1):
    extra = "access_log: off\ndefaults: {breaker: off, outlier: off, retry: off}\n" if bare else (
        f"access_log: {{to: {folder}/weir-access.log, format: json}}\n"
    )
    lines = ["    to: origin"] if routes == 1 else ["    routes:"] + [
        f"      - {{path: /r{i}/*, to: origin}}" for i in range(routes)
    ]
    listed = ", ".join(f'"{target}"' for target in targets(net.origin_address, endpoints))
    config = folder / "weir.yaml"
    config.write_text(
        f"version: 1\nthreads: {workers}\nadmin: {{listen: 127.0.0.1:{ADMIN_PORT}}}\n"
        f"telemetry: {{listen: 127.0.0.1:19348}}\n{extra}listeners:\n"
        f"  - listen: {net.proxy_address}:{PROXY_PORT}\n" + "\n".join(lines)
        + f"\nclusters:\n  origin:\n    endpoints: [{listed}]\n"
    )
    return [str(binary), "run", str(config)]


def haproxy(folder, net, workers=1, bare=False, routes=1, endpoints=1):
    on = (
        "  log global\n  option httplog\n  option forwardfor\n  retries 3\n  option redispatch\n"
        if not bare else "  retries 0\n"
    )
    observe = "" if bare else " check inter 10s observe layer7 error-limit 5 on-error mark-down"
    servers = "\n".join(
        f"  server s{i} {target}{observe}" for i, target in enumerate(targets(net.origin_address, endpoints))
    )
    match = ""
    if routes > 1:
        (folder / "routes.map").write_text("".join(f"/r{i}/ origin\n" for i in range(routes)))
        match = f"  use_backend %[path,map_beg({folder}/routes.map)]\n"
    stats = "" if bare else "frontend stats\n  bind 127.0.0.1:19404\n  stats enable\n  stats uri /stats\n"
    config = folder / "haproxy.cfg"
    config.write_text(
        f"global\n  nbthread {workers}\n  maxconn 15000\n  no strict-limits\n"
        + ("" if bare else "  log stdout format raw daemon\n")
        + "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1m\n"
        + f"  timeout http-keep-alive 1h\n{on}{stats}frontend in\n"
        + f"  bind {net.proxy_address}:{PROXY_PORT} backlog 8192\n{match}  default_backend origin\n"
        + f"backend origin\n  balance roundrobin\n{servers}\n"
    )
    return ["haproxy", "-db", "-f", str(config)]


def nginx(folder, net, workers=1, bare=False, routes=1, endpoints=1):
    log = "access_log off;" if bare else f"access_log {folder}/nginx-access.log combined buffer=64k flush=1s;"
    fails = "max_fails=0" if bare else "max_fails=5"
    servers = " ".join(f"server {target} {fails};" for target in targets(net.origin_address, endpoints))
    forward = 'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";'
    if not bare:
        forward += " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    places = ["/"] if routes == 1 else [f"/r{i}/" for i in range(routes)]
    config = folder / "nginx.conf"
    config.write_text(
        nginx_head(folder).replace("WORKERS", str(workers))
        + f"{log} proxy_buffers 16 16k; proxy_max_temp_file_size 0;\n"
        + f"upstream origin {{ {servers} keepalive {max(64, endpoints)}; {IDLE} }}\n"
        + f"server {{ listen {net.proxy_address}:{PROXY_PORT} backlog=8192 reuseport;\n"
        + "\n".join(f"location {place} {{ {forward} }}" for place in places)
        + ("" if bare else "\nlocation = /nginx_status { stub_status; }") + "\n} }\n"
    )
    return ["nginx", "-c", str(config)]


def command(kind, folder, binary, net, **shape):
    """The command line of one of the three, its configuration written."""
    folder = Path(folder)
    if kind == "weir":
        return weir(folder, binary, net, **shape)
    return {"haproxy": haproxy, "nginx": nginx}[kind](folder, net, **shape)
