"""What tests of the paths that packets take have in common: the paths there are, and whether a flow is carried by the kernel."""

import json
import os

import pytest

from conftest import Daemon, until

KERNEL = pytest.param("kernel", marks=pytest.mark.skipif(os.geteuid() != 0, reason="the kernel path needs root"))
EVERY = pytest.mark.parametrize("datapath", [KERNEL, "rootless"])


@pytest.fixture(scope="module", params=[KERNEL, "rootless"])
def path(request, tmp_path_factory):
    """A daemon on each path."""
    daemon = Daemon(tmp_path_factory.mktemp("path") / "data", "--datapath", request.param).start()
    daemon.is_kernel = request.param == "kernel"
    yield daemon
    daemon.stop()


def details(daemon):
    """What the path says of itself, beyond what all paths do."""
    shown = json.loads(daemon.run("status", "datapath", "--json", check=True).stdout)
    return {detail["name"]: detail["value"] for detail in shown["details"]}


def fill(daemon):
    """How many connections the kernel carries, and how many it can."""
    shown = json.loads(daemon.run("status", "datapath", "--json", check=True).stdout)
    connections = next(detail for detail in shown["details"] if detail["name"] == "connections")
    return connections["value"], connections["capacity"]


def warm(daemon, talk):
    """Has a flow talk until the kernel carries it, where there is one that could."""
    assert talk()
    if details(daemon).get("program_links") is None:
        return

    def is_carried():
        before = details(daemon)["carried_packets"]
        return talk() and details(daemon)["carried_packets"] >= before + 2

    until(is_carried, what="the flow carried by the kernel")


def again(net, daemon):
    """The same network with the clients of a daemon that was started again."""
    net.ec2 = daemon.client(account=net.account)


def close(net):
    """Ends the agents, whose instances may be gone."""
    for host in net.hosts:
        if host.own_agent:
            host.own_agent.process.kill()
            host.own_agent.process.wait()
            host.own_agent = None
