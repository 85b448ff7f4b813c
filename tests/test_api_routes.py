"""Route tables and internet gateways through the API."""

import pytest

from conftest import error_code

NO = "0" * 17


def routes(place, table=None):
    found = place.ec2.describe_route_tables(RouteTableIds=[table or place.table])["RouteTables"][0]["Routes"]
    return {route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"]: route for route in found}


def associations(place, table):
    found = place.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Associations"]
    return {association.get("SubnetId", "main"): association["RouteTableAssociationId"] for association in found}


@pytest.fixture
def own(place):
    """A second table of the VPC."""
    return place.ec2.create_route_table(VpcId=place.vpc)["RouteTable"]["RouteTableId"]


def test_a_table_lives_from_create_to_delete(place, own):
    ec2 = place.ec2
    assert ec2.create_route(RouteTableId=own, DestinationCidrBlock="0.0.0.0/0", GatewayId=place.gateway)["Return"]
    assert ec2.create_route(RouteTableId=own, DestinationIpv6CidrBlock="::/0", GatewayId=place.gateway)["Return"]
    ec2.create_route(RouteTableId=own, DestinationCidrBlock="192.0.2.77/24", GatewayId=place.gateway)
    known = {"DestinationCidrBlock": "192.0.2.0/24", "GatewayId": place.gateway, "Origin": "CreateRoute", "State": "active"}
    assert routes(place, own)["192.0.2.0/24"] == known, "host bits are cleared"
    assert len([destination for destination in routes(place, own) if ":" in destination]) == 2
    eni = place.make_eni()
    ec2.replace_route(RouteTableId=own, DestinationCidrBlock="192.0.2.0/24", NetworkInterfaceId=eni)
    assert routes(place, own)["192.0.2.0/24"]["State"] == "blackhole", "nothing has that interface"
    ec2.delete_route(RouteTableId=own, DestinationCidrBlock="192.0.2.0/24")
    association = ec2.associate_route_table(RouteTableId=own, SubnetId=place.subnet)
    assert association["AssociationState"]["State"] == "associated"
    assert error_code(ec2.delete_route_table, RouteTableId=own) == "DependencyViolation"
    moved = ec2.replace_route_table_association(AssociationId=association["AssociationId"], RouteTableId=place.table)
    assert associations(place, place.table)[place.subnet] == moved["NewAssociationId"] != association["AssociationId"]
    ec2.disassociate_route_table(AssociationId=moved["NewAssociationId"])
    assert place.subnet not in associations(place, place.table)
    ec2.delete_route_table(RouteTableId=own)
    assert error_code(ec2.describe_route_tables, RouteTableIds=[own]) == "InvalidRouteTableID.NotFound"


def test_the_main_table_is_changed_by_its_association(place, own):
    old = associations(place, place.table)["main"]
    place.ec2.replace_route_table_association(AssociationId=old, RouteTableId=own)
    assert "main" in associations(place, own) and "main" not in associations(place, place.table)
    place.ec2.delete_route_table(RouteTableId=place.table)
    assert error_code(place.ec2.delete_route_table, RouteTableId=own) == "DependencyViolation"


def test_a_route_to_a_stopped_instance_and_a_detached_gateway_is_a_blackhole(place):
    ec2 = place.ec2
    instance = place.make_instance()
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="192.0.2.0/24", InstanceId=instance)
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=place.gateway)
    found = routes(place)["192.0.2.0/24"]
    assert (found["State"], found["InstanceId"], found["InstanceOwnerId"]) == ("active", instance, ec2_account(place))
    ec2.stop_instances(InstanceIds=[instance])
    place.wait(instance, "stopped")
    ec2.detach_internet_gateway(InternetGatewayId=place.gateway, VpcId=place.vpc)
    assert {routes(place)[destination]["State"] for destination in ("192.0.2.0/24", "0.0.0.0/0")} == {"blackhole"}
    ec2.attach_internet_gateway(InternetGatewayId=place.gateway, VpcId=place.vpc)
    ec2.start_instances(InstanceIds=[instance])
    place.wait(instance, "running")
    assert {routes(place)[destination]["State"] for destination in ("192.0.2.0/24", "0.0.0.0/0")} == {"active"}


def ec2_account(place):
    return place.ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["OwnerId"]


def test_only_whole_subnets_are_more_specific_than_local(place, own):
    eni = place.make_eni()
    place.ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="10.0.1.0/24", NetworkInterfaceId=eni)
    half = {"RouteTableId": place.table, "DestinationCidrBlock": "10.0.1.0/25", "NetworkInterfaceId": eni}
    assert error_code(place.ec2.create_route, **half) == "InvalidParameterValue"
    to_gateway = {"RouteTableId": own, "DestinationCidrBlock": "10.0.1.0/24", "GatewayId": place.gateway}
    assert error_code(place.ec2.create_route, **to_gateway) == "InvalidParameterValue"


def test_a_local_route_can_be_bent_and_restored(place):
    eni = place.make_eni()
    place.ec2.replace_route(RouteTableId=place.table, DestinationCidrBlock="10.0.0.0/16", NetworkInterfaceId=eni)
    assert routes(place)["10.0.0.0/16"]["NetworkInterfaceId"] == eni
    place.ec2.replace_route(RouteTableId=place.table, DestinationCidrBlock="10.0.0.0/16", LocalTarget=True)
    assert routes(place)["10.0.0.0/16"]["GatewayId"] == "local"


def default_route(p, **target):
    return {"RouteTableId": p.table, "DestinationCidrBlock": "0.0.0.0/0", **target}


def twice(p):
    p.ec2.create_route(**default_route(p, GatewayId=p.gateway))
    return p.ec2.create_route


def with_two_interfaces(p):
    instance = p.make_instance()
    p.ec2.attach_network_interface(NetworkInterfaceId=p.make_eni(), InstanceId=instance, DeviceIndex=1)
    return instance


def detached(p):
    p.ec2.detach_internet_gateway(InternetGatewayId=p.gateway, VpcId=p.vpc)
    return p.ec2.detach_internet_gateway


def other_vpc(p):
    return p.ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]


ERRORS = {
    "the same destination twice": (lambda p: (twice(p), default_route(p, GatewayId=p.gateway)), "RouteAlreadyExists"),
    "a reserved address": (
        lambda p: (p.ec2.create_route, {"RouteTableId": p.table, "DestinationCidrBlock": "169.254.169.254/32", "GatewayId": p.gateway}), "InvalidParameterValue"),
    "a reserved IPv6 address": (
        lambda p: (p.ec2.create_route, {"RouteTableId": p.table, "DestinationIpv6CidrBlock": "fd00:ec2::254/128", "GatewayId": p.gateway}), "InvalidParameterValue"),
    "an unknown gateway": (lambda p: (p.ec2.create_route, default_route(p, GatewayId=f"igw-{NO}")), "InvalidGatewayID.NotFound"),
    "an unknown table": (lambda p: (p.ec2.create_route, default_route(p, GatewayId=p.gateway) | {"RouteTableId": f"rtb-{NO}"}), "InvalidRouteTableID.NotFound"),
    "a malformed table": (lambda p: (p.ec2.delete_route_table, {"RouteTableId": "rtb-x"}), "InvalidRouteTableID.Malformed"),
    "an unknown interface": (lambda p: (p.ec2.create_route, default_route(p, NetworkInterfaceId=f"eni-{NO}")), "InvalidNetworkInterfaceID.NotFound"),
    "an instance with two interfaces": (lambda p: (p.ec2.create_route, default_route(p, InstanceId=with_two_interfaces(p))), "InvalidInstanceID"),
    "no target": (lambda p: (p.ec2.create_route, default_route(p)), "MissingParameter"),
    "two targets": (lambda p: (p.ec2.create_route, default_route(p, GatewayId=p.gateway, NetworkInterfaceId=p.make_eni())), "InvalidParameterCombination"),
    "a destination that is none": (
        lambda p: (p.ec2.create_route, {"RouteTableId": p.table, "DestinationCidrBlock": "anywhere", "GatewayId": p.gateway}), "InvalidRoute.Malformed"),
    "replace what isn't there": (lambda p: (p.ec2.replace_route, default_route(p, GatewayId=p.gateway)), "InvalidParameterValue"),
    "delete what isn't there": (lambda p: (p.ec2.delete_route, default_route(p)), "InvalidRoute.NotFound"),
    "delete the local route": (lambda p: (p.ec2.delete_route, {"RouteTableId": p.table, "DestinationCidrBlock": "10.0.0.0/16"}), "InvalidParameterValue"),
    "delete the main table": (lambda p: (p.ec2.delete_route_table, {"RouteTableId": p.table}), "DependencyViolation"),
    "an unknown association": (lambda p: (p.ec2.disassociate_route_table, {"AssociationId": f"rtbassoc-{NO}"}), "InvalidAssociationID.NotFound"),
    "a gateway of another VPC": (
        lambda p: (p.ec2.create_route, {
            "RouteTableId": p.ec2.create_route_table(VpcId=other_vpc(p))["RouteTable"]["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": p.gateway}),
        "InvalidParameterValue"),
    # Internet gateways.
    "attach twice": (lambda p: (p.ec2.attach_internet_gateway, {"InternetGatewayId": p.gateway, "VpcId": other_vpc(p)}), "Resource.AlreadyAssociated"),
    "a second gateway": (
        lambda p: (p.ec2.attach_internet_gateway, {
            "InternetGatewayId": p.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"], "VpcId": p.vpc}), "InvalidParameterValue"),
    "delete an attached gateway": (lambda p: (p.ec2.delete_internet_gateway, {"InternetGatewayId": p.gateway}), "DependencyViolation"),
    "detach a detached gateway": (lambda p: (detached(p), {"InternetGatewayId": p.gateway, "VpcId": p.vpc}), "Gateway.NotAttached"),
    "a gateway that isn't there": (lambda p: (p.ec2.delete_internet_gateway, {"InternetGatewayId": f"igw-{NO}"}), "InvalidInternetGatewayID.NotFound"),
    "a malformed gateway": (lambda p: (p.ec2.delete_internet_gateway, {"InternetGatewayId": "igw"}), "InvalidInternetGatewayID.Malformed"),
    "detach with public addresses in use": (lambda p: (with_address(p), {"InternetGatewayId": p.gateway, "VpcId": p.vpc}), "DependencyViolation"),
}


def with_address(p):
    p.make_instance(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": p.subnet, "AssociatePublicIpAddress": True}])
    return p.ec2.detach_internet_gateway


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_wrong_is_refused_with_the_code_of_aws(place, case):
    build, code = ERRORS[case]
    call, parameters = build(place)
    assert error_code(call, **parameters) == code


def test_a_gateway_lives_from_create_to_delete(place):
    ec2 = place.ec2
    gateway = ec2.create_internet_gateway(
        TagSpecifications=[{"ResourceType": "internet-gateway", "Tags": [{"Key": "Name", "Value": "spare"}]}]
    )["InternetGateway"]["InternetGatewayId"]
    ec2.get_waiter("internet_gateway_exists").wait(InternetGatewayIds=[gateway])
    [found] = ec2.describe_internet_gateways(Filters=[{"Name": "tag:Name", "Values": ["spare"]}])["InternetGateways"]
    assert found["Attachments"] == [] and found["InternetGatewayId"] == gateway
    of_vpc = [{"Name": "attachment.vpc-id", "Values": [place.vpc]}]
    [attached] = ec2.describe_internet_gateways(Filters=of_vpc)["InternetGateways"]
    assert attached["Attachments"] == [{"State": "available", "VpcId": place.vpc}]
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert error_code(ec2.describe_internet_gateways, InternetGatewayIds=[gateway]) == "InvalidInternetGatewayID.NotFound"
