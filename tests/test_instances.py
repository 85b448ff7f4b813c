"""What an instance is inside, and what the API's verbs do to it."""

import json
import os
import pty
import signal
import subprocess
import tempfile
import termios
import urllib.request

import pytest

from conftest import REGION, until
from network import EVERYTHING, INTERNET4, Network


@pytest.fixture(scope="module")
def net(world):
    net = Network(world)
    net.open = net.group(EVERYTHING)
    net.inside = net.subnet(1)
    net.host = net.instance(net.inside, net.open)
    yield net
    net.delete()


@pytest.fixture
def fresh(net):
    """An instance for one test."""
    launched = []

    def launch(**options):
        launched.append(net.instance(net.inside, net.open, **options))
        return launched[-1]

    yield launch
    for host in launched:
        host.close()
        net.hosts.remove(host)
    net.ec2.terminate_instances(InstanceIds=[host.id for host in launched])
    net.wait([host.id for host in launched], "terminated")


def init_of(host):
    """The process, as the machine numbers it, that is process 1 inside."""
    with urllib.request.urlopen(f"{host.daemon.endpoint}/_openvpc/instances/{host.id}/exec") as answer:
        return json.load(answer)["pid"]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# exec


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 37"], 37),
        (["sh", "-c", "kill -9 $$"], 137),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_exec_ends_with_the_status_of_the_command(net, command, status):
    assert net.host.exec(*command).returncode == status


def test_exec_keeps_output_and_errors_apart_and_passes_input_on(net):
    done = net.host.shell("cat; echo wrong >&2", input="hello\n")
    assert (done.stdout, done.stderr) == ("hello\n", "wrong\n")
    body = bytes(range(256)) * 4096
    assert net.host.exec("cat", input=body, text=False).stdout == body


def test_exec_takes_arguments_of_100_kilobytes(net):
    long = "x" * 100_000
    assert net.host.exec("printf", "%s", long).stdout == long
    many = [f"argument-{number:04}" for number in range(7000)]
    assert net.host.exec("printf", "%s\n", *many).stdout.split() == many
    odd = ["", " ", "a b", "'", '"', "$HOME", "*", "\\", "ü", "--", "-n"]
    assert net.host.exec("sh", "-c", 'for word; do printf "%s|" "$word"; done', "-", *odd).stdout == "|".join(odd) + "|"


def test_a_child_that_left_the_session_lives_on(net):
    child = net.host.shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!").stdout.strip()
    assert net.host.exec("kill", "-0", child).returncode == 0
    assert "sleep" in net.host.exec("cat", f"/proc/{child}/comm").stdout
    net.host.exec("kill", child)


def test_exec_passes_signals_on_and_dies_with_its_caller(net):
    def start(script):
        command = net.daemon.command("exec", net.host.id, "--", "sh", "-c", script)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    trapping = start("trap 'echo caught; exit 5' TERM INT; echo ready; while :; do sleep 0.05; done")
    trapping.send_signal(signal.SIGTERM)
    assert trapping.communicate(timeout=20)[0] == "caught\n" and trapping.returncode == 5
    plain = start("echo ready; exec sleep 1234")
    plain.send_signal(signal.SIGINT)
    assert plain.wait(timeout=20) == 130
    plain.stdout.close()
    orphan = start("echo ready; exec sleep 4321")
    orphan.kill()
    orphan.communicate()
    sleeping = "grep -lz 4321 /proc/[0-9]*/cmdline"
    until(lambda: net.host.shell(sleeping).stdout.count("/proc") <= 1, what="the orphan gone")


def test_exec_gives_a_terminal_on_a_terminal(net):
    master, slave = pty.openpty()
    command = net.daemon.command("exec", net.host.id, "--", "sh", "-c", "test -t 0 && test -t 1 && stty size && echo on a terminal")
    termios.tcsetwinsize(slave, (33, 99))
    done = subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, timeout=20)
    os.close(slave)
    assert done.returncode == 0 and b"33 99" in (text := os.read(master, 1000)) and b"on a terminal" in text
    os.close(master)


def test_exec_is_125_when_the_instance_is_not_running(net, fresh):
    host = fresh()
    net.ec2.stop_instances(InstanceIds=[host.id])
    net.wait([host.id], "stopped")
    for name in (host.id, "i-00000000000000000", "nothing"):
        done = net.daemon.exec(name, "true")
        assert done.returncode == 125 and done.stderr.startswith("openvpc: "), done
        assert len(done.stderr.splitlines()) == 1


def test_exec_runs_on_the_internets_host_too(net):
    assert INTERNET4 in net.daemon.exec("internet", "ip", "addr").stdout


# What it looks like inside


def test_addresses_are_inside_as_they_were_declared(net):
    [link] = json.loads(net.host.exec("ip", "-json", "addr", "show", "eth0").stdout)
    addresses = {(a["local"], a["prefixlen"]) for a in link["addr_info"] if a["scope"] == "global"}
    assert addresses == {(net.host.address, 24), (net.host.address6, 64)} or addresses == {(net.host.address, 24), (net.host.address6, 128)}
    assert (link["mtu"], link["address"]) == (9001, net.host.mac)
    [route] = json.loads(net.host.exec("ip", "-json", "route", "show", "default").stdout)
    assert (route["gateway"], route["dev"]) == ("10.0.1.1", "eth0")
    assert json.loads(net.host.exec("ip", "-json", "-6", "route", "show", "default").stdout)


def test_secondary_addresses_come_and_go_with_the_api(net, fresh):
    host, other = fresh(), net.host
    second = net.unused(net.inside)

    def has(address):
        return f" {address}/" in host.exec("ip", "addr", "show", "eth0").stdout

    net.ec2.assign_private_ip_addresses(NetworkInterfaceId=host.eni, PrivateIpAddresses=[second])
    six = net.ec2.assign_ipv6_addresses(NetworkInterfaceId=host.eni, Ipv6AddressCount=1)["AssignedIpv6Addresses"][0]
    until(lambda: has(second) and has(six), what="the new addresses inside")
    assert other.pings(second) and other.pings(six)
    net.ec2.unassign_private_ip_addresses(NetworkInterfaceId=host.eni, PrivateIpAddresses=[second])
    net.ec2.unassign_ipv6_addresses(NetworkInterfaceId=host.eni, Ipv6Addresses=[six])
    assert not other.pings(second, timeout=0.3) and not other.pings(six, timeout=0.3)
    until(lambda: not has(second) and not has(six), what="the addresses gone inside")
    assert has(host.address) and has(host.address6)


def test_a_second_interface_comes_as_eth1_and_goes(net, fresh):
    host = fresh()
    eni = net.ec2.create_network_interface(SubnetId=net.inside, Groups=[net.open])["NetworkInterface"]
    done = net.ec2.attach_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"], InstanceId=host.id, DeviceIndex=1)
    until(lambda: f" {eni['PrivateIpAddress']}/" in host.exec("ip", "addr", "show", "eth1").stdout, what="eth1")
    assert net.host.pings(eni["PrivateIpAddress"])
    net.ec2.detach_network_interface(AttachmentId=done["AttachmentId"])
    until(lambda: host.exec("ip", "link", "show", "eth1").returncode != 0, what="eth1 gone")
    assert not net.host.pings(eni["PrivateIpAddress"], timeout=0.3)
    net.ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])


def test_hostname_hosts_and_resolver_are_its_own(net):
    name = f"ip-{net.host.address.replace('.', '-')}.{REGION}.compute.internal"
    assert net.host.exec("cat", "/proc/sys/kernel/hostname").stdout.strip() in (name, name.split(".")[0])
    assert net.host.exec("cat", "/etc/hostname").stdout.strip() in (name, name.split(".")[0])
    resolver = net.host.exec("cat", "/etc/resolv.conf").stdout
    assert "nameserver 10.0.0.2" in resolver or "nameserver 169.254.169.253" in resolver
    assert f"search {REGION}.compute.internal" in resolver
    assert net.host.exec("getent", "hosts", "localhost").returncode == 0


def test_temporary_files_are_private_and_the_daemons_data_is_not_to_be_seen(net):
    with tempfile.NamedTemporaryFile(dir="/tmp") as of_the_machine:
        assert net.host.exec("cat", of_the_machine.name).returncode != 0
    net.host.shell("echo secret > /tmp/of-the-instance; echo secret > /run/of-the-instance")
    assert not os.path.exists("/tmp/of-the-instance") and not os.path.exists("/run/of-the-instance")
    seen = net.host.shell(f"ls -A {net.daemon.data_dir} 2>/dev/null").stdout
    assert seen == ""


def test_processes_and_settings_of_the_machine_are_out_of_reach(net):
    seen = net.host.shell("cat /proc/[0-9]*/comm").stdout.split()
    assert "pytest" not in seen and net.host.exec("kill", "-0", str(os.getpid())).returncode != 0
    assert net.host.shell("cat /proc/1/comm").stdout.strip().startswith("openvpc")
    assert net.host.shell("echo 1 > /proc/sys/kernel/panic").returncode != 0
    before = open("/proc/sys/net/ipv4/ip_forward").read()
    assert net.host.shell("echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward").stdout == "1\n"
    assert open("/proc/sys/net/ipv4/ip_forward").read() == before


def test_changing_its_own_addresses_gains_an_instance_nothing(net, fresh):
    host = fresh()
    stolen = net.unused(net.inside)
    assert host.shell(f"ip addr add {stolen}/24 dev eth0 && ip addr del {host.address}/24 dev eth0").returncode == 0
    assert not net.host.pings(stolen, timeout=0.3)
    assert host.exec("ping", "-c1", "-W0.3", "-I", stolen, net.host.address).returncode != 0


# What the API does


def test_user_data_runs_once_and_the_console_keeps_what_it_said(net, fresh):
    script = "#!/bin/sh\necho started as $(id -u) with $# arguments\necho once >> /tmp/runs\n"
    host = fresh(UserData=script)
    console = until(lambda: "started as" in (out := output(net, host)) and out, what="console output")
    assert "started as 0 with 0 arguments" in console
    net.ec2.stop_instances(InstanceIds=[host.id])
    net.wait([host.id], "stopped")
    assert "started as 0" in output(net, host)
    net.ec2.start_instances(InstanceIds=[host.id])
    net.wait([host.id], "running")
    # The file shows both: what is in /tmp lasts as long as the instance, and user data isn't run again.
    assert host.exec("cat", "/tmp/runs").stdout == "once\n"


def output(net, host):
    return net.ec2.get_console_output(InstanceId=host.id).get("Output", "")


def test_user_data_that_is_no_script_is_not_run(net, fresh):
    host = fresh(UserData="#cloud-config\nruncmd: [touch /tmp/ran]\n")
    assert host.exec("test", "-e", "/tmp/ran").returncode != 0
    found = net.ec2.describe_instance_attribute(InstanceId=host.id, Attribute="userData")
    assert found["UserData"]["Value"]


def test_stop_ends_every_process_and_start_keeps_the_addresses(net, fresh):
    host = fresh()
    first = init_of(host)
    host.shell("setsid sleep 1000 >/dev/null 2>&1 &")
    net.ec2.stop_instances(InstanceIds=[host.id])
    net.wait([host.id], "stopped")
    assert not alive(first)
    assert not net.host.pings(host.address, timeout=0.3)
    net.ec2.start_instances(InstanceIds=[host.id])
    net.wait([host.id], "running")
    assert net.host.pings(host.address) and net.host.pings(host.address6)
    assert "sleep" not in host.shell("cat /proc/[0-9]*/comm").stdout


def test_reboot_starts_anew_without_leaving_the_state_running(net, fresh):
    host = fresh()
    first = init_of(host)
    host.shell("setsid sleep 1000 >/dev/null 2>&1 &")
    net.ec2.reboot_instances(InstanceIds=[host.id])

    def rebooted():
        assert net.states([host.id]) == {"running"}
        return not alive(first) and "sleep" not in host.shell("cat /proc/[0-9]*/comm").stdout and host.exec("true").returncode == 0

    until(rebooted, what="the instance rebooted")
    until(lambda: net.host.pings(host.address, timeout=0.3), what="the instance back on the network")


def test_terminate_ends_it_for_good(net, fresh):
    host = fresh()
    first = init_of(host)
    net.ec2.terminate_instances(InstanceIds=[host.id])
    net.wait([host.id], "terminated")
    assert not alive(first)
    assert host.exec("true").returncode == 125
    enis = net.ec2.describe_network_interfaces(Filters=[{"Name": "network-interface-id", "Values": [host.eni]}])
    assert enis["NetworkInterfaces"] == []
    assert not list(net.daemon.data_dir.glob(f"**/*{host.id}*")), "its files go with it"


@pytest.mark.parametrize(("behavior", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_an_instance_that_ends_by_itself_is_stopped_or_terminated_as_asked_for(net, fresh, behavior, state):
    host = fresh(InstanceInitiatedShutdownBehavior=behavior)
    os.kill(init_of(host), signal.SIGKILL)
    net.wait([host.id], state)


def test_status_shows_what_runs(net):
    status = json.loads(net.daemon.run("status", "--json").stdout)
    [shown] = [instance for instance in status["instances"] if instance["id"] == net.host.id]
    assert shown == {"id": net.host.id, "state": "running", "addresses": [net.host.address, net.host.address6]}
    assert net.host.id in net.daemon.run("status").stdout
