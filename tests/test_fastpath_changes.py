"""Rules that change as often as the API takes it, under load: every packet is judged by the old or the new set, never a mix."""

import bisect
import http.client
import itertools
import re
import time
import urllib.parse

import pytest

from conftest import REGION, until
from datapaths import details, path  # noqa: F401 - a fixture
from network import EVERYTHING, Network, rule

FIRST, SECOND, NEVER = 9001, 9002, 9003
SECONDS = 5


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """Two senders and a receiver in a subnet of its own."""
    net = Network(path)
    net.open = net.group(EVERYTHING)
    net.senders = net.instances(net.subnet(1), 2, net.open)
    net.receiver = net.instance(net.subnet(2), net.open)
    net.receiver.agent.ask("keep_marks", ports=[FIRST, SECOND, NEVER])
    yield net
    net.delete()


class Caller:
    """Calls the API on one connection, with as little of its own as can be."""

    def __init__(self, net):
        address = urllib.parse.urlparse(net.daemon.endpoint)
        self.connection = http.client.HTTPConnection(address.hostname, address.port)
        scope = f"{net.account}/20260101/{REGION}/ec2/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
        self.headers = {"Authorization": authorization, "Content-Type": "application/x-www-form-urlencoded"}

    def call(self, action, **parameters):
        body = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters})
        self.connection.request("POST", "/", body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text


class History:
    """Which set was in force when: for each change when it was asked for and when it was acknowledged."""

    def __init__(self, change):
        self.asked, self.done, self.sets = [time.monotonic_ns()], [time.monotonic_ns()], [0]
        end = time.monotonic() + SECONDS
        for number in itertools.count(1):
            asked = time.monotonic_ns()
            change(number % 2)
            self.asked.append(asked)
            self.done.append(time.monotonic_ns())
            self.sets.append(number % 2)
            if time.monotonic() > end:
                break

    def possible(self, sent, received):
        """The sets that could judge a packet between these times."""
        newest = bisect.bisect_right(self.done, sent) - 1
        last = bisect.bisect_right(self.asked, received) - 1
        return {self.sets[number] for number in range(max(newest, 0), last + 1)}


def change_under_load(net, change, admitted):
    """Has both senders send to all ports while sets are swapped; judges all that arrived. `admitted` are the pairs of
    sender and port of each set."""
    change(0)
    for host in net.senders:
        host.agent.ask("begin", name="tagged", what="tagged", to=net.receiver.address, ports=[FIRST, SECOND, NEVER], pause=0.0005)
    net.receiver.agent.ask("marks_seen")
    history, marks = History(change), []

    def some_after_the_last():
        marks.extend(net.receiver.agent.ask("marks_seen"))
        return sum(sent > history.done[-1] for _, _, sent, _ in marks) >= 20

    until(some_after_the_last, what="packets after the last change")
    for host in net.senders:
        assert host.agent.ask("end", name="tagged") > 100
    marks += net.receiver.agent.ask("marks_seen")
    addresses, counts = [host.address for host in net.senders], [0, 0]
    for sender, port, sent, received in marks:
        if sent < history.done[0]:
            continue
        what = (addresses.index(sender), port)
        assert what in admitted[0] | admitted[1], f"{what} is admitted by neither set"
        possible = history.possible(sent, received)
        assert any(what in admitted[which] for which in possible), f"{what}, sent {sent}, received {received}, under {possible}"
        counts[what in admitted[1]] += 1
    print(f"{len(history.sets) / SECONDS:.0f} changes a second, {counts} packets of either set, {details(net.daemon)}")
    assert min(counts) > 50, counts


def test_network_acls_that_are_swapped_are_never_mixed(net):
    """Each admits one sender to one port; a mix would admit the first to the second's port. Flows live on all the time."""
    caller = Caller(net)
    entry = {"RuleNumber": 100, "Protocol": "17", "RuleAction": "allow", "Egress": False}
    pairs = [(host, port) for host, port in zip(net.senders, (FIRST, SECOND))]
    acls = []
    for host, port in pairs:
        acls.append(net.ec2.create_network_acl(VpcId=net.vpc)["NetworkAcl"]["NetworkAclId"])
        ports = {"From": port, "To": port}
        net.ec2.create_network_acl_entry(NetworkAclId=acls[-1], CidrBlock=f"{host.address}/32", PortRange=ports, **entry)
    subnet = net.receiver.subnet
    [acl] = net.ec2.describe_network_acls(Filters=net.filters(("association.subnet-id", subnet)))["NetworkAcls"]
    association = [next(a for a in acl["Associations"] if a["SubnetId"] == subnet)["NetworkAclAssociationId"]]

    def change(which):
        text = caller.call("ReplaceNetworkAclAssociation", AssociationId=association[0], NetworkAclId=acls[which])
        association[0] = re.search("<newAssociationId>(.*)</newAssociationId>", text)[1]

    change_under_load(net, change, [{(0, FIRST)}, {(1, SECOND)}])
    net.use_acl(subnet, net.default_acl())


def test_security_groups_that_are_swapped_are_never_mixed(net):
    """Of everybody's flows, which aren't tracked."""
    caller = Caller(net)
    groups = [net.group(rule("udp", port)) for port in (FIRST, SECOND)]

    def change(which):
        caller.call("ModifyNetworkInterfaceAttribute", **{"NetworkInterfaceId": net.receiver.eni, "SecurityGroupId.1": groups[which]})

    change_under_load(net, change, [{(0, FIRST), (1, FIRST)}, {(0, SECOND), (1, SECOND)}])
    net.receiver.groups(net.open)

