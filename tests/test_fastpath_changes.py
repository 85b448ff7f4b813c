"""Rules that change as often as the API takes it, under load: every packet is judged by the old or the new set, never a mix."""

import bisect
import concurrent.futures
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


class Receiver:
    """What arrives at an instance while the sets that admit packets to it are swapped by `change`; `admitted` are the pairs of
    sender and port of each set."""

    def __init__(self, net, host, change, admitted):
        self.net, self.host, self.change, self.admitted, self.marks = net, host, change, admitted, []

    def begin(self):
        self.change(0)
        for sender in self.net.senders:
            options = {"to": self.host.address, "ports": [FIRST, SECOND, NEVER], "pause": 0.0005}
            sender.agent.ask("begin", name=f"tagged {self.host.id}", what="tagged", **options)
        self.host.agent.ask("marks_seen")

    def some_after(self, moment):
        self.marks.extend(self.host.agent.ask("marks_seen"))
        return sum(sent > moment for _, _, sent, _ in self.marks) >= 20

    def end(self):
        for sender in self.net.senders:
            assert sender.agent.ask("end", name=f"tagged {self.host.id}") > 100
        self.marks += self.host.agent.ask("marks_seen")

    def judge(self, history):
        """Holds against each packet that arrived what was in force while it was under way."""
        addresses, counts = [host.address for host in self.net.senders], [0, 0]
        for sender, port, sent, received in self.marks:
            if sent < history.done[0]:
                continue
            what = (addresses.index(sender), port)
            assert what in self.admitted[0] | self.admitted[1], f"{what} is admitted by neither set"
            possible = history.possible(sent, received)
            under = [what in self.admitted[which] for which in possible]
            assert any(under), f"{what}, sent {sent}, received {received}, under {possible}"
            counts[what in self.admitted[1]] += 1
        assert min(counts) > 50, counts
        return counts


def change_under_load(net, receivers):
    """Has both senders send to all ports of some receivers while sets are swapped, by one caller for each receiver at the same
    time; judges all that arrived."""
    for receiver in receivers:
        receiver.begin()
    with concurrent.futures.ThreadPoolExecutor(len(receivers)) as callers:
        histories = list(callers.map(lambda receiver: History(receiver.change), receivers))
    for receiver, history in zip(receivers, histories):
        until(lambda: receiver.some_after(history.done[-1]), what="packets after the last change")
    for receiver in receivers:
        receiver.end()
    counts = [receiver.judge(history) for receiver, history in zip(receivers, histories)]
    changes = sum(len(history.sets) for history in histories)
    print(f"{changes / SECONDS:.0f} changes a second, {counts} packets of either set, {details(net.daemon)}")


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

    change_under_load(net, [Receiver(net, net.receiver, change, [{(0, FIRST)}, {(1, SECOND)}])])
    net.use_acl(subnet, net.default_acl())


OF_GROUPS = [{(0, FIRST), (1, FIRST)}, {(0, SECOND), (1, SECOND)}]


def swapped_groups(net, host):
    """Swaps the groups of an instance, for everybody's flows, which aren't tracked. On a connection of its own."""
    caller = Caller(net)
    groups = [net.group(rule("udp", port)) for port in (FIRST, SECOND)]

    def change(which):
        caller.call("ModifyNetworkInterfaceAttribute", **{"NetworkInterfaceId": host.eni, "SecurityGroupId.1": groups[which]})

    return Receiver(net, host, change, OF_GROUPS)


def test_security_groups_that_are_swapped_are_never_mixed(net):
    change_under_load(net, [swapped_groups(net, net.receiver)])
    net.receiver.groups(net.open)


def test_what_several_callers_change_at_the_same_time_is_never_mixed(net):
    """Each for another receiver of the VPC: what one of them changes has everybody's flows judged again."""
    others = net.instances(net.subnet(3), 3, net.open)
    for host in others:
        host.agent.ask("keep_marks", ports=[FIRST, SECOND, NEVER])
    change_under_load(net, [swapped_groups(net, host) for host in (net.receiver, *others)])
    net.receiver.groups(net.open)
