"""A machine of its own for a test: a network namespace in which the test, its daemons and its clients live, so that the real
machine's firewall and settings stay as they are; and a neighbour, the outside, on the other end of its one interface."""

import contextlib
import ctypes
import ipaddress
import itertools
import json
import os
import pathlib
import subprocess
import sys

NUMBERS = itertools.count()
LIBC = ctypes.CDLL(None, use_errno=True)
NEWNET = 0x40000000
# What the outside's server says: whom it sees.
PEER = """
import socket, threading
listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    peer, address = listener.accept()
    body = address[0].removeprefix("::ffff:").encode()
    def answer(peer=peer, body=body):
        peer.recv(4096)
        peer.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        peer.close()
    threading.Thread(target=answer, daemon=True).start()
"""


def enter(path):
    """Moves the calling thread into a network namespace; what it starts is there too."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if LIBC.setns(handle, NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"enter {path}")
    finally:
        os.close(handle)


def ip(*words, namespace=None):
    where = ["-n", namespace] if namespace else []
    done = subprocess.run(["ip", *where, *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class Machine:
    """The two namespaces. The machine has the second address of each block, the outside the first."""

    def __init__(self, block4="192.0.2.0/24", block6="3fff:1::/32"):
        number = next(NUMBERS)
        self.name, self.outside = (f"ovpc-{kind}-{os.getpid()}-{number}" for kind in ("machine", "outside"))
        self.nets = [ipaddress.ip_network(block4), ipaddress.ip_network(block6)]
        self.theirs, self.own = ([str(net[place]) for net in self.nets] for place in (1, 2))
        self.servers = []

    def make(self):
        for name in (self.name, self.outside):
            ip("netns", "add", name)
            ip("link", "set", "lo", "up", namespace=name)
        ip("link", "add", "eth0", "netns", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.outside)
        for name, addresses in ((self.name, self.own), (self.outside, self.theirs)):
            for address, net in zip(addresses, self.nets):
                ip("address", "add", f"{address}/{net.prefixlen}", "dev", "eth0", "nodad", namespace=name)
            # An address that the kernel gives itself would come when it likes; neighbours can't be asked for without one.
            ip("link", "set", "eth0", "addrgenmode", "none", namespace=name)
            ip("address", "add", f"fe80::{addresses[0].rsplit('.', 1)[1]}/64", "dev", "eth0", "nodad", namespace=name)
            ip("link", "set", "eth0", "up", namespace=name)
        for address in self.theirs:
            ip(*(["-6"] if ":" in address else []), "route", "add", "default", "via", address, namespace=self.name)

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        for name in (self.name, self.outside):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def from_outside(self, *command, **options):
        command = ["ip", "netns", "exec", self.outside, *command]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, **options)

    def serve_outside(self):
        command = ["ip", "netns", "exec", self.outside, sys.executable, "-c", PEER]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.servers.append(server)
        assert server.stdout.readline() == "ready\n"

    def state(self):
        """Everything of the machine's network that a daemon might change."""
        settings = {}
        for path in pathlib.Path("/proc/sys/net").glob("ipv?/conf/*/*"):
            if path.name in ("forwarding", "force_forwarding", "proxy_ndp", "proxy_arp", "accept_ra", "accept_dad", "send_redirects"):
                settings[str(path)] = path.read_text()
        told = [["ip", *words] for words in (["route", "show", "table", "all"], ["-6", "route", "show", "table", "all"], ["rule"],
                                             ["-6", "rule"], ["neigh", "show", "proxy"], ["-6", "neigh", "show", "proxy"])]
        told.append(["nft", "list", "ruleset"])
        texts = [sorted(subprocess.run(command, capture_output=True, text=True).stdout.splitlines()) for command in told]
        links = sorted(link["ifname"] for link in json.loads(ip("-json", "link")))
        return {"settings": settings, "texts": texts, "links": links}


@contextlib.contextmanager
def machine(**blocks):
    """The calling thread lives in the machine while this lasts."""
    made = Machine(**blocks)
    home = f"/proc/self/fd/{os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)}"
    try:
        made.make()
        enter(f"/run/netns/{made.name}")
        yield made
    finally:
        enter(home)
        made.close()


def fetch(address, seconds=5):
    """What an HTTP server answers to this machine; nothing when none does."""
    host = f"[{address}]" if ":" in address else address
    done = subprocess.run(["curl", "-gsS", "--max-time", str(seconds), f"http://{host}/"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def fetch_inside(host, address, seconds=5):
    """The same to an instance."""
    name = f"[{address}]" if ":" in address else address
    done = host.exec("curl", "-gsS", "--max-time", str(seconds), f"http://{name}/")
    return done.stdout.strip() if done.returncode == 0 else None

