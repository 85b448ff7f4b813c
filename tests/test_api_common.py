"""What all actions share: errors, dry runs, tags, filters, pages, accounts, regions, and state that lasts."""

import datetime
import http.client
import urllib.parse
import urllib.request
import xml.etree.ElementTree as xml

import botocore.exceptions
import pytest

from conftest import ACCOUNT, Place, error_code

NO = "0" * 17


def raw(api, body, method="POST", path="/", headers=None):
    """A request that no SDK would make, with a signature in the form of one."""
    scope = f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/eu-central-1/ec2/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
    known = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": scope, "X-Amz-Date": "20260101T000000Z"}
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.endpoint).netloc, timeout=20)
    connection.request(method, path, body, {**known, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("Action=MakeCoffee&Version=2016-11-15", "InvalidAction"),
        ("Version=2016-11-15", "MissingAction"),
        ("Action=DeleteVpc&Version=2016-11-15", "MissingParameter"),
        ("Action=DescribeVpcs&Version=2016-11-15&Colour=blue", "UnknownParameter"),
        ("Action=CreateVpc&Version=2016-11-15&CidrBlock=%ff%fe", "InvalidParameterValue"),
        ("Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", "InvalidParameterValue"),
        ("Action=DescribeVpcs&Version=2016-11-15&VpcId.one=vpc-1", "*"),
    ],
)
def test_a_malformed_request_gets_an_error_of_aws(api, body, code):
    status, text = raw(api, body)
    answer = xml.fromstring(text)
    assert status == 400 and answer.tag == "Response"
    assert answer.find("RequestID") is not None, "spelled so in errors"
    assert answer.find("Errors/Error/Code").text == code or code == "*"
    assert answer.find("Errors/Error/Message").text


def test_nothing_that_is_sent_ends_the_daemon(api):
    strange = [
        ("POST", "/", "&" * 100_000),
        ("POST", "/", "Action=" + "A" * 100_000),
        ("POST", "/", b"\xff\x00\xfe" * 1000),
        ("POST", "/", "Action=DescribeVpcs&Filter." + ".1" * 1000 + "=x"),
        ("POST", "/", "Action=DescribeVpcs&Version=2016-11-15&Filter.999999999.Name=x"),
        ("PATCH", "/", "x"),
        ("GET", "/%00%ff", None),
        ("GET", "/_openvpc/nothing", None),
        ("POST", "/_openvpc/explain", "{"),
        ("POST", "/_openvpc/explain", '{"from": 1}'),
        ("POST", "/_openvpc/flows/query", '{"sql": null}'),
        ("POST", "/_openvpc/reset", ""),
    ]
    for signature in ({}, {"Authorization": ""}, {"Authorization": "AWS4-HMAC-SHA256 Credential=,Signature"}):
        for method, path, body in strange:
            status, _ = raw(api, body, method, path, signature)
            # 501 is how S3 says that it has no such call.
            assert 400 <= status < 500 or status == 501, (status, method, path, body[:40] if body else body)
    with urllib.request.urlopen(api.endpoint + "/_openvpc/health") as health:
        assert health.status == 200


def test_a_request_without_a_signature_is_refused(api):
    status, text = raw(api, "Action=DescribeVpcs&Version=2016-11-15", headers={"Authorization": ""})
    assert status in (400, 401, 403) and "<Error>" in text


def test_a_get_request_and_an_old_version_are_answered(api):
    status, text = raw(api, None, "GET", "/?Action=DescribeVpcs&Version=2014-09-01")
    assert status == 200 and "<DescribeVpcsResponse" in text and "<requestId>" in text


def test_dry_runs_change_nothing(place):
    ec2 = place.ec2
    for call, parameters in (
        (ec2.create_vpc, {"CidrBlock": "10.7.0.0/16"}),
        (ec2.delete_subnet, {"SubnetId": place.subnet}),
        (ec2.run_instances, {"ImageId": "ami-00000000", "MinCount": 1, "MaxCount": 1, "SubnetId": place.subnet}),
        (ec2.create_tags, {"Resources": [place.vpc], "Tags": [{"Key": "a", "Value": "b"}]}),
        (ec2.describe_vpcs, {}),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as failure:
            call(DryRun=True, **parameters)
        assert failure.value.response["Error"]["Code"] == "DryRunOperation"
        assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert error_code(ec2.create_vpc, DryRun=True, CidrBlock="10.0.0.0/8") == "InvalidVpc.Range"
    assert len(ec2.describe_vpcs()["Vpcs"]) == 2 and ec2.describe_instances()["Reservations"] == []
    assert "Tags" not in ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0] or ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["Tags"] == []


def test_tags_are_made_listed_and_deleted(place):
    ec2 = place.ec2
    resources = [place.vpc, place.subnet, place.gateway, place.table, place.acl, place.group]
    ec2.create_tags(Resources=resources, Tags=[{"Key": "Name", "Value": "x"}, {"Key": "empty", "Value": ""}])
    listed = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["Name"]}])["Tags"]
    assert {tag["ResourceId"] for tag in listed} == set(resources)
    assert {tag["ResourceType"] for tag in listed} == {"vpc", "subnet", "internet-gateway", "route-table", "network-acl", "security-group"}
    ec2.create_tags(Resources=[place.vpc], Tags=[{"Key": "Name", "Value": "y"}])
    assert {"Key": "Name", "Value": "y"} in ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["Tags"]
    ec2.delete_tags(Resources=resources, Tags=[{"Key": "Name"}, {"Key": "empty", "Value": "not this"}])
    left = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": resources}])["Tags"]
    assert {tag["Key"] for tag in left} == {"empty"} and len(left) == len(resources)
    many = [{"Key": f"key {number}", "Value": "x"} for number in range(51)]
    assert error_code(ec2.create_tags, Resources=[place.vpc], Tags=many) == "TagLimitExceeded"
    assert error_code(ec2.create_tags, Resources=[place.vpc], Tags=[{"Key": "aws:x", "Value": "x"}]) == "InvalidTagKey.Malformed"
    assert error_code(ec2.create_tags, Resources=[f"vpc-{NO}"], Tags=[{"Key": "a", "Value": "b"}]) == "InvalidVpcID.NotFound"
    wrong_type = [{"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert error_code(ec2.create_vpc, CidrBlock="10.8.0.0/16", TagSpecifications=wrong_type).startswith("InvalidParameter")


def test_filters_are_any_of_the_values_and_all_of_the_names(place):
    ec2 = place.ec2
    for number in range(3):
        place.make_subnet(f"10.0.1{number}.0/24", TagSpecifications=[
            {"ResourceType": "subnet", "Tags": [{"Key": "tier", "Value": f"tier {number}"}, {"Key": "odd", "Value": str(number % 2)}]}])

    def blocks(**filters):
        wanted = [{"Name": name.replace("__", ":").replace("_", "-"), "Values": values} for name, values in filters.items()]
        return sorted(subnet["CidrBlock"] for subnet in ec2.describe_subnets(Filters=wanted)["Subnets"])

    assert blocks(tag__tier=["tier 0", "tier 2"]) == ["10.0.10.0/24", "10.0.12.0/24"]
    assert blocks(tag__tier=["tier ?"], tag__odd=["1"]) == ["10.0.11.0/24"]
    assert blocks(tag_key=["tier"], vpc_id=[place.vpc]) == ["10.0.10.0/24", "10.0.11.0/24", "10.0.12.0/24"]
    assert blocks(cidr_block=["10.0.1*"], vpc_id=[place.vpc]) == ["10.0.1.0/24", "10.0.10.0/24", "10.0.11.0/24", "10.0.12.0/24"]
    assert blocks(tag__tier=["TIER 0"]) == [] and blocks(vpc_id=["vpc-*"], tag__tier=["t*2"]) == ["10.0.12.0/24"]
    assert error_code(ec2.describe_subnets, Filters=[{"Name": "colour", "Values": ["blue"]}]) == "InvalidParameterValue"
    with_too_many = [{"Name": "vpc-id", "Values": [str(number) for number in range(201)]}]
    assert error_code(ec2.describe_subnets, Filters=with_too_many) == "FilterLimitExceeded"


def test_pages_are_cut_and_joined(place):
    ec2 = place.ec2
    subnets = {place.subnet, *(place.make_subnet(f"10.0.{number}.0/24") for number in range(20, 32))}
    pages = list(ec2.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": "vpc-id", "Values": [place.vpc]}], PaginationConfig={"PageSize": 5}))
    assert [len(page["Subnets"]) for page in pages] == [5, 5, 3]
    assert {subnet["SubnetId"] for page in pages for subnet in page["Subnets"]} == subnets
    too_few = raw(place.api, "Action=DescribeSubnets&Version=2016-11-15&MaxResults=4")[1]
    assert "<Code>InvalidParameterValue</Code>" in too_few or "<Code>InvalidMaxResults</Code>" in too_few
    assert error_code(ec2.describe_subnets, NextToken="nonsense") in ("InvalidNextToken", "InvalidPaginationToken", "InvalidParameterValue")
    assert error_code(ec2.describe_subnets, MaxResults=5, SubnetIds=[place.subnet]) == "InvalidParameterCombination"


def test_accounts_and_regions_do_not_see_each_other(api, place):
    owner = place.ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["OwnerId"]
    for account, region in ((owner, "us-east-1"), ("999999999999", "eu-central-1")):
        other = api.client(account=account, region=region)
        assert error_code(other.describe_vpcs, VpcIds=[place.vpc]) == "InvalidVpcID.NotFound"
        assert error_code(other.delete_subnet, SubnetId=place.subnet) == "InvalidSubnetID.NotFound"
        assert error_code(other.create_tags, Resources=[place.vpc], Tags=[{"Key": "a", "Value": "b"}]) == "InvalidVpcID.NotFound"
    # A key that is no account number is the default account's.
    assert api.client("sts", account="AKIAIOSFODNN7EXAMPLE").get_caller_identity()["Account"] == ACCOUNT
    identity = api.client("sts", account="000000000042").get_caller_identity()
    assert identity["Account"] == "000000000042" and ":000000000042:" in identity["Arn"]


def test_regions_and_zones_are_listed(api):
    ec2 = api.client(region="eu-west-1")
    regions = {region["RegionName"] for region in ec2.describe_regions()["Regions"]}
    assert {"us-east-1", "eu-west-1", "eu-central-1"} <= regions
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones][:2] == ["eu-west-1a", "eu-west-1b"] and all(zone["State"] == "available" for zone in zones)
    attributes = {a["AttributeName"] for a in ec2.describe_account_attributes()["AccountAttributes"]}
    assert {"supported-platforms", "default-vpc"} <= attributes


def test_dhcp_options_change_by_replacement(place):
    ec2 = place.ec2
    made = ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["example.com"]}])["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=place.vpc)
    assert ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["DhcpOptionsId"] == made
    assert error_code(ec2.delete_dhcp_options, DhcpOptionsId=made) == "DependencyViolation"
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=place.vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=made)
    assert error_code(ec2.describe_dhcp_options, DhcpOptionsIds=[made]) in ("InvalidDhcpOptionID.NotFound", "InvalidDhcpOptionsID.NotFound")


CALLS = (
    "describe_vpcs describe_subnets describe_route_tables describe_network_acls describe_security_groups describe_security_group_rules "
    "describe_internet_gateways describe_network_interfaces describe_addresses describe_instances describe_flow_logs describe_tags "
    "describe_dhcp_options describe_network_insights_paths describe_network_insights_analyses"
).split()


def everything(ec2):
    """All that an account has, without what differs from call to call."""
    found = {}
    for name in CALLS:
        answer = getattr(ec2, name)()
        answer.pop("ResponseMetadata")
        found[name] = answer
    return found


def test_what_was_acknowledged_is_there_after_kill_9_and_after_an_orderly_end(start):
    daemon = start("--datapath", "none")
    place = Place(daemon, daemon.client(account="121212121212"))
    group = place.make_group(TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "ü", "Value": "ß"}]}])
    place.ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=place.gateway)
    instance = place.make_instance(SecurityGroupIds=[group], UserData="#!/bin/sh\n")
    address = place.ec2.allocate_address()
    place.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
    daemon.client("s3").create_bucket(Bucket="lasting", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    place.ec2.create_flow_logs(ResourceIds=[place.vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3", LogDestination="arn:aws:s3:::lasting")
    path = place.ec2.create_network_insights_path(Source=instance, Destination=place.gateway, Protocol="tcp")["NetworkInsightsPath"]
    place.ec2.start_network_insights_analysis(NetworkInsightsPathId=path["NetworkInsightsPathId"])
    before = everything(place.ec2)
    elsewhere = everything(daemon.client(region="us-east-2"))
    for end in (daemon.kill, daemon.stop, daemon.kill):
        end()
        daemon.start()
        place.ec2 = daemon.client(account="121212121212")
        place.wait(instance, "running")
        assert everything(place.ec2) == before
        assert everything(daemon.client(region="us-east-2")) == elsewhere


def test_every_call_that_returned_before_kill_9_counts(start):
    daemon = start("--datapath", "none")
    for _ in range(5):
        ec2 = daemon.client()
        made = [ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(3)]
        daemon.kill()
        daemon.start()
        assert {vpc["VpcId"] for vpc in daemon.client().describe_vpcs(VpcIds=made)["Vpcs"]} == set(made)


def test_reset_empties_everything_where_it_is_allowed(start):
    daemon = start("--datapath", "none", "--allow-reset")
    Place(daemon, daemon.client(account="131313131313")).make_instance()
    daemon.client("s3").create_bucket(Bucket="gone", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for path in ("/_openvpc/reset", "/moto-api/reset"):
        assert raw(daemon, "", path=path)[0] == 200
        assert daemon.client("s3").list_buckets()["Buckets"] == []
        ec2 = daemon.client(account="131313131313")
        assert [vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [True]
        assert ec2.describe_instances()["Reservations"] == []


def test_times_are_those_of_now(place):
    instance = place.make_instance()
    launched = place.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["LaunchTime"]
    assert abs(launched - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5)
