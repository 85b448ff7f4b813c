"""Starts that can't succeed say so in one line and leave nothing; starts without root work."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess

import botocore.exceptions
import pytest

from conftest import BINARY, ROOT, Daemon, error_code
from network import EVERYTHING, Network

NOBODY = 65534
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


def refused(data_dir, *options, listen="127.0.0.1:0", prefix=(), account=()):
    """Starts a daemon that must fail, and gives the one line that says why."""
    command = [*prefix, BINARY, *account, "up", "--listen", listen, "--data-dir", str(data_dir), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode not in (0, 101) and done.stdout == "", done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("openvpc: "), done.stderr
    return lines[0]


def children_of(data_dir):
    """Processes that have the data directory on their command line."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(data_dir).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


def test_a_port_that_is_in_use_is_named_with_the_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        line = refused(tmp_path / "data", listen=address)
    assert address in line and "--listen" in line
    assert not (tmp_path / "data" / "machine").exists()
    assert children_of(tmp_path / "data") == []


def test_an_address_of_another_machine_is_refused(tmp_path):
    assert "--listen" in refused(tmp_path, listen="192.0.2.1:4566")


def test_a_data_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    assert "--data-dir" in refused(tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""


@NEEDS_ROOT
def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path):
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    home = shared("unwritable")
    try:
        home.mkdir(mode=0o755)
        assert "--data-dir" in refused(home, prefix=as_nobody)
        assert "--data-dir" in refused(home / "below", prefix=as_nobody)
        assert list(home.iterdir()) == []
    finally:
        shutil.rmtree(home)


def shared(name):
    """A path that every user may go to, unlike those below pytest's own."""
    return pathlib.Path("/var/tmp") / f"openvpc-test-{os.getpid()}-{name}"


@pytest.mark.parametrize("garbage", [b"garbage", b"\0" * 100_000, os.urandom(100_000)], ids=["text", "zeros", "noise"])
def test_a_state_that_cannot_be_read_is_refused_and_kept(tmp_path, garbage):
    (tmp_path / "state.redb").write_bytes(garbage)
    line = refused(tmp_path)
    assert "state.redb" in line and "--data-dir" in line
    assert (tmp_path / "state.redb").read_bytes() == garbage
    assert children_of(tmp_path) == []


def test_a_state_that_was_damaged_is_refused_and_nothing_is_invented(start, tmp_path):
    daemon = start("--datapath", "none")
    daemon.client().create_vpc(CidrBlock="10.0.0.0/16")
    daemon.stop()
    state = daemon.data_dir / "state.redb"
    whole = state.read_bytes()
    state.write_bytes(whole[:200])
    assert "state.redb" in refused(daemon.data_dir, "--datapath", "none")
    state.write_bytes(whole)
    daemon.start()
    assert "10.0.0.0/16" in {vpc["CidrBlock"] for vpc in daemon.client().describe_vpcs()["Vpcs"]}


@NEEDS_ROOT
def test_a_disk_that_was_full_is_used_again_when_there_is_room(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    daemon = Daemon(disk / "data", "--datapath", "none").start()
    try:
        ec2 = daemon.client()
        made = [ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]]
        with open(disk / "ballast", "wb") as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(1 << 16))
                ballast.flush()
        for _ in range(5):
            try:
                made.append(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InternalError"
        (disk / "ballast").unlink()
        made.append(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
        for _ in range(2):
            # Nothing that was refused is there, and nothing that was acknowledged is missing.
            assert {vpc["VpcId"] for vpc in daemon.client().describe_vpcs()["Vpcs"] if not vpc["IsDefault"]} == set(made)
            daemon.kill()
            daemon.start()
    finally:
        daemon.stop()
        subprocess.run(["umount", disk], check=True)


def test_a_second_daemon_on_the_same_data_directory_is_refused(start):
    first = start()
    line = refused(first.data_dir)
    assert "--data-dir" in line
    # The first one is none the worse for it.
    net = Network(first)
    one, two = net.instances(net.subnet(1), 2, net.group(EVERYTHING))
    assert one.pings(two.address)
    net.delete()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--quota", "vpcs"], "NAME=N"),
        (["--quota", "no-such=1"], "vpcs="),
        (["--quota", "vpcs=many"], "NAME=N"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, options, word):
    assert word in refused(tmp_path, *options)


def test_an_account_that_is_none_is_refused(tmp_path):
    assert "twelve" in refused(tmp_path, account=("--account", "12"))


def test_a_quota_that_is_set_is_in_force(start):
    daemon = start("--datapath", "none", "--quota", "vpcs=2")
    ec2 = daemon.client()
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert error_code(ec2.create_vpc, CidrBlock="10.1.0.0/16") == "VpcLimitExceeded"


def test_commands_say_when_no_daemon_answers():
    for command in (["status"], ["explain", "--from", "i-1", "--to", "i-2", "--port", "1"], ["flows", "flush"], ["exec", "internet", "--", "true"]):
        done = subprocess.run([BINARY, "--endpoint", "http://127.0.0.1:9", *command], capture_output=True, text=True, timeout=30)
        assert done.returncode not in (0, 101) and done.stderr.startswith("openvpc: "), done
        assert len(done.stderr.splitlines()) == 1 and "127.0.0.1:9" in done.stderr


@NEEDS_ROOT
def test_without_root_instances_run_and_reach_each_other_and_the_internet():
    home = shared("nobody")
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    shutil.copy(BINARY, home / "openvpc")
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", f"HOME={home}"]
    daemon = Daemon(home / "data", prefix=as_nobody)
    daemon.binary = home / "openvpc"
    try:
        daemon.start()
        assert "rootless" in daemon.run("status").stdout or "unprivileged" in daemon.run("status").stdout
        net = Network(daemon)
        one, two = net.instances(net.subnet(1, public=True), 2, net.group(EVERYTHING))
        net.elastic_ip(one)
        for address in (two.address, two.address6):
            assert one.exec("ping", "-c1", "-W3", address).returncode == 0
        fetch = '"$OPENVPC" toolbox fetch 198.51.100.10'
        assert one.public in one.shell(fetch).stdout
        assert daemon.exec("internet", "ping", "-c1", "-W3", one.public).returncode == 0
        assert one.exec("id", "-u").stdout == "0\n"
        # After a crash the next daemon, in the same user's name, takes them over.
        daemon.kill()
        daemon.start()
        net.ec2 = daemon.client(account=net.account)
        net.wait([one.id, two.id], "running")
        assert one.exec("ping", "-c1", "-W3", two.address).returncode == 0
        net.delete()
        daemon.stop()
        assert children_of(home / "data") == []
    finally:
        if daemon.process:
            daemon.stop()
        shutil.rmtree(home)


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run([BINARY, "demo"], capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("ACCEPT", "REJECT", "ENI_SG_RULES_MISMATCH", "SUBNET_ACL_RESTRICTION", "NO_ROUTE_TO_DESTINATION", ".log.gz"):
        assert word in done.stdout
    assert "\x1b[" not in done.stdout, "no colour where there is no terminal"
    assert list(tmp_path.iterdir()) == []
    assert children_of(tmp_path) == []


@pytest.mark.parametrize("lab", ["first-light", "nat-gateway", "egress-only-ipv6"])
def test_every_lab_runs_against_a_daemon_and_again(start, lab):
    daemon = start()
    assert lab in daemon.run("lab", "list").stdout
    for _ in range(2):
        done = daemon.run("lab", "run", lab, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
