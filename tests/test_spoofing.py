"""Root inside an instance sends whatever frames it likes; nothing forged and nothing denied gets out.

Every case is followed, on the same link, by a packet that may pass to each of the listeners: when that has arrived,
whatever the case got through has arrived too."""

import itertools
import json
import random
import urllib.request

import pytest

import frames
from conftest import until
from frames import ALL_NODES_MAC, ARP, BROADCAST, IPV4, IPV6, Frame, arp, ethernet, icmp, icmp6, ip, neighbor, tagged, tcp, udp
from network import INTERNET4, INTERNET6, Agent, Network, rule

MARK = b"FORGED FORGED FORGED"
OPEN = 9999


class Scene:
    """The attacker, a neighbour in its subnet, an instance in another subnet, and the internet; all others listen."""

    def __init__(self, world):
        self.world, self.network = world, Network(world)
        inside, elsewhere = self.network.subnet(1, public=True), self.network.subnet(2)
        only = self.network.group(rule("udp", OPEN), egress=[rule("udp", OPEN)])
        self.attacker, self.near = self.network.instances(inside, 2, only)
        self.far = self.network.instance(elsewhere, only)
        self.network.elastic_ip(self.attacker)
        self.internet = Agent(world, "internet")
        self.listeners = {self.near.address: self.near.agent, self.far.address: self.far.agent, INTERNET4: self.internet}
        self.router, self.router6 = "10.0.1.1", str(self.network.block6[1 << 64 | 1])
        self.router_mac = self.neighbor_of(self.attacker, self.router)
        # What ARP and neighbour discovery may say.
        self.truth = {self.router: self.router_mac, "10.0.2.1": self.neighbor_of(self.far, "10.0.2.1")}
        for host in (self.attacker, self.near, self.far):
            self.truth |= {host.address: host.mac, host.address6: host.mac, link_local(host.mac): host.mac}
        for agent in self.listeners.values():
            agent.ask("start_capture")
        self.numbers = itertools.count()

    def neighbor_of(self, host, address):
        """The MAC that answers for an address."""
        host.exec("ping", "-c1", "-W1", address)
        line = json.loads(host.exec("ip", "-json", "neigh", "show", address).stdout)
        return line[0]["lladdr"]

    def drops(self):
        with urllib.request.urlopen(self.world.endpoint + "/_openvpc/status") as answer:
            return {drop["reason"]: drop["packets"] for drop in json.load(answer)["datapath"]["drops"]}

    def attack(self, sent, offload=False):
        """Sends the frames and then what may pass; returns what else arrived, and what was dropped."""
        before, token = self.drops(), f"TOKEN {next(self.numbers)}.".ljust(200).encode()
        attacker = self.attacker
        allowed = []
        for address in self.listeners:
            to_mac = self.near.mac if address == self.near.address else self.router_mac
            message = udp(attacker.address, address, 40000, OPEN, token)
            allowed.append(ethernet(attacker.mac, to_mac, IPV4, ip(attacker.address, address, 17, message)))
        if offload:
            attacker.agent.ask("send", frames=sent, offload=True)
        else:
            # Each between two that may pass, as they may lie in a batch of the engine's.
            other = udp(attacker.address, self.near.address, 40000, OPEN, b"TOKEN of no number".ljust(200))
            between = ethernet(attacker.mac, self.near.mac, IPV4, ip(attacker.address, self.near.address, 17, other))
            attacker.agent.ask("send", frames=[between, *(each for frame in sent for each in (frame, between))])
        attacker.agent.ask("send", frames=allowed)
        arrived = []
        for agent in self.listeners.values():
            captured = []

            def complete(agent=agent, captured=captured):
                captured += map(Frame, agent.ask("captured"))
                return any(token in frame.data for frame in captured)

            until(complete, what=f"the packet that may pass, at {agent.name}")
            arrived += [frame for frame in captured if b"TOKEN" not in frame.data]
        after = self.drops()
        return arrived, {reason for reason in after if after[reason] > before.get(reason, 0)}


@pytest.fixture(scope="module")
def scene(world):
    scene = Scene(world)
    yield scene
    scene.internet.close()
    scene.network.delete()


def message(source, destination, port=OPEN):
    """A datagram that would pass if it were honest."""
    return ip(source, destination, 17, udp(source, destination, 40000, port, MARK))


def own(s, destination, payload):
    """An honest frame of the attacker with that payload, by the router."""
    return ethernet(s.attacker.mac, s.router_mac, IPV6 if payload[0] >> 4 == 6 else IPV4, payload)


def link_local(of_mac):
    raw = bytearray(frames.mac(of_mac))
    raw[0] ^= 2
    return str(frames.ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes(raw[:3]) + b"\xff\xfe" + bytes(raw[3:])))


def first_fragment(s, port):
    whole = udp(s.attacker.address, s.far.address, 40000, port, MARK * 4)
    return ip(s.attacker.address, s.far.address, 17, whole[:24], identification=77, more=True)


def shorter_than_a_header(packet):
    """An IPv4 packet whose total length is less than its own header's."""
    return packet[:2] + b"\0\x10" + packet[4:]


CASES = {
    # Whose frame it is.
    "a foreign MAC": (lambda s: ethernet(s.near.mac, s.router_mac, IPV4, message(s.near.address, s.far.address)), "OPENVPC_SPOOFED_MAC"),
    "a made-up MAC": (lambda s: ethernet("02:11:22:33:44:55", s.near.mac, IPV4, message(s.attacker.address, s.near.address)), "OPENVPC_SPOOFED_MAC"),
    "the router's MAC": (lambda s: ethernet(s.router_mac, s.near.mac, IPV4, message(s.far.address, s.near.address)), "OPENVPC_SPOOFED_MAC"),
    # Whose packet it is.
    "the neighbour's address": (lambda s: own(s, s.far, message(s.near.address, s.far.address)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "an address of another subnet to a neighbour": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV4, message(s.far.address, s.near.address)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "an address of the internet": (lambda s: own(s, s.far, message("198.51.100.10", s.far.address)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "the router's address": (lambda s: own(s, s.far, message(s.router, s.far.address)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "the own Elastic IP": (lambda s: own(s, None, message(s.attacker.public, INTERNET4)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "the neighbour's address to the internet": (lambda s: own(s, None, message(s.near.address, INTERNET4)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "no address": (lambda s: own(s, s.far, message("0.0.0.0", s.far.address)), None),
    "the loopback address": (lambda s: own(s, s.far, message("127.0.0.1", s.far.address)), None),
    "a multicast address": (lambda s: own(s, s.far, message("224.0.0.1", s.far.address)), None),
    "the neighbour's IPv6 address": (lambda s: own(s, s.far, message(s.near.address6, s.far.address6)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "an IPv6 address of the internet": (lambda s: own(s, s.far, message(INTERNET6, s.far.address6)), "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    "the neighbour's link-local address": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV6, message(link_local(s.far.mac), s.near.address6)), None),
    # Whom it is for.
    "broadcast": (lambda s: ethernet(s.attacker.mac, BROADCAST, IPV4, message(s.attacker.address, "10.0.1.255")), "OPENVPC_BROADCAST"),
    "broadcast by the router": (lambda s: own(s, None, message(s.attacker.address, "10.0.2.255")), None),
    "multicast": (lambda s: ethernet(s.attacker.mac, "01:00:5e:00:00:01", IPV4, message(s.attacker.address, "224.0.0.1")), "OPENVPC_MULTICAST"),
    "the neighbour by broadcast": (lambda s: ethernet(s.attacker.mac, BROADCAST, IPV4, message(s.attacker.address, s.near.address)), "OPENVPC_BROADCAST"),
    "a MAC that nobody has": (
        lambda s: ethernet(s.attacker.mac, "02:aa:bb:cc:dd:ee", IPV4, message(s.attacker.address, s.near.address)), "OPENVPC_UNKNOWN_UNICAST"),
    "the far instance by its MAC": (
        lambda s: ethernet(s.attacker.mac, s.far.mac, IPV4, message(s.attacker.address, s.far.address)), "OPENVPC_UNKNOWN_UNICAST"),
    "a foreign packet to the neighbour's MAC": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV4, message(s.attacker.address, s.far.address)), None),
    # ARP and neighbour discovery.
    "a gratuitous ARP for the router": (
        lambda s: ethernet(s.attacker.mac, BROADCAST, ARP, arp(2, s.attacker.mac, s.router, BROADCAST, s.router)), "OPENVPC_SPOOFED_ARP"),
    "an ARP reply for the neighbour": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, ARP, arp(2, s.attacker.mac, s.router, s.near.mac, s.near.address)), "OPENVPC_SPOOFED_ARP"),
    "an ARP request as the router": (
        lambda s: ethernet(s.attacker.mac, BROADCAST, ARP, arp(1, s.attacker.mac, s.router, BROADCAST, s.near.address)), "OPENVPC_SPOOFED_ARP"),
    "an ARP reply with another MAC inside": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, ARP, arp(2, s.far.mac, s.attacker.address, s.near.mac, s.near.address)), "OPENVPC_SPOOFED_ARP"),
    "an ARP reply of its own": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, ARP, arp(2, s.attacker.mac, s.attacker.address, s.near.mac, s.near.address)), ()),
    "half an ARP message": (lambda s: ethernet(s.attacker.mac, BROADCAST, ARP, arp(1, s.attacker.mac, s.router, BROADCAST, s.near.address)[:20]), "OPENVPC_MALFORMED_ARP"),
    "a neighbour advertisement for the router": (
        lambda s: ethernet(s.attacker.mac, ALL_NODES_MAC, IPV6, neighbor(136, link_local(s.attacker.mac), "ff02::1", s.router6, s.attacker.mac, 0xA0000000)),
        "OPENVPC_SPOOFED_NEIGHBOR_DISCOVERY"),
    "a neighbour advertisement as the router": (
        lambda s: ethernet(s.attacker.mac, ALL_NODES_MAC, IPV6, neighbor(136, link_local(s.router_mac), "ff02::1", link_local(s.router_mac), s.attacker.mac, 0xA0000000)),
        "OPENVPC_SPOOFED_NEIGHBOR_DISCOVERY"),
    "a neighbour solicitation as the neighbour": (
        lambda s: ethernet(s.attacker.mac, "33:33:ff:00:00:01", IPV6, neighbor(135, s.near.address6, "ff02::1:ff00:1", s.router6, s.attacker.mac)),
        "OPENVPC_SPOOFED_NEIGHBOR_DISCOVERY"),
    "a router advertisement": (
        lambda s: ethernet(s.attacker.mac, ALL_NODES_MAC, IPV6, neighbor(134, link_local(s.attacker.mac), "ff02::1", link=s.attacker.mac)),
        "OPENVPC_SPOOFED_NEIGHBOR_DISCOVERY"),
    "a router advertisement behind an extension header": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV6, ip(
            link_local(s.attacker.mac), s.near.address6, 60,
            b"\x3a\x00\x01\x04\x00\x00\x00\x00" + neighbor(134, link_local(s.attacker.mac), s.near.address6, link=s.attacker.mac)[40:], ttl=255)), None),
    "a redirect": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV6, ip(link_local(s.router_mac), s.near.address6, 58, icmp6(
            link_local(s.router_mac), s.near.address6, 137, 0, bytes(4) + frames.packed(s.attacker.address6) + frames.packed(INTERNET6)), ttl=255)), None),
    "an ICMP redirect": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV4, ip(s.router, s.near.address, 1, icmp(5, 1, frames.packed(s.attacker.address) + message(s.near.address, INTERNET4)))), None),
    # What the rules deny.
    "a port that is closed, to a neighbour": (
        lambda s: ethernet(s.attacker.mac, s.near.mac, IPV4, message(s.attacker.address, s.near.address, 53)), "ENI_SG_RULES_MISMATCH"),
    "a port that is closed, to the internet": (lambda s: own(s, None, message(s.attacker.address, INTERNET4, 53)), "ENI_SG_RULES_MISMATCH"),
    "a port that is closed, over IPv6": (lambda s: own(s, s.far, message(s.attacker.address6, s.far.address6, 53)), "ENI_SG_RULES_MISMATCH"),
    "a connection attempt": (lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 6, tcp(s.attacker.address, s.far.address, 40000, OPEN))), "ENI_SG_RULES_MISMATCH"),
    "the middle of a connection": (
        lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 6, tcp(s.attacker.address, s.far.address, 40000, OPEN, flags=0x18, payload=MARK))), "ENI_SG_RULES_MISMATCH"),
    "a ping": (lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 1, icmp(8, 0, b"\0\1\0\1" + MARK))), "ENI_SG_RULES_MISMATCH"),
    "an echo reply to no request": (lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 1, icmp(0, 0, b"\0\1\0\1" + MARK))), "ENI_SG_RULES_MISMATCH"),
    "an ICMP error about no flow": (
        lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 1, icmp(3, 1, bytes(4) + message(s.far.address, s.attacker.address)))), None),
    "a tunnel": (lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 4, message(s.near.address, s.far.address))), "ENI_SG_RULES_MISMATCH"),
    # Fragments.
    "the first fragment of what is denied": (lambda s: own(s, s.far, first_fragment(s, 53)), "ENI_SG_RULES_MISMATCH"),
    "a later fragment of nothing": (
        lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 17, MARK + bytes(4), identification=78, fragment=3)), None),
    "a fragment of half a port": (lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 17, b"\x9c\x40\x27", identification=79, more=True)), None),
    # What isn't what it says.
    "IPv6 that says it is IPv4": (lambda s: ethernet(s.attacker.mac, s.near.mac, IPV4, message(s.attacker.address6, s.near.address6)), None),
    "a length that is a lie": (lambda s: own(s, s.far, shorter_than_a_header(message(s.attacker.address, s.far.address))), None),
    "a packet of another VLAN": (
        lambda s: tagged(s.attacker.mac, s.near.mac, 5, IPV4, message(s.near.address, s.near.address)), ()),
    "an honest packet of another VLAN": (
        lambda s: tagged(s.attacker.mac, s.near.mac, 5, IPV4, message(s.attacker.address, s.near.address)), ()),
    "a packet of no VLAN, tagged": (
        lambda s: tagged(s.attacker.mac, s.near.mac, 0, IPV4, message(s.near.address, s.near.address)), ()),
    "a packet tagged twice": (
        lambda s: tagged(s.attacker.mac, s.near.mac, 5, 0x8100, b"\0\6\x08\0" + message(s.near.address, s.near.address), tag=0x88A8), ()),
    "a closed port behind an IPv6 extension header": (
        lambda s: own(s, s.far, ip(s.attacker.address6, s.far.address6, 60, b"\x11\0\1\4\0\0\0\0" + udp(s.attacker.address6, s.far.address6, 40000, 53, MARK))),
        "ENI_SG_RULES_MISMATCH"),
    "a closed port in an IPv6 packet that is a fragment of itself": (
        lambda s: own(s, s.far, ip(s.attacker.address6, s.far.address6, 44, b"\x11\0\0\0\0\0\0\7" + udp(s.attacker.address6, s.far.address6, 40000, 53, MARK))),
        "ENI_SG_RULES_MISMATCH"),
    "a later IPv6 fragment of nothing": (
        lambda s: own(s, s.far, ip(s.attacker.address6, s.far.address6, 44, b"\x11\0\0\x18\0\0\0\x08" + MARK + bytes(4))), None),
    "a routing header": (
        lambda s: own(s, s.far, ip(s.attacker.address6, s.far.address6, 43, b"\x11\2\0\1\0\0\0\0" + frames.packed(s.near.address6) + udp(
            s.attacker.address6, s.far.address6, 40000, 53, MARK))), None),
    "a protocol that isn't IP": (lambda s: ethernet(s.attacker.mac, s.near.mac, 0x88B5, MARK), "OPENVPC_UNKNOWN_ETHERTYPE"),
    "a source route": (
        lambda s: own(s, s.far, ip(s.attacker.address, s.far.address, 17, udp(s.attacker.address, s.far.address, 40000, 53, MARK),
                                   options=b"\x83\x07\x04" + frames.packed(s.near.address) + b"\0")), None),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_forged_and_nothing_denied_gets_out(scene, case):
    build, reason = CASES[case]
    frame = build(scene)
    # With a trailer too, which makes it longer than what it is sent between; but a length that is too short then is none.
    trailer = "" if case == "a length that is a lie" else bytes(300).hex()
    arrived, dropped = scene.attack([frame] + [frame + trailer] * 15)
    for frame in arrived:
        assert b"FORGED" not in frame.data, f"{case} arrived: {frame.data.hex()}"
        assert not frame.is_from_a_router(), frame.data.hex()
        if claim := frame.claim():
            address, mac = claim
            # Of what isn't in the list, the routers' IPv6 addresses, only the attacker may not speak.
            assert scene.truth.get(address, mac) == mac, f"{address} was said to be at {mac}"
            assert mac != scene.attacker.mac or address in scene.truth, f"{address} was said to be at {mac}"
    if reason is None:
        assert dropped, "the drop wasn't counted"
    elif reason:
        assert reason in dropped, dropped


def mutated(choose, frame):
    """A frame with some of its bytes changed, cut off or added."""
    data = bytearray(bytes.fromhex(frame))
    for _ in range(choose.choice((0, 1, 1, 2, 3))):
        data[choose.randrange(min(len(data), 90))] = choose.choice((0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)))
    draw = choose.random()
    if draw < 0.1:
        del data[choose.randrange(14, len(data)):]
    elif draw < 0.2:
        data += choose.randbytes(choose.randrange(1, 60))
    return data.hex()


def is_honest(scene, frame):
    """Whether a frame is one that the attacker may send to whom it came, or none of its frames."""
    if frame.ethertype == ARP or frame.ethertype == IPV6 and frame.payload[6] == 58 and frame.payload[40] in (135, 136):
        claim = frame.claim()
        return not claim or scene.truth.get(claim[0], claim[1]) == claim[1]
    if frame.ethertype == IPV4:
        source, protocol, start = frame.payload[12:16], frame.payload[9], (frame.payload[0] & 15) * 4
        later = frames.struct.unpack(">H", frame.payload[6:8])[0] & 0x1FFF
    else:
        source, protocol, start, later = frame.payload[8:24], frame.payload[6], 40, 0
        while protocol in (0, 43, 44, 60):
            if protocol == 44:
                later = frames.struct.unpack(">H", frame.payload[start + 2:start + 4])[0] & 0xFFF8
            length = 8 if protocol == 44 else (frame.payload[start + 1] + 1) * 8
            protocol, start = frame.payload[start], start + length
    known = {frames.packed(address) for address in (scene.attacker.address, scene.attacker.address6, scene.attacker.public)}
    port = frames.struct.unpack(">H", frame.payload[start + 2:start + 4])[0] if len(frame.payload) >= start + 4 else None
    return source in known and protocol == 17 and (later or port == OPEN)


@pytest.mark.parametrize("offload", [False, True], ids=["as they are", "with offloads"])
def test_of_frames_that_were_mutilated_only_honest_ones_arrive(scene, offload):
    choose, s = random.Random("mutilated"), scene
    attacker, near, far = s.attacker, s.near, s.far
    bases = [CASES[case][0](s) for case in CASES]
    bases += [
        ethernet(attacker.mac, near.mac, IPV4, message(attacker.address, near.address)),
        ethernet(attacker.mac, near.mac, IPV6, message(attacker.address6, near.address6)),
        own(s, far, message(attacker.address, far.address)), own(s, far, message(attacker.address6, far.address6)),
        own(s, None, message(attacker.address, INTERNET4)), own(s, None, message(attacker.address6, INTERNET6)),
        own(s, far, first_fragment(s, OPEN)),
    ] * 4
    panics, arrived_at_all = s.drops().get("OPENVPC_ENGINE_PANIC", 0), 0
    for _ in range(30):
        sent = [mutated(choose, choose.choice(bases)) for _ in range(100)]
        if offload:
            # Flags, kind of segmentation, length of headers, size of segments, start and place of the checksum.
            sizes = (0, 1, 14, 20, 34, 42, 54, 100, 1400, 65535)
            sent = [
                frames.struct.pack("<BBHHHH", choose.choice((0, 1, 1, 2)), choose.choice((0, 0, 1, 4, 5, 0x81)), *choose.choices(sizes, k=4)).hex() + frame
                for frame in sent
            ]
        arrived, _ = s.attack(sent, offload)
        arrived_at_all += sum(MARK in frame.data for frame in arrived)
        for frame in arrived:
            assert is_honest(s, frame), frame.data.hex()
    assert s.drops().get("OPENVPC_ENGINE_PANIC", 0) == panics
    assert arrived_at_all or offload


def test_the_same_frame_arrives_when_it_is_honest(scene):
    """So that silence above means a drop, and not that the frames were wrong."""
    arrived, _ = scene.attack([ethernet(scene.attacker.mac, scene.near.mac, IPV4, message(scene.attacker.address, scene.near.address))])
    assert sum(MARK in frame.data for frame in arrived) == 1
    arrived, _ = scene.attack([own(scene, None, message(scene.attacker.address, INTERNET4))])
    assert sum(MARK in frame.data for frame in arrived) == 1
    arrived, _ = scene.attack([own(scene, None, message(scene.attacker.address6, scene.far.address6))])
    assert sum(MARK in frame.data for frame in arrived) == 1


def test_after_all_that_the_neighbour_still_knows_the_router(scene):
    assert scene.neighbor_of(scene.near, scene.router) == scene.router_mac
    assert scene.near.agent.probe("udp", scene.far.address, OPEN) == "refused"
