"""A 200 means that the change is on the disk: kill -9 at any moment, a full disk, a torn write, backups."""

import contextlib
import gzip
import json
import os
import pathlib
import random
import select
import subprocess
import threading
import time

import botocore.exceptions
import pytest

from conftest import BINARY, Daemon, error_code, until

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


class Writer(threading.Thread):
    """One client that makes, changes and deletes, and notes what it was told: key to value, or none when that is unsure."""

    def __init__(self, daemon, account, seed):
        super().__init__(daemon=True)
        self.client, self.random = daemon.client(account=account), random.Random(seed)
        self.sure, self.unsure, self.answered, self.stop = {}, set(), 0, False
        self.failures = []

    def run(self):
        while not self.stop:
            try:
                self.step()
            except botocore.exceptions.ClientError as error:
                self.failures.append(error.response["Error"]["Code"])
                time.sleep(0.02)
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.EndpointConnectionError, OSError):
                return

    def step(self):
        """One call. While it is under way, what it touches is unsure; a refusal means that nothing changed."""
        choice = self.random.random()
        if choice < 0.5 or not self.sure:
            block = f"10.{self.random.randrange(256)}.0.0/16"
            name = f"{self.ident}-{self.answered}-{self.random.random()}"
            tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": name}]}]
            self.unsure.add(name)
            vpc = self.client.create_vpc(CidrBlock=block, TagSpecifications=tags)["Vpc"]["VpcId"]
            self.unsure.discard(name)
            self.sure[vpc] = name
        else:
            vpc = self.random.choice(list(self.sure))
            name = self.sure.pop(vpc)
            self.unsure.add(vpc)
            try:
                if choice < 0.75:
                    self.client.delete_vpc(VpcId=vpc)
                else:
                    other = f"{name}-again"
                    self.client.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": other}])
                    self.sure[vpc] = other
                self.unsure.discard(vpc)
            except botocore.exceptions.ClientError:
                self.sure[vpc] = name
                self.unsure.discard(vpc)
                raise
        self.answered += 1

    def check(self, client):
        """What was acknowledged is there, whole; what is there was asked for."""
        found = {}
        for page in client.get_paginator("describe_vpcs").paginate():
            for vpc in page["Vpcs"]:
                if not vpc["IsDefault"]:
                    found[vpc["VpcId"]] = {tag["Key"]: tag["Value"] for tag in vpc.get("Tags", [])}.get("Name")
        for vpc, name in self.sure.items():
            assert found.get(vpc) == name, f"{vpc}: acknowledged {name}, found {found.get(vpc)}"
        for vpc in found.keys() - self.sure.keys():
            assert vpc in self.unsure or found[vpc] in self.unsure, f"{vpc} was deleted, or nobody asked for it"
        whole(client, found)
        # What was unsure is known now.
        self.sure, self.unsure = dict(found), set()


def whole(client, vpcs):
    """No VPC without its parts, no part without its VPC."""
    default = {vpc["VpcId"] for vpc in client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]}
    expected = set(vpcs) | default
    assert {table["VpcId"] for table in every(client, "describe_route_tables", "RouteTables")} == expected
    assert {acl["VpcId"] for acl in every(client, "describe_network_acls", "NetworkAcls")} == expected
    assert {group["VpcId"] for group in every(client, "describe_security_groups", "SecurityGroups")} == expected


def every(client, operation, key):
    return [item for page in client.get_paginator(operation).paginate() for item in page[key]]


QUOTAS = ["--quota", "vpcs=100000"]


def test_killed_at_random_moments_nothing_acknowledged_is_lost_and_nothing_is_half_done(start):
    daemon = start("--datapath", "none", *QUOTAS)
    choose = random.Random("kill")
    known = {}
    answered = 0
    for round_ in range(8):
        writers = [Writer(daemon, f"60000000000{number}", f"{round_}-{number}") for number in range(5)]
        for writer, (sure, unsure) in zip(writers, (known.get(n, ({}, set())) for n in range(5))):
            writer.sure, writer.unsure = sure, unsure
            writer.start()
        # At any moment, but not before something was done.
        before_end = choose.randrange(10, 120)
        until(lambda: sum(writer.answered for writer in writers) >= before_end, what=f"{before_end} answers")
        daemon.kill()
        for writer in writers:
            writer.stop = True
            writer.join(timeout=70)
            assert set(writer.failures) == set()
            answered += writer.answered
        daemon.start()
        for number, writer in enumerate(writers):
            writer.check(daemon.client(account=f"60000000000{number}"))
            known[number] = (writer.sure, writer.unsure)
    assert answered > 100


@contextlib.contextmanager
def small_disk(path, megabytes):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@NEEDS_ROOT
def test_a_full_disk_refuses_loses_nothing_and_the_service_resumes_when_there_is_space(tmp_path):
    with small_disk(tmp_path / "small", 24) as disk:
        daemon = Daemon(disk / "data", "--datapath", "none", *QUOTAS).start()
        client = daemon.client(account="610000000000")
        before = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        acknowledged = {before}
        description = "x" * 200
        refused = 0
        for number in range(400):
            try:
                tags = [{"ResourceType": "vpc", "Tags": [{"Key": f"k{n}", "Value": description} for n in range(40)]}]
                acknowledged.add(client.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"])
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InternalError"
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
                refused += 1
                if refused > 5:
                    break
        assert refused > 5, "the disk never was full"
        shown = {vpc["VpcId"] for vpc in every(client, "describe_vpcs", "Vpcs") if not vpc["IsDefault"]}
        assert shown == acknowledged, "reads go on, and show what was acknowledged"
        ballast.unlink()
        acknowledged.add(client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
        daemon.kill()
        daemon.start()
        client = daemon.client(account="610000000000")
        shown = {vpc["VpcId"] for vpc in every(client, "describe_vpcs", "Vpcs") if not vpc["IsDefault"]}
        assert shown == acknowledged
        whole(client, shown)
        daemon.stop()


def test_a_daemon_that_was_killed_as_it_made_its_first_file_starts(tmp_path):
    """A file with a half-written beginning would be no database any more."""
    for moment in ("", "*", "state.new-*", "state.redb", "state.log0", "state.log1"):
        data = tmp_path / f"data-{moment.replace('*', 'x')}"
        for _ in range(4):
            process = subprocess.Popen(
                [BINARY, "up", "--datapath", "none", "--listen", "127.0.0.1:0", "--data-dir", str(data)], stdout=subprocess.PIPE
            )
            # A file that is there only for a moment may be missed; then it is killed when it is ready.
            ready = select.poll()
            ready.register(process.stdout, select.POLLIN)
            while moment and not list(data.glob(moment)) and not ready.poll(0):
                assert process.poll() is None, "it ended by itself"
            process.kill()
            process.communicate()
        daemon = Daemon(data, "--datapath", "none").start()
        daemon.client().create_vpc(CidrBlock="10.0.0.0/16")
        daemon.stop()


def test_a_backup_taken_while_others_write_is_one_snapshot_and_comes_back(start, tmp_path):
    daemon = start("--datapath", "none", *QUOTAS)
    client, s3 = daemon.client(account="620000000000"), daemon.client("s3")
    s3.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="things", Key="a/ü.bin", Body=bytes(range(256)), ContentType="x/y", Metadata={"who": "me"})
    for _ in range(5):
        client.create_vpc(CidrBlock="10.0.0.0/16")
    writers = [Writer(daemon, "620000000000", number) for number in range(3)]
    for writer in writers:
        writer.start()
    until(lambda: all(writer.answered for writer in writers), what="a write of every writer")
    file = tmp_path / "backup.gz"
    taken = daemon.run("backup", str(file))
    assert taken.returncode == 0, taken.stderr
    assert os.stat(file).st_mode & 0o777 == 0o600
    for writer in writers:
        writer.stop = True
        writer.join(timeout=70)
    lines = [json.loads(line) for line in gzip.open(file)]
    of_kind = [line["resource"] for line in lines if "resource" in line]
    vpcs = {r["key"] for r in of_kind if r["kind"] == "vpc" and r["value"]["owner"]["account"] == "620000000000"}

    s3.put_object(Bucket="things", Key="later", Body=b"later")
    without_yes = daemon.run("restore", str(file))
    assert without_yes.returncode == 1 and "--yes" in without_yes.stderr
    restored = daemon.run("restore", str(file), "--yes")
    assert restored.returncode == 0, restored.stderr

    def same(where):
        ec2, s3 = where.client(account="620000000000"), where.client("s3")
        shown = {vpc["VpcId"]: None for vpc in every(ec2, "describe_vpcs", "Vpcs")}
        assert set(shown) == vpcs
        whole(ec2, {vpc: None for vpc in shown})
        found = s3.get_object(Bucket="things", Key="a/ü.bin")
        assert found["Body"].read() == bytes(range(256)) and found["ContentType"] == "x/y" and found["Metadata"] == {"who": "me"}
        assert [item["Key"] for item in s3.list_objects_v2(Bucket="things")["Contents"]] == ["a/ü.bin"]

    same(daemon)
    daemon.kill()
    daemon.start()
    same(daemon)

    other = tmp_path / "other"
    into = [BINARY, "restore", str(file), "--data-dir", str(other)]
    assert subprocess.run(into, capture_output=True, timeout=60).returncode == 0
    again = subprocess.run(into, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1 and "holds a state" in again.stderr
    second = start("--datapath", "none", data_dir=other)
    same(second)
    in_use = subprocess.run([*into, "--yes"], capture_output=True, text=True, timeout=60)
    assert in_use.returncode == 1 and len(in_use.stderr.splitlines()) == 1, in_use


def test_a_backup_that_is_no_backup_changes_nothing(start, tmp_path):
    daemon = start("--datapath", "none")
    client = daemon.client(account="630000000000")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    good = tmp_path / "good.gz"
    assert daemon.run("backup", str(good)).returncode == 0
    bad = tmp_path / "bad.gz"
    for content in (b"", b"hello", gzip.compress(b"{}\n"), good.read_bytes()[:-20], good.read_bytes()[:100]):
        bad.write_bytes(content)
        refused = daemon.run("restore", str(bad), "--yes")
        assert refused.returncode != 0 and len(refused.stderr.splitlines()) == 1, refused
    assert client.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert daemon.run("restore", str(tmp_path / "absent"), "--yes").returncode == 1
    assert error_code(client.describe_vpcs, VpcIds=["vpc-00000000000000000"]) == "InvalidVpcID.NotFound"


def test_a_state_of_a_newer_version_is_refused_in_one_sentence(start, tmp_path):
    """Neither a start nor a restore touches what it doesn't understand."""
    data = tmp_path / "newer"
    data.mkdir()
    (data / "state.redb").write_bytes(b"not a database at all" * 100)
    process = subprocess.run(
        [BINARY, "up", "--datapath", "none", "--listen", "127.0.0.1:0", "--data-dir", str(data)], capture_output=True, text=True, timeout=30
    )
    assert process.returncode == 1 and len(process.stderr.splitlines()) == 1, process.stderr
    assert (data / "state.redb").read_bytes() == b"not a database at all" * 100


def test_instances_addresses_and_flow_logs_come_back_as_they_were(start):
    daemon = start("--datapath", "none")
    client, s3 = daemon.client(), daemon.client("s3")
    s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    gateway = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    client.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    instance = client.run_instances(ImageId="ami-00000000", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]["InstanceId"]
    address = client.allocate_address(Domain="vpc")["AllocationId"]
    daemon.running(instance)
    client.associate_address(AllocationId=address, InstanceId=instance)
    client.create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3", LogDestination="arn:aws:s3:::logs/p"
    )

    def seen():
        client = daemon.client()
        answers = [
            client.describe_instances()["Reservations"],
            client.describe_addresses()["Addresses"],
            client.describe_network_interfaces()["NetworkInterfaces"],
            client.describe_flow_logs()["FlowLogs"],
        ]
        return json.dumps(answers, default=str, sort_keys=True)

    before = seen()
    daemon.kill()
    daemon.start()
    until(lambda: seen() == before, what="the same as before")
