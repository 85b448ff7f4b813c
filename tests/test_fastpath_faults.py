"""What carries packets outlives the daemon and obeys the next one; it leaves nothing behind, and nobody suffers for another."""

import json
import os
import subprocess
import urllib.request

import pytest

import bpf
from conftest import BINARY, until
from datapaths import EVERY, KERNEL, again, close, details, fill, warm
from network import EVERYTHING, Network, rule
from test_survival import Left

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="looks at the machine as root")
SILENT = {"timeout": 0.5}


class Load:
    """A server that admits one client, which keeps it busy, and not another, which tries all the time."""

    def __init__(self, daemon, family):
        self.daemon, self.net = daemon, Network(daemon)
        net = self.net
        everything = net.group(EVERYTHING)
        self.client, self.other = net.instances(net.subnet(1), 2, everything)
        self.to = lambda host: host.address if family == 4 else host.address6
        self.admits = rule("tcp", 80, f"{self.to(self.client)}/{32 if family == 4 else 128}")
        self.group = net.group(self.admits)
        self.server = net.instance(net.subnet(2), self.group)
        self.server.agent.serve(tcp=[80, 81], udp=[81])
        self.server.agent.ask("start_watch", port=81)

    def begin(self):
        agent, to = self.client.agent, self.to(self.server)
        for number in range(10):
            agent.ask("begin", name=f"long {number}", what="stream", to=to, port=80)
        for number in range(4):
            agent.ask("begin", name=f"short {number}", what="churn", to=to, port=80)
        self.other.agent.ask("begin", name="forbidden", what="prober", to=to, port=81)
        self.go_on("at the start")

    def go_on(self, when):
        """Waits until every long connection has made some rounds more."""
        before = self.client.agent.ask("progress")

        def all_did():
            now = self.client.agent.ask("progress")
            assert [error for _, error in now.values() if error] == []
            return all(rounds >= before[name][0] + 5 for name, (rounds, _) in now.items())

        until(all_did, 60, f"all connections going on {when}")

    def tries(self, agent, **options):
        return agent.probe("tcp", self.to(self.server), 80, **options)

    def end(self, names):
        return {name: self.client.agent.ask("end", name=name) for name in names}


@EVERY
@pytest.mark.parametrize("family", [4, 6])
def test_connections_under_load_outlive_kill_9_and_nothing_else_passes(start, datapath, family):
    daemon = start("--datapath", datapath)
    load = Load(daemon, family)
    load.begin()
    for turn in range(3):
        daemon.kill()
        if datapath == "kernel":
            load.go_on("without the daemon")
        assert load.tries(load.client.agent, **SILENT) == "silence", "new ones don't pass without the daemon"
        daemon.start()
        again(load.net, daemon)
        until(lambda: load.tries(load.client.agent) == "answered", what="new connections with the next daemon")
        load.go_on(f"with daemon {turn + 2}")
    for outcomes in load.end([f"short {number}" for number in range(4)]).values():
        assert list(outcomes) == ["done"] and outcomes["done"] > 5, outcomes
    if datapath == "kernel":
        # What was tracked still is, as if the daemon had been there all the time.
        load.net.revoke(load.group, load.admits)
        load.go_on("without the rule that admitted them")
        assert load.tries(load.client.agent, **SILENT) == "silence"
    assert load.other.agent.ask("end", name="forbidden") > 100
    assert load.server.agent.ask("watched") == 0, "what is forbidden never arrived"
    for rounds, error in load.end([f"long {number}" for number in range(10)]).values():
        assert rounds > 0 and error is None
    load.net.delete()


def kept_alive(net, datapath):
    """Two instances of a network, with a flow that is carried."""
    first, second = net.instances(net.subnet(1, public=True), 2, net.group(EVERYTHING))
    second.agent.serve(tcp=[80])
    first.agent.ask("connect", name="held", kind="tcp", to=second.address, port=80)
    warm(net.daemon, lambda: first.agent.ask("talk", name="held"))


@NEEDS_ROOT
@EVERY
@pytest.mark.parametrize("end", ["stop", "kill and cleanup", "kill, start and stop", "keep, start and stop"])
def test_nothing_is_left(start, datapath, end):
    daemon = start("--datapath", datapath, *(["--keep-running"] if end.startswith("keep") else []))
    net = Network(daemon)
    kept_alive(net, datapath)
    held = bpf.held_by(daemon.process.pid)
    pins = bpf.pins_of(held)
    directories = {pin.parent for pin in pins}
    assert bool(held) == bool(pins) == (datapath == "kernel")
    left = Left(daemon, [*(host.id for host in net.hosts), "internet"])
    if end == "stop":
        daemon.stop()
    elif end.startswith("keep"):
        daemon.stop()
        daemon.options = ("--datapath", datapath)
    else:
        daemon.kill()
    close(net)
    if "start" in end:
        assert all(bpf.exists(*each) for each in held if each[0] == "map_id")
        daemon.start()
        held |= bpf.held_by(daemon.process.pid)
        pins += bpf.pins_of(held)
        left.look([*(host.id for host in net.hosts), "internet"])
        daemon.stop()
    elif "cleanup" in end:
        subprocess.run([BINARY, "cleanup", "--data-dir", str(daemon.data_dir)], check=True, capture_output=True, timeout=60)
    left.nothing()
    assert [pin for pin in pins if pin.exists()] == []
    assert [directory for directory in directories if directory.exists()] == []
    # The kernel frees them when nobody can be using them any more.
    until(lambda: not any(bpf.exists(*each) for each in held), what="programs and maps gone")


@EVERY
@pytest.mark.parametrize("at", ["nobody", "a peer"])
def test_a_flood_of_new_flows_from_one_interface_harms_no_other(start, datapath, at):
    daemon = start("--datapath", datapath)
    net = Network(daemon)
    inside = net.subnet(1)
    # The flooder's flows are tracked, and so are the others'.
    peers = net.group(rule("-1", None, "10.0.0.0/16"))
    flooder, near = net.instances(inside, 2, peers)
    far = net.instance(net.subnet(2), peers)
    far.agent.serve(tcp=[80])
    near.agent.ask("begin", name="bulk", what="stream", to=far.address, port=80)
    prefix = far.address.rsplit(".", 1)[0]
    addresses = [far.address] if at == "a peer" else [f"{prefix}.{number}" for number in range(100, 250)]
    flooder.agent.ask("begin", name="flood", what="flood", addresses=addresses)
    sent = lambda: flooder.agent.ask("sent", name="flood")
    rounds = lambda: near.agent.ask("progress")["bulk"][0]
    until(lambda: sent() > 10_000, 60, "the flood")
    for turn in range(10):
        before = rounds()
        # Within the time of four retransmissions.
        assert near.agent.probe("tcp", far.address, 80, timeout=16) == "answered", f"new connection {turn}"
        until(lambda: rounds() >= before + 20, 60, what=f"the transfer going on, {turn}")
    flooder.agent.ask("end", name="flood")
    assert near.agent.ask("end", name="bulk")[1] is None
    net.delete()


def over_budget(daemon, host):
    """Frames of an interface that were dropped because it asked too much of user space."""
    with urllib.request.urlopen(daemon.endpoint + "/_openvpc/interfaces") as answer:
        interfaces = json.load(answer)["interfaces"]
    [found] = [each for each in interfaces if each["interface"] == host.eni]
    return sum(drop["packets"] for drop in found["drops"] if drop["reason"] == "OPENVPC_MISS_BUDGET_EXCEEDED")


@pytest.mark.parametrize("datapath", [KERNEL])
def test_a_table_that_one_interface_fills_with_half_open_connections_has_room_for_others(start, datapath):
    daemon = start("--datapath", datapath)
    net = Network(daemon)
    # All connections are tracked.
    peers = net.group(rule("-1", None, "10.0.0.0/16"))
    flooder, near = net.instances(net.subnet(1), 2, peers)
    victim, far = net.instances(net.subnet(2), 2, peers)
    far.agent.serve(tcp=[80])
    near.agent.ask("connect", name="old", kind="tcp", to=far.address, port=80)
    warm(daemon, lambda: near.agent.ask("talk", name="old"))
    near.agent.ask("begin", name="bulk", what="stream", to=far.address, port=80)
    flooder.agent.ask("begin", name="flood", what="half open", to=victim.address)

    def is_full():
        used, capacity = fill(daemon)
        # A sixteenth is kept for those who have less than their share.
        return used >= capacity * 15 // 16

    until(is_full, 180, "the table full")
    until(lambda: details(daemon)["connections_not_entered"] > 0, 60, "the flooder left to user space")
    rounds = lambda: near.agent.ask("progress")["bulk"][0]
    for turn in range(5):
        before = rounds()
        # Within the time of four retransmissions.
        assert near.agent.probe("tcp", far.address, 80, timeout=16) == "answered", f"new connection {turn}"
        name = f"new {turn}"
        near.agent.ask("connect", name=name, kind="tcp", to=far.address, port=80)
        warm(daemon, lambda: near.agent.ask("talk", name=name))
        until(lambda: rounds() >= before + 20, 60, what=f"the transfer going on, {turn}")
        assert near.agent.ask("talk", name="old"), f"the connection from before the flood, {turn}"
        used, capacity = fill(daemon)
        assert used > capacity * 7 // 8, "as full as before"
    assert flooder.agent.ask("end", name="flood") > 100_000
    assert over_budget(daemon, flooder) > 0 and over_budget(daemon, near) == over_budget(daemon, far) == 0
    assert near.agent.ask("end", name="bulk")[1] is None
    net.delete()
