"""A virtual machine as small as can be: a program that has the queue of a TAP as descriptor 3, and speaks just enough ARP,
ICMP and UDP. It takes a line of JSON on standard input, does what it says and answers with one; `test_attach.VM` is its other
end. It answers pings and echoes UDP on port 7 all the time."""

import ipaddress
import json
import os
import queue
import struct
import sys
import threading

import frames

VNET_HEADER = 10


class Machine:
    def __init__(self):
        self.tap, self.mac = int(os.environ["OPENVPC_TAP_FD"]), os.environ["OPENVPC_MAC"]
        self.own = ipaddress.ip_interface(os.environ["OPENVPC_ADDRESS"])
        self.address, self.gateway = str(self.own.ip), os.environ["OPENVPC_GATEWAY"]
        self.heard, self.neighbours = queue.Queue(), {}
        threading.Thread(target=self.listen, daemon=True).start()

    def send(self, ethertype, destination, payload):
        os.write(self.tap, bytes(VNET_HEADER) + bytes.fromhex(frames.ethernet(self.mac, destination, ethertype, payload)))

    def send_ip(self, to, protocol, payload):
        hop = to if ipaddress.ip_address(to) in self.own.network else self.gateway
        if hop not in self.neighbours:
            self.send(frames.ARP, frames.BROADCAST, frames.arp(1, self.mac, self.address, "00:00:00:00:00:00", hop))
            self.wait(lambda heard: heard == ("arp", hop), 3)
        if hop in self.neighbours:
            self.send(frames.IPV4, self.neighbours[hop], frames.ip(self.address, to, protocol, payload))

    def wait(self, wanted, seconds):
        try:
            while True:
                heard = self.heard.get(timeout=seconds)
                if wanted(heard):
                    return heard
        except queue.Empty:
            return None

    def listen(self):
        while True:
            try:
                data = os.read(self.tap, 1 << 17)
            except OSError:
                return
            self.take(data[VNET_HEADER:])

    def take(self, frame):
        ethertype, packet = struct.unpack(">H", frame[12:14])[0], frame[14:]
        sender_mac = frame[6:12].hex(":")
        if ethertype == frames.ARP:
            operation, sender = struct.unpack(">H", packet[6:8])[0], str(ipaddress.ip_address(packet[14:18]))
            if operation == 1 and str(ipaddress.ip_address(packet[24:28])) == self.address:
                self.send(frames.ARP, sender_mac, frames.arp(2, self.mac, self.address, sender_mac, sender))
            elif operation == 2:
                self.neighbours[sender] = packet[8:14].hex(":")
                self.heard.put(("arp", sender))
        elif ethertype == frames.IPV4 and frame[:6].hex(":") == self.mac:
            head = (packet[0] & 15) * 4
            total, sender = struct.unpack(">H", packet[2:4])[0], str(ipaddress.ip_address(packet[12:16]))
            self.take_ip(sender, sender_mac, packet[9], packet[head:total])

    def take_ip(self, sender, sender_mac, protocol, data):
        if protocol == 1 and data[0] == 8:
            reply = frames.ip(self.address, sender, 1, frames.icmp(0, 0, data[4:]))
            self.send(frames.IPV4, sender_mac, reply)
        elif protocol == 1:
            self.heard.put(("icmp", sender, data[0]))
        elif protocol == 17:
            if frames.transport_checksum(sender, self.address, 17, data):
                return
            source, port = struct.unpack(">HH", data[:4])
            if port == 68:
                return self.take_dhcp(data[8:])
            if port == 7:
                reply = frames.udp(self.address, sender, 7, source, data[8:])
                self.send(frames.IPV4, sender_mac, frames.ip(self.address, sender, 17, reply))
            self.heard.put(("udp", sender, source, data[8:].decode(errors="replace")))

    def ping(self, to, timeout=3):
        self.send_ip(to, 1, frames.icmp(8, 0, struct.pack(">HH", os.getpid() & 0xFFFF, 1) + bytes(56)))
        return self.wait(lambda heard: heard == ("icmp", to, 0), timeout) is not None

    def udp(self, to, port, text, timeout=3):
        self.send_ip(to, 17, frames.udp(self.address, to, 40000, port, text.encode()))
        heard = self.wait(lambda heard: heard[:3] == ("udp", to, port), timeout)
        return heard and heard[3]

    def dhcp(self, timeout=10):
        """What the router offers to a machine that knows nothing but its hardware address."""
        mac = bytes.fromhex(self.mac.replace(":", ""))
        discover = bytes([1, 1, 6, 0]) + b"vpc!" + bytes(20) + mac + bytes(202) + bytes.fromhex("63825363") + bytes([53, 1, 1, 255])
        datagram = frames.udp("0.0.0.0", "255.255.255.255", 68, 67, discover)
        self.send(frames.IPV4, frames.BROADCAST, frames.ip("0.0.0.0", "255.255.255.255", 17, datagram))
        heard = self.wait(lambda heard: heard[0] == "dhcp", timeout)
        return heard and heard[1]

    def take_dhcp(self, message):
        told, options = {}, message[240:]
        while options and options[0] != 255:
            told[options[0]], options = options[2:2 + options[1]], options[2 + options[1]:]
        address, router = (str(ipaddress.ip_address(bytes(part))) for part in (message[16:20], told[3]))
        self.heard.put(("dhcp", {"address": address, "router": router, "lease": int.from_bytes(told[51], "big")}))

    def environment(self):
        return {name: value for name, value in os.environ.items() if name.startswith("OPENVPC_")}


def main():
    machine = Machine()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(machine, asked.pop("do"))(**asked)), flush=True)


if __name__ == "__main__":
    main()
