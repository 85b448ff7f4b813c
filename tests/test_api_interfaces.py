"""Network interfaces, Elastic IPs and instances through the API."""

import pytest

from conftest import error_code, until

NO = "0" * 17


def interface(place, eni):
    return place.ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]


def test_an_interface_lives_from_create_to_delete(place):
    ec2, group = place.ec2, place.make_group()
    made = ec2.create_network_interface(SubnetId=place.subnet, PrivateIpAddress="10.0.1.77", Groups=[group], Description="mine")["NetworkInterface"]
    eni = made["NetworkInterfaceId"]
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni])
    found = interface(place, eni)
    assert (found["Status"], found["PrivateIpAddress"], found["InterfaceType"]) == ("available", "10.0.1.77", "interface")
    assert found["SourceDestCheck"] and "Association" not in found and "Attachment" not in found
    assert found["MacAddress"][1] in "26ae", "locally administered and no group"
    assert [worn["GroupId"] for worn in found["Groups"]] == [group]
    for change in ({"SourceDestCheck": {"Value": False}}, {"Description": {"Value": "yours"}}, {"Groups": [place.group]}):
        ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, **change)
    found = interface(place, eni)
    assert not found["SourceDestCheck"] and found["Description"] == "yours" and found["Groups"][0]["GroupId"] == place.group
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
    addresses = interface(place, eni)["PrivateIpAddresses"]
    assert [address["Primary"] for address in addresses] == [True, False, False]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[addresses[1]["PrivateIpAddress"]])
    assert len(interface(place, eni)["PrivateIpAddresses"]) == 2
    instance = place.make_instance()
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
    assert interface(place, eni)["Status"] == "in-use"
    assert interface(place, eni)["Attachment"]["InstanceId"] == instance
    assert error_code(ec2.delete_network_interface, NetworkInterfaceId=eni).startswith("Invalid")
    ec2.detach_network_interface(AttachmentId=attachment)
    until(lambda: interface(place, eni)["Status"] == "available", what="the interface detached")
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    assert error_code(ec2.describe_network_interfaces, NetworkInterfaceIds=[eni]) == "InvalidNetworkInterfaceID.NotFound"


def test_an_elastic_ip_lives_from_allocate_to_release(place):
    ec2, eni, other = place.ec2, place.make_eni(), place.make_eni()
    address = ec2.allocate_address(Domain="vpc")
    assert address["Domain"] == "vpc" and address["PublicIp"].startswith("203.0.113.")
    first = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=eni)["AssociationId"]
    again = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=eni)["AssociationId"]
    assert first == again, "the same again is no change"
    found = ec2.describe_addresses(PublicIps=[address["PublicIp"]])["Addresses"][0]
    assert (found["NetworkInterfaceId"], found["AssociationId"]) == (eni, first)
    assert interface(place, eni)["Association"]["PublicIp"] == address["PublicIp"]
    moved = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=other)["AssociationId"]
    assert moved != first and "Association" not in interface(place, eni)
    ec2.disassociate_address(AssociationId=moved)
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    ec2.release_address(AllocationId=address["AllocationId"])
    assert error_code(ec2.describe_addresses, AllocationIds=[address["AllocationId"]]) == "InvalidAllocationID.NotFound"


def test_an_elastic_ip_takes_the_place_of_the_public_address(place):
    ec2 = place.ec2
    instance = place.make_instance(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": place.subnet, "AssociatePublicIpAddress": True}])

    def public():
        return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0].get("PublicIpAddress")

    first = public()
    assert first.startswith("203.0.113.")
    address = ec2.allocate_address()
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
    assert public() == address["PublicIp"] != first


def test_an_instance_goes_through_its_states(place):
    ec2 = place.ec2
    launched = ec2.run_instances(ImageId="ami-00000000", MinCount=2, MaxCount=2, SubnetId=place.subnet, InstanceType="t3.micro", TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "pair"}]}])
    assert [i["State"]["Name"] for i in launched["Instances"]] == ["pending", "pending"]
    assert launched["ReservationId"].startswith("r-") and [i["AmiLaunchIndex"] for i in launched["Instances"]] == [0, 1]
    ids = [i["InstanceId"] for i in launched["Instances"]]
    for waiter, verb in (("instance_running", None), ("instance_stopped", "stop"), ("instance_running", "start"), ("instance_terminated", "terminate")):
        if verb:
            changes = getattr(ec2, f"{verb}_instances")(InstanceIds=ids)
            [change, _] = next(value for key, value in changes.items() if key.endswith("ingInstances"))
            assert change["CurrentState"]["Name"] in ("stopping", "pending", "shutting-down"), change
        until(lambda: states(place, ids) == {waiter.split("_")[1]}, what=waiter)
        ec2.get_waiter(waiter).wait(InstanceIds=ids)
    assert error_code(ec2.start_instances, InstanceIds=ids) == "IncorrectInstanceState"
    named = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["pair"]}, {"Name": "instance-state-name", "Values": ["terminated"]}])
    assert sum(len(r["Instances"]) for r in named["Reservations"]) == 2


def states(place, ids):
    return {i["State"]["Name"] for r in place.ec2.describe_instances(InstanceIds=ids)["Reservations"] for i in r["Instances"]}


def test_attributes_of_an_instance_read_and_change(place):
    ec2, instance = place.ec2, place.make_instance(UserData="#!/bin/sh\n")
    shown = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]["Value"]
    assert shown == "IyEvYmluL3NoCg=="
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    assert error_code(ec2.terminate_instances, InstanceIds=[instance]) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    group = place.make_group()
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[group])
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert [worn["GroupId"] for worn in found["SecurityGroups"]] == [group]
    ec2.modify_instance_attribute(InstanceId=instance, SourceDestCheck={"Value": False})
    assert ec2.describe_instance_attribute(InstanceId=instance, Attribute="sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    [status] = ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"]
    assert status["InstanceStatus"]["Status"] == "ok"


def primary(p, key):
    instance = p.make_instance()
    found = p.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0]
    return found["Attachment"]["AttachmentId"] if key == "attachment" else found["NetworkInterfaceId"]


def busy(p):
    allocation = p.ec2.allocate_address()["AllocationId"]
    p.ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=p.make_eni())
    return allocation


def without_gateway(p):
    vpc = p.ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnet = p.ec2.create_subnet(VpcId=vpc, CidrBlock="10.5.0.0/24")["Subnet"]["SubnetId"]
    return {"NetworkInterfaceId": p.make_eni(SubnetId=subnet), "AllocationId": p.ec2.allocate_address()["AllocationId"]}


def other_zone(p):
    used = p.ec2.describe_subnets(SubnetIds=[p.subnet])["Subnets"][0]["AvailabilityZone"]
    zones = [zone["ZoneName"] for zone in p.ec2.describe_availability_zones()["AvailabilityZones"] if zone["ZoneName"] != used]
    return p.make_eni(SubnetId=p.make_subnet("10.0.3.0/24", AvailabilityZone=zones[0]))


def eni_of(p, **options):
    return {"SubnetId": p.subnet, **options}


def run(p, **options):
    return {"ImageId": "ami-00000000", "MinCount": 1, "MaxCount": 1, "SubnetId": p.subnet, **options}


ERRORS = {
    "a reserved address": (lambda p: (p.ec2.create_network_interface, eni_of(p, PrivateIpAddress="10.0.1.2")), "InvalidParameterValue"),
    "the last address": (lambda p: (p.ec2.create_network_interface, eni_of(p, PrivateIpAddress="10.0.1.255")), "InvalidParameterValue"),
    "an address outside": (lambda p: (p.ec2.create_network_interface, eni_of(p, PrivateIpAddress="10.0.2.9")), "InvalidParameterValue"),
    "an address that is taken": (
        lambda p: (p.make_eni(PrivateIpAddress="10.0.1.9") and p.ec2.create_network_interface, eni_of(p, PrivateIpAddress="10.0.1.9")), "InvalidIPAddress.InUse"),
    "an unknown subnet": (lambda p: (p.ec2.create_network_interface, {"SubnetId": f"subnet-{NO}"}), "InvalidSubnetID.NotFound"),
    "an unknown group": (lambda p: (p.ec2.create_network_interface, eni_of(p, Groups=[f"sg-{NO}"])), "InvalidGroup.NotFound"),
    "an unknown interface": (lambda p: (p.ec2.delete_network_interface, {"NetworkInterfaceId": f"eni-{NO}"}), "InvalidNetworkInterfaceID.NotFound"),
    "a malformed interface": (lambda p: (p.ec2.delete_network_interface, {"NetworkInterfaceId": "eni"}), "InvalidNetworkInterfaceI*"),
    "delete an interface in use": (lambda p: (p.ec2.delete_network_interface, {"NetworkInterfaceId": primary(p, "eni")}), "InvalidNetworkInterface.InUse"),
    "detach the primary interface": (lambda p: (p.ec2.detach_network_interface, {"AttachmentId": primary(p, "attachment")}), "OperationNotPermitted"),
    "attach across zones": (
        lambda p: (p.ec2.attach_network_interface, {"NetworkInterfaceId": other_zone(p), "InstanceId": p.make_instance(), "DeviceIndex": 1}), "InvalidParameter*"),
    "an unknown attachment": (lambda p: (p.ec2.detach_network_interface, {"AttachmentId": f"eni-attach-{NO}"}), "InvalidAttachmentID.NotFound"),
    "two attributes at once": (
        lambda p: (p.ec2.modify_network_interface_attribute, {
            "NetworkInterfaceId": p.make_eni(), "SourceDestCheck": {"Value": True}, "Description": {"Value": "x"}}), "InvalidParameterCombination"),
    # Elastic IPs.
    "an address without a gateway": (lambda p: (p.ec2.associate_address, without_gateway(p)), "Gateway.NotAttached"),
    "a busy address": (
        lambda p: (p.ec2.associate_address, {"AllocationId": busy(p), "NetworkInterfaceId": p.make_eni(), "AllowReassociation": False}), "Resource.AlreadyAssociated"),
    "release a busy address": (lambda p: (p.ec2.release_address, {"AllocationId": busy(p)}), "InvalidIPAddress.InUse"),
    "release what isn't there": (lambda p: (p.ec2.release_address, {"AllocationId": f"eipalloc-{NO}"}), "InvalidAllocationID.NotFound"),
    "disassociate what isn't there": (lambda p: (p.ec2.disassociate_address, {"AssociationId": f"eipassoc-{NO}"}), "InvalidAssociationID.NotFound"),
    "an unknown public address": (lambda p: (p.ec2.describe_addresses, {"PublicIps": ["203.0.113.1"]}), "InvalidAddress.NotFound"),
    # Instances.
    "an image that is none": (lambda p: (p.ec2.run_instances, run(p, ImageId="windows")), "InvalidAMIID.Malformed"),
    "no instances at all": (lambda p: (p.ec2.run_instances, run(p, MinCount=0, MaxCount=0)), "InvalidParameterValue"),
    "fewer than the fewest": (lambda p: (p.ec2.run_instances, run(p, MinCount=2)), "InvalidParameter*"),
    "a group of another VPC": (
        lambda p: (p.ec2.run_instances, run(p, SecurityGroupIds=[p.ec2.create_security_group(
            GroupName="x", Description="x", VpcId=p.ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"])["GroupId"]])), "InvalidParameter*"),
    "an unknown instance": (lambda p: (p.ec2.terminate_instances, {"InstanceIds": [f"i-{NO}"]}), "InvalidInstanceID.NotFound"),
    "a malformed instance": (lambda p: (p.ec2.terminate_instances, {"InstanceIds": ["instance"]}), "InvalidInstanceID.Malformed"),
}



@pytest.mark.parametrize("case", ERRORS)
def test_what_is_wrong_is_refused_with_the_code_of_aws(place, case):
    build, code = ERRORS[case]
    call, parameters = build(place)
    found = error_code(call, **parameters)
    assert found.startswith(code[:-1]) if code.endswith("*") else found == code


def test_interfaces_that_were_made_for_an_instance_go_with_it_and_others_stay(place):
    own, instance = place.make_eni(), place.make_instance()
    place.ec2.attach_network_interface(NetworkInterfaceId=own, InstanceId=instance, DeviceIndex=1)
    place.ec2.terminate_instances(InstanceIds=[instance])
    place.wait(instance, "terminated")
    of_vpc = [{"Name": "vpc-id", "Values": [place.vpc]}]
    left = place.ec2.describe_network_interfaces(Filters=of_vpc)["NetworkInterfaces"]
    assert [(found["NetworkInterfaceId"], found["Status"]) for found in left] == [(own, "available")]


def test_the_same_client_token_launches_once(place):
    first = place.ec2.run_instances(**run(place, ClientToken="once"))["Instances"][0]["InstanceId"]
    assert place.ec2.run_instances(**run(place, ClientToken="once"))["Instances"][0]["InstanceId"] == first
    other = run(place, ClientToken="once", InstanceType="t3.large")
    assert error_code(place.ec2.run_instances, **other) == "IdempotentParameterMismatch"


@pytest.mark.parametrize("count", [51, 65535, 2**31 - 1])
def test_a_count_beyond_the_limit_is_refused_before_any_work_is_done(place, count):
    subnet = place.make_subnet("10.0.128.0/17", Ipv6CidrBlock=place.block6(1))
    eni = place.make_eni(SubnetId=subnet)
    too_many = {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": count}
    assert error_code(place.ec2.assign_private_ip_addresses, **too_many) == "PrivateIpAddressLimitExceeded"
    assert error_code(place.ec2.assign_ipv6_addresses, NetworkInterfaceId=eni, Ipv6AddressCount=count).endswith("LimitExceeded")
    for options in ({"SecondaryPrivateIpAddressCount": count}, {"Ipv6AddressCount": count}):
        assert error_code(place.ec2.create_network_interface, SubnetId=subnet, **options).endswith("LimitExceeded")
