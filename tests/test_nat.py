"""NAT gateways with real packets, on every path that packets take."""

import json
import subprocess
import urllib.request

import pytest

from conftest import until
from datapaths import EVERY, again, close, path, warm  # noqa: F401 - a fixture
from gateways import Private, counts
from network import EVERYTHING, INTERNET4, Agent
from topology import explain

SILENT = {"timeout": 0.3}
# The host on the lab internet, as IPv6 hosts write it.
EMBEDDED = "64:ff9b::c633:640a"


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """A client behind a NAT gateway, and a public host."""
    net = Private(path)
    net.gateway_of_it = net.nat()
    net.route(net.inner_table, "64:ff9b::/96", NatGatewayId=net.gateway_of_it.id)
    net.populate()
    net.elastic_ip(net.public)
    yield net
    net.delete()


def test_the_internet_sees_the_elastic_ip_and_every_protocol_gets_its_answers(net):
    page = net.client.exec("curl", "-s", "--max-time", "5", f"http://{INTERNET4}/")
    assert net.gateway_of_it.public in page.stdout, page
    for kind in ("tcp", "udp", "ping"):
        assert net.client.agent.probe(kind, INTERNET4, 8080) == "answered", kind


def test_nobody_from_outside_gets_in(net):
    for kind in ("tcp", "udp", "ping"):
        assert net.internet.probe(kind, net.gateway_of_it.public, 8080, **SILENT) == "silence"
    assert net.public.agent.probe("tcp", net.gateway_of_it.address, 8080, **SILENT) == "silence"


def test_a_host_of_the_same_vpc_is_reached_by_its_public_address(net):
    assert net.client.agent.probe("tcp", net.public.public, 8080) == "answered"


def test_a_refusal_and_an_unreachable_port_come_back(net):
    assert net.client.agent.probe("tcp", INTERNET4, 9) == "refused"
    assert net.client.agent.probe("udp", INTERNET4, 9) == "refused", "by an ICMP error, which finds its way"


def test_a_connection_is_carried_and_counted_on_all_four_sides(net):
    before = net.gateway_of_it.counts()
    net.client.agent.ask("connect", name="counted", kind="tcp", to=INTERNET4, port=8080)
    warm(net.daemon, lambda: net.client.agent.ask("talk", name="counted"))
    after = net.gateway_of_it.counts()
    grown = {name: after[name] - before[name] for name in after}
    assert grown["ConnectionAttemptCount"] == 1 and grown["ConnectionEstablishedCount"] == 1
    assert grown["ActiveConnectionCount"] >= 1
    assert grown["PacketsInFromSource"] == grown["PacketsOutToDestination"] > 2
    assert grown["PacketsInFromDestination"] == grown["PacketsOutToSource"] > 2
    with urllib.request.urlopen(f"{net.daemon.endpoint}/_openvpc/metrics") as answer:
        metrics = answer.read().decode()
    line = f'openvpc_gateway_packets_in_from_source_total{{gateway="{net.gateway_of_it.id}",kind="NAT gateway"}}'
    assert line in metrics


def test_an_ipv6_host_reaches_ipv4_servers(net):
    """NAT64: every protocol, a refusal, and an ICMP error."""
    for kind in ("tcp", "udp", "ping"):
        assert net.client.agent.probe(kind, EMBEDDED, 8080) == "answered", kind
    assert net.client.agent.probe("tcp", EMBEDDED, 9) == "refused"
    assert net.client.agent.probe("udp", EMBEDDED, 9) == "refused", "by an ICMP error that was translated"
    assert net.client.agent.probe("udp", EMBEDDED, 8080, size=1400) == "answered"
    page = net.client.exec("curl", "-s", "-g", "--max-time", "5", f"http://[{EMBEDDED}]/")
    assert net.gateway_of_it.public in page.stdout, page


def test_datagrams_too_long_for_the_internet_find_out_how_long_they_may_be(net):
    """Linux learns the path's limit from the gateway's error and cuts the next ones, which UDP may and NAT64 may not."""
    assert until(lambda: net.client.agent.probe("udp", INTERNET4, 8080, size=3000, timeout=1) == "answered", what="fragments")


@pytest.mark.parametrize("to", [INTERNET4, EMBEDDED])
def test_bulk_data_passes_whole_both_ways(net, to):
    for options in ([], ["-R"]):
        server = net.daemon.command("exec", "internet", "--", "iperf3", "-s", "-1", "-p", "5201")
        with subprocess.Popen(server, stdout=subprocess.DEVNULL) as running:
            done = until(lambda: transfer(net, to, options), what="a transfer")
            running.wait(timeout=20)
        assert done["end"]["sum_sent"]["bytes"] >= 8 << 20
        assert done["end"]["sum_received"]["bytes"] > 1 << 20, "what was on its way at the end isn't counted"


def transfer(net, to, options):
    done = net.client.exec("iperf3", "-c", to, "-p", "5201", "-n", "8M", "-J", *options)
    result = json.loads(done.stdout or "{}")
    return None if "error" in result or "sum_received" not in result.get("end", {}) else result


def test_the_four_legs_are_recorded_as_aws_does(net, path):  # noqa: F811
    s3 = path.client("s3", account=net.account)
    bucket = "nat-legs-" + net.account
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": net.region})
    fields = "${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${flow-direction} ${traffic-path} ${interface-type}"
    [log] = net.ec2.create_flow_logs(
        ResourceIds=[net.vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}", LogFormat=fields,
    )["FlowLogIds"]
    nat, client = net.gateway_of_it, net.client
    assert client.agent.probe("ping", INTERNET4) == "answered"
    columns = "interface_id, srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, packets, flow_direction, traffic_path"
    rows = path.query(f"SELECT {columns} FROM flow_logs WHERE flow_log_id = '{log}' AND protocol = 1")
    seen = {tuple(str(value) if value is not None else None for value in row.values()) for row in rows}
    assert seen == {
        (client.eni, client.address, INTERNET4, client.address, INTERNET4, "1", "egress", "1"),
        (nat.eni, client.address, nat.address, client.address, INTERNET4, "1", "ingress", None),
        (nat.eni, nat.address, INTERNET4, nat.address, INTERNET4, "1", "egress", "8"),
        (nat.eni, INTERNET4, nat.address, INTERNET4, nat.address, "1", "ingress", None),
        (nat.eni, nat.address, client.address, INTERNET4, client.address, "1", "egress", "1"),
        (client.eni, INTERNET4, client.address, INTERNET4, client.address, "1", "ingress", None),
    }
    net.ec2.delete_flow_logs(FlowLogIds=[log])


def test_explain_shows_the_translation_and_the_way_back(net):
    told = ask(net, protocol="tcp", port=80)
    assert told["reachable"], told
    assert [h["action"] for h in told["forward"]["hops"] if h["resource_id"] == net.gateway_of_it.id] == ["translate"]
    assert [h["action"] for h in told["return"]["hops"] if h["resource_id"] == net.gateway_of_it.id] == ["translate"]
    gre = ask(net, protocol="47")
    [blocker] = gre["forward"]["blockers"]
    assert (blocker["code"], blocker["resource_id"]) == ("PROTOCOL_RESTRICTION", net.gateway_of_it.id)


def ask(net, **question):
    return explain(net.daemon, net.account, {"from": net.client.id, "to": INTERNET4, **question})


def test_the_network_acl_of_its_subnet_counts(net):
    """What the gateway itself sends and gets, not its clients alone."""
    everything = {"Protocol": "-1", "CidrBlock": "0.0.0.0/0", "RuleAction": "allow", "RuleNumber": 100}
    no_answers = {"Protocol": "6", "CidrBlock": INTERNET4 + "/32", "RuleAction": "deny", "RuleNumber": 50}
    ports = {"PortRange": {"From": 1024, "To": 65535}}
    net.acl(net.outer, {**everything, "Egress": True}, {**everything, "Egress": False}, {**no_answers, **ports, "Egress": False})
    assert net.client.agent.probe("tcp", INTERNET4, 8080, **SILENT) == "silence"
    assert net.client.agent.probe("ping", INTERNET4) == "answered"
    net.use_acl(net.outer, net.default_acl())
    assert net.client.agent.probe("tcp", INTERNET4, 8080) == "answered"


def test_a_gateway_that_is_deleted_under_load_cuts_its_flows(net):
    other = net.table()
    net.ec2.delete_route_table(RouteTableId=other)
    nat = net.nat(route=False)
    net.ec2.replace_route(RouteTableId=net.inner_table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat.id)
    net.client.agent.ask("connect", name="cut", kind="udp", to=INTERNET4, port=8080)
    warm(net.daemon, lambda: net.client.agent.ask("talk", name="cut"))
    net.ec2.delete_nat_gateway(NatGatewayId=nat.id)
    assert not net.client.agent.ask("talk", name="cut", **SILENT)
    net.ec2.replace_route(RouteTableId=net.inner_table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=net.gateway_of_it.id)
    assert net.client.agent.probe("tcp", INTERNET4, 8080) == "answered"


def test_a_private_gateway_shows_its_own_address_and_does_not_reach_the_internet(net):
    nat = net.nat(route=False, ConnectivityType="private")
    net.ec2.replace_route(RouteTableId=net.inner_table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat.id)
    assert net.client.agent.probe("tcp", INTERNET4, 8080, **SILENT) == "silence"
    told = ask(net, protocol="tcp", port=80)
    assert [blocker["code"] for blocker in told["forward"]["blockers"]] == ["IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"]
    net.ec2.replace_route(RouteTableId=net.inner_table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=net.gateway_of_it.id)


@EVERY
def test_connections_go_on_when_the_daemon_is_started_again(start, datapath):
    """On the kernel path; the other one forgets what it tracked, and says so by a reset."""
    daemon = start("--datapath", datapath, "--keep-running")
    net = Private(daemon)
    nat = net.nat()
    client = net.instance(net.inner, net.group(EVERYTHING))
    internet = Agent(daemon, "internet")
    internet.serve(tcp=[8080], udp=[8080])
    client.agent.ask("connect", name="kept", kind="tcp", to=INTERNET4, port=8080)
    warm(daemon, lambda: client.agent.ask("talk", name="kept"))
    daemon.kill()
    if datapath == "kernel":
        assert client.agent.ask("talk", name="kept"), "while no daemon runs"
    daemon.start()
    again(net, daemon)
    if datapath == "kernel":
        assert client.agent.ask("talk", name="kept", timeout=10)
        assert counts(daemon, nat.id)["ActiveConnectionCount"] >= 1
    assert client.agent.probe("tcp", INTERNET4, 8080, timeout=10) == "answered"
    close(net)
    for agent in (client.own_agent, internet):
        if agent:
            agent.process.kill()
            agent.process.wait()
    daemon.options = ("--datapath", datapath)
    daemon.stop()
    daemon.start()
