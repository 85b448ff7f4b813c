"""Ethernet frames by hand, with every field open to a lie."""

import ipaddress
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES_MAC = "33:33:00:00:00:01"
IPV4, ARP, IPV6, VLAN = 0x0800, 0x0806, 0x86DD, 0x8100


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def packed(address):
    return ipaddress.ip_address(address).packed


def ethernet(source, destination, ethertype, payload):
    return (mac(destination) + mac(source) + struct.pack(">H", ethertype) + payload).hex()


def tagged(source, destination, vlan, ethertype, payload, tag=VLAN):
    return ethernet(source, destination, tag, struct.pack(">HH", vlan, ethertype) + payload)


def transport_checksum(source, destination, protocol, data):
    source, destination = packed(source), packed(destination)
    if len(source) == 4:
        pseudo = source + destination + struct.pack(">BBH", 0, protocol, len(data))
    else:
        pseudo = source + destination + struct.pack(">IHBB", len(data), 0, 0, protocol)
    return checksum(pseudo + data)


def ip(source, destination, protocol, payload, ttl=64, identification=1, fragment=0, more=False, options=b""):
    """An IPv4 or IPv6 packet; `fragment` is the offset in eights of bytes, IPv4 only."""
    if ":" in source:
        head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, ttl)
        return head + packed(source) + packed(destination) + payload
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    offset = fragment | (0x2000 if more else 0)
    head = struct.pack(">BBHHHBBH", 4 << 4 | words, 0, total, identification, offset, ttl, protocol, 0)
    head += packed(source) + packed(destination) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def udp(source, destination, source_port, port, payload):
    data = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload
    return data[:6] + struct.pack(">H", transport_checksum(source, destination, 17, data) or 0xFFFF) + data[8:]


def tcp(source, destination, source_port, port, flags=2, payload=b""):
    data = struct.pack(">HHIIBBHHH", source_port, port, 1, 0, 5 << 4, flags, 1024, 0, 0) + payload
    return data[:16] + struct.pack(">H", transport_checksum(source, destination, 6, data)) + data[18:]


def icmp(kind, code, rest):
    data = struct.pack(">BBH", kind, code, 0) + rest
    return data[:2] + struct.pack(">H", checksum(data)) + data[4:]


def icmp6(source, destination, kind, code, rest):
    data = struct.pack(">BBH", kind, code, 0) + rest
    return data[:2] + struct.pack(">H", transport_checksum(source, destination, 58, data)) + data[4:]


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack(">HHBBH", 1, IPV4, 6, 4, operation) + mac(sender_mac) + packed(sender) + mac(target_mac) + packed(target)


def neighbor(kind, source, destination, target=None, link=None, flags=0):
    """A neighbour solicitation (135) or advertisement (136), or a router advertisement (134)."""
    option = struct.pack(">BB", 1 if kind == 135 else 2, 1) + mac(link) if link else b""
    if kind == 134:
        option = struct.pack(">BB", 1, 1) + mac(link)
        rest = struct.pack(">BBHII", 64, 0, 1800, 0, 0) + option
    else:
        rest = struct.pack(">I", flags) + packed(target) + option
    return ip(source, destination, 58, icmp6(source, destination, kind, 0, rest), ttl=255)


class Frame:
    """A captured frame as far as tests look into it."""

    def __init__(self, text):
        data = bytes.fromhex(text)
        self.data, self.ethertype, self.payload = data, struct.unpack(">H", data[12:14])[0], data[14:]
        self.source = data[6:12].hex(":")

    def claim(self):
        """The address and the MAC that this frame says belong together, for ARP and neighbour discovery."""
        if self.ethertype == ARP:
            return str(ipaddress.ip_address(self.payload[14:18])), self.payload[8:14].hex(":")
        if self.ethertype == IPV6 and self.payload[6] == 58 and self.payload[40] == 136:
            link = self.payload[66:72] if len(self.payload) >= 72 else mac(self.source)
            return str(ipaddress.ip_address(self.payload[48:64])), link.hex(":")
        return None

    def is_from_a_router(self):
        """A router advertisement or a redirect."""
        return self.ethertype == IPV6 and self.payload[6] == 58 and self.payload[40] in (134, 137)
