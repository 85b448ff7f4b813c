"""What stays and what goes when the daemon ends, by a signal or by force."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import urllib.request

import pytest

from conftest import BINARY, until
from datapaths import again, close
from network import EVERYTHING, Agent, Network

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="looks at the machine as root")


class Left:
    """What a daemon has on the machine while it is looked at: its processes, and those in its instances."""

    def __init__(self, daemon, names):
        self.daemon, self.links, self.named, self.seen = daemon, links(), named_namespaces(), set()
        self.look(names)

    def look(self, names):
        inits = [init_of(self.daemon, name) for name in names]
        namespaces = {os.readlink(f"/proc/{pid}/ns/{kind}") for pid in inits for kind in ("net", "pid", "mnt")}
        for pid in processes():
            try:
                inside = {os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("net", "pid", "mnt")}
            except OSError:
                continue
            if inside & namespaces or str(self.daemon.data_dir) in command_line(pid):
                self.seen.add((pid, started(pid)))

    def processes(self):
        """What lives of it; a number that another process got since doesn't count."""
        return [(pid, command_line(pid)) for pid, start in self.seen if alive(pid) and started(pid) == start]

    def nothing(self):
        assert self.processes() == []
        assert str(self.daemon.data_dir) not in pathlib.Path("/proc/self/mountinfo").read_text()
        assert [pid for pid in processes() if str(self.daemon.data_dir) in command_line(pid)] == []
        assert links() <= self.links
        assert named_namespaces() <= self.named


def started(pid):
    """When a process started, in the kernel's ticks."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def init_of(daemon, name):
    with urllib.request.urlopen(f"{daemon.endpoint}/_openvpc/instances/{name}/exec") as answer:
        return json.load(answer)["pid"]


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def links():
    """The machine's, but for those by which it is a host of a daemon's lab internet; whichever daemon came first has one."""
    return {link["ifname"] for link in json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, check=True).stdout) if not link["ifname"].startswith("openvpc")}


def named_namespaces():
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


def two(daemon):
    """A network of two instances that reach each other; the second serves TCP port 80."""
    net = Network(daemon)
    net.instances(net.subnet(1, public=True), 2, net.group(EVERYTHING))
    net.elastic_ip(net.hosts[0])
    net.hosts[1].agent.serve(tcp=[80])
    return net


def test_after_kill_9_instances_live_on_and_the_next_daemon_adopts_them(start):
    daemon = start()
    net = two(daemon)
    first, second = net.hosts
    first.agent.ask("connect", name="held", kind="tcp", to=second.address, port=80)
    assert first.agent.ask("talk", name="held")
    inits = [init_of(daemon, host.id) for host in net.hosts]
    child = second.shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!").stdout.strip()
    daemon.kill()
    assert all(alive(pid) for pid in inits)
    assert second.agent.ask("probe", probes=[{"kind": "tcp", "to": "127.0.0.1", "port": 80, "id": 1}], timeout=3) == ["answered"]
    daemon.start()
    again(net, daemon)
    net.wait([host.id for host in net.hosts], "running")
    assert [init_of(daemon, host.id) for host in net.hosts] == inits
    assert second.exec("cat", f"/proc/{child}/comm").stdout == "sleep\n"
    assert first.agent.probe("tcp", second.address, 80) == "answered"
    assert first.agent.ask("talk", name="held", timeout=10), "open connections go on"
    internet = Agent(daemon, "internet")
    assert internet.probe("tcp", first.public, 81) == "refused"
    internet.close()
    # What was adopted obeys the new daemon.
    net.delete()


def test_with_keep_running_instances_outlive_an_orderly_end(start):
    daemon = start("--keep-running")
    net = two(daemon)
    inits = [init_of(daemon, host.id) for host in net.hosts]
    daemon.stop()
    assert all(alive(pid) for pid in inits)
    daemon.options = ()
    daemon.start()
    again(net, daemon)
    assert [init_of(daemon, host.id) for host in net.hosts] == inits
    assert net.hosts[0].agent.probe("tcp", net.hosts[1].address, 80) == "answered"
    close(net)


@NEEDS_ROOT
def test_sigterm_leaves_nothing_and_instances_come_back_with_the_next_daemon(start):
    daemon = start()
    net = two(daemon)
    net.hosts[1].shell("echo kept > /tmp/file")
    left = Left(daemon, [*(host.id for host in net.hosts), "internet"])
    assert left.processes()
    daemon.stop()
    left.nothing()
    close(net)
    daemon.start()
    again(net, daemon)
    net.wait([host.id for host in net.hosts], "running")
    assert [host.exec("true").returncode for host in net.hosts] == [0, 0], "what is said to run runs"
    assert net.hosts[0].pings(net.hosts[1].address) and net.hosts[0].pings(net.hosts[1].address6)
    assert net.hosts[1].exec("cat", "/tmp/file").stdout == "kept\n"
    net.delete()


@NEEDS_ROOT
def test_cleanup_removes_what_a_dead_daemon_left_and_refuses_while_it_lives(start):
    daemon = start()
    net = two(daemon)
    left = Left(daemon, [*(host.id for host in net.hosts), "internet"])
    cleanup = [BINARY, "cleanup", "--data-dir", str(daemon.data_dir)]
    refused = subprocess.run(cleanup, capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and len(refused.stderr.splitlines()) == 1, refused
    assert net.hosts[0].pings(net.hosts[1].address)
    daemon.kill()
    assert left.processes()
    close(net)
    done = subprocess.run(cleanup, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    left.nothing()
    assert subprocess.run(cleanup, capture_output=True, timeout=30).returncode == 0, "again does no harm"


@NEEDS_ROOT
def test_instances_that_were_lost_while_the_daemon_was_dead_are_launched_again(start):
    daemon = start()
    net = two(daemon)
    lost = init_of(daemon, net.hosts[1].id)
    daemon.kill()
    close(net)
    os.kill(lost, 9)
    until(lambda: not alive(lost), what="the instance gone")
    daemon.start()
    again(net, daemon)
    until(lambda: net.hosts[1].exec("true").returncode == 0, what="the instance back")
    net.wait([host.id for host in net.hosts], "running")
    assert net.hosts[0].pings(net.hosts[1].address)


def test_killed_while_instances_start_and_end_the_next_daemon_finishes_it(start):
    daemon = start()
    net = Network(daemon)
    subnet, group = net.subnet(1), net.group(EVERYTHING)
    gone = net.instances(subnet, 3, group)
    ec2 = net.ec2
    coming = ec2.run_instances(ImageId="ami-00000000", MinCount=4, MaxCount=4, SubnetId=subnet, SecurityGroupIds=[group])
    ec2.terminate_instances(InstanceIds=[host.id for host in gone])
    daemon.kill()
    daemon.start()
    again(net, daemon)
    ids = [instance["InstanceId"] for instance in coming["Instances"]]
    net.wait(ids, "running")
    net.wait([host.id for host in gone], "terminated")
    net.hosts = []
    for first, second in zip(ids, ids[1:]):
        address = net.ec2.describe_instances(InstanceIds=[second])["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
        until(lambda: daemon.exec(first, "ping", "-c1", "-W1", address).returncode == 0, what="a ping")


@NEEDS_ROOT
def test_killed_at_any_moment_of_its_start_the_next_one_works(start):
    daemon = start()
    net = two(daemon)
    left = Left(daemon, [*(host.id for host in net.hosts), "internet"])
    daemon.kill()
    close(net)
    choose = random.Random("moments")
    up = [BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", str(daemon.data_dir)]
    for _ in range(12):
        process = subprocess.Popen(up, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=choose.random() * 0.3)
        process.kill() if choose.random() < 0.7 else process.terminate()
        errors = process.communicate(timeout=30)[1]
        assert errors == ""
    daemon.start()
    again(net, daemon)
    net.wait([host.id for host in net.hosts], "running")
    until(lambda: all(host.exec("true").returncode == 0 for host in net.hosts), what="the instances back")
    assert net.hosts[0].pings(net.hosts[1].address) and net.hosts[1].pings(net.hosts[0].address6)
    left.look([*(host.id for host in net.hosts), "internet"])
    close(net)
    daemon.stop()
    left.nothing()


def test_rules_are_in_force_from_the_first_packet_after_a_crash(start):
    """Adopted instances send all the time; nothing denied gets through before the rules are there."""
    daemon = start()
    net = Network(daemon)
    subnet = net.subnet(1)
    sender, receiver = net.instance(subnet, net.group(EVERYTHING)), net.instance(subnet, net.group())
    receiver.agent.ask("start_capture")
    sender.shell(f"setsid bash -c 'while :; do printf denied > /dev/udp/{receiver.address}/9; done' >/dev/null 2>&1 &")
    daemon.kill()
    daemon.start()
    again(net, daemon)

    def dropped():
        with urllib.request.urlopen(daemon.endpoint + "/_openvpc/status") as answer:
            drops = {drop["reason"]: drop["packets"] for drop in json.load(answer)["datapath"]["drops"]}
        return drops.get("SG_HAS_NO_RULES", 0) + drops.get("ENI_SG_RULES_MISMATCH", 0) > 1000

    until(dropped, what="a thousand packets dropped")
    assert not any("denied".encode().hex() in frame for frame in receiver.agent.ask("captured"))
