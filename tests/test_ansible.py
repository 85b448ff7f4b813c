"""The amazon.aws collection of Ansible, unchanged, against the API: what it builds it finds again, and it takes it down."""

import json
import os
import pathlib
import subprocess

from conftest import ROOT

PLAYBOOKS = pathlib.Path(__file__).parent / "ansible"
ACCOUNT = "600000000001"


def play(api, name, home):
    """Runs a playbook; gives the tasks that changed something, and the statistics."""
    variables = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_NOCOLOR": "1",
        "HOME": str(home),
    }
    bin_dir = ROOT / "target" / "venv" / "bin"
    extra = json.dumps({"endpoint": api.endpoint, "account": ACCOUNT, "ansible_python_interpreter": str(bin_dir / "python")})
    command = [str(bin_dir / "ansible-playbook"), "-c", "local", "-i", "localhost,", "-e", extra, str(PLAYBOOKS / name)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, **variables})
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    task, changed = "", []
    for line in run.stdout.splitlines():
        if line.startswith("TASK ["):
            task = line.split("[", 1)[1].split("]")[0]
        elif line.startswith("changed: "):
            changed.append(task)
    return changed


def test_ansible_builds_a_network_finds_it_unchanged_and_takes_it_down(api, tmp_path):
    built = play(api, "estate.yml", tmp_path)
    assert {"VPC", "NAT gateway", "peering accepted", "gateway endpoint", "interface endpoint", "network ACL"} <= set(built)
    assert play(api, "estate.yml", tmp_path) == []
    play(api, "nothing.yml", tmp_path)
    left = api.client(account=ACCOUNT).describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    assert left == []
