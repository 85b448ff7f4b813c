"""Interfaces for what is no instance: a program with a TAP, as a virtual machine has it, and a network namespace, as a
container has it."""

import contextlib
import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import ACCOUNT, BINARY, error_code, until
from network import EVERYTHING, PING, Network, rule
from test_survival import Left, again, close

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/net/tun"), reason="makes TAPs and named namespaces as root"
)
TIERS = pytest.mark.parametrize("tier", ["auto", "rootless"])
NAMES = (f"ovpc-test-{os.getpid()}-{number}" for number in itertools.count())


class VM:
    """A program that `openvpc attach` started; see vm.py."""

    def __init__(self, daemon, eni):
        command = daemon.command("attach", eni, "--", sys.executable, str(pathlib.Path(__file__).parent / "vm.py"))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
        ready = self.process.stdout.readline()
        assert ready == '"ready"\n', self.process.stderr.read()

    def ask(self, do, **parameters):
        self.process.stdin.write(json.dumps({"do": do, **parameters}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


@contextlib.contextmanager
def container():
    """A network namespace with a name."""
    name = next(NAMES)
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def inside(name, *command):
    return subprocess.run(["ip", "netns", "exec", name, *command], capture_output=True, text=True, timeout=30)


class Estate:
    """A network with an instance, and an interface that nobody has in another subnet."""

    def __init__(self, daemon):
        self.daemon, self.net = daemon, Network(daemon, account=ACCOUNT)
        self.group = self.net.group(EVERYTHING)
        self.host = self.net.instance(self.net.subnet(1, public=True), self.group)
        self.host.agent.serve(tcp=[80], udp=[53])
        made = self.net.ec2.create_network_interface(SubnetId=self.net.subnet(2), Groups=[self.group])["NetworkInterface"]
        self.eni, self.address, self.mac = made["NetworkInterfaceId"], made["PrivateIpAddress"], made["MacAddress"]
        self.address6 = made["Ipv6Addresses"][0]["Ipv6Address"]

    def shown(self):
        return self.net.ec2.describe_network_interfaces(NetworkInterfaceIds=[self.eni])["NetworkInterfaces"][0]

    def status(self):
        return self.shown()["Status"]

    def until_free(self):
        until(lambda: self.status() == "available", seconds=4, what=f"{self.eni} free")


@TIERS
def test_a_program_has_the_interface_as_a_tap_and_the_rules_hold_for_it(start, tier):
    estate = Estate(start("--datapath", tier))
    net, host, ec2 = estate.net, estate.host, estate.net.ec2
    log = ec2.create_flow_logs(
        ResourceIds=[estate.eni], ResourceType="NetworkInterface", TrafficType="ALL", LogDestinationType="s3",
        LogDestination="arn:aws:s3:::attach", MaxAggregationInterval=60,
        LogFormat="${interface-id} ${instance-id} ${srcaddr} ${dstaddr} ${protocol} ${packets} ${action} ${flow-direction}",
    ) if bucket(estate.daemon) else None
    vm = VM(estate.daemon, estate.eni)
    told = vm.ask("environment")
    assert told["OPENVPC_MAC"] == estate.mac and told["OPENVPC_MTU"] == "9001" and told["OPENVPC_ENI"] == estate.eni
    assert told["OPENVPC_ADDRESS"] == estate.address + "/24" and told["OPENVPC_IPV6_ADDRESS"] == estate.address6 + "/64"

    assert vm.ask("ping", to=host.address) and vm.ask("ping", to=host.address)
    assert vm.ask("udp", to=host.address, port=53, text="hello") == "hello"
    assert host.pings(estate.address) and host.pings(estate.address)
    assert host.agent.probe("udp", estate.address, 7) == "answered"

    shown = estate.shown()
    assert shown["Status"] == "in-use" and shown["Attachment"]["Status"] == "attached"
    assert "InstanceId" not in shown["Attachment"] and shown["Attachment"]["InstanceOwnerId"] == "openvpc-attach"
    assert error_code(ec2.delete_network_interface, NetworkInterfaceId=estate.eni) == "InvalidNetworkInterface.InUse"
    attach = {"NetworkInterfaceId": estate.eni, "InstanceId": host.id, "DeviceIndex": 1}
    assert error_code(ec2.attach_network_interface, **attach) == "InvalidNetworkInterface.InUse"
    refused = estate.daemon.run("attach", estate.eni, "--", "true")
    assert refused.returncode == 125 and "in use by openvpc-attach" in refused.stderr
    assert estate.daemon.explain(host.id, estate.eni, protocol="udp", port=7)["reachable"]

    closed = net.group(*PING)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=estate.eni, Groups=[closed])
    assert host.agent.probe("udp", estate.address, 7, timeout=1) == "silence" and host.pings(estate.address)
    answer = estate.daemon.explain(host.id, estate.eni, protocol="udp", port=7)
    assert not answer["reachable"] and answer["forward"]["blockers"][0]["code"] == "ENI_SG_RULES_MISMATCH"

    estate.daemon.flush()
    rows = estate.daemon.query(
        f"SELECT instance_id, action FROM flow_logs WHERE interface_id = '{estate.eni}' AND protocol = 17 GROUP BY 1, 2 ORDER BY 2"
    )
    assert [row["action"] for row in rows] == ["ACCEPT", "REJECT"] and {row["instance_id"] for row in rows} == {None}, (rows, log)

    vm.kill()
    estate.until_free()
    assert not host.pings(estate.address, timeout=1)
    again_one = VM(estate.daemon, estate.eni)
    assert again_one.ask("ping", to=host.address)
    again_one.kill()
    estate.until_free()
    net.delete()


def bucket(daemon):
    daemon.client("s3").create_bucket(Bucket="attach", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return True


@TIERS
def test_a_container_has_the_interface_as_a_link(start, tier):
    estate = Estate(start("--datapath", tier))
    net, host = estate.net, estate.host
    with container() as name:
        attached = estate.daemon.run("attach", estate.eni, "--netns", f"/run/netns/{name}")
        assert attached.returncode == 0, attached.stderr
        link = json.loads(inside(name, "ip", "-json", "address", "show", "eth0").stdout)[0]
        assert link["address"] == estate.mac and link["mtu"] == 9001
        assert {estate.address, estate.address6} <= {address["local"] for address in link["addr_info"]}
        assert json.loads(inside(name, BINARY, "toolbox", "ping", host.address).stdout)["outcome"] == "answered"
        assert host.pings(estate.address) and host.pings(estate.address6)
        assert "hello" in inside(name, "bash", "-c", f"exec 9<>/dev/tcp/{host.address}/80; echo hello >&9; head -1 <&9").stdout
        server = subprocess.Popen(["ip", "netns", "exec", name, BINARY, "toolbox", "serve", "--tcp", "8080"], stdout=subprocess.PIPE)
        server.stdout.readline()
        assert host.agent.probe("tcp", estate.address, 8080) == "answered"
        assert estate.status() == "in-use"

        detached = estate.daemon.run("detach", estate.eni)
        assert detached.returncode == 0, detached.stderr
        assert estate.status() == "available" and "eth0" not in inside(name, "ip", "link").stdout
        assert not host.pings(estate.address, timeout=1)
        assert estate.daemon.run("detach", estate.eni).returncode != 0
        # By a process in it, under another name.
        attached = estate.daemon.run("attach", estate.eni, "--pid", str(pid_in(name)), "--name", "vpc0")
        assert attached.returncode == 0, attached.stderr
        assert "vpc0" in inside(name, "ip", "link").stdout and host.pings(estate.address)
        server.kill()
        server.wait()
        server.stdout.close()
    # The container is gone, and so is its link.
    estate.until_free()
    net.delete()


def pid_in(name):
    return int(subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout.split()[-1])


@TIERS
def test_a_whole_system_behind_the_tap_gets_every_byte(start, tier):
    estate = Estate(start("--datapath", tier))
    with container() as name:
        splice = ["ip", "netns", "exec", name, BINARY, "toolbox", "splice", "eth0"]
        command = estate.daemon.command("attach", estate.eni, "--", *splice)
        machine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert machine.stdout.readline() == "ready\n"
        for change in (
            ["link", "set", "eth0", "address", estate.mac, "mtu", "9001", "up"],
            ["address", "add", estate.address + "/24", "dev", "eth0"],
            ["route", "add", "default", "via", estate.address.rsplit(".", 1)[0] + ".1"],
        ):
            subprocess.run(["ip", "-n", name, *change], check=True)
        # Super-packets and unfinished checksums pass in both directions: the page is far longer than a packet.
        page = pathlib.Path(BINARY).read_bytes()[: 8 << 20]
        estate.daemon.exec(estate.host.id, "sh", "-c", "cat > /tmp/page", input=page, text=False)
        # The machine's own Python: an instance doesn't see what lies in the machine's /tmp, where this checkout may be.
        serve = ["python3", "-m", "http.server", "--directory", "/tmp", "8000"]
        server = subprocess.Popen(estate.daemon.command("exec", estate.host.id, "--", *serve), stderr=subprocess.DEVNULL)
        fetch = f"import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen('http://{estate.host.address}:8000/page').read())"
        until(lambda: estate.host.agent.probe("tcp", "127.0.0.1", 8000) == "answered", what="the server")
        got = subprocess.run(["ip", "netns", "exec", name, sys.executable, "-c", fetch], capture_output=True, timeout=30)
        assert got.stdout == page, got.stderr
        server.terminate()
        server.wait()
        machine.kill()
        machine.wait()
        machine.stdout.close()
    estate.until_free()
    estate.net.delete()


@TIERS
def test_both_go_on_when_the_daemon_is_killed_and_started_again(start, tier):
    daemon = start("--datapath", tier)
    estate = Estate(daemon)
    net, host = estate.net, estate.host
    second = net.ec2.create_network_interface(SubnetId=net.subnets[1], Groups=[estate.group])["NetworkInterface"]
    vm = VM(daemon, estate.eni)
    with container() as name:
        assert daemon.run("attach", second["NetworkInterfaceId"], "--netns", f"/run/netns/{name}").returncode == 0
        # The kernel carries a flow from its second packet on.
        assert all(vm.ask("ping", to=host.address) for _ in range(3)) and host.pings(second["PrivateIpAddress"])
        carried = "kernel" in daemon.run("status").stdout
        daemon.kill()
        if carried:
            assert vm.ask("ping", to=host.address), "what is established goes on without a daemon"
        daemon.start()
        again(net, daemon)
        until(lambda: vm.ask("ping", to=host.address), what="the virtual machine goes on")
        assert host.pings(estate.address) and host.pings(second["PrivateIpAddress"])
        assert estate.status() == "in-use"
        # What ends while no daemon looks is free when the next one does.
        daemon.kill()
        vm.kill()
        daemon.start()
        again(net, daemon)
        estate.until_free()
        assert host.pings(second["PrivateIpAddress"])
        assert daemon.run("detach", second["NetworkInterfaceId"]).returncode == 0
    net.delete()


def test_a_stopped_daemon_takes_the_links_with_it(start):
    daemon = start()
    estate = Estate(daemon)
    vm = VM(daemon, estate.eni)
    assert vm.ask("ping", to=estate.host.address)
    with container() as name:
        second = estate.net.ec2.create_network_interface(SubnetId=estate.net.subnets[1], Groups=[estate.group])
        daemon.run("attach", second["NetworkInterface"]["NetworkInterfaceId"], "--netns", f"/run/netns/{name}", check=True)
        left = Left(daemon, [estate.host.id, "internet"])
        daemon.stop()
        assert "eth0" not in inside(name, "ip", "link").stdout
    assert vm.process.poll() is None, "the program is nobody's but its user's"
    vm.kill()
    left.nothing()
    close(estate.net)


def test_what_can_not_be_attached_is_refused_in_a_sentence(start):
    daemon = start()
    estate = Estate(daemon)
    for eni, options, words in [
        ("eni-00000000000000000", ["--", "true"], "does not exist"),
        (estate.host.eni, ["--", "true"], f"in use by {estate.host.id}"),
        (estate.eni, ["--netns", "/run/netns/no-such"], "no-such"),
        (estate.eni, ["--", "/no/such/program"], "/no/such/program"),
    ]:
        refused = daemon.run("attach", eni, *options)
        assert refused.returncode == 125 and words in refused.stderr and len(refused.stderr.splitlines()) == 1, refused
    estate.until_free()
    estate.net.delete()
