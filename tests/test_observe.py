"""Looking at what happens: packets of an interface as pcap, metrics, the datapath's status, rates as they change."""

import collections
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import urllib.request

import pytest

from conftest import BINARY, Daemon, until
from network import EVERYTHING, INTERNET4, Network, rule

NEEDS_TCPDUMP = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="reads captures with tcpdump")
NEEDS_IPERF = pytest.mark.skipif(shutil.which("iperf3") is None, reason="sends with iperf3")


@pytest.fixture(scope="module")
def net(world):
    """Two instances in two subnets, of which the first is public."""
    net = Network(world)
    net.open = net.group(EVERYTHING)
    net.web = net.instance(net.subnet(1, public=True), net.open)
    net.db = net.instance(net.subnet(2), net.open)
    net.elastic_ip(net.web)
    for host in net.hosts:
        host.agent.serve(tcp=[80], udp=[53])
    yield net
    net.delete()


@pytest.fixture(autouse=True)
def everything_open_again(request):
    yield
    if "net" in request.fixturenames:
        net = request.getfixturevalue("net")
        net.db.groups(net.open)


class Tap:
    """A running `openvpc capture`."""

    def __init__(self, daemon, interface, *options, **streams):
        command = daemon.command("capture", interface, *options)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        # Unbuffered, so that nothing of the second line is read with the first.
        self.process = subprocess.Popen(command, bufsize=0, **streams)
        first = self.process.stderr.readline().decode()
        assert first.startswith(f"capturing on {interface} "), first

    def end(self, number=signal.SIGINT):
        """Ends it as Ctrl-C does. Gives what it wrote and its last line."""
        self.process.send_signal(number)
        return self.result()

    def result(self):
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, err
        return out, err.decode().strip()


@contextlib.contextmanager
def tap(daemon, interface, *options, **streams):
    tap = Tap(daemon, interface, *options, **streams)
    try:
        yield tap
    finally:
        if tap.process.poll() is None:
            tap.process.kill()
            tap.process.wait()


Record = collections.namedtuple("Record", "seconds nanos length bytes")


def records(pcap):
    """What a pcap file holds, read strictly."""
    magic, major, minor, zone, accuracy, snaplen, link_type = struct.unpack_from("<IHHiIII", pcap)
    assert (magic, major, minor, zone, accuracy, link_type) == (0xA1B23C4D, 2, 4, 0, 0, 1)
    at, found = 24, []
    while at < len(pcap):
        seconds, nanos, kept, length = struct.unpack_from("<IIII", pcap, at)
        assert kept == min(length, snaplen) and nanos < 10**9
        assert len(pcap) >= at + 16 + kept, "the last record is cut"
        found.append(Record(seconds, nanos, length, pcap[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return found


def tcpdump(pcap, *filters):
    """A line for each packet, as tcpdump reads them."""
    read = subprocess.run(["tcpdump", "-n", "-r", "-", *filters], input=pcap, capture_output=True, timeout=20)
    assert read.returncode == 0, read.stderr
    return read.stdout.decode().splitlines()


# Captures.


@NEEDS_TCPDUMP
def test_a_ping_is_captured_at_both_interfaces_and_read_by_tcpdump(world, net):
    with tap(world, net.web.eni, "-w", "-") as near, tap(world, net.db.eni, "-w", "-") as far:
        assert net.web.exec("ping", "-c3", "-i0.05", "-W3", net.db.address).returncode == 0
        for one in (near, far):
            pcap, said = one.end()
            lines = tcpdump(pcap, "icmp")
            ends = f"{net.web.address} > {net.db.address}", f"{net.db.address} > {net.web.address}"
            assert [("echo request" in line, ends[0] in line) for line in lines[::2]] == [(True, True)] * 3, lines
            assert [("echo reply" in line, ends[1] in line) for line in lines[1::2]] == [(True, True)] * 3, lines
            assert said == f"{len(records(pcap))} packets captured, 0 dropped by the kernel"


def test_a_dropped_packet_is_at_the_sender_and_not_at_the_receiver(world, net):
    net.db.groups(net.group(rule("udp", 53)))
    with tap(world, net.web.eni, "-w", "-") as near, tap(world, net.db.eni, "-w", "-") as far:
        assert net.web.agent.probe("udp", net.db.address, 99, timeout=0.3) == "silence"
        # What came after it arrives, so that it would have as well.
        assert net.web.agent.probe("udp", net.db.address, 53) == "answered"
        ports = []
        for one in (near, far):
            packets = [record.bytes for record in records(one.end()[0])]
            udp = [packet for packet in packets if packet[12:14] == b"\x08\x00" and packet[23] == 17]
            ports.append({struct.unpack_from(">H", packet, 36)[0] for packet in udp})
        assert 99 in ports[0] and 53 in ports[0] and 53 in ports[1] and 99 not in ports[1]


def test_super_packets_and_cut_packets_keep_their_length(world, net, tmp_path):
    whole, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    with tap(world, net.web.eni, "-w", str(whole)) as one, tap(world, net.web.eni, "-w", str(cut), "--snaplen", "64") as two:
        net.web.agent.ask("connect", name="bulk", kind="tcp", to=net.db.address, port=80)
        assert net.web.agent.ask("talk", name="bulk", size=4_000_000, timeout=20)
        said = [one.end()[1], two.end()[1]]
    assert all("packets captured, 0 dropped by the kernel" in text for text in said), said
    whole, cut = records(whole.read_bytes()), records(cut.read_bytes())
    assert max(record.length for record in whole) > 20_000, "super-packets stay whole"
    assert all(len(record.bytes) == record.length for record in whole)
    assert max(record.length for record in cut) > 20_000 and max(len(record.bytes) for record in cut) == 64
    # Every byte of the transfer was seen, both ways.
    for source in (net.web.address, net.db.address):
        packed = bytes(int(part) for part in source.split("."))
        sent = [packet.bytes for packet in whole if packet.bytes[12:14] == b"\x08\x00" and packet.bytes[26:30] == packed]
        tcp = [packet for packet in sent if packet[23] == 6]
        headers = [14 + (packet[14] & 15) * 4 + (packet[14 + (packet[14] & 15) * 4 + 12] >> 4) * 4 for packet in tcp]
        spans = {struct.unpack_from(">I", packet, 38)[0]: len(packet) - size for packet, size in zip(tcp, headers)}
        assert sum(spans.values()) >= 4_000_000


def test_what_comes_faster_than_it_is_taken_is_told(world, net):
    with tap(world, net.web.eni, "-w", "/dev/null") as slow:
        slow.process.send_signal(signal.SIGSTOP)
        # More than the ring holds, over the link twice.
        net.web.agent.ask("connect", name="flood", kind="tcp", to=net.db.address, port=80)
        assert net.web.agent.ask("talk", name="flood", size=60_000_000, timeout=60)
        slow.process.send_signal(signal.SIGCONT)
        said = slow.end()[1]
    captured, dropped = re.fullmatch(r"(\d+) packets captured, (\d+) dropped by the kernel", said).groups()
    assert int(captured) > 100 and int(dropped) > 100, said


def test_a_capture_ends_by_count_by_time_and_when_nobody_reads(world, net):
    with tap(world, net.web.eni, "-w", "-", "--count", "2") as some:
        assert net.web.exec("ping", "-c4", "-i0.05", "-W3", net.db.address).returncode == 0
        pcap, said = some.result()
        assert len(records(pcap)) == 2 and said.startswith("2 packets captured")
    pcap, said = Tap(world, net.db.eni, "-w", "-", "--duration", "0.2").result()
    assert records(pcap) is not None and "captured" in said
    with tap(world, net.web.eni, "-w", "-") as unread:
        unread.process.stdout.close()
        unread.process.stdout = None
        net.web.exec("ping", "-c2", "-i0.1", "-W3", net.db.address)
        assert unread.result()[1].endswith("nobody reads any more")


def test_without_a_file_each_packet_is_a_line(world, net):
    with tap(world, net.web.eni, "--count", "4") as lines:
        net.web.agent.ask("probe", probes=[{"kind": "tcp", "to": net.db.address, "port": 80, "id": 1}], timeout=3)
        net.web.agent.ask("probe", probes=[{"kind": "ping", "to": net.db.address, "port": None, "id": 77}], timeout=3)
        text = lines.result()[0].decode().splitlines()
    way = rf"\d\d:\d\d:\d\d\.\d{{6}} %s {re.escape(net.web.address)}:\d+ > {re.escape(net.db.address)}:80 tcp \[SYN\], \d+ bytes"
    tcp = [line for line in text if " tcp " in line]
    assert re.fullmatch(way % "out", tcp[0]), text
    assert " in  " in tcp[1] and "[SYN ACK]" in tcp[1], text


@NEEDS_TCPDUMP
def test_the_internet_is_captured_with_public_addresses(world, net):
    with tap(world, "internet", "-w", "-") as outside:
        assert net.web.agent.ping(INTERNET4)
        lines = tcpdump(outside.end()[0], "icmp")
    assert f"{net.web.public} > {INTERNET4}" in lines[0] and f"{INTERNET4} > {net.web.public}" in lines[1]


def test_a_capture_ends_with_its_instance_and_with_its_interface(world, net):
    subnet = net.subnets[0]
    host = net.instance(subnet, net.open)
    second = net.ec2.create_network_interface(SubnetId=subnet, Groups=[net.open])["NetworkInterface"]["NetworkInterfaceId"]
    refused = world.run("capture", second)
    assert refused.returncode == 2 and "not attached" in refused.stderr
    attached = net.ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=host.id, DeviceIndex=1)
    with tap(world, second, "-w", "-") as other, tap(world, host.eni, "-w", "-") as first:
        net.ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
        assert other.result()[1].endswith("; the interface was detached")
        net.ec2.stop_instances(InstanceIds=[host.id])
        assert first.result()[1].endswith(f"; {host.id} has ended")
    net.wait([host.id], "stopped")
    refused = world.run("capture", host.eni)
    assert refused.returncode == 2 and f"{host.id}, which has {host.eni}, is stopped" in refused.stderr


def test_what_cannot_be_captured_is_said(world, net, api):
    for name, reason in (("eni-0123456789abcdef0", "does not exist"), ("i-1", "internet"), (net.web.id, "name a network interface")):
        refused = world.run("capture", name)
        assert refused.returncode == 2 and reason in refused.stderr, refused.stderr
    refused = api.run("capture", "internet")
    assert refused.returncode == 2 and "forwards no packets" in refused.stderr
    refused = world.run("capture", net.web.eni, "-w", "/nowhere/file")
    assert refused.returncode == 1 and "/nowhere/file can't be written" in refused.stderr


@NEEDS_TCPDUMP
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_who_has_no_rights_captures_too():
    with tempfile.TemporaryDirectory(prefix="openvpc-") as home:
        binary = shutil.copy(BINARY, home)
        os.chmod(binary, 0o755)
        os.chmod(home, 0o755)
        data = os.path.join(home, "data")
        os.mkdir(data)
        os.chown(data, 65534, 65534)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        daemon = Daemon(data, prefix=nobody)
        daemon.binary = binary
        daemon.start()
        try:
            assert json.loads(daemon.run("status", "datapath", "--json").stdout)["tier"] == "rootless"
            net = Network(daemon)
            net.open = net.group(EVERYTHING)
            one, two = net.instances(net.subnet(1), 2, net.open)
            file = os.path.join(data, "own.pcap")
            with tap(daemon, one.eni, "-w", "-") as near, tap(daemon, two.eni, "-w", file) as far:
                assert one.exec("ping", "-c2", "-i0.2", "-W3", two.address).returncode == 0
                assert len(tcpdump(near.end()[0], "icmp")) == 4
                assert "0 dropped by the kernel" in far.end()[1]
            with open(file, "rb") as capture:
                assert len(tcpdump(capture.read(), "icmp")) == 4
            assert os.stat(file).st_uid == 65534
            net.terminate()
        finally:
            daemon.stop()


# Metrics.

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (\S+)')
PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\[\\"n])*)"')


class Metrics:
    """A text in Prometheus's format, read by its rules."""

    def __init__(self, daemon):
        with urllib.request.urlopen(f"{daemon.endpoint}/_openvpc/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            text = answer.read().decode()
        assert text.endswith("\n")
        self.samples, self.types, helped, family = {}, {}, set(), None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                assert name not in helped and len(line.split(" ", 3)) == 4
                helped.add(name)
            elif line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                assert family in helped and family not in self.types, f"{family} comes twice"
                assert kind in ("counter", "gauge", "histogram")
                assert (kind == "counter") == family.endswith("_total")
                self.types[family] = kind
            else:
                name, labels, value = SAMPLE.fullmatch(line).groups()
                suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
                assert name in [family + suffix for suffix in suffixes], f"{line} stands under {family}"
                pairs = PAIR.findall(labels or "")
                assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or "")
                key = name, frozenset(pairs)
                assert key not in self.samples and len(dict(pairs)) == len(pairs), f"{line} comes twice"
                self.samples[key] = float(value)
        self.check_histograms()

    def check_histograms(self):
        buckets = collections.defaultdict(list)
        for (name, labels), value in self.samples.items():
            if name.endswith("_bucket"):
                rest = frozenset(pair for pair in labels if pair[0] != "le")
                buckets[name[: -len("_bucket")], rest].append((float(dict(labels)["le"]), value))
        for (name, labels), counts in buckets.items():
            assert counts == sorted(counts) and counts[-1][0] == float("inf"), counts
            assert [count for _, count in counts] == sorted(count for _, count in counts)
            assert self.samples[name + "_count", labels] == counts[-1][1]

    def of(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0)


def test_requests_commits_and_resources_are_counted(api):
    ec2 = api.client(account="700000000001")
    ec2.describe_vpcs()
    before = Metrics(api)
    for _ in range(3):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with contextlib.suppress(ec2.exceptions.ClientError):
        ec2.create_vpc(CidrBlock="10.0.0.0/8")
    with contextlib.suppress(ec2.exceptions.ClientError):
        ec2.delete_vpc(VpcId="vpc-0123456789abcdef0")
    api.client("sts").get_caller_identity()
    api.client("s3").list_buckets()
    after = Metrics(api)

    def grew(name, **labels):
        return after.of(name, **labels) - before.of(name, **labels)

    create = {"service": "ec2", "operation": "CreateVpc"}
    assert grew("openvpc_api_requests_total", **create, code="OK") == 3
    assert grew("openvpc_api_requests_total", **create, code="InvalidVpc.Range") == 1
    assert grew("openvpc_api_requests_total", service="ec2", operation="DeleteVpc", code="InvalidVpcID.NotFound") == 1
    assert grew("openvpc_api_requests_total", service="sts", operation="GetCallerIdentity", code="OK") == 1
    assert grew("openvpc_api_request_duration_seconds_count", **create) == 4
    assert grew("openvpc_api_request_duration_seconds_sum", **create) > 0
    assert grew("openvpc_s3_requests_total", method="GET", status="200") == 1
    # Changes that come one after the other are commits of their own.
    assert grew("openvpc_commits_total", outcome="durable") >= 3 and grew("openvpc_commits_total", outcome="failed") == 0
    assert grew("openvpc_resources", kind="vpc") == 3
    assert grew("openvpc_resources", kind="route-table") == 3
    assert after.of("process_resident_memory_bytes") > 1 << 20
    assert [dict(labels)["datapath"] for name, labels in after.samples if name == "openvpc_build_info"] == ["none"]


def test_packets_are_counted_by_interface_and_drops_by_reason(world, net):
    def counted(of):
        metrics = Metrics(world)
        sums = [metrics.of(f"openvpc_interface_{what}_total", interface=of.eni, direction=way) for what in ("packets", "bytes") for way in ("out", "in")]
        return metrics, sums

    net.db.groups(net.group(rule("icmp")))
    net.web.agent.ping(net.db.address)
    (_, web), (before, db) = counted(net.web), counted(net.db)
    # A thousand requests and their replies, 28 bytes of headers and 72 of data each.
    flood = net.web.exec("ping", "-q", "-f", "-c1000", "-s72", net.db.address)
    assert "1000 received" in flood.stdout, flood.stdout + flood.stderr
    for _ in range(7):
        net.web.agent.ask("probe", probes=[{"kind": "udp", "to": net.db.address, "port": 99, "id": 1}], timeout=0.05)
    (_, web_after), (after, db_after) = counted(net.web), counted(net.db)
    sizes = sum(web_after) - sum(web)
    # ICMPv6 of the kernel's own may pass as well, and the datagrams that were dropped left the sender.
    assert web_after[0] - web[0] >= 1007 and web_after[1] - web[1] >= 1000 and sizes >= 4 * 1000
    assert 1000 <= db_after[1] - db[1] <= 1010 and 100_000 <= db_after[3] - db[3] <= 101_000

    def drops(metrics, **labels):
        return sum(value for (name, found), value in metrics.samples.items() if name == "openvpc_datapath_dropped_packets_total")

    assert drops(after) - drops(before) >= 7
    assert after.of("openvpc_interface_dropped_packets_total", interface=net.web.eni) >= 7
    info = [dict(labels) for name, labels in after.samples if name == "openvpc_interface_info" and ("interface", net.db.eni) in labels]
    assert [(i["instance"], i["address"], i["vpc"], i["subnet"]) for i in info] == [(net.db.id, net.db.address, net.vpc, net.db.subnet)]
    assert after.of("openvpc_datapath_connected_interfaces") >= 2 and after.of("openvpc_datapath_tracked_flows") >= 1


def test_delivered_flow_log_records_are_counted(world, net):
    world.client("s3", account=net.account).create_bucket(Bucket="observed", CreateBucketConfiguration={"LocationConstraint": net.region})
    net.ec2.create_flow_logs(
        ResourceType="NetworkInterface", ResourceIds=[net.web.eni], TrafficType="ALL", LogDestinationType="s3", LogDestination="arn:aws:s3:::observed"
    )
    before = Metrics(world)
    assert net.web.pings(net.db.address)
    world.flush()
    after = Metrics(world)
    for name in ("openvpc_flow_log_records_delivered_total", "openvpc_flow_log_files_total"):
        assert after.of(name) > before.of(name)
    assert after.of("openvpc_flow_log_records_given_up_total") == after.of("openvpc_flow_log_unrecorded_packets_total") == 0


def test_counters_do_not_fall_when_an_instance_goes(world, net):
    host = net.instance(net.subnets[0], net.open)
    assert host.agent.probe("udp", "192.168.7.7", 9, timeout=0.1) == "silence"
    before = Metrics(world)
    host.close()
    net.hosts.remove(host)
    net.ec2.terminate_instances(InstanceIds=[host.id])
    net.wait([host.id], "terminated")
    until(lambda: not Metrics(world).of("openvpc_interface_packets_total", interface=host.eni, direction="out"), what="interface gone")
    after = Metrics(world)
    fallen = [
        (name, dict(labels), value, after.of(name, **dict(labels)))
        for (name, labels), value in before.samples.items()
        if name == "openvpc_datapath_dropped_packets_total" and after.of(name, **dict(labels)) < value
    ]
    assert before.of("openvpc_interface_dropped_packets_total", interface=host.eni) >= 1 and fallen == []


# The datapath's status, and rates.


def test_the_datapath_says_its_tier_and_what_it_dropped(world, net, api):
    assert net.web.agent.probe("udp", "192.168.7.7", 9, timeout=0.1) == "silence"
    status = json.loads(world.run("status", "datapath", "--json", check=True).stdout)
    assert status["tier"] in ("kernel", "user space", "rootless") and status["why"]
    assert status["connected_interfaces"] >= 2 and status["internet"] is True
    assert all(drop["reason"] and drop["packets"] > 0 for drop in status["drops"]) and status["drops"]
    text = world.run("status", "datapath", check=True).stdout
    assert status["tier"] in text and status["drops"][0]["reason"] in text
    status = json.loads(api.run("status", "datapath", "--json", check=True).stdout)
    assert (status["tier"], status["connected_interfaces"], status["drops"]) == ("none", 0, [])
    assert world.run("status", "nonsense").returncode == 2


@NEEDS_IPERF
def test_top_shows_the_interfaces_of_a_transfer_first(world, net):
    server = subprocess.Popen(world.command("exec", net.db.id, "--", "iperf3", "-s", "-1"), stdout=subprocess.DEVNULL)
    until(lambda: ":5201" in net.db.shell("ss -ltn").stdout, what="iperf3 listening")
    client = subprocess.Popen(world.command("exec", net.web.id, "--", "iperf3", "-c", net.db.address, "-t", "5"), stdout=subprocess.DEVNULL)
    try:
        def busy():
            sample = json.loads(world.run("top", "--once", "--json", "--interval", "0.5", check=True).stdout)
            return sample if sample["interfaces"][0]["in"]["bits_per_second"] > 1e6 else None

        sample = until(busy, what="a busy interface")
        first, second = sample["interfaces"][:2]
        assert {first["interface"], second["interface"]} == {net.web.eni, net.db.eni}
        by_name = {rates["interface"]: rates for rates in sample["interfaces"]}
        web, db = by_name[net.web.eni], by_name[net.db.eni]
        assert (db["instance"], db["address"]) == (net.db.id, net.db.address)
        # What one sent the other received, as both were read at once.
        assert web["out"] == db["in"] and db["out"] == web["in"] and web["out"]["packets_per_second"] > 100
        assert 0.4 < sample["seconds"] < 5 and "internet" in by_name
        table = world.run("top", "--once", "--interval", "0.3", check=True).stdout.splitlines()
        # Below an interface stand its flows, indented.
        interfaces = [line.split()[0] for line in table[2:] if not line.startswith(" ")]
        assert table[1].startswith("INTERFACE") and set(interfaces[:2]) == {net.web.eni, net.db.eni}
    finally:
        client.wait(timeout=20)
        server.wait(timeout=20)


def test_top_shows_why_packets_are_dropped(world, net):
    stop = threading.Event()

    def send():
        while not stop.is_set():
            net.web.agent.probe("udp", "192.168.7.7", 9, timeout=0.05)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        sample = json.loads(world.run("top", "--once", "--json", check=True).stdout)
    finally:
        stop.set()
        sender.join()
    web = next(rates for rates in sample["interfaces"] if rates["interface"] == net.web.eni)
    assert web["drops_per_second"] > 0 and web["drops"][0]["per_second"] > 0 and web["drops"][0]["reason"].isupper()


def test_top_goes_on_line_by_line_until_it_is_ended(world, net):
    process = subprocess.Popen(world.command("top", "--json", "--interval", "0.05"), stdout=subprocess.PIPE)
    samples = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.terminate()
    process.communicate(timeout=10)
    assert all({rates["interface"] for rates in sample["interfaces"]} >= {net.web.eni, net.db.eni} for sample in samples)


def test_top_is_refreshed_in_place_on_a_terminal(world, net):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 70, 0, 0))
    process = subprocess.Popen(world.command("top", "--interval", "0.05"), stdout=theirs)
    os.close(theirs)
    shown = b""
    while shown.count(b"\x1b[J") < 2:
        shown += os.read(ours, 4096)
    process.terminate()
    process.wait(timeout=10)
    os.close(ours)
    screens = [re.sub(rb"\x1b\[\d*m", b"", screen).decode() for screen in re.split(rb"\x1b\[\d+A\x1b\[J", shown)]
    # Title, head, how many are left out, and the line that the cursor stands in.
    lines = screens[1].split("\r\n")
    assert lines[0].endswith(" s") and lines[1].startswith("INTERFACE") and lines[-2].startswith("and ") and lines[-1] == ""
    assert len(lines) <= 5 and all(len(line) <= 70 for line in lines), lines
