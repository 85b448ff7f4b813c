"""Flow logs through the API: what is made, what is refused. What is in them is tested in test_flow_logs.py."""

import itertools

import pytest

from conftest import REGION, error_code

NO = "0" * 17
BUCKETS = itertools.count(1)


@pytest.fixture
def bucket(api, ec2):
    name = f"api-flow-logs-{next(BUCKETS)}"
    api.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def wanted(place, bucket, **options):
    known = {
        "ResourceIds": [place.vpc], "ResourceType": "VPC", "TrafficType": "ALL", "LogDestinationType": "s3",
        "LogDestination": f"arn:aws:s3:::{bucket}",
    }
    return {name: value for name, value in {**known, **options}.items() if value is not None}


def test_a_flow_log_lives_from_create_to_delete(place, bucket):
    ec2 = place.ec2
    tags = [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "Name", "Value": "all of it"}]}]
    made = ec2.create_flow_logs(**wanted(place, bucket, TagSpecifications=tags, MaxAggregationInterval=60))
    [flow_log] = made["FlowLogIds"]
    assert made["Unsuccessful"] == [] and flow_log.startswith("fl-")
    [found] = ec2.describe_flow_logs(Filters=[{"Name": "tag:Name", "Values": ["all*"]}])["FlowLogs"]
    known = {
        "FlowLogId": flow_log, "FlowLogStatus": "ACTIVE", "ResourceId": place.vpc, "TrafficType": "ALL", "LogDestinationType": "s3",
        "LogDestination": f"arn:aws:s3:::{bucket}", "MaxAggregationInterval": 60, "DeliverLogsStatus": "SUCCESS",
        "LogFormat": "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
        "${bytes} ${start} ${end} ${action} ${log-status}",
    }
    assert {name: found[name] for name in known} == known
    for name, value in (("resource-id", place.vpc), ("traffic-type", "ALL"), ("flow-log-id", flow_log), ("log-destination-type", "s3")):
        assert len(ec2.describe_flow_logs(Filters=[{"Name": name, "Values": [value]}])["FlowLogs"]) == 1
    assert ec2.delete_flow_logs(FlowLogIds=[flow_log])["Unsuccessful"] == []
    assert ec2.describe_flow_logs()["FlowLogs"] == []


def test_one_call_makes_a_flow_log_for_each_resource(place, bucket):
    subnets = [place.subnet, place.make_subnet("10.0.2.0/24")]
    made = place.ec2.create_flow_logs(**wanted(place, bucket, ResourceIds=subnets, ResourceType="Subnet"))
    assert len(made["FlowLogIds"]) == 2
    found = place.ec2.describe_flow_logs(FlowLogIds=made["FlowLogIds"])["FlowLogs"]
    assert {flow_log["ResourceId"] for flow_log in found} == set(subnets)


def test_a_bucket_that_does_not_exist_is_unsuccessful_and_no_error(place):
    made = place.ec2.create_flow_logs(**wanted(place, "no-such-bucket-anywhere"))
    assert made["FlowLogIds"] == []
    [failure] = made["Unsuccessful"]
    assert failure["ResourceId"] == place.vpc
    assert failure["Error"]["Message"] == "LogDestination: no-such-bucket-anywhere does not exist."


def made_twice(p, bucket):
    p.ec2.create_flow_logs(**wanted(p, bucket))
    return wanted(p, bucket)


CREATE_ERRORS = {
    "the same again": (made_twice, "FlowLogAlreadyExists"),
    "no destination": (lambda p, b: wanted(p, b, LogDestination=None), "InvalidParameter"),
    "an odd interval": (lambda p, b: wanted(p, b, MaxAggregationInterval=61), "InvalidParameter"),
    "a format with a space at its end": (lambda p, b: wanted(p, b, LogFormat="${srcaddr} "), "InvalidParameter*"),
    "a format of unknown fields": (lambda p, b: wanted(p, b, LogFormat="${favourite-colour}"), "InvalidParameter*"),
    "a format that the shell ate": (lambda p, b: wanted(p, b, LogFormat="  "), "InvalidParameter*"),
    "no traffic type": (lambda p, b: wanted(p, b, TrafficType=None), "*"),
    "an unknown traffic type": (lambda p, b: wanted(p, b, TrafficType="SOME"), "InvalidParameter*"),
    "an unknown resource": (lambda p, b: wanted(p, b, ResourceIds=[f"vpc-{NO}"]), "InvalidVpcID.NotFound"),
    "a role for a bucket": (lambda p, b: wanted(p, b, DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/x"), "InvalidParameter*"),
    "a log group and a bucket": (lambda p, b: wanted(p, b, LogGroupName="x"), "InvalidParameter"),
    "the folder AWSLogs": (lambda p, b: wanted(p, b, LogDestination=f"arn:aws:s3:::{b}/AWSLogs/"), "InvalidParameter*"),
}


@pytest.mark.parametrize("case", CREATE_ERRORS)
def test_what_is_wrong_is_refused_with_the_code_of_aws(place, bucket, case):
    build, code = CREATE_ERRORS[case]
    found = error_code(place.ec2.create_flow_logs, **build(place, bucket))
    assert found.startswith(code[:-1]) if code.endswith("*") else found == code


def test_flow_logs_that_are_not_there_are_named(place):
    assert error_code(place.ec2.describe_flow_logs, FlowLogIds=[f"fl-{NO}"]) == "InvalidFlowLogId.NotFound"
    assert error_code(place.ec2.describe_flow_logs, FlowLogIds=["fl"]).startswith("InvalidFlowLogId")


def test_a_flow_log_goes_with_its_vpc(place, bucket):
    vpc = place.ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    place.ec2.create_flow_logs(**wanted(place, bucket, ResourceIds=[vpc]))
    place.ec2.delete_vpc(VpcId=vpc)
    found = place.ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    # AWS keeps the subscription of what is gone; either way it can be removed.
    for flow_log in found:
        assert place.ec2.delete_flow_logs(FlowLogIds=[flow_log["FlowLogId"]])["Unsuccessful"] == []
