"""Runs inside an instance, on nothing but Python's own library: takes a line of JSON on standard input, does what it
says, answers with a line of JSON. `network.Agent` is its other end."""

import ctypes
import fcntl
import itertools
import json
import queue
import selectors
import socket
import struct
import sys
import threading
import time

PACKET_OUTGOING = 4
SOL_PACKET = 263
PACKET_VNET_HDR = 15


class Echo(threading.Thread):
    """Answers what arrives on its ports with the same, until the process ends."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.wake, sleeper = socket.socketpair()
        self.selector.register(sleeper, selectors.EVENT_READ, lambda woken: woken.recv(100))
        self.servers = {}
        self.start()

    def serve(self, kind, port, family):
        listener = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        if kind == "tcp":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", port))
        listener.setblocking(False)
        if kind == "tcp":
            listener.listen(256)
        self.selector.register(listener, selectors.EVENT_READ, self.accept if kind == "tcp" else self.answer)
        self.wake.send(b".")

    def accept(self, listener):
        connection, _ = listener.accept()
        self.selector.register(connection, selectors.EVENT_READ, self.echo)

    def echo(self, connection):
        try:
            data = connection.recv(1 << 16)
            connection.setblocking(True)
            connection.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(connection)
            connection.close()

    def answer(self, server):
        data, client = server.recvfrom(1 << 16)
        server.sendto(data, client)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                try:
                    key.data(key.fileobj)
                except OSError:
                    pass


class Probe:
    """One connection attempt, datagram or ping, and what comes of it: `answered`, `refused` by the host itself,
    `silence`, or the name of the sender's own error."""

    def __init__(self, spec):
        self.spec, self.outcome, self.socket = spec, "silence", None
        self.family = socket.AF_INET6 if ":" in spec["to"] else socket.AF_INET
        try:
            getattr(self, "send_" + spec["kind"])()
        except OSError as error:
            self.fail(error)

    def fail(self, error):
        self.outcome = "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__ + ": " + str(error)

    def open(self, kind, protocol=0):
        self.socket = socket.socket(self.family, kind, protocol)
        self.socket.setblocking(False)
        if kind != socket.SOCK_RAW:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((self.spec.get("from", ""), self.spec.get("source_port", 0)))

    def send_tcp(self):
        self.open(socket.SOCK_STREAM)
        self.event = selectors.EVENT_WRITE
        # Closed with a reset, so that no port stays in use.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        error = self.socket.connect_ex((self.spec["to"], self.spec["port"]))
        if error not in (0, 115):
            raise OSError(error, "connect")

    def send_udp(self):
        self.open(socket.SOCK_DGRAM)
        self.event = selectors.EVENT_READ
        self.socket.connect((self.spec["to"], self.spec["port"]))
        self.socket.send(b"?" * self.spec.get("size", 8))

    def send_ping(self):
        six = self.family == socket.AF_INET6
        self.open(socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        self.event = selectors.EVENT_READ
        message = struct.pack(">BBHHH", 128 if six else 8, 0, 0, self.spec["id"], 1) + bytes(self.spec.get("size", 56))
        if not six:
            message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
        self.socket.sendto(message, (self.spec["to"], 0))

    def ready(self):
        """Reads what there is; says whether the outcome is known now."""
        try:
            if self.spec["kind"] == "tcp":
                error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "connect")
                self.outcome = "answered"
                return True
            data = self.socket.recv(1 << 16)
            if self.spec["kind"] == "ping":
                data = data[(data[0] & 15) * 4:] if self.family == socket.AF_INET else data
                reply = 129 if self.family == socket.AF_INET6 else 0
                if len(data) < 8 or data[0] != reply or struct.unpack(">H", data[4:6])[0] != self.spec["id"]:
                    return False
            self.outcome = "answered"
        except OSError as error:
            self.fail(error)
        return True


def probe(probes, timeout):
    """Sends all at once; returns the outcomes in order."""
    selector = selectors.DefaultSelector()
    probes = [Probe(spec) for spec in probes]
    waiting = 0
    for attempt in probes:
        if attempt.outcome == "silence":
            selector.register(attempt.socket, attempt.event, attempt)
            waiting += 1
    end = time.monotonic() + timeout
    while waiting and (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            if key.data.ready():
                selector.unregister(key.fileobj)
                waiting -= 1
    for attempt in probes:
        if attempt.socket:
            attempt.socket.close()
    return [attempt.outcome for attempt in probes]


class Capture(threading.Thread):
    """Keeps the frames that pass eth0: those that come in, and with `both` those that go out too. With `count` it keeps
    sums by flow instead, of packets as they are on a wire: a super-packet is the segments it becomes."""

    def __init__(self, both=False, count=False):
        super().__init__(daemon=True)
        self.both, self.count, self.frames, self.sums = both, count, queue.SimpleQueue(), {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("eth0", 3))
        self.start()

    def run(self):
        while True:
            data, where = self.socket.recvfrom(1 << 17)
            if where[2] == PACKET_OUTGOING and not self.both:
                continue
            if self.count:
                self.add(data, where[2] == PACKET_OUTGOING)
            else:
                self.frames.put(data[10:].hex())

    def add(self, data, outgoing):
        gso_type, segment = data[1], struct.unpack("<H", data[4:6])[0]
        packet = data[24:]
        ethertype = data[22:24]
        if ethertype == b"\x08\x00":
            header, protocol = (packet[0] & 15) * 4, packet[9]
            length = struct.unpack(">H", packet[2:4])[0] or len(packet)
            ends = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
        elif ethertype == b"\x86\xdd":
            header, protocol = 40, packet[6]
            length = (struct.unpack(">H", packet[4:6])[0] or len(packet) - 40) + 40
            ends = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
        else:
            return
        if protocol == 58 and packet[header] in range(133, 138):
            return
        ports = struct.unpack(">HH", packet[header:header + 4]) if protocol in (6, 17) else (0, 0)
        packets = 1
        if gso_type:
            headers = header + (packet[header + 12] >> 4) * 4 if protocol == 6 else header + 8
            packets = -(-(length - headers) // segment)
            length += (packets - 1) * headers
        key = json.dumps(["egress" if outgoing else "ingress", *ends, *ports, protocol])
        sums = self.sums.setdefault(key, [0, 0])
        sums[0] += packets
        sums[1] += length

    def taken(self):
        frames = []
        while not self.frames.empty():
            frames.append(self.frames.get())
        return frames

    def lost(self):
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, 6, 8))[1]


class Stream(threading.Thread):
    """Numbers that go to an echo and come back, again and again, until it is stopped or something else comes back."""

    NUMBERS = 2048

    def __init__(self, to, port):
        super().__init__(daemon=True)
        self.rounds, self.error, self.stopping = 0, None, threading.Event()
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect((to, port))
        self.socket.settimeout(60)
        self.start()

    def run(self):
        try:
            while not self.stopping.wait(0.001):
                first = self.rounds * self.NUMBERS
                sent = struct.pack(f">{self.NUMBERS}Q", *range(first, first + self.NUMBERS))
                self.socket.sendall(sent)
                back = b""
                while len(back) < len(sent):
                    back += self.socket.recv(1 << 16) or b"the end of the stream".ljust(len(sent))
                if back != sent:
                    raise OSError(f"round {self.rounds} came back as {back[:32]}")
                self.rounds += 1
        except OSError as error:
            self.error = f"{type(error).__name__}: {error}"
        self.socket.close()


class Churn(threading.Thread):
    """Short connections to an echo, one after another; counts what became of them."""

    def __init__(self, to, port):
        super().__init__(daemon=True)
        self.to, self.port, self.outcomes, self.stopping = to, port, {}, threading.Event()
        self.start()

    def run(self):
        while not self.stopping.wait(0.001):
            try:
                with socket.create_connection((self.to, self.port), timeout=30) as connection:
                    connection.sendall(b"short")
                    outcome = "done" if connection.recv(100) == b"short" else "cut"
            except OSError as error:
                outcome = f"{type(error).__name__}: {error}"
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Tagged(threading.Thread):
    """Datagrams that say when they were sent, from one port of its own to each of some ports, until it is stopped."""

    def __init__(self, to, ports, pause):
        super().__init__(daemon=True)
        self.to, self.ports, self.pause, self.sent, self.stopping = to, ports, pause, 0, threading.Event()
        self.socket = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
        self.start()

    def run(self):
        while not self.stopping.wait(self.pause):
            for port in self.ports:
                try:
                    self.socket.sendto(struct.pack(">Q", time.monotonic_ns()), (self.to, port))
                    self.sent += 1
                except OSError:
                    pass
        self.socket.close()


class Marks(threading.Thread):
    """Keeps, of the datagrams that arrive at some ports: from whom, at which, when sent, when received."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.selector, self.seen = selectors.DefaultSelector(), []
        for port in ports:
            for family in (socket.AF_INET, socket.AF_INET6):
                receiver = socket.socket(family, socket.SOCK_DGRAM)
                if family == socket.AF_INET6:
                    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
                receiver.bind(("", port))
                self.selector.register(receiver, selectors.EVENT_READ, port)
        self.start()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                data, sender = key.fileobj.recvfrom(100)
                if len(data) == 8:
                    self.seen.append((sender[0], key.data, struct.unpack(">Q", data)[0], time.monotonic_ns()))


class Watch:
    """Counts the frames that reach eth0 for some port, whoever listens there."""

    def __init__(self, port):
        # Of a frame with the port at that place behind IPv4 without options, or IPv6: all, of others nothing.
        four = [(0x28, 0, 0, 12), (0x15, 0, 2, 0x0800), (0x28, 0, 0, 36), (0x15, 3, 4, port)]
        six = [(0x15, 0, 3, 0x86DD), (0x28, 0, 0, 56), (0x15, 0, 1, port), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in four + six)
        kept = ctypes.create_string_buffer(program)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        filters = struct.pack("HL", len(four + six), ctypes.addressof(kept))
        self.socket.setsockopt(socket.SOL_SOCKET, 26, filters)
        self.socket.bind(("eth0", 3))

    def count(self):
        """How many there were since it was last asked, lost ones too."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, 6, 8))[0]


class Prober(threading.Thread):
    """Datagrams and connection attempts to a port, each from a port of its own, until it is stopped."""

    def __init__(self, to, port):
        super().__init__(daemon=True)
        self.to, self.port, self.sent, self.stopping = to, port, 0, threading.Event()
        self.start()

    def run(self):
        family = socket.AF_INET6 if ":" in self.to else socket.AF_INET
        while not self.stopping.wait(0.001):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(family, kind) as attempt:
                    attempt.setblocking(False)
                    attempt.connect_ex((self.to, self.port))
                    if kind == socket.SOCK_DGRAM:
                        attempt.send(b"forbidden")
                    self.sent += 1


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("vectors", ctypes.c_void_p),
                ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_size_t), ("length", ctypes.c_size_t)]


class Flood(threading.Thread):
    """Datagrams of a new 5-tuple each, as fast as they can be sent, to some addresses in turn, until it is stopped."""

    COUNT = 1000

    def __init__(self, addresses):
        super().__init__(daemon=True)
        self.addresses, self.sent, self.stopping = addresses, 0, threading.Event()
        self.start()

    def run(self):
        libc, payload = ctypes.CDLL(None), ctypes.create_string_buffer(b"flood")
        vector = Vector(ctypes.addressof(payload), 5)
        batches = [self.batch(number, vector) for number in range(60)]
        while not self.stopping.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for messages, _ in batches:
                    self.sent += max(libc.sendmmsg(sender.fileno(), messages, self.COUNT, 0), 0)

    def batch(self, number, vector):
        names = b""
        for n in range(self.COUNT):
            address = socket.inet_aton(self.addresses[n % len(self.addresses)])
            names += struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", 1024 + number * self.COUNT + n, address)
        held = ctypes.create_string_buffer(names)
        name = ctypes.addressof(held)
        vectors = ctypes.addressof(vector)
        messages = [Message(name + 16 * n, 16, vectors, 1, None, 0, 0, 0) for n in range(self.COUNT)]
        return (Message * self.COUNT)(*messages), held


class HalfOpen(threading.Thread):
    """Requests for connections with an address, each from and to other ports, as fast as they can be sent. Their checksums are
    wrong, so nobody answers: they stay as they are."""

    COUNT = 1000

    def __init__(self, to):
        super().__init__(daemon=True)
        self.to, self.sent, self.stopping = socket.inet_aton(to), 0, threading.Event()
        self.start()

    def run(self):
        libc = ctypes.CDLL(None)
        name = ctypes.create_string_buffer(struct.pack("=HH4s8x", socket.AF_INET, 0, self.to))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as sender:
            for number in itertools.count(1024):
                if self.stopping.is_set():
                    return
                ports = range(1024, 1024 + self.COUNT)
                requests = b"".join(struct.pack(">HHIIBBHHH", port, number, 0, 0, 80, 2, 65535, 1, 0) for port in ports)
                held = ctypes.create_string_buffer(requests)
                vectors = (Vector * self.COUNT)(*(Vector(ctypes.addressof(held) + 20 * n, 20) for n in range(self.COUNT)))
                whole, each = ctypes.addressof(vectors), ctypes.sizeof(Vector)
                messages = (Message(ctypes.addressof(name), 16, whole + each * n, 1, None, 0, 0, 0) for n in range(self.COUNT))
                self.sent += max(libc.sendmmsg(sender.fileno(), (Message * self.COUNT)(*messages), self.COUNT, 0), 0)


class Agent:
    """What can be asked for, by the member `do`."""

    def __init__(self):
        self.echo, self.capture, self.marks, self.watch, self.open, self.running = Echo(), None, None, None, {}, {}

    def begin(self, name, what, **parameters):
        """Starts what goes on by itself."""
        kinds = {"stream": Stream, "churn": Churn, "tagged": Tagged, "prober": Prober, "flood": Flood, "half open": HalfOpen}
        self.running[name] = kinds[what](**parameters)

    def progress(self):
        """How far streams are, and their errors."""
        return {name: [each.rounds, each.error] for name, each in self.running.items() if isinstance(each, Stream)}

    def sent(self, name):
        """How many datagrams have been sent."""
        return self.running[name].sent

    def end(self, name):
        """Stops it; tells what it was up to."""
        ended = self.running.pop(name)
        ended.stopping.set()
        ended.join(timeout=60)
        if isinstance(ended, Stream):
            return [ended.rounds, ended.error]
        return ended.outcomes if isinstance(ended, Churn) else ended.sent

    def keep_marks(self, ports):
        self.marks = Marks(ports)

    def marks_seen(self):
        seen, self.marks.seen = self.marks.seen, []
        return seen

    def start_watch(self, port):
        self.watch = Watch(port)

    def watched(self):
        return self.watch.count()

    def serve(self, tcp=(), udp=()):
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind, ports in (("tcp", tcp), ("udp", udp)):
                for port in ports:
                    self.echo.serve(kind, port, family)

    def probe(self, probes, timeout):
        return probe(probes, timeout)

    def connect(self, name, kind, to, port, timeout=2, source_port=0):
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        connection.settimeout(timeout)
        connection.bind(("", source_port))
        connection.connect((to, port))
        self.open[name] = connection

    def talk(self, name, size=8, timeout=2):
        """Sends on a connection; says whether the same came back."""
        connection = self.open[name]
        connection.settimeout(timeout)
        # Both ways at the same time: an echo that nobody reads would block the server.
        threading.Thread(target=connection.sendall, args=(b"!" * size,), daemon=True).start()
        received = 0
        try:
            while received < size:
                received += len(connection.recv(1 << 16))
        except TimeoutError:
            return False
        return True

    def send_only(self, name, size):
        """Sends on a connection and expects nothing."""
        try:
            self.open[name].send(b"!" * size)
        except ConnectionRefusedError:
            self.open[name].send(b"!" * size)

    def send_segments(self, name, size, count, segments):
        """Sends datagrams of some size, several at once, for the link to take apart. Returns how many."""
        connection = self.open[name]
        connection.setsockopt(socket.IPPROTO_UDP, 103, size)
        sent = 0
        while sent < count * segments:
            try:
                connection.send(b"!" * (size * segments))
                sent += segments
            except ConnectionRefusedError:
                pass
        return sent

    def offloads(self, on):
        """Has eth0 compute checksums and cut super-packets, or not. Returns whether it does: checksums, TCP, everything."""
        found = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            # Checksums, TCP segmentation, segmentation in general: what SIOCETHTOOL gets and sets.
            for get, change in ((0x16, 0x17), (0x1E, 0x1F), (0x23, 0x24)):
                value = ctypes.create_string_buffer(struct.pack("II", change, int(on)), 8)
                request = struct.pack("16sQ16x", b"eth0", ctypes.addressof(value))
                fcntl.ioctl(device, 0x8946, request)
                value = ctypes.create_string_buffer(struct.pack("II", get, 0), 8)
                fcntl.ioctl(device, 0x8946, struct.pack("16sQ16x", b"eth0", ctypes.addressof(value)))
                found.append(bool(struct.unpack("II", value.raw)[1]))
        return found

    def close(self, name, reset=False):
        connection = self.open.pop(name)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def start_capture(self, **options):
        self.capture = Capture(**options)

    def captured(self):
        return self.capture.taken()

    def sums(self):
        return [json.loads(key) + sums for key, sums in list(self.capture.sums.items())], self.capture.lost()

    def send(self, frames, offload=False):
        """Sends frames as they are; with `offload` each begins with the header that says what the link is to compute.
        Returns how many the kernel took."""
        taken = 0
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            if offload:
                sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sender.bind(("eth0", 0))
            for frame in frames:
                try:
                    sender.send(bytes.fromhex(frame))
                    taken += 1
                except OSError:
                    pass
        return taken


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    agent = Agent()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": getattr(agent, request.pop("do"))(**request)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the other end wants to know
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
