"""Requests at random, valid in form and wild in content: each gets an answer, and none a failure of openvpc itself."""

import os
import random
import re
import time
from urllib.parse import urlencode

import botocore.session

from conftest import Daemon
from test_api_common import raw

SEED = os.environ.get("OPENVPC_TEST_SEED", "first light")
SECONDS = int(os.environ.get("OPENVPC_TEST_FUZZ_SECONDS", "6"))
TEXTS = [
    "", " ", "0", "-1", "x", "true", "10.0.0.0/16", "10.0.1.5", "999.1.1.1/40", "tcp", "65536", "default", "local", "ami-1", "eu-central-1a", "*", "?",
    "tag:x", "${srcaddr}", "arn:aws:s3:::bucket/x", "ü" * 300, "a" * 5000, "\0", "vpc-00000000000000000", "sg-ffffffffffffffffff", "i-1234abcd", "ALL",
]
NUMBERS = [-(2**63), -1, 0, 1, 2, 5, 22, 100, 200, 32766, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**63]
BLOCKS = ["10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/28", "10.1.0.0/16", "100.64.0.0/16", "0.0.0.0/0", "192.0.2.0/24", "10.0.0.0/15"]
# What a value is most of the time, by a word of its parameter's name.
SENSE = {
    "ipv6cidrblock": ["::/0", "2001:db8::/64"], "cidr": BLOCKS, "protocol": ["tcp", "udp", "icmp", "-1", "6", "58"], "port": [-1, 0, 22, 80, 443, 65535],
    "rulenumber": [1, 100, 101, 200, 32767], "ruleaction": ["allow", "deny"], "groupname": ["a", "b", "c", "default"], "description": ["x"],
    "privateipaddress": ["10.0.0.10", "10.0.1.10", "10.0.1.2"], "count": [0, 1, 2], "deviceindex": [0, 1, 2], "imageid": ["ami-1"], "zone": ["eu-central-1a", "eu-central-1b"],
    "trafficType": ["ALL"], "resourcetype": ["VPC", "Subnet", "NetworkInterface", "vpc", "subnet"], "logdestinationtype": ["s3"], "logdestination": ["arn:aws:s3:::fuzz", "arn:aws:s3:::none"],
}
IDS = {
    "vpcid": "vpc-", "subnetid": "subnet-", "groupid": "sg-", "securitygroupruleid": "sgr-", "instanceid": "i-", "networkinterfaceid": "eni-", "routetableid": "rtb-",
    "gatewayid": "igw-", "networkaclid": "acl-", "allocationid": "eipalloc-", "attachmentid": "eni-attach-", "dhcpoptionsid": "dopt-", "flowlogid": "fl-",
    "pathid": "nip-", "analysisid": "nia-",
}
# What a request of that name has, besides what is drawn.
USUAL = {
    "CreateVpc": "CidrBlock", "CreateSubnet": "VpcId CidrBlock", "AssociateVpcCidrBlock": "VpcId CidrBlock", "CreateRoute": "RouteTableId DestinationCidrBlock GatewayId",
    "ReplaceRoute": "RouteTableId DestinationCidrBlock NetworkInterfaceId", "DeleteRoute": "RouteTableId DestinationCidrBlock", "AttachInternetGateway": "VpcId InternetGatewayId",
    "CreateSecurityGroup": "GroupName GroupDescription VpcId", "CreateNetworkInterface": "SubnetId", "RunInstances": "ImageId MinCount MaxCount SubnetId",
    "AuthorizeSecurityGroupIngress": "GroupId IpProtocol FromPort ToPort CidrIp", "AuthorizeSecurityGroupEgress": "GroupId IpPermissions.1.IpProtocol IpPermissions.1.IpRanges.1.CidrIp",
    "RevokeSecurityGroupIngress": "GroupId IpProtocol FromPort ToPort CidrIp", "RevokeSecurityGroupEgress": "GroupId SecurityGroupRuleId.1",
    "CreateNetworkAclEntry": "NetworkAclId RuleNumber Protocol RuleAction Egress CidrBlock", "DeleteNetworkAclEntry": "NetworkAclId RuleNumber Egress",
    "AssociateAddress": "AllocationId NetworkInterfaceId", "AttachNetworkInterface": "NetworkInterfaceId InstanceId DeviceIndex", "AssociateRouteTable": "RouteTableId SubnetId",
    "ModifyNetworkInterfaceAttribute": "NetworkInterfaceId SecurityGroupId.1", "AssignPrivateIpAddresses": "NetworkInterfaceId SecondaryPrivateIpAddressCount",
    "StartInstances": "InstanceId.1", "StopInstances": "InstanceId.1", "TerminateInstances": "InstanceId.1", "ModifyInstanceAttribute": "InstanceId GroupId.1",
    "CreateFlowLogs": "ResourceId.1 ResourceType TrafficType LogDestinationType LogDestination", "CreateNetworkInsightsPath": "Source.InstanceId Destination.InstanceId Protocol",
    "StartNetworkInsightsAnalysis": "NetworkInsightsPathId", "DeleteVpc": "VpcId", "DeleteSubnet": "SubnetId", "DetachNetworkInterface": "AttachmentId",
    "CreateTags": "ResourceId.1 Tag.1.Key Tag.1.Value", "ModifySubnetAttribute": "SubnetId MapPublicIpOnLaunch.Value",
}


class Fuzzer:
    """Draws requests from the service's own model, as the SDKs know it."""

    def __init__(self, daemon):
        self.daemon, self.choose, self.ids = daemon, random.Random(SEED), {}
        self.model = botocore.session.get_session().get_service_model("ec2")
        self.served = [name for name in self.model.operation_names if self.is_served(name)]
        self.makers = [name for name in self.served if name in USUAL]

    def is_served(self, name):
        return "InvalidAction" not in raw(self.daemon, f"Action={name}&Version=2016-11-15&DryRun=true")[1]

    def value(self, name, shape=None):
        last = "".join(part for part in name.lower().split(".")[-2:] if not part.isdigit())
        if self.choose.random() < 0.9:
            if last.endswith("resourceid") and self.ids:
                return self.choose.choice(self.choose.choice(list(self.ids.values())))
            for word, start in IDS.items():
                if last.endswith(word) and self.ids.get(start):
                    return self.choose.choice(self.ids[start])
            for word, values in SENSE.items():
                if word in last:
                    return self.choose.choice(values)
        kind = shape.type_name if shape else "string"
        if kind in ("integer", "long", "double", "float"):
            return self.choose.choice(NUMBERS)
        if kind == "boolean" or last.endswith(("egress", "value")):
            return self.choose.choice(["true", "false", "true", "false", "maybe"])
        if shape and getattr(shape, "enum", None) and self.choose.random() < 0.8:
            return self.choose.choice(shape.enum)
        return self.choose.choice(TEXTS)

    def fill(self, shape, prefix, into, chance, depth=0):
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                if name in ("DryRun", "ClientToken") or depth > 3:
                    continue
                if self.choose.random() < (0.9 if name in shape.required_members else chance):
                    word = member.serialization.get("name", name)
                    word = member.serialization.get("queryName") or word[:1].upper() + word[1:]
                    self.fill(member, f"{prefix}.{word}" if prefix else word, into, chance, depth + 1)
        elif shape.type_name == "list":
            for index in range(self.choose.choice((1, 1, 1, 2, 3))):
                self.fill(shape.member, f"{prefix}.{index + 1}", into, chance, depth + 1)
        else:
            into[prefix] = self.value(prefix, shape)

    def request(self):
        name = self.choose.choice(self.makers if self.choose.random() < 0.6 else self.served)
        # What is there is deleted less often than it is made.
        if name.startswith(("Delete", "Terminate", "Detach", "Disassociate", "Release")) and self.choose.random() < 0.6:
            name = self.choose.choice(self.makers)
        parameters = {}
        self.fill(self.model.operation_model(name).input_shape, "", parameters, self.choose.choice((0, 0, 0.05, 0.4)))
        for word in USUAL.get(name, "").split():
            if self.choose.random() < 0.97:
                value = self.value(word.replace("Source.", "").replace("Destination.", ""))
                parameters[word.removesuffix(".InstanceId") if "." in word and word.endswith(".InstanceId") else word] = value
        return name, parameters

    def learn(self, text):
        for found in set(re.findall(r">((?:[a-z]+-)+[0-9a-f]{17})<", text)):
            known = self.ids.setdefault(found[:-17], [])
            if found not in known:
                known.append(found)
                del known[:-12]


def encoded(name, parameters):
    return urlencode({"Action": name, "Version": "2016-11-15", **parameters})


def test_no_request_makes_openvpc_itself_fail(tmp_path):
    daemon = Daemon(tmp_path / "data", "--datapath", "none").start()
    try:
        daemon.client("s3").create_bucket(Bucket="fuzz", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        fuzzer = Fuzzer(daemon)
        assert len(fuzzer.served) > 90
        good, end = set(), time.monotonic() + SECONDS
        while time.monotonic() < end:
            name, parameters = fuzzer.request()
            body = encoded(name, parameters)
            status, text = raw(daemon, body)
            assert status in (200, 400, 403, 412), f"seed {SEED!r}: {status} {text}\n{body}"
            fuzzer.learn(text)
            if status == 200:
                good.add(name)
        assert len(good) > 40, "most requests are wrong, but not all"
        # And what came of it is a state that a daemon starts with.
        before = daemon.client().describe_vpcs()["Vpcs"]
        daemon.kill()
        daemon.start()
        assert daemon.client().describe_vpcs()["Vpcs"] == before
        assert not any("panic" in line for line in daemon.errors), daemon.errors
    finally:
        daemon.stop()
