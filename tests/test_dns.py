"""Names, asked for by dig in instances and on the lab internet: table 2 of the networking sheet, over both paths."""

import itertools
import socket
import struct
import threading

import pytest
from conftest import REGION, Daemon, until
from network import EVERYTHING, Network

from datapaths import path  # noqa: F401

REFERENCES = itertools.count()


def dig(asker, name, kind="A", *options):
    """The values of an answer, or the status when there is none."""
    run = asker("dig", "+tries=1", "+time=5", "+noall", "+comments", "+answer", *options, name, kind)
    if run.returncode != 0:
        return "no answer"
    status = run.stdout.split("status: ")[1].split(",")[0] if "status: " in run.stdout else "no status"
    answers = [line.split() for line in run.stdout.splitlines() if line and not line.startswith(";")]
    return [words[4] for words in answers] if status == "NOERROR" else status


class Lab:
    """A VPC with DNS names and one instance with a public address."""

    def __init__(self, daemon):
        self.daemon, self.network = daemon, Network(daemon)
        self.switch(hostnames=True)
        self.subnet = self.network.subnet(0, public=True)
        self.host = self.network.instance(self.subnet, self.network.group(EVERYTHING))
        self.network.elastic_ip(self.host)
        self.route53 = daemon.client("route53", region="us-east-1", account=self.network.account)
        self.zones = []

    def switch(self, support=None, hostnames=None):
        for name, value in (("EnableDnsSupport", support), ("EnableDnsHostnames", hostnames)):
            if value is not None:
                self.network.ec2.modify_vpc_attribute(VpcId=self.network.vpc, **{name: {"Value": value}})

    def ask(self, name, kind="A", *options):
        return dig(self.host.exec, name, kind, *options)

    def outside(self, name, kind="A", *options):
        return dig(lambda *command: self.daemon.exec("internet", *command), name, kind, *options)

    def zone(self, name, records, private=True):
        options = {"VPC": {"VPCRegion": REGION, "VPCId": self.network.vpc}} if private else {}
        made = self.route53.create_hosted_zone(Name=name, CallerReference=f"dns {next(REFERENCES)}", **options)
        sets = [
            {"Name": at, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}
            for at, kind, *values in records
        ]
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in sets]
        self.route53.change_resource_record_sets(HostedZoneId=made["HostedZone"]["Id"], ChangeBatch={"Changes": changes})
        self.zones.append((made["HostedZone"]["Id"], sets))

    def close(self):
        for zone, sets in self.zones:
            changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in sets]
            self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
            self.route53.delete_hosted_zone(Id=zone)
        self.network.delete()


@pytest.fixture
def lab(path):  # noqa: F811
    lab = Lab(path)
    yield lab
    lab.close()


def private_name(host):
    return f"ip-{host.address.replace('.', '-')}.{REGION}.compute.internal"


def public_name(host):
    return f"ec2-{host.public.replace('.', '-')}.{REGION}.compute.amazonaws.com"


def test_the_resolver_answers_at_all_its_addresses_whatever_groups_and_acls_say(lab):
    closed = lab.network.group(egress=[])
    lab.host.groups(closed)
    lab.network.acl(lab.subnet)
    for server in ("10.0.0.2", "169.254.169.253", "fd00:ec2::253"):
        for transport in ("+notcp", "+tcp"):
            assert lab.ask(private_name(lab.host), "A", f"@{server}", transport) == [lab.host.address]


def test_without_dns_support_there_is_no_answer(lab):
    lab.switch(support=False)
    assert lab.ask("internet.example", "A", "+time=1") == "no answer"
    lab.switch(support=True)
    assert lab.ask("internet.example") == ["198.51.100.10"]


def test_private_names_need_dns_hostnames(lab):
    assert lab.ask(private_name(lab.host)) == [lab.host.address]
    assert lab.ask(".".join(reversed(lab.host.address.split("."))) + ".in-addr.arpa", "PTR") == [private_name(lab.host) + "."]
    lab.switch(hostnames=False)
    assert lab.ask(private_name(lab.host)) == "NXDOMAIN"


def test_resource_names_have_the_families_that_are_switched_on(lab):
    name = f"{lab.host.id}.{REGION}.compute.internal"
    assert lab.ask(name) == "NXDOMAIN"
    for attribute in ("EnableResourceNameDnsARecordOnLaunch", "EnableResourceNameDnsAAAARecordOnLaunch"):
        lab.network.ec2.modify_subnet_attribute(SubnetId=lab.subnet, **{attribute: {"Value": True}})
    assert lab.ask(name) == [lab.host.address]
    assert lab.ask(name, "AAAA") == [lab.host.address6]


def test_a_public_name_is_private_inside_and_public_outside(lab):
    assert lab.ask(public_name(lab.host)) == [lab.host.address]
    assert lab.outside(public_name(lab.host)) == [lab.host.public]
    assert lab.outside(private_name(lab.host)) == "NXDOMAIN"


def test_a_private_zone_is_seen_in_its_vpc_only_and_hides_the_public_one(lab):
    lab.zone("example.org", [("public.example.org", "A", "192.0.2.1"), ("both.example.org", "A", "192.0.2.2")], private=False)
    assert lab.ask("public.example.org") == ["192.0.2.1"]
    lab.zone("example.org", [("both.example.org", "A", "10.9.9.9"), ("*.wild.example.org", "TXT", '"any"')])
    assert lab.ask("both.example.org") == ["10.9.9.9"]
    assert lab.ask("public.example.org") == "NXDOMAIN"
    assert lab.ask("any.wild.example.org", "TXT") == ['"any"']
    assert lab.outside("both.example.org") == ["192.0.2.2"]
    assert lab.outside("public.example.org", "A", "+tcp") == ["192.0.2.1"]


def test_what_is_too_long_for_a_datagram_comes_over_a_connection(lab):
    values = [f'"{number:03}{"x" * 200}"' for number in range(30)]
    lab.zone("long.example", [("long.example", "TXT", *values)])
    assert len(lab.ask("long.example", "TXT")) == 30


def test_dns64_makes_addresses_where_there_are_none(lab):
    assert lab.ask("four.lab", "AAAA") == "NXDOMAIN"
    lab.zone("lab", [("four.lab", "A", "192.0.2.33")])
    assert lab.ask("four.lab", "AAAA") == []
    lab.network.ec2.modify_subnet_attribute(SubnetId=lab.subnet, EnableDns64={"Value": True})
    assert lab.ask("four.lab", "AAAA") == ["64:ff9b::c000:221"]


def test_the_rest_is_the_lab_internet_s(lab):
    assert lab.ask("internet.example") == lab.outside("internet.example") == ["198.51.100.10"]
    assert lab.ask("internet.example", "AAAA") == ["2001:db8:ffff::10"]
    assert lab.ask("nothing.example") == lab.outside("nothing.example") == "NXDOMAIN"
    assert lab.ask(f"s3.{REGION}.amazonaws.com")[0].startswith("192.0.2.")


def test_programs_find_names_without_being_told_a_server(lab):
    found = lab.host.exec("getent", "ahostsv4", "internet.example")
    assert found.stdout.startswith("198.51.100.10 "), found
    outside = lab.daemon.exec("internet", "getent", "ahostsv4", public_name(lab.host))
    assert outside.stdout.startswith(lab.host.public), outside


def test_a_dead_upstream_holds_nobody_up(tmp_path):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    upstream = "127.0.0.1:" + str(silent.getsockname()[1])
    daemon = Daemon(tmp_path / "data", "--dns-upstream", upstream).start()
    lab = Lab(daemon)
    try:
        slow = threading.Thread(target=lab.ask, args=("slow.example.net",))
        slow.start()
        assert lab.ask(private_name(lab.host)) == [lab.host.address]
        slow.join()
        assert lab.ask("slow.example.net") == "SERVFAIL"
        until(lambda: 'reason="upstream_silent"} 0' not in metrics(daemon), what="the failure counted")
    finally:
        lab.close()
        daemon.stop()
        silent.close()


def test_an_upstream_is_asked_once_and_remembered(tmp_path):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    asked = []

    def answer():
        while True:
            try:
                message, peer = server.recvfrom(4096)
            except OSError:
                return
            asked.append(message)
            end = message.index(b"\0", 12) + 5
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + bytes([192, 0, 2, 77])
            server.sendto(message[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0) + message[12:end] + record, peer)

    threading.Thread(target=answer, daemon=True).start()
    daemon = Daemon(tmp_path / "data", "--dns-upstream", "127.0.0.1:" + str(server.getsockname()[1])).start()
    lab = Lab(daemon)
    try:
        for _ in range(3):
            assert lab.ask("www.example.net") == ["192.0.2.77"]
        assert len(asked) == 1
    finally:
        lab.close()
        daemon.stop()
        server.close()


def metrics(daemon):
    import urllib.request

    return urllib.request.urlopen(daemon.endpoint + "/_openvpc/metrics").read().decode()
