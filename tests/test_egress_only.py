"""Egress-only internet gateways with real packets, on every path that packets take."""

import pytest

from datapaths import EVERY, again, close, path, warm  # noqa: F401 - a fixture
from gateways import Private, counts
from network import EVERYTHING, INTERNET6, Agent
from topology import explain

SILENT = {"timeout": 0.3}


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """A client whose IPv6 way out is an egress-only gateway, and a public host."""
    net = Private(path)
    net.way_out = net.egress_only_gateway()
    net.populate()
    yield net
    net.delete()


def test_what_goes_out_is_answered(net):
    for kind in ("tcp", "udp", "ping"):
        assert net.client.agent.probe(kind, INTERNET6, 8080) == "answered", kind
    page = net.client.exec("curl", "-s", "-g", "--max-time", "5", f"http://[{INTERNET6}]/")
    assert net.client.address6 in page.stdout, "nothing is translated"


def test_nobody_from_outside_gets_in(net):
    before = counts(net.daemon, net.way_out)
    for kind in ("tcp", "udp", "ping"):
        assert net.internet.probe(kind, net.client.address6, 8080, **SILENT) == "silence", kind
    assert net.internet.probe("tcp", net.public.address6, 8080) == "answered", "by the internet gateway"
    assert counts(net.daemon, net.way_out)["ConnectionAttemptCount"] == before["ConnectionAttemptCount"]


def test_errors_about_its_flows_come_in(net):
    assert net.client.agent.probe("udp", INTERNET6, 9) == "refused"


def test_explain_names_the_gateway_in_both_directions(net):
    told = explain(net.daemon, net.account, {"from": net.client.id, "to": INTERNET6, "protocol": "tcp", "port": 8080})
    assert told["reachable"], told
    for way in ("forward", "return"):
        assert net.way_out in [hop["resource_id"] for hop in told[way]["hops"]]
    asked = explain(net.daemon, net.account, {"from": INTERNET6, "to": net.client.address6, "protocol": "tcp", "port": 8080})
    [blocker] = asked["forward"]["blockers"]
    assert (blocker["code"], blocker["resource_id"]) == ("OPENVPC_EGRESS_ONLY", net.way_out)


def test_a_flow_is_carried_and_ends_with_the_gateway(net):
    net.client.agent.ask("connect", name="cut", kind="tcp", to=INTERNET6, port=8080)
    warm(net.daemon, lambda: net.client.agent.ask("talk", name="cut"))
    assert counts(net.daemon, net.way_out)["PacketsInFromDestination"] > 2
    net.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=net.way_out)
    net.egress_only.remove(net.way_out)
    assert not net.client.agent.ask("talk", name="cut", **SILENT)
    net.ec2.delete_route(RouteTableId=net.inner_table, DestinationIpv6CidrBlock="::/0")
    net.way_out = net.egress_only_gateway()
    assert net.client.agent.probe("tcp", INTERNET6, 8080) == "answered"


@EVERY
def test_flows_go_on_when_the_daemon_is_started_again(start, datapath):
    """On the kernel path answers come in while no daemon runs, and after; the other path takes the flow up from inside."""
    daemon = start("--datapath", datapath, "--keep-running")
    net = Private(daemon)
    gateway = net.egress_only_gateway()
    client = net.instance(net.inner, net.group(EVERYTHING))
    internet = Agent(daemon, "internet")
    internet.serve(tcp=[8080])
    client.agent.ask("connect", name="kept", kind="tcp", to=INTERNET6, port=8080)
    warm(daemon, lambda: client.agent.ask("talk", name="kept"))
    daemon.kill()
    if datapath == "kernel":
        assert client.agent.ask("talk", name="kept"), "while no daemon runs"
    daemon.start()
    again(net, daemon)
    if datapath == "kernel":
        assert counts(daemon, gateway)["ActiveConnectionCount"] >= 1
        assert client.agent.ask("talk", name="kept", timeout=10)
    else:
        assert client.agent.probe("tcp", INTERNET6, 8080, timeout=10) == "answered"
    assert internet.probe("tcp", client.address6, 8080, **SILENT) == "silence"
    for agent in (client.own_agent, internet):
        if agent:
            agent.process.kill()
            agent.process.wait()
    daemon.options = ("--datapath", datapath)
    daemon.stop()
    daemon.start()
