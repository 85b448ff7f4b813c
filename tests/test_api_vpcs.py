"""VPCs and subnets through the API: what is made, what is refused."""

import pytest

from conftest import error_code

NO = "0" * 17


def test_a_vpc_comes_with_a_main_table_a_default_acl_and_a_default_group(ec2):
    made = ec2.create_vpc(CidrBlock="10.0.1.5/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}])["Vpc"]
    assert made["CidrBlock"] == "10.0.0.0/16", "host bits are cleared"
    ec2.get_waiter("vpc_available").wait(VpcIds=[made["VpcId"]])
    [vpc] = ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"]
    assert (vpc["State"], vpc["IsDefault"], vpc["InstanceTenancy"]) == ("available", False, "default")
    assert vpc["Tags"] == [{"Key": "a", "Value": "b"}]
    assert vpc["CidrBlockAssociationSet"][0]["CidrBlockState"] == {"State": "associated"}
    of_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    [table] = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    [association] = table["Associations"]
    assert association["Main"] and "SubnetId" not in association and association["AssociationState"] == {"State": "associated"}
    [route] = table["Routes"]
    assert route == {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    [acl] = ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"]
    numbers = sorted((entry["Egress"], entry["RuleNumber"], entry["RuleAction"]) for entry in acl["Entries"])
    assert acl["IsDefault"] and numbers == [(False, 100, "allow"), (False, 32767, "deny"), (True, 100, "allow"), (True, 32767, "deny")]
    [group] = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    assert group["GroupName"] == "default"
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    for call in (ec2.describe_route_tables, ec2.describe_network_acls, ec2.describe_security_groups):
        answer = call(Filters=of_vpc)
        answer.pop("ResponseMetadata")
        assert list(answer.values()) == [[]]


def test_attributes_of_a_vpc_change_one_at_a_time(place):
    ec2, vpc = place.ec2, place.vpc

    def value(name, key):
        return ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)[key]["Value"]

    assert (value("enableDnsSupport", "EnableDnsSupport"), value("enableDnsHostnames", "EnableDnsHostnames")) == (True, False)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert value("enableDnsHostnames", "EnableDnsHostnames")
    assert value("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics") is False
    both = {"EnableDnsHostnames": {"Value": True}, "EnableDnsSupport": {"Value": True}}
    assert error_code(ec2.modify_vpc_attribute, VpcId=vpc, **both) == "InvalidParameterCombination"


def test_secondary_blocks_come_and_go_with_their_local_route(place):
    ec2, vpc = place.ec2, place.vpc
    added = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="100.64.0.0/16")
    assert added["CidrBlockAssociation"]["CidrBlockState"]["State"] in ("associating", "associated")

    def routes():
        return {route.get("DestinationCidrBlock") for route in ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]}

    assert "100.64.0.0/16" in routes()
    subnet = place.make_subnet("100.64.1.0/24")
    association = added["CidrBlockAssociation"]["AssociationId"]
    assert error_code(ec2.disassociate_vpc_cidr_block, AssociationId=association) in ("DependencyViolation", "InvalidCidrBlock.InUse")
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=association)
    assert "100.64.0.0/16" not in routes()


VPC_ERRORS = {
    "a block that is too large": (lambda p: (p.ec2.create_vpc, {"CidrBlock": "10.0.0.0/15"}), "InvalidVpc.Range"),
    "a block that is too small": (lambda p: (p.ec2.create_vpc, {"CidrBlock": "10.0.0.0/29"}), "InvalidVpc.Range"),
    "a block that is none": (lambda p: (p.ec2.create_vpc, {"CidrBlock": "10.0.0.300/16"}), "InvalidParameterValue"),
    "no block": (lambda p: (p.ec2.create_vpc, {}), "MissingParameter"),
    "an unknown id": (lambda p: (p.ec2.describe_vpcs, {"VpcIds": [f"vpc-{NO}"]}), "InvalidVpcID.NotFound"),
    "a malformed id": (lambda p: (p.ec2.describe_vpcs, {"VpcIds": ["vpc-xyz!"]}), "InvalidVpcID.Malformed"),
    "an id of another kind": (lambda p: (p.ec2.delete_vpc, {"VpcId": p.subnet}), "InvalidVpcID.Malformed"),
    "delete with a gateway and subnets": (lambda p: (p.ec2.delete_vpc, {"VpcId": p.vpc}), "DependencyViolation"),
    "a restricted secondary block": (lambda p: (p.ec2.associate_vpc_cidr_block, {"VpcId": p.vpc, "CidrBlock": "192.168.0.0/16"}), "InvalidVpc.Range"),
    "the own block again": (lambda p: (p.ec2.associate_vpc_cidr_block, {"VpcId": p.vpc, "CidrBlock": "10.0.0.0/16"}), "CidrConflict"),
    "link-local": (lambda p: (p.ec2.associate_vpc_cidr_block, {"VpcId": p.vpc, "CidrBlock": "169.254.0.0/16"}), "InvalidVpc.Range"),
    "disassociate the primary block": (
        lambda p: (p.ec2.disassociate_vpc_cidr_block, {
            "AssociationId": p.ec2.describe_vpcs(VpcIds=[p.vpc])["Vpcs"][0]["CidrBlockAssociationSet"][0]["AssociationId"]}), "OperationNotPermitted"),
    "disassociate an unknown block": (
        lambda p: (p.ec2.disassociate_vpc_cidr_block, {"AssociationId": f"vpc-cidr-assoc-{NO}"}), "InvalidVpcCidrBlockAssociationID.NotFound"),
    "a second default VPC": (lambda p: (p.ec2.create_default_vpc, {}), "DefaultVpcAlreadyExists"),
    "hostnames without support": (lambda p: (without_support(p), {"VpcId": p.vpc, "EnableDnsHostnames": {"Value": True}}), "InvalidParameter*"),
    # Subnets.
    "an overlapping subnet": (lambda p: (p.ec2.create_subnet, {"VpcId": p.vpc, "CidrBlock": "10.0.1.128/25"}), "InvalidSubnet.Conflict"),
    "a subnet outside the VPC": (lambda p: (p.ec2.create_subnet, {"VpcId": p.vpc, "CidrBlock": "10.1.0.0/24"}), "InvalidSubnet.Range"),
    "a subnet that is too small": (lambda p: (p.ec2.create_subnet, {"VpcId": p.vpc, "CidrBlock": "10.0.2.0/29"}), "InvalidSubnet.Range"),
    "a subnet of an unknown VPC": (lambda p: (p.ec2.create_subnet, {"VpcId": f"vpc-{NO}", "CidrBlock": "10.0.2.0/24"}), "InvalidVpcID.NotFound"),
    "a subnet in an unknown zone": (
        lambda p: (p.ec2.create_subnet, {"VpcId": p.vpc, "CidrBlock": "10.0.2.0/24", "AvailabilityZone": "eu-central-1z"}), "InvalidParameterValue"),
    "an unknown subnet": (lambda p: (p.ec2.delete_subnet, {"SubnetId": f"subnet-{NO}"}), "InvalidSubnetID.NotFound"),
    "a malformed subnet": (lambda p: (p.ec2.describe_subnets, {"SubnetIds": ["subnet-?"]}), "InvalidSubnetID.Malformed"),
    "delete a subnet with an interface": (lambda p: (p.make_eni() and p.ec2.delete_subnet, {"SubnetId": p.subnet}), "DependencyViolation"),
    "two attributes at once": (
        lambda p: (p.ec2.modify_subnet_attribute, {
            "SubnetId": p.subnet, "MapPublicIpOnLaunch": {"Value": True}, "AssignIpv6AddressOnCreation": {"Value": True}}), "InvalidParameterCombination"),
    "a second default subnet": (lambda p: (p.ec2.create_default_subnet, {"AvailabilityZone": "eu-central-1a"}), "DefaultSubnetAlreadyExistsInAvailabilityZone"),
    "a full subnet": (lambda p: (p.ec2.run_instances, {
        "ImageId": "ami-00000000", "MinCount": 12, "MaxCount": 12, "SubnetId": p.make_subnet("10.0.9.0/28")}), "InsufficientFreeAddressesInSubnet"),
}


def without_support(place):
    place.ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": False})
    place.ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsSupport={"Value": False})
    return place.ec2.modify_vpc_attribute


@pytest.mark.parametrize("case", VPC_ERRORS)
def test_what_is_wrong_is_refused_with_the_code_of_aws(place, case):
    build, code = VPC_ERRORS[case]
    call, parameters = build(place)
    found = error_code(call, **parameters)
    assert found.startswith(code[:-1]) if code.endswith("*") else found == code


def test_the_sixth_block_is_too_many(place):
    for number in range(4):
        place.ec2.associate_vpc_cidr_block(VpcId=place.vpc, CidrBlock=f"100.{64 + number}.0.0/16")
    assert error_code(place.ec2.associate_vpc_cidr_block, VpcId=place.vpc, CidrBlock="100.70.0.0/16") == "CidrLimitExceeded"


@pytest.mark.parametrize(("block", "count"), [("10.0.2.0/28", 11), ("10.0.2.0/24", 251), ("10.0.4.0/22", 1019)])
def test_five_addresses_of_a_subnet_are_reserved(place, block, count):
    subnet = place.make_subnet(block)
    place.ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet])

    def free():
        return place.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]

    assert free() == count
    place.make_eni(SubnetId=subnet)
    assert free() == count - 1


def test_subnets_get_their_attributes(place):
    ec2 = place.ec2
    ec2.modify_subnet_attribute(SubnetId=place.subnet, MapPublicIpOnLaunch={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=place.subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
    [subnet] = ec2.describe_subnets(SubnetIds=[place.subnet])["Subnets"]
    assert subnet["MapPublicIpOnLaunch"] and not subnet["DefaultForAz"] and not subnet["AssignIpv6AddressOnCreation"]
    assert subnet["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "resource-name"
    block = ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    done = ec2.associate_subnet_cidr_block(SubnetId=place.subnet, Ipv6CidrBlock=block.replace("/56", "/64"))
    association = done["Ipv6CidrBlockAssociation"]["AssociationId"]
    ec2.modify_subnet_attribute(SubnetId=place.subnet, AssignIpv6AddressOnCreation={"Value": True})
    eni = ec2.describe_network_interfaces(NetworkInterfaceIds=[place.make_eni()])["NetworkInterfaces"][0]
    assert len(eni["Ipv6Addresses"]) == 1
    ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
    ec2.modify_subnet_attribute(SubnetId=place.subnet, AssignIpv6AddressOnCreation={"Value": False})
    ec2.disassociate_subnet_cidr_block(AssociationId=association)


def test_every_region_has_a_default_vpc_from_the_start(api):
    for region in ("us-east-1", "mars-north-1"):
        ec2 = api.client(region=region, account="888888888888")
        [vpc] = ec2.describe_vpcs()["Vpcs"]
        assert (vpc["IsDefault"], vpc["CidrBlock"]) == (True, "172.31.0.0/16")
        subnets = ec2.describe_subnets()["Subnets"]
        zones = ec2.describe_availability_zones()["AvailabilityZones"]
        assert {subnet["AvailabilityZone"] for subnet in subnets} == {zone["ZoneName"] for zone in zones}
        assert all(subnet["DefaultForAz"] and subnet["MapPublicIpOnLaunch"] and subnet["CidrBlock"].endswith("/20") for subnet in subnets)
        [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
        assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
        [table] = ec2.describe_route_tables()["RouteTables"]
        assert any(route.get("GatewayId") == gateway["InternetGatewayId"] for route in table["Routes"])


def test_the_default_vpc_can_be_deleted_and_made_again(api):
    ec2 = api.client(region="ca-central-1", account="888888888889")
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert error_code(ec2.run_instances, ImageId="ami-00000000", MinCount=1, MaxCount=1) in ("VPCIdNotSpecified", "DefaultVpcDoesNotExist")
    made = ec2.create_default_vpc()["Vpc"]
    assert made["IsDefault"] and len(ec2.describe_subnets()["Subnets"]) > 1
