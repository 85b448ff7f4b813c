"""The CNI plugin, as the specification's protocol drives it, and as Podman does."""

import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import ACCOUNT, BINARY, REGION, until
from network import EVERYTHING, Network
from test_attach import container, inside

PLUGIN = pathlib.Path(BINARY).with_name("openvpc-cni")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives links to namespaces of the machine, as root")
TIERS = pytest.mark.parametrize("tier", ["auto", "rootless"])
CONTAINERS = (f"ovpc-cni-{os.getpid()}-{number}" for number in itertools.count())


class Estate:
    """A network with an instance that serves, a subnet for containers, and the plugin's configuration for it."""

    def __init__(self, daemon, version="1.0.0"):
        self.daemon, self.net = daemon, Network(daemon, account=ACCOUNT)
        self.group = self.net.group(EVERYTHING)
        self.host = self.net.instance(self.net.subnet(1, public=True), self.group)
        self.host.agent.serve(tcp=[80])
        self.subnet = self.net.subnet(2)
        self.config = {
            "cniVersion": version, "name": "vpc", "type": "openvpc-cni", "endpoint": daemon.endpoint, "region": REGION,
            "account": ACCOUNT, "subnet": self.subnet, "securityGroups": [self.group],
        }

    def interfaces(self):
        found = self.net.ec2.describe_network_interfaces(Filters=self.net.filters(("subnet-id", self.subnet)))
        return {eni["NetworkInterfaceId"]: eni for eni in found["NetworkInterfaces"]}

    def call(self, command, netns=None, ident="c1", ifname="eth0", args="", **changes):
        """What the plugin says, as (exit status, JSON or none)."""
        variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": ident, "CNI_IFNAME": ifname, "CNI_PATH": str(PLUGIN.parent)}
        variables["PATH"] = os.environ["PATH"]
        if netns:
            variables["CNI_NETNS"] = netns if "/" in netns else f"/run/netns/{netns}"
        if args:
            variables["CNI_ARGS"] = args
        config = {key: value for key, value in {**self.config, **changes}.items() if value is not None}
        done = subprocess.run([PLUGIN], input=json.dumps(config), env=variables, capture_output=True, text=True, timeout=30)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    def fine(self, *arguments, **options):
        status, answer = self.call(*arguments, **options)
        assert status == 0, answer
        return answer

    def refused(self, code, *arguments, **options):
        status, answer = self.call(*arguments, **options)
        assert status != 0 and answer["code"] == code and answer["msg"] and answer["cniVersion"], answer
        return answer["msg"]


@TIERS
def test_a_container_gets_an_interface_of_its_own_and_gives_it_back(start, tier):
    estate = Estate(start("--datapath", tier), version="1.1.0")
    with container() as name:
        made = estate.fine("ADD", name)
        (eni,) = estate.interfaces().values()
        assert made["cniVersion"] == "1.1.0"
        assert made["interfaces"] == [{"name": "eth0", "mac": eni["MacAddress"], "mtu": 9001, "sandbox": f"/run/netns/{name}"}]
        four, six = made["ips"]
        assert four == {"address": eni["PrivateIpAddress"] + "/24", "gateway": "10.0.2.1", "interface": 0}
        assert six["address"] == eni["Ipv6Addresses"][0]["Ipv6Address"] + "/64" and six["gateway"].startswith("fe80::")
        assert [route["dst"] for route in made["routes"]] == ["0.0.0.0/0", "::/0"]
        assert made["dns"]["nameservers"] == ["10.0.0.2"] and made["dns"]["search"], made["dns"]
        assert eni["Status"] == "in-use" and eni["Groups"][0]["GroupId"] == estate.group
        assert estate.host.pings(eni["PrivateIpAddress"]) and estate.host.pings(eni["Ipv6Addresses"][0]["Ipv6Address"])
        answer = inside(name, BINARY, "toolbox", "ping", estate.host.address)
        assert json.loads(answer.stdout)["outcome"] == "answered"

        estate.fine("CHECK", name, prevResult=made)
        estate.refused(100, "ADD", name)
        subprocess.run(["ip", "-n", name, "address", "delete", four["address"], "dev", "eth0"], check=True)
        assert four["address"] in estate.refused(100, "CHECK", name, prevResult=made)
        # Another interface of the same container, and the same of another network, are others.
        second = estate.fine("ADD", name, ifname="eth1", name="other")
        assert second["interfaces"][0]["name"] == "eth1" and len(estate.interfaces()) == 2
        estate.fine("DEL", name, ifname="eth1")
        assert len(estate.interfaces()) == 2, "that network has no such attachment"
        estate.fine("DEL", name, ifname="eth1", name="other")
        estate.fine("DEL", name, prevResult=made)
        assert estate.interfaces() == {} and "eth0" not in inside(name, "ip", "link").stdout
        # Again, and without a namespace, as after the machine went down.
        estate.fine("DEL", name)
        estate.fine("DEL")
        estate.refused(100, "CHECK", name)
        # What the group says holds: another group, another answer.
        closed = estate.net.group()
        made = estate.fine("ADD", name, securityGroups=[closed])
        assert not estate.host.pings(made["ips"][0]["address"].split("/")[0], timeout=1)
    # The container is gone before DEL comes.
    until(lambda: [eni["Status"] for eni in estate.interfaces().values()] == ["available"], what="the interface free")
    estate.fine("DEL", name)
    assert estate.interfaces() == {}
    estate.net.delete()


@TIERS
def test_what_is_attached_survives_the_daemon(start, tier):
    daemon = start("--datapath", tier)
    estate = Estate(daemon)
    with container() as name:
        made = estate.fine("ADD", name)
        daemon.kill()
        assert "openvpc up" in estate.refused(11, "DEL", name)
        estate.refused(50, "STATUS")
        daemon.start()
        estate.config["endpoint"] = daemon.endpoint
        estate.net.ec2 = daemon.client()
        estate.fine("STATUS")
        ping = lambda: json.loads(inside(name, BINARY, "toolbox", "ping", estate.host.address).stdout)["outcome"] == "answered"
        until(ping, what="the container goes on")
        estate.fine("CHECK", name, prevResult=made)
        estate.fine("DEL", name)
    assert estate.interfaces() == {}
    estate.host.close()


def test_a_named_interface_is_taken_and_left(start):
    estate = Estate(start())
    made = estate.net.ec2.create_network_interface(SubnetId=estate.subnet, Groups=[estate.group])["NetworkInterface"]
    eni = made["NetworkInterfaceId"]
    with container() as name:
        for options in ({"args": f"IgnoreUnknown=1;OPENVPC_ENI={eni}"}, {"networkInterface": eni, "subnet": None}):
            answer = estate.fine("ADD", name, **options)
            assert answer["interfaces"][0]["mac"] == made["MacAddress"]
            assert "in use" in estate.refused(100, "ADD", name, ident="c2", **options)
            estate.fine("DEL", name)
            left = estate.interfaces()[eni]
            assert left["Status"] == "available" and left["TagSet"] == []
            estate.fine("DEL", name)
        assert "eni-0123456789abcdef0" in estate.refused(7, "ADD", name, networkInterface="eni-0123456789abcdef0")
    estate.net.delete()


def test_what_the_runtime_no_longer_knows_is_collected(start):
    estate = Estate(start(), version="1.1.0")
    with container() as first, container() as second:
        estate.fine("ADD", first, ident="one")
        estate.fine("ADD", second, ident="two")
        valid = [{"containerID": "two", "ifname": "eth0"}]
        estate.fine("GC", **{"cni.dev/valid-attachments": valid})
        assert [eni["Description"] for eni in estate.interfaces().values()] == ["eth0 of the container two"]
        estate.refused(7, "GC")
        estate.fine("GC", **{"cni.dev/valid-attachments": []})
        assert estate.interfaces() == {}
    estate.net.delete()


def test_versions_and_errors_are_the_specification_s(start):
    estate = Estate(start())
    spoken = estate.fine("VERSION")
    assert {"0.4.0", "1.0.0", "1.1.0"} <= set(spoken["supportedVersions"])
    with container() as name:
        old = estate.fine("ADD", name, cniVersion="0.4.0")
        assert [ip["version"] for ip in old["ips"]] == ["4", "6"]
        estate.fine("DEL", name, cniVersion="0.4.0")
        estate.refused(1, "ADD", name, cniVersion="9.0.0")
        estate.refused(4, "FETCH", name)
        estate.refused(4, "ADD", name, ident="../etc")
        estate.refused(4, "ADD", name, ifname="a/b")
        estate.refused(4, "ADD")
        estate.refused(4, "ADD", "/run/netns/no-such")
        estate.refused(7, "ADD", name, subnet="subnet-0123456789abcdef0")
        estate.refused(7, "ADD", name, subnet=None)
        estate.refused(7, "ADD", name, name=None)
        broken = subprocess.run([PLUGIN], input="{", env={"CNI_COMMAND": "ADD"}, capture_output=True, text=True)
        assert broken.returncode != 0 and json.loads(broken.stdout)["code"] == 6
        # A name that is taken in the container: nothing remains of the attempt.
        estate.refused(100, "ADD", name, ifname="lo")
        assert estate.interfaces() == {}
    estate.net.delete()


@pytest.mark.skipif(not shutil.which("podman") or not shutil.which("busybox"), reason="needs Podman and a static busybox")
def test_podman_runs_a_container_in_a_subnet(start, tmp_path, request):
    estate = Estate(start(), version="0.4.0")
    root, networks, name = tmp_path / "root", tmp_path / "net.d", next(CONTAINERS)
    for directory in (root / "bin", networks):
        directory.mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    (networks / "vpc.conflist").write_text(
        json.dumps({"cniVersion": "0.4.0", "name": "vpc", "plugins": [{key: value for key, value in estate.config.items() if key not in ("cniVersion", "name")}]})
    )
    settings = tmp_path / "containers.conf"
    settings.write_text(
        f'[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["{PLUGIN.parent}"]\nnetwork_config_dir = "{networks}"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    # Whatever Podman and the CNI library keep, they keep in directories of this test, which Podman wants short names for.
    short = pathlib.Path(tempfile.mkdtemp(prefix="cni-"))
    request.addfinalizer(lambda: shutil.rmtree(short, ignore_errors=True))
    if not os.path.exists("/var/lib/cni"):
        request.addfinalizer(lambda: os.rmdir("/var/lib/cni"))
    script = (
        "mkdir -p /var/lib/cni && mount -t tmpfs none /var/lib/cni && "
        # crun knows no mixture of the two versions.
        "case $(stat -fc %T /sys/fs/cgroup) in cgroup2fs) ;; *) mount -t cgroup2 none /sys/fs/cgroup ;; esac && "
        'exec podman --root "$0/store" --runroot "$0/run" --tmpdir "$0/tmp" "$@"'
    )

    def podman(*words):
        command = ["unshare", "--mount", "sh", "-c", script, str(short), *words]
        variables = {**os.environ, "CONTAINERS_CONF": str(settings)}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=variables)

    limits = ["--cgroups=disabled", "--ulimit=nofile=256:256", "--ulimit=nproc=256:256"]
    look = f"/bin/busybox ip address show eth0; /bin/busybox ping -c 1 -W 3 {estate.host.address}"
    ran = podman("run", "--rm", "--name", name, *limits, "--network", "vpc", "--rootfs", str(root), "/bin/busybox", "sh", "-c", look)
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    assert "1 packets received" in ran.stdout and "inet 10.0.2." in ran.stdout, ran.stdout
    assert estate.interfaces() == {}
    estate.net.delete()
