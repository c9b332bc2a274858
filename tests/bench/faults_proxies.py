"""The proxies of the fault bench: Weir with its defaults, HAProxy and nginx as experts set them.

Nothing of Weir's but where it listens and whom it calls. HAProxy: two retries on another server,
for safe methods also after an answer of 503 or none, health checks each second, observed answers
mark a server down, a slow start. nginx: the next server on errors, timeouts and 502-504, passive
ejection after 5 failures, kept connections, timeouts below the users' patience.
"""


def weir(folder, binary, targets):
    listed = ", ".join(f'"{target}"' for target in targets)
    config = folder / "weir.yaml"
    config.write_text(
        "version: 1\nlisteners:\n  - {listen: 127.0.0.1:8080, to: origin}\n"
        f"clusters:\n  origin: {{endpoints: [{listed}]}}\n"
    )
    return [str(binary), "run", str(config)]


def haproxy(folder, binary, targets):
    servers = "\n".join(f"  server s{i} {target}" for i, target in enumerate(targets))
    config = folder / "haproxy.cfg"
    config.write_text(f"""global
  nbthread 1
  maxconn 15000
  no strict-limits
  log stdout format raw daemon
defaults
  mode http
  log global
  option httplog
  timeout connect 1s
  timeout client 1m
  timeout server 3s
  timeout http-keep-alive 1m
  timeout check 500ms
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 503
frontend in
  bind 127.0.0.1:8080
  http-request disable-l7-retry if METH_POST
  default_backend origin
backend origin
  balance roundrobin
  option httpchk GET /health
  default-server check inter 1s fastinter 200ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down slowstart 5s
{servers}
""")
    return ["haproxy", "-db", "-f", str(config)]


def nginx(folder, binary, targets):
    servers = " ".join(f"server {target} max_fails=5 fail_timeout=2s;" for target in targets)
    config = folder / "nginx.conf"
    config.write_text(f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
access_log off; keepalive_requests 1000000;
upstream origin {{ {servers} keepalive 64; keepalive_requests 1000000; }}
server {{
listen 127.0.0.1:8080;
proxy_http_version 1.1; proxy_set_header Connection "";
proxy_connect_timeout 1s; proxy_read_timeout 3s;
proxy_next_upstream error timeout http_502 http_503 http_504; proxy_next_upstream_tries 3;
location / {{ proxy_pass http://origin; }}
}} }}
""")
    return ["nginx", "-c", str(config)]


def command(kind, folder, binary, targets):
    """The command line of one of the three, its configuration written."""
    return {"weir": weir, "haproxy": haproxy, "nginx": nginx}[kind](folder, binary, targets)
