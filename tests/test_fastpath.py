"""Flows that are carried already obey each change as they would if every packet were judged: what AWS keeps goes on, what
AWS cuts ends at once. On every path that packets take."""

import pytest

from datapaths import path, warm  # noqa: F401 - a fixture
from network import EVERYTHING, INTERNET4, INTERNET6, PING, Agent, Network, rule, everything_open_again  # noqa: F401 - a fixture

SILENT = {"timeout": 0.3}
BOTH = pytest.mark.parametrize("kind", ["tcp", "udp"])
FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """A public instance with an Elastic IP, one without, and one in another subnet; all serve port 80."""
    net = Network(path)
    net.open = net.group(EVERYTHING)
    net.web, net.poor = net.instances(net.subnet(1, public=True), 2, net.open)
    net.db = net.instance(net.subnet(2), net.open)
    net.allocation = net.elastic_ip(net.web)
    net.internet = Agent(path, "internet")
    for agent in (*(host.agent for host in net.hosts), net.internet):
        agent.serve(tcp=[8080], udp=[8080])
    yield net
    net.internet.close()
    net.delete()


class Flow:
    """A connection or an exchange of datagrams that is carried already."""

    count = 0

    def __init__(self, net, agent, kind, to, source_port=0):
        Flow.count += 1
        self.agent, self.name = agent, f"flow {Flow.count}"
        agent.ask("connect", name=self.name, kind=kind, to=to, port=8080, source_port=source_port)
        warm(net.daemon, self.talks)

    def talks(self, **options):
        return self.agent.ask("talk", name=self.name, **options)


def address(host, family):
    return host.address if family == 4 else host.address6


def narrow(net, kind, family=4):
    """A rule of one peer, whose flows are tracked."""
    peer = f"{net.web.address}/32" if family == 4 else f"{net.web.address6}/128"
    return rule(kind, 8080, peer)


@BOTH
@FAMILIES
def test_a_tracked_flow_goes_on_when_its_rule_goes(net, kind, family):
    group = net.group(narrow(net, kind, family))
    net.db.groups(group)
    flow = Flow(net, net.web.agent, kind, address(net.db, family))
    net.revoke(group, narrow(net, kind, family))
    assert flow.talks() and flow.talks()
    assert net.web.agent.probe(kind, address(net.db, family), 8080, **SILENT) == "silence", "a new one is refused"
    warm(net.daemon, flow.talks)


@BOTH
@FAMILIES
def test_an_untracked_flow_is_cut_when_its_rule_goes(net, kind, family):
    group = net.group(rule(kind, 8080))
    net.db.groups(group)
    flow = Flow(net, net.web.agent, kind, address(net.db, family))
    net.revoke(group, rule(kind, 8080))
    assert not flow.talks(**SILENT)
    net.allow(group, rule(kind, 8080))
    assert flow.talks(timeout=10)


@BOTH
@pytest.mark.parametrize("is_tracked", [True, False], ids=["tracked", "untracked"])
@pytest.mark.parametrize("egress", [True, False], ids=["out", "in"])
def test_an_entry_that_denies_cuts_every_flow_at_once(net, kind, is_tracked, egress):
    net.db.groups(net.group(narrow(net, kind) if is_tracked else rule(kind, 8080)))
    flow = Flow(net, net.web.agent, kind, net.db.address)
    entry = {"NetworkAclId": net.default_acl(), "RuleNumber": 50, "Egress": egress}
    number = {"tcp": "6", "udp": "17"}[kind]
    net.ec2.create_network_acl_entry(**entry, Protocol=number, RuleAction="deny", CidrBlock="0.0.0.0/0", PortRange={"From": 8080, "To": 8080})
    try:
        # Out of the subnet of the client, and into the subnet of the server.
        assert not flow.talks(**SILENT)
    finally:
        net.ec2.delete_network_acl_entry(**entry)
    assert flow.talks(timeout=10)


@BOTH
def test_other_groups_leave_a_tracked_flow_and_cut_an_untracked_one(net, kind):
    nothing = net.group()
    net.db.groups(net.group(narrow(net, kind)))
    tracked = Flow(net, net.web.agent, kind, net.db.address)
    net.poor.groups(net.group(rule(kind, 8080)))
    untracked = Flow(net, net.web.agent, kind, net.poor.address)
    net.db.groups(nothing)
    net.poor.groups(nothing)
    assert tracked.talks() and not untracked.talks(**SILENT)


def test_a_ping_that_is_answered_is_answered_no_more_when_its_rule_goes(net):
    group = net.group(*PING)
    net.db.groups(group)
    for to in (net.db.address, net.db.address6):
        warm(net.daemon, lambda to=to: net.web.agent.ping(to, id=7))
    net.revoke(group, *PING)
    # Pings are tracked always, for half a minute; another identifier is another flow.
    for to in (net.db.address, net.db.address6):
        assert net.web.agent.ping(to, id=7)
        assert not net.web.agent.ping(to, id=8, **SILENT)


@BOTH
@FAMILIES
def test_a_route_that_goes_cuts_at_once(net, kind, family):
    to, block = ((INTERNET4, "0.0.0.0/0"), (INTERNET6, "::/0"))[family == 6]
    flow = Flow(net, net.web.agent, kind, to)
    key = {"DestinationCidrBlock" if family == 4 else "DestinationIpv6CidrBlock": block}
    net.ec2.delete_route(RouteTableId=net.public_table, **key)
    try:
        assert not flow.talks(**SILENT)
    finally:
        net.route(net.public_table, block, GatewayId=net.gateway)
    assert flow.talks(timeout=10)


@BOTH
def test_a_blackhole_cuts_at_once(net, kind):
    flow = Flow(net, net.web.agent, kind, INTERNET4)
    spare = net.ec2.create_network_interface(SubnetId=net.db.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    net.route(net.public_table, "198.51.100.0/24", NetworkInterfaceId=spare)
    try:
        assert not flow.talks(**SILENT)
    finally:
        net.ec2.delete_route(RouteTableId=net.public_table, DestinationCidrBlock="198.51.100.0/24")
        net.ec2.delete_network_interface(NetworkInterfaceId=spare)
    assert flow.talks(timeout=10)


@BOTH
@pytest.mark.parametrize("outward", [True, False], ids=["outward", "inward"])
def test_an_elastic_ip_that_is_taken_away_ends_its_flows_at_once(net, kind, outward):
    agent, to = (net.web.agent, INTERNET4) if outward else (net.internet, net.web.public)
    flow = Flow(net, agent, kind, to)
    found = net.ec2.describe_addresses(AllocationIds=[net.allocation])["Addresses"][0]
    net.ec2.disassociate_address(AssociationId=found["AssociationId"])
    try:
        assert not flow.talks(**SILENT)
    finally:
        net.ec2.associate_address(AllocationId=net.allocation, NetworkInterfaceId=net.web.eni)
    assert flow.talks(timeout=10)


def test_an_elastic_ip_that_moves_takes_its_datagrams_along(net):
    for host in (net.web, net.poor):
        host.agent.ask("start_watch", port=8080)
    flow = Flow(net, net.internet, "udp", net.web.public, source_port=5555)
    [net.web.agent.ask("watched"), net.poor.agent.ask("watched")]
    net.ec2.associate_address(AllocationId=net.allocation, NetworkInterfaceId=net.poor.eni, AllowReassociation=True)
    try:
        assert flow.talks()
        assert (net.web.agent.ask("watched"), net.poor.agent.ask("watched")) == (0, 1)
    finally:
        net.ec2.associate_address(AllocationId=net.allocation, NetworkInterfaceId=net.web.eni, AllowReassociation=True)
    assert flow.talks()
    assert (net.web.agent.ask("watched"), net.poor.agent.ask("watched")) == (1, 0)


def test_a_stopped_instance_gets_nothing_and_is_itself_again_when_started(net):
    host = net.instance(net.db.subnet, net.open)
    host.agent.serve(udp=[8080])
    flow = Flow(net, net.web.agent, "udp", host.address)
    host.close()
    net.ec2.stop_instances(InstanceIds=[host.id])
    net.wait([host.id], "stopped")
    assert not flow.talks(**SILENT)
    net.ec2.start_instances(InstanceIds=[host.id])
    net.wait([host.id], "running")
    host.agent.serve(udp=[8080])
    assert flow.talks()
    warm(net.daemon, flow.talks)
