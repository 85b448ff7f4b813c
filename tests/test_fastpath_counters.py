"""Nothing is lost and nothing is counted twice: what was on the wire is what flow logs and the interfaces' counters say,
whoever carried it, and whatever became of the flow or the daemon meanwhile."""

import itertools
import json
import urllib.request

import pytest

from conftest import REGION, until
from datapaths import KERNEL, again, close, details, path, warm  # noqa: F401 - a fixture
from network import EVERYTHING, Network, rule

FIELDS = "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags flow-direction log-status"
BUCKETS = itertools.count(1)
FIN, SYN, RST, SYN_ACK = 1, 2, 4, 18


class Scene:
    """A sender and a receiver in two subnets; all that passes the receiver's interface is logged, and counted on its wire."""

    def __init__(self, daemon, *rules):
        self.daemon, self.net = daemon, Network(daemon)
        net = self.net
        self.sender = net.instance(net.subnet(1), net.group(EVERYTHING))
        self.receiver = net.instance(net.subnet(2), net.group(*(rules or [EVERYTHING])))
        self.receiver.agent.serve(tcp=[80], udp=[53])
        bucket = f"counters-{next(BUCKETS)}"
        s3 = daemon.client("s3", account=net.account)
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        made = net.ec2.create_flow_logs(
            ResourceIds=[self.receiver.eni],
            ResourceType="NetworkInterface",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{bucket}",
            LogFormat=" ".join(f"${{{field}}}" for field in FIELDS.split()),
        )
        self.log = made["FlowLogIds"][0]
        self.receiver.agent.ask("start_capture", both=True, count=True)

    def wire(self):
        """Packets and bytes by direction and flow; without what no VPC forwards and nobody logs."""
        sums, lost = self.receiver.agent.ask("sums")
        assert lost == 0
        return {tuple(flow[:6]): flow[6:] for flow in sums if not flow[2].startswith("ff0")}

    def rows(self, columns, more=""):
        return self.daemon.query(f"SELECT {columns} FROM flow_logs WHERE flow_log_id = '{self.log}' AND log_status = 'OK' {more}")

    def logged(self):
        """The same from the flow log."""
        key = "flow_direction, srcaddr, dstaddr, srcport, dstport, protocol"
        rows = self.rows(f"{key}, SUM(packets) AS packets, SUM(bytes) AS bytes", f"AND action = 'ACCEPT' GROUP BY {key}")
        return {tuple(list(row.values())[:6]): [row["packets"], row["bytes"]] for row in rows}

    def counters(self, host=None):
        """What passed an interface: to the instance, from it, and what was dropped."""
        with urllib.request.urlopen(self.daemon.endpoint + "/_openvpc/interfaces") as answer:
            interfaces = json.load(answer)["interfaces"]
        [found] = [each for each in interfaces if each["interface"] == (host or self.receiver).eni]
        drops = {drop["reason"]: drop["packets"] for drop in found["drops"] if drop["reason"] != "OPENVPC_MULTICAST"}
        return [[found[way]["packets"], found[way]["bytes"]] for way in ("in", "out")], drops

    def agree(self):
        """Waits until wire and records are the same, live and delivered; gives that."""

        def are_equal():
            # A late acknowledgement makes this go round once more.
            before, live = self.wire(), self.logged()
            self.daemon.flush()
            return before == live == self.logged() and [before]

        try:
            return until(are_equal, what="wire and records the same")[0]
        except AssertionError:
            assert self.logged() == self.wire()
            raise

    def totals(self):
        """Packets and bytes in and out, from what agrees."""
        sums = self.agree()
        return [[sum(each[n] for flow, each in sums.items() if flow[0] == way) for n in (0, 1)] for way in ("ingress", "egress")]

    def connect(self, name, kind, to, port):
        self.sender.agent.ask("connect", name=name, kind=kind, to=to, port=port, timeout=20)

    def talk(self, name, **options):
        return self.sender.agent.ask("talk", name=name, timeout=20, **options)


@pytest.fixture
def scene(path):  # noqa: F811
    scene = Scene(path)
    yield scene
    scene.net.delete()


def both(scene):
    return (scene.receiver.address, scene.receiver.address6)


def test_wire_records_and_interface_counters_are_the_same(scene):
    for number, to in enumerate(both(scene)):
        scene.connect(f"tcp {number}", "tcp", to, 80)
        assert scene.talk(f"tcp {number}", size=3_000_000)
        scene.connect(f"udp {number}", "udp", to, 53)
        warm(scene.daemon, lambda number=number: scene.talk(f"udp {number}", size=1000))
        warm(scene.daemon, lambda to=to: scene.sender.agent.ping(to, id=9))
        for _ in range(50):
            assert scene.sender.agent.ping(to, id=9, size=700)
    totals = scene.totals()
    assert totals[0][1] > 6_000_000 and totals[1][1] > 6_000_000
    assert scene.counters() == (totals, {})


def test_a_datagram_that_is_cut_by_the_link_counts_as_what_it_becomes(scene):
    for to in both(scene):
        header = 28 if to == scene.receiver.address else 48
        scene.sender.agent.ask("connect", name="segments", kind="udp", to=to, port=9)
        before = scene.agree()
        sent = scene.sender.agent.ask("send_segments", name="segments", size=1200, count=200, segments=10)
        after = scene.agree()
        [flow] = [flow for flow in after if flow not in before and flow[0] == "ingress" and flow[5] == 17]
        assert sent == 2000 and after[flow] == [2000, 2000 * (1200 + header)]


def test_what_is_denied_is_rejected_to_the_packet(path):  # noqa: F811
    scene = Scene(path, rule("tcp", 80))
    sent = {}
    for to in both(scene):
        scene.connect("denied", "udp", to, 7)
        for size in (1, 100, 1400, 8000):
            for _ in range(30):
                scene.sender.agent.ask("send_only", name="denied", size=size)
        sent[to] = [120, 30 * (9501 + 4 * (28 if to == scene.receiver.address else 48))]

    def rejected():
        rows = scene.rows("dstaddr, SUM(packets) AS packets, SUM(bytes) AS bytes", "AND action = 'REJECT' GROUP BY dstaddr")
        return {row["dstaddr"]: [row["packets"], row["bytes"]] for row in rows}

    until(lambda: rejected() == sent, what="as many rejected as were sent")
    scene.daemon.flush()
    assert rejected() == sent
    (_, out), drops = scene.counters(scene.sender)
    assert drops == {"ENI_SG_RULES_MISMATCH": 240}
    assert out == [sum(each[n] for each in sent.values()) for n in (0, 1)]
    scene.net.delete()


def test_each_record_has_the_flags_of_its_own_interval(scene):
    for number, to in enumerate(both(scene)):
        name = f"flags {number}"
        scene.connect(name, "tcp", to, 80)
        warm(scene.daemon, lambda name=name: scene.talk(name))
        scene.daemon.flush()
        assert scene.talk(name, size=100_000)
        scene.agree()
        scene.sender.agent.ask("close", name=name)
        scene.agree()

        def flags(way, to=to):
            port = "dstport" if way == "ingress" else "srcport"
            rows = scene.rows("tcp_flags", f"AND flow_direction = '{way}' AND {port} = 80 AND (srcaddr = '{to}' OR dstaddr = '{to}')")
            return sorted(row["tcp_flags"] for row in rows)

        # A flush may come between; what says nothing of a beginning or an end may come more than once.
        for way, first in (("ingress", SYN), ("egress", SYN_ACK)):
            seen = flags(way)
            assert seen.count(first) == 1 and seen.count(FIN) == 1 and set(seen) <= {0, first, FIN}, (way, seen)
        scene.connect(f"reset {number}", "tcp", to, 80)
        warm(scene.daemon, lambda number=number: scene.talk(f"reset {number}"))
        scene.agree()
        scene.sender.agent.ask("close", name=f"reset {number}", reset=True)
        scene.agree()
        assert flags("ingress").count(RST) == 1 and RST not in flags("egress")


def test_flows_that_are_over_lose_nothing(scene):
    agent = scene.sender.agent
    for number, to in enumerate(both(scene)):
        agent.ask("begin", name=f"short {number}", what="churn", to=to, port=80)
        agent.ask("begin", name=f"datagrams {number}", what="tagged", to=to, ports=[9, 10, 11], pause=0.001)

    def many():
        scene.daemon.flush()
        return len(scene.wire()) > 1000

    until(many, 60, "five hundred connections")
    for number in range(2):
        assert list(agent.ask("end", name=f"short {number}")) == ["done"]
        agent.ask("end", name=f"datagrams {number}")
    scene.totals()
    if not scene.daemon.is_kernel:
        return
    # What nobody tracks is let go after a quarter of a minute.
    until(lambda: details(scene.daemon)["connections"] == 0, 60, "the table empty")
    totals = scene.totals()
    assert scene.counters() == (totals, {})


@pytest.mark.parametrize("datapath", [KERNEL])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_what_passes_between_two_daemons_is_counted_by_the_second(start, datapath, tracked):
    daemon = start("--datapath", datapath, "--keep-running")
    scene = Scene(daemon, *([rule("-1", None, "10.0.0.0/8", "2000::/3")] if tracked else []))
    for number, to in enumerate(both(scene)):
        for name in ("stays", "is closed"):
            scene.connect(f"{name} {number}", "tcp", to, 80)
            warm(daemon, lambda name=f"{name} {number}": scene.talk(name))
        scene.connect(f"datagrams {number}", "udp", to, 53)
        warm(daemon, lambda number=number: scene.talk(f"datagrams {number}"))
    scene.agree()
    daemon.stop()
    for number in range(2):
        for name in ("stays", "is closed", "datagrams"):
            assert scene.talk(f"{name} {number}", size=60_000 if name != "datagrams" else 500)
        scene.sender.agent.ask("close", name=f"is closed {number}")
    daemon.start()
    again(scene.net, daemon)
    scene.agree()
    for number in range(2):
        assert scene.talk(f"stays {number}", size=60_000)
    scene.agree()
    close(scene.net)
