"""The waiters that the SDKs have compiled in: each ends well at its first looks, since what a call asks for is done when it answers."""

import time

import pytest

# How often and how many times a waiter looks here; in the SDKs' own rhythm one look more costs 15 seconds.
LOOKS = {"Delay": 1, "MaxAttempts": 3}


def vpc(place):
    return {"VpcIds": [place.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]]}


def subnet(place):
    return {"SubnetIds": [place.make_subnet("10.0.9.0/24")]}


def internet_gateway(place):
    return {"InternetGatewayIds": [place.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]]}


def eni(place):
    return {"NetworkInterfaceIds": [place.make_eni()]}


def detached_eni(place):
    eni, instance = place.make_eni(), place.make_instance()
    attachment = place.ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
    place.ec2.detach_network_interface(AttachmentId=attachment)
    return {"NetworkInterfaceIds": [eni]}


def group(place):
    return {"GroupIds": [place.make_group()]}


def public_nat(place):
    address = place.ec2.allocate_address()["AllocationId"]
    made = place.ec2.create_nat_gateway(SubnetId=place.subnet, AllocationId=address)["NatGateway"]
    assert made["State"] == "pending"
    return {"NatGatewayIds": [made["NatGatewayId"]]}


def private_nat(place):
    made = place.ec2.create_nat_gateway(SubnetId=place.subnet, ConnectivityType="private")["NatGateway"]
    assert made["State"] == "pending"
    return {"NatGatewayIds": [made["NatGatewayId"]]}


def deleted_nat(place):
    made = private_nat(place)
    place.ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayIds"][0])
    return made


def peering(place):
    peer = vpc(place)["VpcIds"][0]
    made = place.ec2.create_vpc_peering_connection(VpcId=place.vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    return {"VpcPeeringConnectionIds": [made["VpcPeeringConnectionId"]]}


def deleted_peering(place):
    made = peering(place)
    place.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made["VpcPeeringConnectionIds"][0])
    place.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made["VpcPeeringConnectionIds"][0])
    return made


def lent_group(place):
    wanted = {"group-id": place.make_group(), "vpc-id": vpc(place)["VpcIds"][0]}
    place.ec2.associate_security_group_vpc(GroupId=wanted["group-id"], VpcId=wanted["vpc-id"])
    return {"Filters": [{"Name": name, "Values": [value]} for name, value in wanted.items()]}


def returned_group(place):
    wanted = lent_group(place)
    group, other = (which["Values"][0] for which in wanted["Filters"])
    place.ec2.disassociate_security_group_vpc(GroupId=group, VpcId=other)
    return wanted


def customer_gateway(place):
    made = place.ec2.create_customer_gateway(Type="ipsec.1", PublicIp="192.0.2.1", BgpAsn=65000)["CustomerGateway"]
    return {"CustomerGatewayIds": [made["CustomerGatewayId"]]}


def vpn(place):
    customer = customer_gateway(place)["CustomerGatewayIds"][0]
    gateway = place.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    made = place.ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=customer, VpnGatewayId=gateway)["VpnConnection"]
    assert made["State"] == "pending"
    return {"VpnConnectionIds": [made["VpnConnectionId"]]}


def deleted_vpn(place):
    made = vpn(place)
    place.ec2.delete_vpn_connection(VpnConnectionId=made["VpnConnectionIds"][0])
    return made


def instance(place):
    launched = place.ec2.run_instances(ImageId="ami-00000000", MinCount=1, MaxCount=1, SubnetId=place.subnet)
    return {"InstanceIds": [launched["Instances"][0]["InstanceId"]]}


def stopped_instance(place):
    made = place.make_instance()
    place.ec2.stop_instances(InstanceIds=[made])
    return {"InstanceIds": [made]}


def terminated_instance(place):
    made = place.make_instance()
    place.ec2.terminate_instances(InstanceIds=[made])
    return {"InstanceIds": [made]}


WAITERS = [
    ("customer_gateway_available", customer_gateway),
    ("instance_exists", instance),
    ("instance_running", instance),
    ("instance_status_ok", instance),
    ("instance_stopped", stopped_instance),
    ("instance_terminated", terminated_instance),
    ("internet_gateway_exists", internet_gateway),
    ("nat_gateway_available", private_nat),
    ("nat_gateway_available", public_nat),
    ("nat_gateway_deleted", deleted_nat),
    ("network_interface_available", detached_eni),
    ("network_interface_available", eni),
    ("security_group_exists", group),
    ("security_group_vpc_association_associated", lent_group),
    ("security_group_vpc_association_disassociated", returned_group),
    ("subnet_available", subnet),
    ("system_status_ok", instance),
    ("vpc_available", vpc),
    ("vpc_exists", vpc),
    ("vpc_peering_connection_deleted", deleted_peering),
    ("vpc_peering_connection_exists", peering),
    ("vpn_connection_available", vpn),
    ("vpn_connection_deleted", deleted_vpn),
]


@pytest.mark.parametrize(("name", "make"), WAITERS, ids=[f"{name}-{make.__name__}" for name, make in WAITERS])
def test_waiter_ends_on_success(place, name, make):
    wanted = make(place)
    started = time.monotonic()
    place.ec2.get_waiter(name).wait(**wanted, WaiterConfig=LOOKS)
    assert time.monotonic() - started < 2.5


def test_nothing_to_wait_for_once_what_was_deleted_is_gone(place):
    """What Terraform polls for after a delete: the not-found code, at the first look."""
    for name, make, remove, missing in [
        ("describe_vpcs", vpc, lambda made: place.ec2.delete_vpc(VpcId=made), "InvalidVpcID.NotFound"),
        ("describe_subnets", subnet, lambda made: place.ec2.delete_subnet(SubnetId=made), "InvalidSubnetID.NotFound"),
        ("describe_network_interfaces", eni, lambda made: place.ec2.delete_network_interface(NetworkInterfaceId=made), "InvalidNetworkInterfaceID.NotFound"),
        ("describe_security_groups", group, lambda made: place.ec2.delete_security_group(GroupId=made), "InvalidGroup.NotFound"),
        ("describe_internet_gateways", internet_gateway, lambda made: place.ec2.delete_internet_gateway(InternetGatewayId=made), "InvalidInternetGatewayID.NotFound"),
    ]:
        made = make(place)
        [identity] = next(iter(made.values()))
        remove(identity)
        with pytest.raises(place.ec2.exceptions.ClientError) as failure:
            getattr(place.ec2, name)(**made)
        assert failure.value.response["Error"]["Code"] == missing
