"""Real packets between instances and with the lab internet: who reaches whom, and what is cut when."""

import hashlib
import random
import subprocess

import pytest

from conftest import until
from network import EVERYTHING, INTERNET4, INTERNET6, PING, PYTHON, Agent, Network, rule, everything_open_again  # noqa: F401 - a fixture

# What has no answer is not waited for for long.
SILENT = {"timeout": 0.3}


@pytest.fixture(scope="module")
def net(world):
    """A public instance with an Elastic IP, one in another subnet without, and one without in the public subnet."""
    net = Network(world)
    net.open = net.group(EVERYTHING)
    public, private = net.subnet(1, public=True), net.subnet(2)
    net.web, net.poor = net.instances(public, 2, net.open)
    net.db = net.instance(private, net.open)
    net.elastic_ip(net.web)
    for host in net.hosts:
        host.agent.serve(tcp=[22, 80, 443], udp=[53])
    net.internet = Agent(world, "internet")
    yield net
    net.internet.close()
    net.delete()


def test_pings_pass_within_a_subnet_and_between_subnets_on_both_families(net):
    for target in (net.poor, net.db):
        for address in (target.address, target.address6):
            done = net.web.exec("ping", "-c1", "-W3", address)
            assert done.returncode == 0, done.stdout + done.stderr
            # The router of a VPC doesn't count as a hop.
            assert "ttl=64" in done.stdout


def test_the_internet_sees_the_elastic_ip_and_the_ipv6_address_as_they_are(net):
    for url, peer in ((f"http://{INTERNET4}/", net.web.public), (f"http://[{INTERNET6}]/", net.web.address6)):
        done = net.web.exec("curl", "-sS", "--max-time", "5", url)
        assert (done.returncode, done.stdout.strip()) == (0, peer), done.stderr


def test_the_internet_reaches_an_elastic_ip_and_the_guest_sees_its_private_address(net):
    assert net.internet.probe("tcp", net.web.public, 80) == "answered"
    assert net.internet.ping(net.web.public)
    assert net.internet.probe("tcp", net.web.address6, 80) == "answered"
    assert net.web.public not in net.web.shell("ip addr").stdout


def test_without_a_public_address_or_a_route_there_is_no_internet(net):
    # In the public subnet, but without a public address: dropped at the gateway.
    assert net.poor.agent.probe("tcp", INTERNET4, 80, **SILENT) == "silence"
    # IPv6 addresses are public by themselves.
    assert net.poor.agent.probe("tcp", INTERNET6, 80) == "answered"
    # No route in the table.
    assert net.db.agent.probe("tcp", INTERNET4, 80, **SILENT) == "silence"
    assert net.db.agent.probe("tcp", INTERNET6, 80, **SILENT) == "silence"
    assert net.internet.probe("tcp", net.db.address6, 80, **SILENT) == "silence"


def test_an_elastic_ip_moves_at_once(net):
    address = net.ec2.describe_addresses(PublicIps=[net.web.public])["Addresses"][0]
    net.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=net.poor.eni)
    try:
        assert net.poor.exec("curl", "-sS", "--max-time", "5", f"http://{INTERNET4}/").stdout.strip() == net.web.public
        assert net.web.agent.probe("tcp", INTERNET4, 80, **SILENT) == "silence"
    finally:
        net.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=net.web.eni)
    assert net.internet.probe("tcp", net.web.public, 80) == "answered"


def test_private_ranges_do_not_pass_the_internet_gateway(net):
    for address in ("192.168.1.1", "172.20.0.1", "100.64.0.1"):
        assert net.web.agent.ping(address, **SILENT) is False


# Security groups.


def test_a_new_group_lets_nothing_in(net):
    net.db.groups(net.group())
    assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence"
    assert not net.web.pings(net.db.address, **SILENT)


def test_a_reply_needs_no_rule(net):
    net.db.groups(net.group(rule("tcp", 22, f"{net.web.address}/32"), egress=[]))
    assert net.web.agent.probe("tcp", net.db.address, 22) == "answered"
    assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence"
    assert net.db.agent.probe("tcp", net.web.address, 80, **SILENT) == "silence"


def test_an_untracked_flow_is_cut_when_its_rule_goes(net):
    group = net.group(rule("tcp", 80))
    net.db.groups(group)
    net.web.agent.ask("connect", name="untracked", kind="tcp", to=net.db.address, port=80)
    assert net.web.agent.ask("talk", name="untracked")
    net.revoke(group, rule("tcp", 80))
    assert not net.web.agent.ask("talk", name="untracked", **SILENT)
    # Allowed again, what was sent again arrives.
    net.allow(group, rule("tcp", 80))
    assert net.web.agent.ask("talk", name="untracked", timeout=10)


def test_a_tracked_flow_goes_on_when_its_rule_goes_and_a_new_one_fails(net):
    group, narrow = net.group(rule("tcp", 22, f"{net.web.address}/32")), rule("tcp", 22, f"{net.web.address}/32")
    net.db.groups(group)
    net.web.agent.ask("connect", name="tracked", kind="tcp", to=net.db.address, port=22)
    net.revoke(group, narrow)
    assert net.web.agent.ask("talk", name="tracked")
    assert net.web.agent.probe("tcp", net.db.address, 22, **SILENT) == "silence"
    assert net.web.agent.ask("talk", name="tracked")


def test_an_open_rule_is_tracked_when_the_answers_have_no_open_rule(net):
    group = net.group(rule("tcp", 80, "0.0.0.0/0"), egress=[rule("tcp", 443, "0.0.0.0/0")])
    net.db.groups(group)
    net.web.agent.ask("connect", name="half", kind="tcp", to=net.db.address, port=80)
    assert net.web.agent.ask("talk", name="half")
    net.revoke(group, rule("tcp", 80, "0.0.0.0/0"))
    assert net.web.agent.ask("talk", name="half")


def test_a_group_reference_means_private_addresses_of_its_members(net):
    friends = net.group()
    net.db.groups(net.group(rule("tcp", 80, friends), *PING))
    assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence"
    net.web.groups(net.open, friends)
    assert net.web.agent.probe("tcp", net.db.address, 80) == "answered"
    assert net.web.agent.probe("tcp", net.db.address6, 80) == "answered"
    # By its Elastic IP the same instance is a stranger.
    net.poor.groups(net.group(rule("tcp", 80, friends)))
    allocation = net.elastic_ip(net.poor)
    assert net.web.agent.probe("tcp", net.poor.public, 80, **SILENT) == "silence"
    net.poor.groups(net.open)
    assert net.web.agent.probe("tcp", net.poor.public, 80) == "answered"
    net.release(allocation)


def test_protocol_minus_one_means_all_ports_whatever_range_is_given(net):
    net.db.groups(net.group({**rule("-1", 80)}))
    assert net.web.agent.probe("tcp", net.db.address, 22) == "answered"
    assert net.web.pings(net.db.address)


def test_a_change_is_in_force_when_the_call_returns(net):
    group = net.group()
    net.db.groups(group)
    ports = iter(range(31000, 32000))
    for _ in range(20):
        net.allow(group, rule("udp", 53))
        assert net.web.agent.probe("udp", net.db.address, 53, source_port=next(ports)) == "answered"
        net.revoke(group, rule("udp", 53))
        assert net.web.agent.probe("udp", net.db.address, 53, timeout=0.05, source_port=next(ports)) == "silence"


# Network ACLs.


def entry(number, action, protocol="-1", ports=None, egress=False, block="0.0.0.0/0"):
    found = {"RuleNumber": number, "RuleAction": action, "Protocol": protocol, "Egress": egress, "CidrBlock": block}
    return found | ({"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {})


def test_the_first_entry_that_matches_decides(net):
    net.acl(net.db.subnet, entry(100, "deny", "6", (22, 22)), entry(200, "allow"), entry(100, "allow", egress=True))
    assert net.web.agent.probe("tcp", net.db.address, 22, **SILENT) == "silence"
    assert net.web.agent.probe("tcp", net.db.address, 80) == "answered"
    assert net.web.agent.probe("tcp", net.db.address6, 80, **SILENT) == "silence", "it has no IPv6 entry"


def test_an_acl_keeps_no_state(net):
    acl = net.acl(net.db.subnet, entry(100, "allow", "6", (443, 443)))
    assert net.web.agent.probe("tcp", net.db.address, 443, **SILENT) == "silence"
    net.ec2.create_network_acl_entry(NetworkAclId=acl, **entry(100, "allow", "6", (1024, 65535), egress=True))
    assert net.web.agent.probe("tcp", net.db.address, 443, source_port=50000) == "answered"
    assert net.web.agent.probe("tcp", net.db.address, 443, source_port=1000, **SILENT) == "silence"


def test_an_acl_does_not_see_traffic_within_its_subnet(net):
    net.acl(net.web.subnet)
    assert net.web.pings(net.poor.address)
    assert not net.web.pings(net.db.address, **SILENT)


def test_an_acl_cuts_a_tracked_flow_at_once(net):
    net.db.groups(net.group(rule("tcp", 22, f"{net.web.address}/32")))
    net.web.agent.ask("connect", name="ssh", kind="tcp", to=net.db.address, port=22)
    assert net.web.agent.ask("talk", name="ssh")
    net.acl(net.db.subnet)
    assert not net.web.agent.ask("talk", name="ssh", **SILENT)
    net.use_acl(net.db.subnet, net.default_acl())
    assert net.web.agent.ask("talk", name="ssh", timeout=10)


# Routes.


def test_a_blackhole_drops_and_nothing_shorter_is_tried(net):
    spare = net.ec2.create_network_interface(SubnetId=net.db.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    net.route(net.public_table, "198.51.100.0/24", NetworkInterfaceId=spare)
    try:
        [route] = [r for r in net.tables(("route-table-id", net.public_table))[0]["Routes"] if r.get("NetworkInterfaceId") == spare]
        assert route["State"] == "blackhole"
        assert net.web.agent.probe("tcp", INTERNET4, 80, **SILENT) == "silence"
    finally:
        net.ec2.delete_route(RouteTableId=net.public_table, DestinationCidrBlock="198.51.100.0/24")
        net.ec2.delete_network_interface(NetworkInterfaceId=spare)
    assert net.web.agent.probe("tcp", INTERNET4, 80) == "answered"


def test_a_middlebox_forwards_when_the_check_is_off(net):
    """From the public subnet to the private one and back by way of an instance in a third."""
    box = net.instance(net.subnet(3), net.open)
    box.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
    box.agent.ask("start_capture")
    private, public = (net.ec2.describe_subnets(SubnetIds=[s])["Subnets"][0]["CidrBlock"] for s in (net.db.subnet, net.web.subnet))
    back = net.table(net.db.subnet)
    net.route(net.public_table, private, NetworkInterfaceId=box.eni)
    net.route(back, public, NetworkInterfaceId=box.eni)
    try:
        assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence", "the check is on"
        net.ec2.modify_network_interface_attribute(NetworkInterfaceId=box.eni, SourceDestCheck={"Value": False})
        assert net.web.agent.probe("tcp", net.db.address, 80) == "answered"
        assert "ttl=63" in net.web.exec("ping", "-c1", "-W3", net.db.address).stdout
        # Within a subnet there is no way by a middlebox.
        assert "ttl=64" in net.web.exec("ping", "-c1", "-W3", net.poor.address).stdout
        # A reference to a group doesn't outlive the detour.
        net.db.groups(net.group(rule("tcp", 80, net.open)))
        assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence"
        net.db.groups(net.group(rule("tcp", 80, public)))
        assert net.web.agent.probe("tcp", net.db.address, 80) == "answered"
        # A stopped middlebox is a blackhole.
        net.ec2.stop_instances(InstanceIds=[box.id])
        net.wait([box.id], "stopped")
        assert net.web.agent.probe("tcp", net.db.address, 80, **SILENT) == "silence"
    finally:
        net.ec2.delete_route(RouteTableId=net.public_table, DestinationCidrBlock=private)
        [association] = net.ec2.describe_route_tables(RouteTableIds=[back])["RouteTables"][0]["Associations"]
        net.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    assert net.web.agent.probe("tcp", net.db.address, 22, **SILENT) == "silence"


# Sizes.


def test_inside_a_vpc_packets_of_9001_bytes_pass_whole(net):
    for size, address in ((9001 - 28, net.db.address), (9001 - 48, net.db.address6)):
        done = net.web.exec("ping", "-c1", "-W3", "-M", "do", "-s", str(size), address)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_internet_gateway_says_what_is_too_large_for_it(net):
    done = net.web.exec("ping", "-c1", "-W3", "-M", "do", "-s", "2000", INTERNET4)
    assert done.returncode != 0 and "mtu = 1500" in (done.stdout + done.stderr).lower().replace("mtu=", "mtu = "), done.stdout
    done = net.web.exec("ping", "-6", "-c1", "-W3", "-s", "2000", INTERNET6)
    assert "Packet too big" in done.stdout and "1500" in done.stdout, done.stdout
    # It is remembered, so that the next one is sent in fragments, which pass.
    assert net.web.exec("ping", "-6", "-c1", "-W3", "-s", "2000", INTERNET6).returncode == 0
    # Without "don't fragment" the gateway cuts it itself.
    assert net.web.exec("ping", "-c1", "-W3", "-M", "dont", "-s", "4000", INTERNET4).returncode == 0


def test_datagrams_in_fragments_pass(net):
    for address in (net.db.address, net.db.address6):
        assert net.web.agent.probe("udp", address, 53, size=30000) == "answered"
    net.internet.serve(udp=[5300])
    for address in (INTERNET4, INTERNET6):
        assert net.web.agent.probe("udp", address, 5300, size=5000) == "answered"


@pytest.mark.parametrize("where", ["in the VPC", "in the VPC over IPv6", "on the internet"])
def test_a_large_download_arrives_as_it_was_sent(net, where):
    server = """
import http.server, random
body = random.Random(7).randbytes(8_000_000)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.HTTPServer):
    address_family = 10
print("ready", flush=True)
Server(("::", 8080), Page).serve_forever()
"""
    expected = hashlib.sha256(random.Random(7).randbytes(8_000_000)).hexdigest()
    at, address = {
        "in the VPC": (net.db.id, net.db.address),
        "in the VPC over IPv6": (net.db.id, f"[{net.db.address6}]"),
        "on the internet": ("internet", INTERNET4),
    }[where]
    serving = subprocess.Popen(net.daemon.command("exec", at, "--", PYTHON, "-c", server), stdout=subprocess.PIPE, text=True)
    try:
        fetch = f"curl -sS --max-time 30 http://{address}:8080/ | sha256sum"
        done = until(lambda: (d := net.web.shell(fetch)).stderr == "" and d, what="the server")
        assert done.stdout.split()[0] == expected
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()


def test_hop_limits_run_out_at_the_internet_gateway_and_not_in_the_vpc(net):
    assert net.web.exec("ping", "-c1", "-W3", "-t", "1", net.db.address).returncode == 0
    for family, address in (("-4", INTERNET4), ("-6", INTERNET6)):
        done = net.web.exec("ping", family, "-c1", "-W3", "-t", "1", address)
        assert done.returncode != 0 and "exceeded" in done.stdout, done.stdout


def test_broadcast_goes_nowhere(net):
    broadcast = net.poor.address.rsplit(".", 1)[0] + ".255"
    done = net.web.exec("ping", "-b", "-c1", "-W0.3", broadcast)
    assert done.returncode != 0


def test_two_vpcs_with_the_same_block_do_not_meet(net, world):
    other = Network(world)
    twin = other.instance(other.subnet(1), other.group(EVERYTHING))
    assert not net.web.pings(twin.address, **SILENT) or twin.address in (net.poor.address, net.web.address)
    assert not net.web.pings(twin.address6, **SILENT), "its subnet has no route"
    other.ec2.associate_route_table(RouteTableId=other.public_table, SubnetId=twin.subnet)
    assert net.web.pings(twin.address6), "by both internet gateways"
    other.delete()


def test_internet_gateways_of_different_accounts_and_regions_reach_one_another(net, world):
    other = Network(world, block="10.9.0.0/16", region="us-west-2")
    host = other.instance(other.subnet(1, public=True), other.group(EVERYTHING))
    other.elastic_ip(host)
    assert net.web.pings(host.public) and net.web.pings(host.address6)
    assert host.pings(net.web.public)
    other.delete()
