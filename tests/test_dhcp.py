"""DHCP and router advertisements: instances and virtual machines that know nothing come up by asking the VPC's router."""

import json
import os
import subprocess

import pytest

from conftest import until
from datapaths import EVERY, path  # noqa: F401 - a fixture
from network import Network
from test_attach import VM, container, inside  # noqa: F401
from test_services import get

FLUSH = "ip addr flush dev eth0 scope global; ip route flush dev eth0; ip link set eth0 mtu 1500; "
DHCLIENT = "dhclient -1 -v -lf /tmp/leases -pf /tmp/pid"
# Prints what a client was told.
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && env > /tmp/told
exit 0
"""


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    net = Network(path)
    net.only = net.subnet(1)
    yield net
    net.delete()


def addresses(host):
    shown = json.loads(host.exec("ip", "-j", "addr", "show", "eth0").stdout)[0]
    return shown["mtu"], {f"{a['local']}/{a['prefixlen']}" for a in shown["addr_info"] if a["scope"] == "global"}


def test_dhclient_gets_all_that_was_taken_away(net):
    host = net.instance(net.only)
    told = host.shell(FLUSH + DHCLIENT + " eth0")
    assert told.returncode == 0, told.stderr
    mtu, found = addresses(host)
    assert (mtu, found) == (9001, {f"{host.address}/24"})
    assert host.shell("ip route show default").stdout.startswith("default via 10.0.1.1 ")
    lease = host.shell("cat /tmp/leases").stdout
    for option in (
        f"fixed-address {host.address};",
        "option subnet-mask 255.255.255.0;",
        "option routers 10.0.1.1;",
        "option dhcp-lease-time 3600;",
        "option dhcp-server-identifier 10.0.1.1;",
        "option domain-name-servers 10.0.0.2;",
        f"option domain-name \"{net.region}.compute.internal\";",
        "option interface-mtu 9001;",
        f"option host-name \"ip-{host.address.replace('.', '-')}\";",
    ):
        assert option in lease, option
    assert get(host, "latest/meta-data/local-ipv4") == (200, host.address)
    renewed = host.shell("kill $(cat /tmp/pid); " + DHCLIENT + " eth0; dhclient -x -pf /tmp/pid")
    assert f"DHCPACK of {host.address} from 10.0.1.1" in renewed.stderr, renewed.stderr


def test_udhcpc_is_told_what_the_option_set_says(net):
    set_ = net.ec2.create_dhcp_options(DhcpConfigurations=[
        {"Key": "domain-name", "Values": ["corp.example"]},
        {"Key": "domain-name-servers", "Values": ["10.0.0.2", "10.9.0.53"]},
        {"Key": "ntp-servers", "Values": ["169.254.169.123"]},
        {"Key": "netbios-node-type", "Values": ["2"]},
    ])["DhcpOptions"]["DhcpOptionsId"]
    before = net.ec2.describe_vpcs(VpcIds=[net.vpc])["Vpcs"][0]["DhcpOptionsId"]
    host = net.instance(net.only)
    net.ec2.associate_dhcp_options(VpcId=net.vpc, DhcpOptionsId=set_)
    try:
        script = f"cat > /tmp/script <<'END'\n{SCRIPT}END\nchmod +x /tmp/script; "
        asked = "udhcpc -f -q -n -t 5 -i eth0 -s /tmp/script -O ntpsrv -O mtu -O 46"
        told = host.shell(script + FLUSH + asked)
        assert told.returncode == 0, told.stderr
        told = dict(line.split("=", 1) for line in host.shell("cat /tmp/told").stdout.splitlines() if "=" in line)
        assert (told["ip"], told["router"], told["lease"]) == (host.address, "10.0.1.1", "3600")
        assert (told["dns"], told["domain"], told["ntpsrv"]) == ("10.0.0.2 10.9.0.53", "corp.example", "169.254.169.123")
        assert told["mtu"] == "9001"
        said = "search corp.example\nnameserver 10.0.0.2\nnameserver 10.9.0.53\n"
        assert said in net.instance(net.only).shell("cat /etc/resolv.conf").stdout
        until(lambda: said in host.shell("cat /etc/resolv.conf").stdout, what="an instance that runs to hear of it")
    finally:
        net.ec2.associate_dhcp_options(VpcId=net.vpc, DhcpOptionsId=before)
        net.ec2.delete_dhcp_options(DhcpOptionsId=set_)


def test_only_the_primary_address_is_offered(net):
    host = net.instance(net.only)
    second = net.unused(net.only)
    net.ec2.assign_private_ip_addresses(NetworkInterfaceId=host.eni, PrivateIpAddresses=[second])
    told = host.shell(FLUSH + f"udhcpc -f -q -n -t 3 -i eth0 -s /bin/true -r {second}")
    assert f"lease of {host.address} obtained" in told.stderr, told.stderr
    assert second not in told.stderr.split("lease of")[1]


def test_dhclient_gets_the_ipv6_address(net):
    host = net.instance(net.only)
    told = host.shell("ip -6 addr flush dev eth0 scope global; dhclient -6 -1 -v -lf /tmp/leases6 -pf /tmp/pid6 eth0")
    assert told.returncode == 0, told.stderr
    assert f"{host.address6}/128" in addresses(host)[1]
    assert "preferred-life 140" in host.shell("cat /tmp/leases6").stdout
    host.shell("dhclient -6 -x -pf /tmp/pid6")


def test_a_router_solicitation_is_answered(net):
    host = net.instance(net.only)
    host.shell(
        "ip -6 addr flush dev eth0 scope global; ip -6 route flush dev eth0; echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra; "
        "ip link set eth0 down; ip link set eth0 up; "
        "for i in $(seq 100); do ip -6 route | grep -q default && break; sleep 0.1; done"
    )
    route = host.shell("ip -6 route show default").stdout
    assert route.startswith("default via fe80::") and "proto ra" in route, route
    assert not [a for a in addresses(host)[1] if ":" in a], "no address by itself"
    assert host.shell("ip -6 route show").stdout.count("proto kernel") >= 1


SERVE = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
server.bind(("", 67))
server.settimeout(float(sys.argv[1]))
print("ready", flush=True)
try:
    print(server.recvfrom(2000)[1])
except TimeoutError:
    print("nothing")
"""


def test_a_dhcp_server_in_an_instance_reaches_nobody(net):
    server, client = net.instances(net.only, 2)
    command = net.daemon.command("exec", server.id, "--", "python3", "-c", SERVE, "4")
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "ready\n"
    told = client.shell("udhcpc -f -q -n -t 3 -i eth0 -s /bin/true")
    assert f"lease of {client.address} obtained from 10.0.1.1" in told.stderr, told.stderr
    assert waiting.communicate(timeout=30)[0] == "nothing\n"


def test_malformed_messages_end_nothing(net):
    host = net.instance(net.only)
    script = (
        "import socket, os, random\nrandom.seed(1)\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n"
        "for n in range(300):\n s.sendto(random.randbytes(random.randrange(600)), ('255.255.255.255', 67))\n"
        "t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        "for n in range(300):\n t.sendto(random.randbytes(random.randrange(600)), ('ff02::1:2%eth0', 547))\n"
    )
    assert host.exec("python3", "-c", script).returncode == 0
    shown = json.loads(net.daemon.run("status", "datapath", "--json", check=True).stdout)
    assert any(drop["reason"] == "OPENVPC_MALFORMED_DHCP" and drop["packets"] >= 100 for drop in shown["drops"]), shown["drops"]
    assert host.shell("udhcpc -f -q -n -t 5 -i eth0 -s /bin/true").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/net/tun"), reason="makes TAPs and namespaces as root")
@EVERY
def test_a_virtual_machine_and_a_container_come_up_by_dhcp(start, datapath):
    daemon = start("--datapath", datapath)
    net = Network(daemon, account="123456789012")
    subnet = net.subnet(1)
    first, second = (
        net.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"] for _ in range(2)
    )
    machine = VM(daemon, first["NetworkInterfaceId"])
    try:
        offered = machine.ask("dhcp")
        assert offered == {"address": first["PrivateIpAddress"], "router": "10.0.1.1", "lease": 3600}
    finally:
        machine.kill()
    if datapath == "rootless":
        return
    with container() as name:
        bound = daemon.run("attach", second["NetworkInterfaceId"], "--netns", f"/run/netns/{name}")
        if bound.returncode:
            pytest.skip(bound.stderr)
        inside(name, "ip", "addr", "flush", "dev", "eth0")
        told = inside(name, "udhcpc", "-f", "-q", "-n", "-t", "5", "-i", "eth0", "-s", "/bin/true")
        assert f"lease of {second['PrivateIpAddress']} obtained" in told.stderr, told.stderr
