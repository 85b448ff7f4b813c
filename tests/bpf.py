"""What of BPF a process holds, and what of it is still there, asked of the kernel itself."""

import ctypes
import errno
import os
import pathlib
import platform
import struct

CALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
GET_PINNED, PROGRAM_BY_ID, MAP_BY_ID = 7, 13, 14
PINS = pathlib.Path("/sys/fs/bpf/openvpc")


def call(command, attributes):
    held = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(CALL, command, held, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return result


def held_by(pid):
    """The numbers of programs and maps that a process has open."""
    found = set()
    for file in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        found |= {tuple(line.split(":\t")) for line in lines if line.startswith(("prog_id:", "map_id:"))}
    return found


def exists(kind, number):
    """Whether such a program or map is in the kernel."""
    try:
        os.close(call(PROGRAM_BY_ID if kind == "prog_id" else MAP_BY_ID, struct.pack("I", int(number))))
        return True
    except OSError as error:
        assert error.errno == errno.ENOENT, error
        return False


def pins_of(held):
    """The pinned files that lead to these programs and maps."""
    return [path for path in PINS.rglob("*") if path.is_file() and identity(path) & held]


def identity(path):
    name = ctypes.create_string_buffer(os.fsencode(path))
    try:
        descriptor = call(GET_PINNED, struct.pack("Q", ctypes.addressof(name)))
    except OSError:
        return set()
    lines = pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    os.close(descriptor)
    return {tuple(line.split(":\t")) for line in lines if line.startswith(("prog_id:", "map_id:"))}
