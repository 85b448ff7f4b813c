"""Block Public Access with real packets: every mode and exclusion, at internet, NAT and egress-only gateways."""

import pytest

from datapaths import path, warm  # noqa: F401 - a fixture
from gateways import Private
from network import INTERNET4, INTERNET6
from topology import explain

SILENT = {"timeout": 0.3}


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """A public host, and a client behind a NAT gateway and an egress-only internet gateway."""
    net = Private(path)
    net.nat(), net.egress_only_gateway()
    net.populate()
    net.elastic_ip(net.public)
    yield net
    mode(net, "off")
    net.delete()


@pytest.fixture(autouse=True)
def off_again(net):
    yield
    mode(net, "off")


def mode(net, wanted):
    net.ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode=wanted)


def exclusion(net, allowed, **resource):
    made = net.ec2.create_vpc_block_public_access_exclusion(InternetGatewayExclusionMode=allowed, **resource)
    return made["VpcBlockPublicAccessExclusion"]["ExclusionId"]


def spared(net, exclusions):
    for each in exclusions:
        net.ec2.delete_vpc_block_public_access_exclusion(ExclusionId=each)


def passes(net):
    """What gets through: into the public host, the public host's own connections, and those of the client behind gateways."""
    def answered(agent, to):
        return agent.probe("tcp", to, 8080, **SILENT) == "answered"

    return {
        "in": answered(net.internet, net.public.public),
        "in over IPv6": answered(net.internet, net.public.address6),
        "out": answered(net.public.agent, INTERNET4),
        "nat": answered(net.client.agent, INTERNET4),
        "egress-only": answered(net.client.agent, INTERNET6),
    }


ALL = {"in": True, "in over IPv6": True, "out": True, "nat": True, "egress-only": True}
NONE = dict.fromkeys(ALL, False)
BEHIND_GATEWAYS = NONE | {"nat": True, "egress-only": True}


def test_every_mode(net):
    assert passes(net) == ALL
    mode(net, "block-ingress")
    assert passes(net) == BEHIND_GATEWAYS, "an internet gateway doesn't tell answers from questions"
    mode(net, "block-bidirectional")
    assert passes(net) == NONE
    mode(net, "off")
    assert passes(net) == ALL


def test_exclusions(net):
    mode(net, "block-bidirectional")
    whole = exclusion(net, "allow-bidirectional", VpcId=net.vpc)
    assert passes(net) == ALL
    spared(net, [whole])
    egress = exclusion(net, "allow-egress", VpcId=net.vpc)
    assert passes(net) == BEHIND_GATEWAYS
    spared(net, [egress])
    outer = exclusion(net, "allow-bidirectional", SubnetId=net.outer)
    assert passes(net) == ALL | {"egress-only": False}, "the client's own subnet isn't spared"
    spared(net, [outer])


def test_a_connection_is_cut_when_it_is_switched_on(net):
    net.public.agent.ask("connect", name="cut", kind="tcp", to=INTERNET4, port=8080)
    warm(net.daemon, lambda: net.public.agent.ask("talk", name="cut"))
    mode(net, "block-bidirectional")
    assert not net.public.agent.ask("talk", name="cut", **SILENT)
    mode(net, "off")
    assert net.public.agent.ask("talk", name="cut", timeout=10)


def test_explain_and_flow_logs_say_so(net, path):  # noqa: F811
    s3, bucket = path.client("s3", account=net.account), "bpa-" + net.account
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": net.region})
    [log] = net.ec2.create_flow_logs(
        ResourceIds=[net.public.eni], ResourceType="NetworkInterface", TrafficType="ALL", LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}",
        LogFormat="${srcaddr} ${dstaddr} ${dstport} ${packets} ${bytes} ${action} ${flow-direction} ${reject-reason}",
    )["FlowLogIds"]
    mode(net, "block-bidirectional")
    assert net.internet.probe("tcp", net.public.public, 8080, **SILENT) == "silence"
    question = {"from": INTERNET4, "to": net.public.id, "protocol": "tcp", "port": 8080}
    codes = [blocker["code"] for blocker in explain(path, net.account, question)["forward"]["blockers"]]
    assert codes == ["VPC_BLOCK_PUBLIC_ACCESS_ENABLED"]
    # A client that gets no answer asks again, also after a record was closed.
    columns = "DISTINCT srcaddr, dstaddr, bytes, action, flow_direction, reject_reason"
    rejected = f"flow_log_id = '{log}' AND srcaddr = '{INTERNET4}' AND action = 'REJECT'"
    rows = path.query(f"SELECT {columns} FROM flow_logs WHERE {rejected}")
    assert [tuple(row.values()) for row in rows] == [(INTERNET4, net.public.address, None, "REJECT", "ingress", "BPA")]
    net.ec2.delete_flow_logs(FlowLogIds=[log])
