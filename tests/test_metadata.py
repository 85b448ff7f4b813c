"""Instance metadata, as curl and the SDKs ask for it from inside an instance."""

import json
import pathlib

import boto3
import botocore
import pytest

from conftest import error_code
from datapaths import path  # noqa: F401 - a fixture
from network import PYTHON, Network
from test_services import METADATA, get

TOKEN, TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
# Where the SDK lies that tests use; instances see the same files.
PACKAGES = str(pathlib.Path(botocore.__file__).parent.parent)


@pytest.fixture(scope="module")
def net(path):  # noqa: F811
    net = Network(path)
    net.only = net.subnet(1, public=True)
    yield net
    net.delete()


@pytest.fixture(scope="module")
def host(net):
    return net.instance(net.only, UserData="#!/bin/sh\ntrue\n", TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "a b"}]},
    ])


def options(host, **changes):
    host.network.ec2.modify_instance_metadata_options(InstanceId=host.id, **changes)


def token(host, seconds="60", *more):
    return get(host, "latest/api/token", "-X", "PUT", "-H", f"{TTL}: {seconds}", *more)


def test_the_tree_is_that_of_the_instance(net, host):
    shown = net.ec2.describe_instances(InstanceIds=[host.id])["Reservations"][0]
    instance = shown["Instances"][0]
    eni = instance["NetworkInterfaces"][0]
    mac = f"latest/meta-data/network/interfaces/macs/{host.mac}"
    for name, value in {
        "latest/meta-data/ami-id": "ami-00000000",
        "latest/meta-data/instance-id": host.id,
        "latest/meta-data/instance-type": instance["InstanceType"],
        "latest/meta-data/reservation-id": shown["ReservationId"],
        "latest/meta-data/local-ipv4": host.address,
        "latest/meta-data/local-hostname": instance["PrivateDnsName"],
        "latest/meta-data/mac": host.mac,
        "latest/meta-data/placement/availability-zone": instance["Placement"]["AvailabilityZone"],
        "latest/meta-data/placement/region": net.region,
        "latest/meta-data/security-groups": eni["Groups"][0]["GroupName"],
        f"{mac}/interface-id": host.eni,
        f"{mac}/subnet-id": host.subnet,
        f"{mac}/vpc-id": net.vpc,
        f"{mac}/ipv6s": host.address6,
        f"{mac}/security-group-ids": eni["Groups"][0]["GroupId"],
        f"{mac}/owner-id": net.account,
        "latest/meta-data/network/interfaces/macs/": f"{host.mac}/",
        "latest/user-data": "#!/bin/sh\ntrue\n",
    }.items():
        assert get(host, name) == (200, value), name
    listing = get(host, "latest/meta-data/")[1].split("\n")
    assert listing == sorted(listing) and {"ami-id", "network/", "placement/", "services/", "events/"} <= set(listing)
    assert get(host, "")[1].split("\n")[-1] == "latest"
    document = json.loads(get(host, "latest/dynamic/instance-identity/document")[1])
    assert (document["instanceId"], document["accountId"], document["privateIp"]) == (host.id, net.account, host.address)


def test_what_is_not_there_is_not_found(host):
    status, body = get(host, "latest/meta-data/nothing")
    assert status == 404 and "<title>404 - Not Found</title>" in body
    assert get(host, "latest/meta-data/iam/info")[0] == 404
    assert get(host, "1999-01-01/meta-data/")[0] == 404


def test_a_change_is_seen_at_once(net, host):
    assert get(host, "latest/meta-data/public-ipv4")[0] == 404
    allocation = net.elastic_ip(host)
    try:
        assert get(host, "latest/meta-data/public-ipv4") == (200, host.public)
        net.ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsHostnames={"Value": True})
        name = f"ec2-{host.public.replace('.', '-')}.{net.region}.compute.amazonaws.com"
        assert get(host, "latest/meta-data/public-hostname") == (200, name)
    finally:
        net.allocations.remove(allocation)
        net.release(allocation)
    assert get(host, "latest/meta-data/public-ipv4")[0] == 404


def test_tokens_are_made_and_asked_for_where_they_are_required(host):
    name = "latest/meta-data/local-ipv4"
    status, made = token(host)
    assert status == 200 and len(made) == 56
    assert [token(host, seconds)[0] for seconds in ("0", "21601", "x")] == [400, 400, 400]
    assert get(host, "latest/api/token", "-X", "PUT")[0] == 400
    assert token(host, "60", "-H", "X-Forwarded-For: 10.0.0.1")[0] == 403
    assert get(host, name)[0] == 200, "version 1"
    assert get(host, name, "-H", f"{TOKEN}: wrong")[0] == 401
    options(host, HttpTokens="required")
    try:
        status, page = get(host, name)
        assert status == 401 and "401 - Unauthorized" in page
        assert get(host, name, "-H", f"{TOKEN}: {made}") == (200, host.address)
        brief = token(host, "1")[1]
        host.shell("sleep 1.2")
        assert get(host, name, "-H", f"{TOKEN}: {brief}")[0] == 401, "expired"
    finally:
        options(host, HttpTokens="optional")


def test_a_token_is_nobody_elses(net, host):
    other = net.instance(net.only)
    made = token(host)[1]
    assert get(other, "latest/meta-data/mac", "-H", f"{TOKEN}: {made}")[0] == 401


def test_the_service_can_be_switched_off(host):
    options(host, HttpEndpoint="disabled")
    try:
        assert get(host, "latest/meta-data/mac")[0] == 403
        assert token(host)[0] == 403
    finally:
        options(host, HttpEndpoint="enabled")
    assert get(host, "latest/meta-data/mac")[0] == 200


def test_the_ipv6_address_answers_when_it_is_enabled(host):
    assert get(host, "latest/meta-data/mac", address="fd00:ec2::254")[0] == 403
    options(host, HttpProtocolIpv6="enabled", HttpEndpoint="enabled")
    assert get(host, "latest/meta-data/mac", address="fd00:ec2::254") == (200, host.mac)
    assert token(host)[0] == 200


def test_tags_are_told_when_that_is_enabled(host):
    assert get(host, "latest/meta-data/tags/instance/Name")[0] == 404
    options(host, InstanceMetadataTags="enabled")
    assert get(host, "latest/meta-data/tags/instance/") == (200, "Name")
    assert get(host, "latest/meta-data/tags/instance/Name") == (200, "a b")


def test_only_get_head_and_the_put_of_tokens_are_allowed(host):
    for method in ("POST", "DELETE", "PUT", "OPTIONS"):
        assert get(host, "latest/meta-data/mac", "-X", method)[0] == 405, method
    head = host.exec("curl", "-sI", f"http://{METADATA}/latest/meta-data/mac").stdout
    assert head.startswith("HTTP/1.1 200") and "Content-Length: 17" in head.title()


def test_malformed_requests_end_nothing(host):
    script = f"printf '%s' \"$1\" | timeout 3 bash -c 'exec 3<>/dev/tcp/{METADATA}/80; cat >&3; head -c 100 <&3'"
    for text in ("\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /" + "a" * 60000 + " HTTP/1.1\r\n\r\n"):
        host.exec("bash", "-c", script, "-", text)
    assert get(host, "latest/meta-data/%00%zz")[0] in (400, 404)
    assert get(host, "latest/meta-data/mac")[0] == 200


NESTED = """
set -e
ip addr del $1/24 dev eth0
echo 1 > /proc/sys/net/ipv4/ip_forward
unshare -Urn sh -c '
  until ip link show v1 >/dev/null 2>&1; do sleep 0.05; done
  ip addr add '$1'/32 dev v1
  ip link set v1 up
  ip route add 169.254.1.1 dev v1
  ip route add default via 169.254.1.1
  curl -s -o /dev/null -w "%{http_code} " http://169.254.169.254/latest/meta-data/mac || true
  curl -s -m 3 -o /dev/null -w "%{http_code}" -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" \\
    http://169.254.169.254/latest/api/token || true
' & inner=$!
until [ "$(readlink /proc/$inner/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add v0 type veth peer name v1 netns $inner
ip addr add 169.254.1.1/32 dev v0
ip link set v0 up
ip route add $1/32 dev v0
wait $inner
ip link del v0 2>/dev/null || true
ip addr add $1/24 dev eth0
"""


def test_the_answer_with_a_token_goes_no_farther_than_it_may(net):
    host = net.instance(net.only)
    second = net.unused(net.only)
    net.ec2.assign_private_ip_addresses(NetworkInterfaceId=host.eni, PrivateIpAddresses=[second])

    def routed():
        told = host.exec("sh", "-c", NESTED, "-", second)
        assert told.returncode == 0, told.stderr
        return told.stdout

    host.shell(f"until ip addr show eth0 | grep -q {second}/; do sleep 0.1; done")
    if host.shell("unshare -Urn true").returncode:
        pytest.skip("instances can't make namespaces here")
    assert routed() == "200 000", "behind one router, at a hop limit of 1"
    options(host, HttpPutResponseHopLimit=2, HttpEndpoint="enabled")
    assert routed() == "200 200"
    modify = net.ec2.modify_instance_metadata_options
    assert error_code(modify, InstanceId=host.id, HttpPutResponseHopLimit=65) == "InvalidParameterValue"


FETCH = """
import json, sys
sys.path.insert(0, sys.argv[1])
import botocore.utils
fetcher = botocore.utils.InstanceMetadataFetcher(timeout=5, num_attempts=1)
found = fetcher.retrieve_iam_role_credentials()
region = botocore.utils.InstanceMetadataRegionFetcher(timeout=5, num_attempts=1).retrieve_region()
print(json.dumps([found, region]))
"""


def test_the_role_of_the_instance_comes_as_keys_that_work(net):
    iam = net.daemon.client("iam", account=net.account)
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]}
    iam.create_role(RoleName="Server", AssumeRolePolicyDocument=json.dumps(trust))
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="Server")
    host = net.instance(net.only, IamInstanceProfile={"Name": "web"})
    assert get(host, "latest/meta-data/iam/security-credentials/") == (200, "Server")
    assert json.loads(get(host, "latest/meta-data/iam/info")[1])["InstanceProfileArn"].endswith(":instance-profile/web")
    for tokens in ("optional", "required"):
        options(host, HttpTokens=tokens, HttpEndpoint="enabled")
        told = host.exec(PYTHON, "-c", FETCH, PACKAGES)
        assert told.returncode == 0, told.stderr
        keys, region = json.loads(told.stdout)
        assert (keys["role_name"], region) == ("Server", net.region)
    sts = boto3.client(
        "sts", endpoint_url=net.daemon.endpoint, region_name=net.region, aws_access_key_id=keys["access_key"],
        aws_secret_access_key=keys["secret_key"], aws_session_token=keys["token"],
    )
    caller = sts.get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::{net.account}:assumed-role/Server/{host.id}"
    shown = json.loads(get(host, "latest/meta-data/iam/security-credentials/Server", "-H", f"{TOKEN}: {token(host)[1]}")[1])
    assert (shown["AccessKeyId"], shown["Code"]) == (keys["access_key"], "Success"), "the same as long as they are good"
