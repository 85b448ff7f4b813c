"""Flow logs are true: what they say was on the wire, to the byte, in files that AWS's readers take."""

import gzip
import itertools
import json
import re
import subprocess
import threading

import pytest

from conftest import ACCOUNT, REGION, until
from network import EVERYTHING, INTERNET4, PING, Network, rule

DEFAULT = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
FULL = (
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr "
    "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status region az-id sublocation-type sublocation-id "
    "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
BUCKETS = itertools.count(1)


@pytest.fixture(scope="module")
def scene(world):
    """Three instances of two subnets with everything open; the first has an Elastic IP."""
    network = Network(world)
    group = network.group(EVERYTHING)
    network.first, network.second = network.instances(network.subnet(1, public=True), 2, group)
    network.third = network.instance(network.subnet(2), group)
    network.elastic_ip(network.first)
    network.open = group
    for host in network.hosts:
        host.agent.serve(tcp=[80], udp=[53])
    yield network
    network.delete()


@pytest.fixture
def log(scene):
    """Makes flow logs, which go with the test."""
    made = []
    s3 = scene.daemon.client("s3", account=scene.account)

    def create(kind, resource, traffic="ALL", prefix="", **options):
        bucket = f"flow-logs-{next(BUCKETS)}"
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        answer = scene.ec2.create_flow_logs(
            ResourceIds=[resource],
            ResourceType=kind,
            TrafficType=traffic,
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{bucket}{prefix}",
            **options,
        )
        assert answer["Unsuccessful"] == []
        made.extend(answer["FlowLogIds"])
        return Log(scene, s3, bucket, answer["FlowLogIds"][0])

    yield create
    scene.ec2.delete_flow_logs(FlowLogIds=made)


class Log:
    """One flow log and the bucket it alone writes to."""

    def __init__(self, network, s3, bucket, flow_log):
        self.network, self.s3, self.bucket, self.id = network, s3, bucket, flow_log

    def rows(self, columns="*", where="log_status = 'OK'"):
        """The records as SQL gives them, live ones too."""
        return self.network.daemon.query(f"SELECT {columns} FROM flow_logs WHERE flow_log_id = '{self.id}' AND {where}")

    def keys(self):
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def lines(self):
        """The records of all files as dictionaries, headers checked."""
        records = []
        for key in self.keys():
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
            assert "ContentEncoding" not in answer
            header, *lines = gzip.decompress(answer["Body"].read()).decode().splitlines()
            for line in lines:
                values = line.split(" ")
                assert len(values) == len(header.split(" ")) and "" not in values, line
                records.append(dict(zip(header.split(" "), values)))
        return records

    def sums(self):
        """Packets and bytes by direction and flow, over all records."""
        columns = "flow_direction, srcaddr, dstaddr, srcport, dstport, protocol"
        sums = "SUM(packets) AS packets, SUM(bytes) AS bytes"
        where = f"flow_log_id = '{self.id}' AND log_status = 'OK' GROUP BY {columns}"
        rows = self.network.daemon.query(f"SELECT {columns}, {sums} FROM flow_logs WHERE {where}")
        return {tuple(list(row.values())[:6]): [row["packets"], row["bytes"]] for row in rows}

    def file_sums(self):
        """The same from the files."""
        sums = {}
        for record in self.lines():
            if record["log-status"] == "OK":
                flow = [record[name] for name in ("flow-direction", "srcaddr", "dstaddr")]
                flow += [int(record[name]) for name in ("srcport", "dstport", "protocol")]
                total = sums.setdefault(tuple(flow), [0, 0])
                total[0] += int(record["packets"])
                total[1] += int(record["bytes"])
        return sums


def custom(fields):
    return " ".join(f"${{{field}}}" for field in fields.split())


def test_files_lie_where_aws_puts_them_and_read_as_aws_writes_them(scene, log):
    written = log("NetworkInterface", scene.first.eni)
    scene.first.exec("ping", "-c4", "-i0.01", scene.third.address)
    scene.daemon.flush()
    keys = written.keys()
    assert len(keys) == 1
    folder, stem = f"AWSLogs/{scene.account}/vpcflowlogs/{REGION}", f"{scene.account}_vpcflowlogs_{REGION}_{written.id}"
    assert re.fullmatch(rf"{folder}/\d{{4}}/\d\d/\d\d/{stem}_\d{{8}}T\d\d[0-5][05]Z_[0-9a-f]{{8}}\.log\.gz", keys[0])
    body = gzip.decompress(written.s3.get_object(Bucket=written.bucket, Key=keys[0])["Body"].read()).decode()
    assert body.splitlines()[0] == DEFAULT
    echo = {record["srcaddr"]: record for record in written.lines() if record["protocol"] == "1"}
    # The textbook's numbers: four pings are 336 bytes, 84 each.
    for source, destination in ((scene.first.address, scene.third.address), (scene.third.address, scene.first.address)):
        record = echo[source]
        assert int(record["start"]) <= int(record["end"]) <= int(record["start"]) + 60
        expected = f"2 {scene.account} {scene.first.eni} {source} {destination} 0 0 1 4 336 {record['start']} {record['end']} ACCEPT OK"
        assert " ".join(record.values()) == expected


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({"HiveCompatiblePartitions": False, "PerHourPartition": True}, r"AWSLogs/{a}/vpcflowlogs/{r}/\d{{4}}/\d\d/\d\d/\d\d/"),
        (
            {"HiveCompatiblePartitions": True, "PerHourPartition": False},
            r"AWSLogs/aws-account-id={a}/aws-service=vpcflowlogs/aws-region={r}/year=\d{{4}}/month=\d\d/day=\d\d/",
        ),
        (
            {"HiveCompatiblePartitions": True, "PerHourPartition": True},
            r"AWSLogs/aws-account-id={a}/aws-service=vpcflowlogs/aws-region={r}/year=\d{{4}}/month=\d\d/day=\d\d/hour=\d\d/",
        ),
    ],
)
def test_partitions_are_laid_out_as_asked_for(scene, log, options, folder):
    written = log("NetworkInterface", scene.first.eni, prefix="/some/where", DestinationOptions={"FileFormat": "plain-text", **options})
    assert scene.first.pings(scene.second.address)
    scene.daemon.flush()
    pattern = "some/where/" + folder.format(a=scene.account, r=REGION)
    assert [key for key in written.keys() if re.match(pattern, key)]


def test_every_byte_on_the_wire_is_in_the_records_once(scene, log):
    written = log("NetworkInterface", scene.second.eni, LogFormat=custom(FULL))
    second, third = scene.second, scene.third
    second.agent.ask("start_capture", both=True, count=True)
    assert third.pings(second.address) and third.pings(second.address6, size=4000)
    assert third.agent.probe("udp", second.address, 53, size=3000) == "answered"
    for number, to in enumerate((second.address, second.address6)):
        third.agent.ask("connect", name=f"bulk {number}", kind="tcp", to=to, port=80, timeout=20)
        assert third.agent.ask("talk", name=f"bulk {number}", size=2_000_000, timeout=20)
    assert third.agent.probe("tcp", second.address, 81) == "refused"

    def wire():
        sums, lost = second.agent.ask("sums")
        assert lost == 0
        return {tuple(flow[:6]): flow[6:] for flow in sums}

    def equal():
        # A late acknowledgement makes this go round once more.
        before = wire()
        live = written.sums()
        scene.daemon.flush()
        return before == live == written.sums() == written.file_sums() and before

    try:
        total = until(equal, what="wire, live records and delivered records the same")
    except AssertionError:
        assert written.sums() == wire()
        assert written.file_sums() == wire()
        raise
    assert sum(size for _, size in total.values()) > 8_000_000


def test_a_ping_accepted_in_and_its_reply_rejected_out_are_an_accept_and_a_reject(scene, log):
    # The security group has no rule for ICMP out and needs none; the network ACL has one that denies.
    subnet = scene.subnet(10)
    host = scene.instance(subnet, scene.group(*PING, egress=[]))
    allow = {"RuleNumber": 100, "Protocol": "1", "CidrBlock": "0.0.0.0/0", "IcmpTypeCode": {"Type": -1, "Code": -1}}
    scene.acl(subnet, allow | {"RuleAction": "allow", "Egress": False}, allow | {"RuleAction": "deny", "Egress": True})
    written = log("Subnet", subnet)
    scene.first.exec("ping", "-c4", "-i0.01", "-W0.2", host.address)
    columns = "srcaddr, dstaddr, packets, bytes, action"
    rows = until(lambda: len(found := written.rows(columns)) == 2 and found, what="two records")
    sent = {"srcaddr": scene.first.address, "dstaddr": host.address, "packets": 4, "bytes": 336, "action": "ACCEPT"}
    answered = {"srcaddr": host.address, "dstaddr": scene.first.address, "packets": 4, "bytes": 336, "action": "REJECT"}
    assert sorted(rows, key=lambda row: row["action"]) == [sent, answered]


def test_a_refusal_by_a_security_group_is_one_reject_and_no_reply(scene, log):
    host = scene.instance(scene.subnet(11), scene.group())
    written = log("NetworkInterface", host.eni)
    assert scene.first.agent.probe("tcp", host.address, 22, timeout=0.3) == "silence"
    rows = written.rows("srcaddr, dstport, action")
    assert rows == [{"srcaddr": scene.first.address, "dstport": 22, "action": "REJECT"}]


@pytest.mark.parametrize("traffic", ["ACCEPT", "REJECT", "ALL"])
def test_a_traffic_type_takes_only_its_records(scene, log, traffic):
    host = scene.second
    only_http = scene.group(rule("tcp", 80))
    host.groups(only_http)
    try:
        written = log("NetworkInterface", host.eni, traffic)
        assert scene.first.agent.probe("tcp", host.address, 80) == "answered"
        assert scene.first.agent.probe("tcp", host.address, 22, timeout=0.2) == "silence"
        wanted = {"ACCEPT", "REJECT"} if traffic == "ALL" else {traffic}
        assert {row["action"] for row in written.rows("DISTINCT action")} == wanted
    finally:
        host.groups(scene.open)


def test_levels_are_independent_and_each_covers_its_interfaces(scene, log):
    of_eni = log("NetworkInterface", scene.first.eni)
    of_subnet = log("Subnet", scene.first.subnet)
    of_vpc = log("VPC", scene.vpc)
    assert scene.first.pings(scene.second.address) and scene.first.pings(scene.third.address)
    covered = [{row["interface_id"] for row in level.rows("DISTINCT interface_id")} for level in (of_eni, of_subnet, of_vpc)]
    first, second, third = scene.first.eni, scene.second.eni, scene.third.eni
    assert covered == [{first}, {first, second}, {first, second, third}]
    # A new interface in the VPC is covered by itself.
    new = scene.instance(scene.subnet(12), scene.open)
    assert new.pings(scene.first.address)
    assert new.eni in {row["interface_id"] for row in of_vpc.rows("DISTINCT interface_id")}


def test_a_custom_format_gives_its_fields_in_its_order(scene, log):
    written = log("NetworkInterface", scene.first.eni, LogFormat=custom(FULL))
    assert scene.first.agent.probe("tcp", INTERNET4, 80) == "answered"
    scene.daemon.flush()
    [out] = [record for record in written.lines() if record["dstaddr"] == INTERNET4]
    assert list(out) == FULL.split()
    zone = scene.ec2.describe_availability_zones(ZoneNames=[REGION + "a"])["AvailabilityZones"][0]["ZoneId"]
    known = {
        "version": "5", "vpc-id": scene.vpc, "subnet-id": scene.first.subnet, "instance-id": scene.first.id, "type": "IPv4",
        "interface-id": scene.first.eni, "account-id": scene.account, "region": REGION, "az-id": zone, "log-status": "OK",
        # The guest never sees its Elastic IP, nor does its interface's record.
        "srcaddr": scene.first.address, "pkt-srcaddr": scene.first.address, "pkt-dstaddr": INTERNET4, "dstport": "80",
        "protocol": "6", "action": "ACCEPT", "flow-direction": "egress", "traffic-path": "8", "sublocation-type": "-",
        "sublocation-id": "-", "pkt-src-aws-service": "-",
    }
    assert {name: out[name] for name in known} == known
    [back] = [record for record in written.lines() if record["srcaddr"] == INTERNET4]
    assert (back["dstaddr"], back["flow-direction"], back["traffic-path"]) == (scene.first.address, "ingress", "-")
    # The client sent SYN and RST, the server SYN-ACK.
    assert (out["tcp-flags"], back["tcp-flags"]) == ("6", "18")


def test_an_interface_without_traffic_has_a_nodata_record(scene, log):
    host = scene.instance(scene.subnet(13), scene.group(egress=[]))
    written = log("NetworkInterface", host.eni)
    scene.daemon.flush()
    [record] = written.lines()
    known = {"version": "2", "account-id": scene.account, "interface-id": host.eni, "log-status": "NODATA", "action": "-"}
    assert {name: record[name] for name in known} == known
    assert all(record[name] == "-" for name in ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes"))


def test_arp_the_router_and_spoofed_packets_are_not_logged(scene, log):
    host = scene.instance(scene.subnet(14), scene.open)
    written = log("NetworkInterface", host.eni)
    host.exec("ping", "-c1", "-W0.2", "10.0.14.1")
    host.exec("ping", "-c1", "-W0.2", scene.unused(host.subnet))
    assert host.pings(scene.first.address)
    others = f"srcaddr NOT IN ('{host.address}', '{scene.first.address}') OR dstaddr IN ('10.0.14.1')"
    assert written.rows("*", f"log_status = 'OK' AND ({others})") == []


def test_tail_shows_a_record_soon_after_the_packet(scene):
    tail = subprocess.Popen(scene.daemon.command("flows", "tail", "--json"), stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        threading.Thread(target=lambda: lines.extend(map(json.loads, iter(tail.stdout.readline, ""))), daemon=True).start()
        ports = itertools.count(20000)

        def seen():
            # Records from before the tail was connected are none of its business, so packets go on.
            scene.first.agent.probe("udp", scene.second.address, 53, source_port=next(ports))
            return [line for line in lines if line["srcaddr"] == scene.first.address and line["dstport"] == 53]

        [found, *_] = until(seen, seconds=10, what="a record in the tail")
        assert (found["dstaddr"], found["protocol"], found["action"]) == (scene.second.address, 17, "ACCEPT")
    finally:
        tail.terminate()
        tail.wait()
        tail.stdout.close()


def test_the_aws_cli_and_boto3_read_the_bucket(scene, log, tmp_path):
    written = log("NetworkInterface", scene.first.eni)
    assert scene.first.pings(scene.second.address)
    scene.daemon.flush()
    [key] = written.keys()
    aws = scene.daemon.aws_text
    assert key in aws("s3", "ls", "--recursive", f"s3://{written.bucket}/")
    aws("s3", "cp", f"s3://{written.bucket}/{key}", str(tmp_path / "records.gz"))
    assert gzip.decompress((tmp_path / "records.gz").read_bytes()).decode().startswith(DEFAULT + "\n")
    on_disk = scene.daemon.data_dir / "s3" / written.bucket / key
    assert on_disk.read_bytes() == (tmp_path / "records.gz").read_bytes()


def test_queries_answer_as_json_and_csv_and_refuse_what_is_no_question(scene, log):
    written = log("NetworkInterface", scene.first.eni)
    assert scene.first.pings(scene.second.address)
    sql = f"SELECT srcaddr, packets, tcp_flags FROM flow_logs WHERE flow_log_id = '{written.id}' AND dstaddr = '{scene.second.address}'"
    assert scene.daemon.query(sql) == [{"srcaddr": scene.first.address, "packets": 1, "tcp_flags": None}]
    csv = scene.daemon.run("flows", "query", sql, "--csv").stdout
    assert csv == f"srcaddr,packets,tcp_flags\n{scene.first.address},1,\n"
    for wrong in ("SELECT nothing FROM flow_logs", "DELETE FROM flow_logs", "SELECT * FROM flow_logs; SELECT 1", ""):
        refused = scene.daemon.run("flows", "query", wrong)
        assert refused.returncode != 0 and refused.stderr.startswith("openvpc: "), wrong
        assert len(refused.stderr.splitlines()) == 1


def test_records_that_were_delivered_are_there_after_a_restart(start):
    daemon = start("--datapath", "none")
    ec2, s3 = daemon.client(), daemon.client("s3")
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": REGION})
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.run_instances(ImageId="ami-00000000", MinCount=1, MaxCount=1, SubnetId=subnet)
    made = ec2.create_flow_logs(
        ResourceIds=[subnet], ResourceType="Subnet", TrafficType="ALL", LogDestinationType="s3", LogDestination="arn:aws:s3:::kept"
    )["FlowLogIds"]
    daemon.flush()
    where = f"SELECT account_id, log_status, start FROM flow_logs WHERE flow_log_id = '{made[0]}' ORDER BY start LIMIT 1"
    [first] = daemon.query(where)
    assert (first["account_id"], first["log_status"]) == (ACCOUNT, "NODATA")
    daemon.kill()
    daemon.start()
    assert daemon.query(where) == [first]
