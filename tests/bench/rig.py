"""Where the measurements run: network namespaces, pinned processes, and what they cost."""
import ctypes
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
TICK = os.sysconf("SC_CLK_TCK")


def median(values):
    return statistics.median(values) if values else None


def raise_fd_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Net:
    """load -- proxy -- origin, each in its namespace, over veth pairs of MTU 1500.

    Where namespaces are not permitted all three share loopback, and `note` says so: its MTU of
    65536 stalls large bodies, so the 64 KB cases then say little.
    """

    def __init__(self):
        self.tag = f"weir{os.getpid()}"
        self.names = {}
        self.note = ""
        self.proxy_address = self.origin_address = self.admin_address = "127.0.0.1"
        try:
            self._create()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            self.close()
            self.note = f"loopback, MTU 65536: network namespaces are not permitted ({error})"

    def _create(self):
        for role in ("load", "proxy", "origin"):
            name = f"{self.tag}-{role}"
            self._ip("netns", "add", name)
            self.names[role] = name
            self._ip("-n", name, "link", "set", "lo", "up")
            self._sysctl(role, "net/ipv4/tcp_congestion_control", "cubic")
            self._sysctl(role, "net/ipv4/ip_local_port_range", "1024 65535")
            self._sysctl(role, "net/core/somaxconn", "8192")
            self._sysctl(role, "net/ipv4/tcp_max_syn_backlog", "16384")
        self._link("load", "proxy", 1)
        self._link("origin", "proxy", 2)
        self.proxy_address, self.origin_address = "10.77.1.1", "10.77.2.2"

    def _link(self, outer, inner, number):
        """The proxy's end is 10.77.<number>.1, the other 10.77.<number>.2."""
        near, far = f"w{number}p{os.getpid()}", f"w{number}o{os.getpid()}"
        self._ip("link", "add", near, "mtu", "1500", "netns", self.names[inner],
                 "type", "veth", "peer", "name", far, "mtu", "1500", "netns", self.names[outer])
        for role, device, host in ((inner, near, 1), (outer, far, 2)):
            self._ip("-n", self.names[role], "address", "add", f"10.77.{number}.{host}/24", "dev", device)
            self._ip("-n", self.names[role], "link", "set", device, "up")

    def _ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def _sysctl(self, role, name, value):
        def write():
            try:
                Path("/proc/sys", name).write_text(value)
            except OSError:
                pass  # the kernel's default stays, for all three alike
        with self.inside(role):
            write()

    def inside(self, role):
        return Inside(self.names.get(role))

    def close(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        self.names = {}


class Inside:
    """This thread is in the namespace for the length of the block; its sockets stay there."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        if self.name:
            self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            enter(self.name)

    def __exit__(self, *_):
        if self.name:
            LIBC.setns(self.home, CLONE_NEWNET)
            os.close(self.home)


def enter(name):
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


class Process:
    """A child in a namespace, pinned to cores; with its children it is measured as one."""

    def __init__(self, net, role, cores, command, log):
        name = net.names.get(role)

        def prepare():
            if name:
                enter(name)
            os.sched_setaffinity(0, cores)

        self.log = open(log, "wb")
        self.child = subprocess.Popen(
            command, preexec_fn=prepare, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )

    def pids(self):
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [self.child.pid]
        for pid in found:
            found.extend(parents.get(pid, []))
        return found

    def cpu_seconds(self):
        """User and system time of the process and its children; the kernel keeps it exactly."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def pss_bytes(self):
        total = 0
        for pid in self.pids():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024
        return total

    def stop(self):
        """SIGTERM, and after a while SIGKILL, to this child only."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self.child.wait()
        self.log.close()


def ask(net, address, port, path="/1k", timeout=5.0, context=None):
    """One GET from the load's side; (status, socket), the connection still open."""
    with net.inside("load"):
        client = socket.socket()
    client.settimeout(timeout)
    client.connect((address, port))
    if context:
        client = context.wrap_socket(client)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = client.recv(65536)
        if not chunk:
            raise ConnectionError("closed before an answer")
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE).group(1))
    while len(body) < length:
        body += client.recv(65536)
    return int(head.split()[1]), client


def wait_for_200(net, address, port, path="/1k", limit=10.0):
    """Seconds until the first 200. Polls every half millisecond: that is the error of the figure."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        try:
            status, client = ask(net, address, port, path)
            client.close()
            if status == 200:
                return time.monotonic() - began
        except (OSError, AttributeError):
            pass
        time.sleep(0.0005)
    raise TimeoutError(f"no 200 from {address}:{port} in {limit} s")


def run(net, role, cores, command, **options):
    """A command to its end in a namespace, pinned: the CompletedProcess with its text."""
    name = net.names.get(role)

    def prepare():
        if name:
            enter(name)
        os.sched_setaffinity(0, cores)

    return subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, **options)


def wait_for_curl(net, url, h2, limit=10.0):
    """Until the URL answers 200 to who speaks that protocol, whatever its certificate."""
    protocol = "--http1.1" if not h2 else "--http2" if url.startswith("https") else "--http2-prior-knowledge"
    cores = os.sched_getaffinity(0)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done = run(net, "load", cores, ["curl", "-sk", protocol, "-m2", "-o/dev/null", "-w%{http_code}", url])
        if done.stdout == "200":
            return
        time.sleep(0.05)
    raise TimeoutError(f"no 200 from {url} in {limit} s: {done.stdout}")


def wrk(net, cores, url, seconds, connections=64, options=()):
    """Runs wrk and returns (requests, error sentence or None)."""
    done = run(net, "load", cores,
               ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", *options, url])
    requests = re.search(r"(\d+) requests in", done.stdout)
    errors = re.search(r"(Socket errors:.*|Non-2xx.*)", done.stdout)
    if not requests:
        return 0, done.stdout + done.stderr
    return int(requests.group(1)), errors.group(1) if errors else None
