"""The real binary, started for a test and gone after it."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import awscli.clidriver
import boto3
import botocore.config
import botocore.exceptions
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("OPENVPC_BIN", str(ROOT / "target" / "debug" / "openvpc"))
AWS = ROOT / "target" / "venv" / "bin" / "aws"
ACCOUNT = "123456789012"
REGION = "eu-central-1"


def until(condition, seconds=20, what="the condition"):
    """Polls until the condition gives something true, and gives that back."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} seconds")
        time.sleep(0.02)


class Daemon:
    """One `openvpc up` and the clients that talk to it."""

    binary = BINARY

    def __init__(self, data_dir, *options, prefix=()):
        self.data_dir = pathlib.Path(data_dir)
        self.options = options
        self.prefix = list(prefix)
        self.process = None
        self.endpoint = None

    def start(self):
        command = [*self.prefix, str(self.binary), "up", "--listen", "127.0.0.1:0", "--data-dir", str(self.data_dir), *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = []
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        for line in self.process.stdout:
            if line.startswith("openvpc ready: "):
                self.endpoint = line.split(": ", 1)[1].strip()
                return self
        self.process.wait()
        raise AssertionError("the daemon did not start: " + "".join(self.errors))

    def stop(self):
        """SIGTERM; the daemon must end well."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        self.process = None
        assert status == 0, f"exit status {status}: " + "".join(self.errors)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def client(self, service="ec2", region=REGION, account=ACCOUNT):
        config = botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            config=config,
        )

    def command(self, name, *arguments, region=REGION, account=ACCOUNT):
        """A command line for this daemon."""
        return [*self.prefix, str(self.binary), name, "--endpoint", self.endpoint, "--region", region, "--account", account, *arguments]

    def run(self, *arguments, region=REGION, account=ACCOUNT, check=False, **options):
        """The command line against this daemon."""
        command = self.command(*arguments, region=region, account=account)
        return subprocess.run(command, capture_output=True, text=options.pop("text", True), check=check, timeout=60, **options)

    def exec(self, instance, *command, **options):
        """A command inside an instance."""
        return self.run("exec", instance, "--", *command, **options)

    def explain(self, source, destination, **options):
        """`openvpc explain --json` as a value."""
        flags = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]
        answer = self.run("explain", "--from", source, "--to", destination, "--json", *flags)
        assert answer.returncode in (0, 1), answer.stderr
        return json.loads(answer.stdout)

    def query(self, sql):
        """`openvpc flows query --json` as a value."""
        answer = self.run("flows", "query", sql, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def flush(self):
        assert self.run("flows", "flush").returncode == 0

    def aws(self, *arguments, region=REGION):
        """The aws CLI; its output as a value."""
        text = self.aws_text(*arguments, "--output", "json", region=region)
        return json.loads(text) if text.strip() else None

    def aws_text(self, *arguments, region=REGION):
        """The aws CLI; its output as text. It runs in this process, which saves most of its start."""
        out, err = io.StringIO(), io.StringIO()
        variables = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_PAGER": "", "AWS_CONFIG_FILE": "/dev/null"}
        os.environ.update(variables)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = awscli.clidriver.create_clidriver().main([*arguments, "--endpoint-url", self.endpoint, "--region", region])
        finally:
            for name in variables:
                del os.environ[name]
        assert status == 0, err.getvalue()
        return out.getvalue()

    def running(self, *instances):
        """Waits until the instances run."""
        ec2 = self.client()

        def all_run():
            reservations = ec2.describe_instances(InstanceIds=list(instances))["Reservations"]
            states = {i["State"]["Name"] for r in reservations for i in r["Instances"]}
            assert states <= {"pending", "running"}, states
            return states == {"running"}

        until(all_run, what=f"{instances} running")


@pytest.fixture
def start(tmp_path):
    """Starts daemons; stops those that are left at the end and removes what they kept."""
    daemons = []

    def start_one(*options, data_dir=None, prefix=()):
        daemon = Daemon(data_dir or tmp_path / "data", *options, prefix=prefix)
        daemons.append(daemon)
        return daemon.start()

    yield start_one
    for daemon in daemons:
        daemon.stop()
        subprocess.run([BINARY, "cleanup", "--data-dir", str(daemon.data_dir)], capture_output=True, timeout=60)
        shutil.rmtree(daemon.data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A daemon without packets, shared by tests of the API alone; each uses an account of its own."""
    daemon = Daemon(tmp_path_factory.mktemp("api") / "data", "--datapath", "none").start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A daemon with packets, shared by tests that use an account of their own and take down what they build."""
    daemon = Daemon(tmp_path_factory.mktemp("world") / "data").start()
    yield daemon
    daemon.stop()


@pytest.fixture
def ec2(api):
    """An EC2 client of an account that nobody used before."""
    ec2.account += 1
    return api.client(account=f"{ec2.account:012}")


ec2.account = 500000000000


class Place:
    """A VPC with a subnet and a gateway in an account of its own, as a start for tests of the API."""

    def __init__(self, api, ec2):
        self.api, self.ec2 = api, ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        self.subnet = self.make_subnet("10.0.1.0/24")
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        of_vpc = [{"Name": "vpc-id", "Values": [self.vpc]}]
        self.table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]
        self.acl = ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"][0]["NetworkAclId"]
        self.group = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"][0]["GroupId"]

    def make_subnet(self, block, **options):
        return self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=block, **options)["Subnet"]["SubnetId"]

    def block6(self, number):
        """The VPC's IPv6 block of that number for a subnet."""
        block = self.ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        return block.replace("00::/56", f"{number:02x}::/64")

    def make_eni(self, **options):
        options.setdefault("SubnetId", self.subnet)
        return self.ec2.create_network_interface(**options)["NetworkInterface"]["NetworkInterfaceId"]

    def make_group(self, name="own", **options):
        return self.ec2.create_security_group(GroupName=name, Description="own", VpcId=self.vpc, **options)["GroupId"]

    def make_instance(self, **options):
        if "NetworkInterfaces" not in options:
            options.setdefault("SubnetId", self.subnet)
        launched = self.ec2.run_instances(ImageId="ami-00000000", MinCount=1, MaxCount=1, **options)
        instance = launched["Instances"][0]["InstanceId"]
        self.wait(instance, "running")
        return instance

    def state(self, instance):
        found = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return found[0]["Instances"][0]["State"]["Name"]

    def wait(self, instance, state):
        until(lambda: self.state(instance) == state, what=f"{instance} {state}")


@pytest.fixture
def place(api, ec2):
    return Place(api, ec2)


def error_code(call, **parameters):
    """The error code that a boto3 call fails with."""
    with pytest.raises(botocore.exceptions.ClientError) as failure:
        call(**parameters)
    return failure.value.response["Error"]["Code"]
