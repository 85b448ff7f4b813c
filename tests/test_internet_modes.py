"""What lies behind internet gateways: the lab, the machine's own network, an interface of it. The machine is a namespace."""

import json
import os
import subprocess
import sys

import pytest

from conftest import BINARY, Daemon, error_code, until
from machines import PEER, fetch, fetch_inside, machine
from network import EVERYTHING, Network

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces that play the machine, as root")
TIERS = pytest.mark.parametrize("tier", ["auto", "rootless"])
MACHINE4, MACHINE6 = "198.51.100.20", "2001:db8:ffff::20"


@pytest.fixture
def place():
    with machine() as made:
        yield made


def public_host(daemon):
    """An instance with public addresses that serves who asks."""
    net = Network(daemon)
    host = net.instance(net.subnet(1, public=True), net.group(EVERYTHING))
    net.elastic_ip(host)
    serve(daemon, host)
    return net, host


def serve(daemon, host):
    server = subprocess.Popen(
        daemon.command("exec", host.id, "--", "python3", "-c", PEER), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout.readline() == "ready\n"
    host.server = server


def end(host):
    host.server.kill()
    host.server.wait()
    host.server.stdout.close()
    host.close()


def status(daemon):
    return json.loads(daemon.run("status", "--json").stdout)["internet"]


def settled(place, before):
    """The machine is as it was, but for what the kernel tidies up a little later."""
    until(lambda: place.state() == before, seconds=10, what=f"{place.state()} is {before}")


@TIERS
def test_in_the_lab_the_machine_is_a_host_of_the_internet(place, start, tier):
    before = place.state()
    daemon = start("--datapath", tier)
    net, host = public_host(daemon)
    shown = status(daemon)
    assert shown["mode"] == "lab" and shown["link"].startswith("openvpc") and shown["note"] is None, shown
    assert "lab" in daemon.run("status").stdout
    assert fetch(host.public) == MACHINE4
    assert fetch(host.address6) == MACHINE6
    # The lab's own host serves as ever, to instances and now to the machine.
    assert fetch("198.51.100.10") == MACHINE4
    assert fetch_inside(host, "198.51.100.10") == host.public and fetch_inside(host, "2001:db8:ffff::10") == host.address6
    # The machine is nobody's to reach: not from instances, and not from the lab's host.
    server = subprocess.Popen([sys.executable, "-c", PEER], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    assert fetch(MACHINE4) == MACHINE4
    assert fetch_inside(host, MACHINE4, 1) is None and fetch_inside(host, MACHINE6, 1) is None
    server.kill()
    server.wait()
    server.stdout.close()
    # Another daemon has no such link, and says so; all else of it works.
    other = Daemon(daemon.data_dir.parent / "other", "--datapath", tier).start()
    assert status(other)["link"] is None and "another daemon" in status(other)["note"], status(other)
    other.stop()
    assert fetch(host.public) == MACHINE4

    daemon.kill()
    end(host)
    daemon.start()
    serve(daemon, host)
    until(lambda: fetch(host.public, 1) == MACHINE4, what="the machine is a host again")
    end(host)
    daemon.stop()
    settled(place, before)


@TIERS
def test_as_a_host_of_the_machine_s_network_instances_have_its_address(place, start, tier):
    before = place.state()
    place.serve_outside()
    daemon = start("--datapath", tier, "--internet", "host")
    net, host = public_host(daemon)
    shown = status(daemon)
    assert shown["mode"] == "host" and shown["note"] is None and "host" in daemon.run("status").stdout, shown
    assert fetch_inside(host, place.theirs[0]) == place.own[0]
    assert fetch_inside(host, place.theirs[1]) == place.own[1]
    assert host.pings(place.theirs[0]) and host.pings(place.theirs[1])
    # The machine reaches them as ever; nobody beyond does, and the machine passes nothing else on.
    assert fetch(host.public) == MACHINE4 and fetch(host.address6) == MACHINE6
    place.from_outside("ip", "route", "add", "203.0.113.0/24", "via", place.own[0], check=True)
    refused = place.from_outside("curl", "-sS", "--max-time", "1", f"http://{host.public}/")
    assert refused.returncode != 0
    # There is no lab: neither its host nor its server.
    assert fetch_inside(host, "198.51.100.10", 1) is None
    gone = daemon.run("exec", "internet", "--", "true")
    assert gone.returncode != 0 and "--internet host" in gone.stderr, gone

    # Killed and started again, everything is found as it was left.
    daemon.kill()
    end(host)
    daemon.start()
    assert fetch_inside(host, place.theirs[0]) == place.own[0] and fetch_inside(host, place.theirs[1]) == place.own[1]
    serve(daemon, host)
    assert fetch(host.public) == MACHINE4
    end(host)
    daemon.stop()
    settled(place, before)
    # And killed for good, `openvpc cleanup` puts the machine back.
    daemon.start()
    assert place.state() != before
    daemon.kill()
    cleaned = subprocess.run([BINARY, "cleanup", "--data-dir", str(daemon.data_dir)], capture_output=True, text=True)
    assert cleaned.returncode == 0, cleaned.stderr
    settled(place, before)


def test_what_the_machine_forwarded_before_it_forwards_after(place, start):
    """Settings that somebody else made are found again as they were."""
    for name, value in (("ipv4/conf/eth0", "1"), ("ipv6/conf/all", "1")):
        with open(f"/proc/sys/net/{name}/forwarding", "w") as setting:
            setting.write(value)
    before = place.state()
    place.serve_outside()
    daemon = start("--internet", "host")
    net, host = public_host(daemon)
    assert fetch_inside(host, place.theirs[0]) == place.own[0] and fetch_inside(host, place.theirs[1]) == place.own[1]
    end(host)
    daemon.stop()
    settled(place, before)


@TIERS
@pytest.mark.parametrize("is_on_link", [True, False], ids=["on link", "by a router"])
def test_addresses_of_a_pool_leave_and_come_as_they_are(place, start, tier, is_on_link):
    place.serve_outside()
    if is_on_link:
        pools, by = ("192.0.2.64/28", "3fff:1:0:ff00::/56"), "routed=eth0"
    else:
        pools, by = ("198.18.7.0/28", "3fff:2:0:ff00::/56"), f"routed=eth0,via={place.theirs[0]},via={place.theirs[1]}"
        for pool, gateway in zip(pools, place.own):
            place.from_outside("ip", "route", "add", pool, "via", gateway, check=True)
        # The machine itself knows another way for the rest.
        subprocess.run(["ip", "route", "delete", "default"], check=True)
        subprocess.run(["ip", "-6", "route", "delete", "default"], check=True)
        place.from_outside("ip", "address", "add", "198.18.9.9/32", "dev", "lo", check=True)
    before = place.state()
    options = ["--datapath", tier, "--internet", by]
    daemon = start(*options, "--public-pool", pools[0], "--public-pool", pools[1])
    net, host = public_host(daemon)
    assert host.public.startswith(pools[0].rsplit(".", 1)[0]) and host.address6.startswith(pools[1].split("ff00")[0])
    shown = status(daemon)
    assert (shown["mode"], shown["interface"], shown["note"]) == ("routed", "eth0", None), shown
    assert sorted(shown["public_pools"]) == sorted(pools)

    assert fetch_inside(host, place.theirs[0]) == host.public
    if is_on_link:
        # Neighbours are answered for an address once somebody has it, which the machine is told within seconds.
        until(lambda: fetch_inside(host, place.theirs[1], 1) == host.address6, what="the way back over IPv6")
    else:
        assert fetch_inside(host, place.theirs[1]) == host.address6
        assert fetch_inside(host, "198.18.9.9") == host.public
    for address, seen in ((host.public, place.theirs[0]), (host.address6, place.theirs[1])):
        name = f"[{address}]" if ":" in address else address
        answer = place.from_outside("curl", "-gsS", "--max-time", "5", f"http://{name}/")
        assert answer.stdout == seen, answer
    assert fetch(host.public) == MACHINE4

    daemon.kill()
    end(host)
    daemon.start()
    assert fetch_inside(host, place.theirs[0]) == host.public and fetch_inside(host, place.theirs[1]) == host.address6
    daemon.kill()
    cleaned = subprocess.run([BINARY, "cleanup", "--data-dir", str(daemon.data_dir)], capture_output=True, text=True)
    assert cleaned.returncode == 0, cleaned.stderr
    settled(place, before)


def test_a_pool_that_is_exhausted_says_so(place, start):
    daemon = start("--internet", "routed=eth0", "--public-pool", "192.0.2.64/30", "--public-pool", "3fff:1:0:ff00::/56")
    ec2 = daemon.client()
    given = {ec2.allocate_address(Domain="vpc")["PublicIp"] for _ in range(2)}
    assert given == {"192.0.2.65", "192.0.2.66"}
    assert error_code(ec2.allocate_address, Domain="vpc") == "InsufficientAddressCapacity"
    block = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    assert block["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == "3fff:1:0:ff00::/56"
    refused = error_code(ec2.create_vpc, CidrBlock="10.1.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    assert refused == "InsufficientCidrBlocks"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--internet", "wide"], "lab, host, or routed"),
        (["--internet", "routed=eth0"], "--public-pool"),
        (["--internet", "host", "--public-pool", "192.0.2.64/28"], "--internet routed"),
        (["--internet", "routed=eth0", "--public-pool", "10.0.0.0/24"], "private"),
        (["--internet", "routed=eth0", "--public-pool", "3fff:1::/64"], "/56"),
        (["--internet", "routed=eth9", "--public-pool", "192.0.2.64/28"], "eth9"),
        (["--internet", "routed=eth0", "--public-pool", "192.0.2.0/28"], "192.0.2.2"),
        (["--internet", "host", "--datapath", "none"], "--datapath none"),
    ],
)
def test_what_can_not_be_connected_is_refused_in_a_sentence(place, tmp_path, options, words):
    before = place.state()
    command = [BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), *options]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and words in refused.stderr, refused
    settled(place, before)


def test_without_root_only_the_lab_is_offered(place, tmp_path):
    os.chmod(tmp_path, 0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for mode in (["host"], ["routed=eth0", "--public-pool", "192.0.2.64/28"]):
        command = [*nobody, BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", f"/tmp/openvpc-{os.getpid()}", "--internet", *mode]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert refused.returncode == 1 and ("needs root" in refused.stderr or "user namespace" in refused.stderr), refused
    subprocess.run(["rm", "-rf", f"/tmp/openvpc-{os.getpid()}"], check=True)
