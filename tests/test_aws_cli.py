"""A whole VPC with the aws CLI, as its tutorials type it."""

import json
import os
import subprocess

from conftest import AWS, BINARY, ROOT


def test_a_vpc_from_create_to_delete(world):
    def ec2(*arguments):
        return world.aws("ec2", *arguments, region="ap-southeast-2")

    def text(*arguments):
        return world.aws_text("ec2", *arguments, "--output", "text", region="ap-southeast-2").strip()

    vpc = text("create-vpc", "--cidr-block", "10.0.0.0/16", "--amazon-provided-ipv6-cidr-block", "--query", "Vpc.VpcId",
               "--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=the tutorial}]")
    ec2("wait", "vpc-available", "--vpc-ids", vpc)
    ec2("modify-vpc-attribute", "--vpc-id", vpc, "--enable-dns-hostnames", '{"Value":true}')
    [found] = ec2("describe-vpcs", "--filters", "Name=tag:Name,Values=the tutorial")["Vpcs"]
    assert found["VpcId"] == vpc and found["State"] == "available"
    block6 = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]

    subnet = text("create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--ipv6-cidr-block", block6.replace("/56", "/64"),
                  "--availability-zone", "ap-southeast-2a", "--query", "Subnet.SubnetId")
    ec2("wait", "subnet-available", "--subnet-ids", subnet)
    ec2("modify-subnet-attribute", "--subnet-id", subnet, "--map-public-ip-on-launch")
    ec2("modify-subnet-attribute", "--subnet-id", subnet, "--assign-ipv6-address-on-creation")

    gateway = text("create-internet-gateway", "--query", "InternetGateway.InternetGatewayId")
    ec2("attach-internet-gateway", "--vpc-id", vpc, "--internet-gateway-id", gateway)
    table = text("create-route-table", "--vpc-id", vpc, "--query", "RouteTable.RouteTableId")
    assert ec2("create-route", "--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0", "--gateway-id", gateway)["Return"]
    assert ec2("create-route", "--route-table-id", table, "--destination-ipv6-cidr-block", "::/0", "--gateway-id", gateway)["Return"]
    association = text("associate-route-table", "--subnet-id", subnet, "--route-table-id", table, "--query", "AssociationId")

    group = text("create-security-group", "--group-name", "SSHAccess", "--description", "Security group for SSH access",
                 "--vpc-id", vpc, "--query", "GroupId")
    ec2("authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
    ec2("authorize-security-group-ingress", "--group-id", group, "--protocol", "icmp", "--port", "-1", "--cidr", "0.0.0.0/0")
    rules = ec2("describe-security-groups", "--group-ids", group)["SecurityGroups"][0]["IpPermissions"]
    assert {(rule["IpProtocol"], rule["FromPort"]) for rule in rules} == {("tcp", 22), ("icmp", -1)}

    instance = text("run-instances", "--image-id", "ami-a4827dc9", "--count", "1", "--instance-type", "t2.micro",
                    "--security-group-ids", group, "--subnet-id", subnet, "--user-data", "#!/bin/sh\necho hello from user data",
                    "--query", "Instances[0].InstanceId")
    ec2("wait", "instance-running", "--instance-ids", instance)
    [shown] = ec2("describe-instances", "--instance-ids", instance)["Reservations"][0]["Instances"]
    assert shown["PublicIpAddress"].startswith("203.0.113.") and shown["SubnetId"] == subnet
    done = world.exec("internet", "ping", "-c1", "-W3", shown["PublicIpAddress"])
    assert done.returncode == 0, done.stdout
    assert "hello" in world.aws_text("ec2", "get-console-output", "--instance-id", instance, "--output", "text", region="ap-southeast-2")

    address = ec2("allocate-address", "--domain", "vpc")
    ec2("associate-address", "--instance-id", instance, "--allocation-id", address["AllocationId"])
    assert world.exec("internet", "ping", "-c1", "-W3", address["PublicIp"]).returncode == 0
    assert world.exec("internet", "ping", "-c1", "-W0.3", shown["PublicIpAddress"]).returncode != 0

    ec2("terminate-instances", "--instance-ids", instance)
    ec2("wait", "instance-terminated", "--instance-ids", instance)
    ec2("release-address", "--allocation-id", address["AllocationId"])
    ec2("delete-security-group", "--group-id", group)
    ec2("disassociate-route-table", "--association-id", association)
    ec2("delete-route-table", "--route-table-id", table)
    ec2("delete-subnet", "--subnet-id", subnet)
    ec2("detach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", vpc)
    ec2("delete-internet-gateway", "--internet-gateway-id", gateway)
    ec2("delete-vpc", "--vpc-id", vpc)
    assert [found["IsDefault"] for found in ec2("describe-vpcs")["Vpcs"]] == [True]


def test_the_environment_that_env_prints_is_all_the_aws_cli_needs(world):
    script = f'eval "$("{BINARY}" env --endpoint {world.endpoint} --region sa-east-1 --account 700000000001)" && "{AWS}" sts get-caller-identity && "{AWS}" ec2 describe-availability-zones'
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=60, cwd=ROOT, env={**clean, "AWS_PAGER": "", "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    identity, end = json.JSONDecoder().raw_decode(done.stdout)
    zones = json.loads(done.stdout[end:])["AvailabilityZones"]
    assert identity["Account"] == "700000000001" and identity["Arn"].startswith("arn:aws:")
    assert {zone["RegionName"] for zone in zones} == {"sa-east-1"}


def test_an_error_reads_as_aws_words_it(world):
    environment = {**os.environ, "AWS_ENDPOINT_URL": world.endpoint, "AWS_ACCESS_KEY_ID": "700000000002", "AWS_SECRET_ACCESS_KEY": "x",
                   "AWS_DEFAULT_REGION": "eu-central-1"}
    wrong = ["ec2", "delete-vpc", "--vpc-id", "vpc-00000000000000000"]
    done = subprocess.run([AWS, *wrong], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode in (254, 255), "as the aws CLI's versions 2 and 1 say it"
    message = "An error occurred (InvalidVpcID.NotFound) when calling the DeleteVpc operation: The vpc ID 'vpc-00000000000000000' does not exist"
    assert message in done.stderr


def test_buckets_by_the_high_level_s3_commands(world, tmp_path):
    s3 = world.aws_text
    (tmp_path / "file").write_bytes(bytes(range(256)) * 40_000)
    s3("s3", "mb", "s3://made-by-hand")
    s3("s3", "cp", str(tmp_path / "file"), "s3://made-by-hand/folder/a file")
    assert "10240000 a file" in s3("s3", "ls", "s3://made-by-hand/folder/")
    s3("s3", "cp", "s3://made-by-hand/folder/a file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "leaf").write_text("leaf")
    s3("s3", "sync", str(tmp_path / "tree"), "s3://made-by-hand/tree")
    assert s3("s3", "cp", "s3://made-by-hand/tree/deep/leaf", "-") == "leaf"
    s3("s3", "rb", "--force", "s3://made-by-hand")
    assert "made-by-hand" not in s3("s3", "ls")
