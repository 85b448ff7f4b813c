"""What the VPC's router itself offers: reachable past every filter, by the interface's own addresses, and in no flow log."""

import json
import os
import subprocess

import pytest

from conftest import until
from datapaths import EVERY, again, close, path  # noqa: F401 - a fixture
from network import Network

METADATA, RESOLVER, TIME = "169.254.169.254", "169.254.169.253", "169.254.169.123"
DENY = "OPENVPC_LINKLOCAL_ALLOWANCE_EXCEEDED"
ASK_TIME = """
import socket, sys, time
for address in sys.argv[1:]:
    asker = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    asker.settimeout(5)
    asker.connect((address, 123))
    asker.send(b"\\x23" + bytes(47))
    answer = asker.recv(100)
    seconds = int.from_bytes(answer[40:44], "big") - 2208988800
    print(address, answer[0] & 7, answer[1], abs(seconds - time.time()) < 5)
"""
# As many requests at once as the queue takes, and how many answers came within a second of silence.
FLOOD = """
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
asker.connect(("169.254.169.123", 123))
for _ in range(int(sys.argv[1])):
    asker.send(b"\\x23" + bytes(47))
asker.settimeout(1)
count = 0
try:
    while asker.recv(100):
        count += 1
except TimeoutError:
    print(count)
"""


def get(host, path, *options, address=METADATA):
    """What the metadata service says: the status and the text."""
    url = f"http://[{address}]/{path}" if ":" in address else f"http://{address}/{path}"
    told = host.exec("curl", "-sg", "-m", "10", "-w", "\\n%{http_code}", *options, url)
    text, _, status = told.stdout.rpartition("\n")
    return int(status or 0), text


def drops(daemon, reason):
    """How many packets were dropped for a reason."""
    shown = json.loads(daemon.run("status", "datapath", "--json", check=True).stdout)
    return sum(drop["packets"] for drop in shown["drops"] if drop["reason"] == reason)


@pytest.fixture
def walled_in(path):  # noqa: F811
    """An instance behind a group without a rule and a network ACL without an entry."""
    net = Network(path)
    subnet = net.subnet(1)
    net.acl(subnet)
    host = net.instance(subnet, net.group(egress=[]))
    yield host
    net.delete()


def test_no_filter_stands_before_them(walled_in):
    assert get(walled_in, "latest/meta-data/instance-id") == (200, walled_in.id)
    told = walled_in.exec("python3", "-c", ASK_TIME, TIME, "fd00:ec2::123")
    assert told.stdout == f"{TIME} 4 3 True\nfd00:ec2::123 4 3 True\n", told.stderr


def test_chronyd_takes_the_time_from_them(walled_in):
    for address in (TIME, "fd00:ec2::123"):
        told = walled_in.exec("chronyd", "-Q", "-t", "20", "-u", "root", f"server {address} iburst")
        assert told.returncode == 0 and "System clock wrong by" in told.stderr + told.stdout, told.stderr


def test_flow_logs_know_nothing_of_them(walled_in):
    net = walled_in.network
    bucket = f"services-{net.account}"
    location = {"LocationConstraint": net.region}
    net.daemon.client("s3", account=net.account).create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    made = net.ec2.create_flow_logs(
        ResourceIds=[net.vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}", MaxAggregationInterval=60,
    )
    assert not made["Unsuccessful"], made
    assert get(walled_in, "latest/meta-data/mac")[0] == 200
    walled_in.exec("python3", "-c", ASK_TIME, TIME)
    walled_in.agent.probe("udp", "10.0.0.2", 53, timeout=1)
    assert walled_in.agent.probe("tcp", "10.0.1.1", 80, timeout=1) == "silence"
    assert walled_in.agent.probe("tcp", "10.0.2.77", 80, timeout=1) == "silence"
    net.daemon.flush()
    seen = net.daemon.query(f"SELECT DISTINCT dstaddr, srcaddr FROM flow_logs WHERE flow_log_id = '{made['FlowLogIds'][0]}'")
    addresses = {address for row in seen for address in row.values()}
    assert "10.0.2.77" in addresses, "what is recorded is there"
    assert not {a for a in addresses if a and (a.startswith("169.254.") or a in ("10.0.0.2", "10.0.1.1"))}, seen


def test_who_asks_is_told_apart_though_vpcs_overlap(path):  # noqa: F811
    nets = [Network(path), Network(path)]
    try:
        hosts = [net.instance(net.subnet(1), PrivateIpAddress="10.0.1.50") for net in nets]
        for host in hosts:
            assert get(host, "latest/meta-data/instance-id") == (200, host.id)
            assert get(host, "latest/meta-data/local-ipv4") == (200, "10.0.1.50")
    finally:
        for net in nets:
            net.delete()


def test_without_dns_support_the_resolver_is_silent(walled_in):
    net = walled_in.network
    asked = ("10.0.0.2", RESOLVER, "fd00:ec2::253")
    for address in asked:
        assert walled_in.agent.probe("tcp", address, 53) in ("answered", "refused"), address
        assert explained(walled_in, address, "udp", 53)["reachable"]
    net.ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsSupport={"Value": False})
    for address in asked:
        assert walled_in.agent.probe("tcp", address, 53, timeout=1) == "silence", address
        told = explained(walled_in, address, "udp", 53)
        assert [blocker["code"] for blocker in told["forward"]["blockers"]] == ["OPENVPC_DNS_SUPPORT_DISABLED"]
    assert get(walled_in, "latest/meta-data/instance-id")[0] == 200, "the others go on"
    net.ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsSupport={"Value": True})
    assert walled_in.agent.probe("tcp", RESOLVER, 53) in ("answered", "refused")


def explained(host, address, protocol, port):
    net = host.network
    command = ["explain", "--from", host.id, "--to", address, "--protocol", protocol, "--port", str(port), "--json"]
    return json.loads(net.daemon.run(*command, region=net.region, account=net.account).stdout)


def test_a_path_of_network_insights_ends_at_the_service(walled_in):
    ec2 = walled_in.network.ec2
    path = ec2.create_network_insights_path(Source=walled_in.eni, DestinationIp=METADATA, Protocol="tcp", DestinationPort=80)
    path = path["NetworkInsightsPath"]["NetworkInsightsPathId"]
    analysis = ec2.start_network_insights_analysis(NetworkInsightsPathId=path)["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]

    def found():
        shown = ec2.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[analysis])["NetworkInsightsAnalyses"][0]
        return shown["Status"] != "running" and shown

    shown = until(found, what="the analysis")
    assert shown["NetworkPathFound"], shown
    assert [component["Component"]["Id"] for component in shown["ForwardPathComponents"]][-1] == "instance-metadata"
    assert "64.0." not in json.dumps(shown, default=str), "what stands for the asker is nobody's business"
    ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis)
    ec2.delete_network_insights_path(NetworkInsightsPathId=path)


def test_an_explanation_names_the_service_and_no_filter(walled_in):
    for address, port, name in ((METADATA, 80, "instance-metadata"), (TIME, 123, "time-sync"), (RESOLVER, 53, "vpc-resolver")):
        told = explained(walled_in, address, "tcp", port)
        assert told["reachable"], told
        hops = [(hop["component"], hop["resource_id"]) for hop in told["forward"]["hops"]]
        assert hops == [("network interface", walled_in.eni), ("link-local service", name)]
        assert [hop["component"] for hop in told["return"]["hops"]] == ["link-local service", "network interface"]
    assert not explained(walled_in, "169.254.169.250", "tcp", 1688)["reachable"]


def test_more_than_1024_packets_in_a_second_are_refused(walled_in):
    net = walled_in.network
    other = net.instance(walled_in.subnet)
    before = drops(net.daemon, DENY)
    answers = int(walled_in.exec("python3", "-c", FLOOD, "20000").stdout)
    # What is sent may take more than a second; some of it finds other queues full.
    assert 0 < answers <= 3 * 1024
    assert drops(net.daemon, DENY) > before
    assert get(other, "latest/meta-data/instance-id") == (200, other.id)
    until(lambda: get(walled_in, "latest/meta-data/instance-id") == (200, walled_in.id), what="an answer again")


def test_a_source_that_is_not_the_interfaces_gets_nothing(walled_in):
    net = walled_in.network
    net.ec2.modify_network_interface_attribute(NetworkInterfaceId=walled_in.eni, SourceDestCheck={"Value": False})
    walled_in.shell("ip addr add 192.168.77.7/32 dev lo", check=True)
    assert get(walled_in, "latest/meta-data/mac", "-m", "1", "--interface", "192.168.77.7")[0] == 0
    assert get(walled_in, "latest/meta-data/mac")[0] == 200


def test_they_are_there_again_after_the_daemon_was_killed(start, tmp_path):
    daemon = start()
    net = Network(daemon)
    host = net.instance(net.subnet(1))
    assert get(host, "latest/meta-data/instance-id") == (200, host.id)
    daemon.kill()
    daemon.start()
    again(net, daemon)
    net.wait([host.id], "running")
    assert get(host, "latest/meta-data/instance-id") == (200, host.id)
    assert host.exec("python3", "-c", ASK_TIME, TIME).stdout == f"{TIME} 4 3 True\n"
    close(net)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a link of the daemon's away as root")
@EVERY
def test_their_link_is_made_again_when_somebody_takes_it_away(start, datapath):
    daemon = start("--datapath", datapath)
    net = Network(daemon)
    host = net.instance(net.subnet(1))
    assert get(host, "latest/meta-data/instance-id")[0] == 200
    holders = subprocess.run(["pgrep", "-f", f"fabric-holder.*{daemon.data_dir}"], capture_output=True, text=True).stdout.split()
    assert holders, "the process that holds the fabric"
    subprocess.run(["nsenter", "-t", holders[0], "-n", "ip", "link", "delete", "services"], check=True)
    until(lambda: get(host, "latest/meta-data/instance-id", "-m", "1")[0] == 200, seconds=30, what="the services again")
