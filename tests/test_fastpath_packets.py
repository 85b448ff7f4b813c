"""What isn't a plain packet of a flow behaves on every path, and beside a flow that is carried already, as it does alone."""

import itertools

import pytest

from conftest import until
from datapaths import path, warm  # noqa: F401 - a fixture
from frames import IPV4, IPV6, Frame, ethernet, ip, udp
from network import EVERYTHING, INTERNET4, INTERNET6, Agent, Network

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    """A public instance with an Elastic IP and one in another subnet, where all arrives is kept; the internet too."""
    net = Network(path)
    everything = net.group(EVERYTHING)
    net.web, net.db = net.instance(net.subnet(1, public=True), everything), net.instance(net.subnet(2), everything)
    net.elastic_ip(net.web)
    net.internet = Agent(path, "internet")
    for agent in (net.web.agent, net.db.agent, net.internet):
        agent.serve(tcp=[8080], udp=[8080])
    net.db.agent.ask("start_capture")
    net.router_mac = net.web.exec("sh", "-c", "ping -c1 -W1 10.0.1.1 >/dev/null; ip neigh show 10.0.1.1").stdout.split("lladdr ")[1].split()[0]
    yield net
    net.internet.close()
    net.delete()


@pytest.fixture(autouse=True)
def carried(net):
    """A flow of datagrams to port 8080 over each family, from port 40000 over IPv4, that the kernel carries."""
    for number, to in enumerate((net.db.address, net.db.address6)):
        net.web.agent.ask("connect", name=to, kind="udp", to=to, port=8080, source_port=40000 + number)
        warm(net.daemon, lambda to=to: net.web.agent.ask("talk", name=to))
    yield
    for to in (net.db.address, net.db.address6):
        net.web.agent.ask("close", name=to)


def payload():
    """What no other packet holds."""
    return f"packet {next(NUMBERS):06}".encode().ljust(64, b".")


def arrives(net, packet, marker, ethertype=IPV4):
    """Sends a packet twice, so that the second may find its flow; gives what arrived of it, without link headers."""
    for _ in range(2):
        net.web.agent.ask("send", frames=[ethernet(net.web.mac, net.router_mac, ethertype, packet)])
    found = []

    def both():
        found.extend(frame for frame in map(Frame, net.db.agent.ask("captured")) if marker in frame.data)
        return len(found) == 2

    until(both, what="both packets")
    assert found[0].payload == found[1].payload
    return found[0].payload


@pytest.mark.parametrize("protocol", [47, 50, 132, 253])
@pytest.mark.parametrize("family", [4, 6])
def test_other_protocols_pass_as_they_are(net, protocol, family):
    marker = payload()
    source, to = (net.web.address, net.db.address) if family == 4 else (net.web.address6, net.db.address6)
    packet = ip(source, to, protocol, marker)
    assert arrives(net, packet, marker, IPV4 if family == 4 else IPV6) == packet


def test_options_of_ip_pass_beside_a_carried_flow(net):
    marker = payload()
    # No operation, three times, and the end of the list.
    packet = ip(net.web.address, net.db.address, 17, udp(net.web.address, net.db.address, 40000, 8080, marker), options=b"\1\1\1\0")
    assert arrives(net, packet, marker) == packet
    assert net.web.agent.ask("talk", name=net.db.address)


def test_fragments_pass_beside_a_carried_flow(net):
    marker = payload()
    datagram = udp(net.web.address, net.db.address, 40000, 8080, marker * 2)
    first = ip(net.web.address, net.db.address, 17, datagram[:72], identification=77, more=True)
    second = ip(net.web.address, net.db.address, 17, datagram[72:], identification=77, fragment=9)
    sent = [ethernet(net.web.mac, net.router_mac, IPV4, each) for each in (first, second)]
    net.web.agent.ask("send", frames=sent)
    found = []

    def both():
        found.extend(frame.payload for frame in map(Frame, net.db.agent.ask("captured")) if marker in frame.data)
        return len(found) == 2

    until(both, what="both fragments")
    assert found == [first, second]
    assert net.web.agent.ask("talk", name=net.db.address)


@pytest.mark.parametrize("hops", [1, 2, 255])
def test_within_a_vpc_no_hop_is_counted(net, hops):
    marker = payload()
    packet = ip(net.web.address, net.db.address, 17, udp(net.web.address, net.db.address, 40000, 8080, marker), ttl=hops)
    assert arrives(net, packet, marker) == packet


def test_a_wrong_length_or_checksum_makes_no_difference_to_a_carried_flow(net):
    marker = payload()
    packet = bytearray(ip(net.web.address, net.db.address, 17, udp(net.web.address, net.db.address, 40000, 8080, marker)))
    packet[10] ^= 0xFF
    net.web.agent.ask("send", frames=[ethernet(net.web.mac, net.router_mac, IPV4, bytes(packet))])
    net.web.agent.ask("send", frames=[ethernet(net.web.mac, net.router_mac, IPV4, bytes(packet[:-8]))])
    assert net.web.agent.ask("talk", name=net.db.address)
    assert not any(marker[:20] in frame.data for frame in map(Frame, net.db.agent.ask("captured")))


def test_frames_in_a_vpc_and_at_the_gateway_are_as_large_as_they_may_be(net):
    for to, header in ((net.db.address, 28), (net.db.address6, 48)):
        assert net.web.agent.ask("talk", name=to, size=9001 - header)
    for to, header in ((INTERNET4, 28), (INTERNET6, 48)):
        net.web.agent.ask("connect", name="out", kind="udp", to=to, port=8080)
        warm(net.daemon, lambda: net.web.agent.ask("talk", name="out", size=1500 - header))
        # Too large for the gateway: the sender's host learns of it, and sends in fragments then.
        until(lambda: talks(net, "out", 4000), what="a datagram in fragments")
        net.web.agent.ask("close", name="out")


def talks(net, name, size):
    """Whether it comes back; not, when the sender's host says that it was too large."""
    try:
        return net.web.agent.ask("talk", name=name, size=size, timeout=0.5)
    except AssertionError:
        return False


def test_hops_run_out_at_the_gateway_on_a_carried_flow(net):
    for to, kind in ((INTERNET4, "-4"), (INTERNET6, "-6")):
        warm(net.daemon, lambda to=to: net.web.agent.ping(to, id=11))
        done = net.web.exec("ping", kind, "-e", "11", "-c1", "-W3", "-t", "1", to)
        assert done.returncode != 0 and "exceeded" in done.stdout, done.stdout
        assert net.web.agent.ping(to, id=11)


def test_transfers_pass_whole_when_the_guest_computes_and_cuts_by_itself(net):
    assert net.web.agent.ask("offloads", on=False) == net.db.agent.ask("offloads", on=False) == [False] * 3
    try:
        net.internet.serve(tcp=[8081])
        for number, (to, port) in enumerate(((net.db.address, 8080), (net.db.address6, 8080), (INTERNET4, 8081), (INTERNET6, 8081))):
            net.web.agent.ask("begin", name=f"plain {number}", what="stream", to=to, port=port)
        until(lambda: all(rounds > 20 for rounds, _ in net.web.agent.ask("progress").values()), 60, "all transfers")
        assert [net.web.agent.ask("end", name=f"plain {number}")[1] for number in range(4)] == [None] * 4
    finally:
        for host in (net.web, net.db):
            host.agent.ask("offloads", on=True)
