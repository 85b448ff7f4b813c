"""What networks are joined by, through boto3: made, waited for, described, refused while needed, and gone."""

import json

from conftest import error_code, until

WAIT = {"Delay": 1, "MaxAttempts": 3}


def tagged(kind):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "mine"}]}]


def test_a_nat_gateway_from_pending_to_deleted(place):
    ec2 = place.ec2
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = ec2.create_nat_gateway(SubnetId=place.subnet, AllocationId=address, TagSpecifications=tagged("natgateway"))["NatGateway"]
    nat = made["NatGatewayId"]
    assert made["State"] == "pending" and made["NatGatewayAddresses"][0]["AllocationId"] == address
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig=WAIT)
    found = ec2.describe_nat_gateways(Filter=[{"Name": "tag:Name", "Values": ["mi*"]}])["NatGateways"]
    assert [gateway["NatGatewayId"] for gateway in found] == [nat]
    eni = found[0]["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    interface = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]
    assert interface["RequesterManaged"] and nat in interface["Description"]
    assert error_code(ec2.delete_network_interface, NetworkInterfaceId=eni) in ("AuthFailure", "OperationNotPermitted", "InvalidParameterValue")
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert error_code(ec2.delete_subnet, SubnetId=place.subnet) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat], WaiterConfig=WAIT)
    routes = ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]
    assert [route["State"] for route in routes if route.get("NatGatewayId") == nat] == ["blackhole"]
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=place.subnet)


def test_a_gateway_endpoint_is_a_route_of_its_prefix_list(place, api):
    ec2 = place.ec2
    service = "com.amazonaws.eu-central-1.s3"
    assert service in ec2.describe_vpc_endpoint_services()["ServiceNames"]
    made = ec2.create_vpc_endpoint(VpcId=place.vpc, ServiceName=service, RouteTableIds=[place.table])["VpcEndpoint"]
    endpoint = made["VpcEndpointId"]
    assert made["VpcEndpointType"] == "Gateway" and json.loads(made["PolicyDocument"])["Statement"]
    routes = ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]
    [route] = [route for route in routes if route.get("GatewayId") == endpoint]
    assert route["DestinationPrefixListId"].startswith("pl-") and route["State"] == "active"
    delete = {"RouteTableId": place.table, "DestinationPrefixListId": route["DestinationPrefixListId"]}
    assert error_code(ec2.delete_route, **delete) == "InvalidParameterValue"
    answer = ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint, "vpce-0123456789abcdef0"])
    assert [item["ResourceId"] for item in answer["Unsuccessful"]] == ["vpce-0123456789abcdef0"]
    routes = ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]
    assert not any(route.get("GatewayId") == endpoint for route in routes)


def test_an_interface_endpoint_has_an_interface_per_subnet(place):
    ec2 = place.ec2
    made = ec2.create_vpc_endpoint(
        VpcId=place.vpc, VpcEndpointType="Interface", ServiceName="com.amazonaws.eu-central-1.sts", SubnetIds=[place.subnet]
    )["VpcEndpoint"]
    endpoint = made["VpcEndpointId"]
    found = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
    assert found["State"] == "available" and len(found["NetworkInterfaceIds"]) == 1 and found["DnsEntries"]
    assert found["Groups"][0]["GroupId"] == place.group
    assert error_code(ec2.delete_vpc, VpcId=place.vpc) == "DependencyViolation"
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [place.vpc]}])["NetworkInterfaces"] == []


def test_a_service_behind_a_load_balancer_is_reached_from_another_account(api):
    provider, consumer = "700000000001", "700000000002"
    ec2, elb = api.client(account=provider), api.client("elbv2", account=provider)
    subnets = ec2.describe_subnets()["Subnets"]
    balancer = elb.create_load_balancer(Name="own", Type="network", Scheme="internal", Subnets=[s["SubnetId"] for s in subnets])
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig=WAIT)
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn])["ServiceConfiguration"]
    other = api.client(account=consumer)
    vpc = other.describe_vpcs()["Vpcs"][0]["VpcId"]
    ask = {"VpcId": vpc, "VpcEndpointType": "Interface", "ServiceName": service["ServiceName"]}
    assert error_code(other.create_vpc_endpoint, **ask) == "InvalidServiceName"
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service["ServiceId"], AddAllowedPrincipals=[f"arn:aws:iam::{consumer}:root"])
    endpoint = other.create_vpc_endpoint(**ask)["VpcEndpoint"]["VpcEndpointId"]
    state = lambda: other.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["State"]
    assert state() == "pendingAcceptance"
    ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    assert state() == "available"
    refused = ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])["Unsuccessful"]
    assert refused[0]["Error"]["Code"] == "ExistingVpcEndpointConnections"
    other.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])["Unsuccessful"] == []
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_two_accounts_in_two_regions_peer(api):
    one, two = api.client(account="700000000003"), api.client(account="700000000004", region="us-west-2")
    near = one.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    far = two.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    peering = one.create_vpc_peering_connection(VpcId=near, PeerVpcId=far, PeerOwnerId="700000000004", PeerRegion="us-west-2")
    pcx = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    status = lambda ec2: ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[pcx])["VpcPeeringConnections"][0]["Status"]["Code"]
    assert status(one) == status(two) == "pending-acceptance"
    assert error_code(one.accept_vpc_peering_connection, VpcPeeringConnectionId=pcx) == "OperationNotPermitted"
    two.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert status(one) == status(two) == "active"
    table = one.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [near]}])["RouteTables"][0]["RouteTableId"]
    one.create_route(RouteTableId=table, DestinationCidrBlock="10.2.0.0/16", VpcPeeringConnectionId=pcx)
    two.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    one.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[pcx], WaiterConfig=WAIT)
    routes = one.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {"blackhole"} == {route["State"] for route in routes if route.get("VpcPeeringConnectionId") == pcx}


def test_overlapping_vpcs_don_t_peer(ec2):
    vpcs = [ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    status = ec2.create_vpc_peering_connection(VpcId=vpcs[0], PeerVpcId=vpcs[1])["VpcPeeringConnection"]["Status"]
    pcx = ec2.describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert status["Code"] in ("initiating-request", "failed") and pcx["Status"]["Code"] == "failed"


def test_a_transit_gateway_joins_vpcs(place):
    ec2 = place.ec2
    tgw = ec2.create_transit_gateway(Description="hub", TagSpecifications=tagged("transit-gateway"))["TransitGateway"]
    assert tgw["State"] == "pending" and tgw["Options"]["AmazonSideAsn"] == 64512
    tgw = ec2.describe_transit_gateways(TransitGatewayIds=[tgw["TransitGatewayId"]])["TransitGateways"][0]
    assert tgw["State"] == "available"
    table = tgw["Options"]["AssociationDefaultRouteTableId"]
    attach = {"TransitGatewayId": tgw["TransitGatewayId"], "VpcId": place.vpc, "SubnetIds": [place.subnet]}
    attachment = ec2.create_transit_gateway_vpc_attachment(**attach)["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    assert error_code(ec2.create_transit_gateway_vpc_attachment, **attach) == "DuplicateTransitGatewayAttachment"
    found = ec2.search_transit_gateway_routes(TransitGatewayRouteTableId=table, Filters=[{"Name": "type", "Values": ["propagated"]}])
    assert [(route["DestinationCidrBlock"], route["State"]) for route in found["Routes"]] == [("10.0.0.0/16", "active")]
    ec2.create_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock="10.9.0.0/16", Blackhole=True)
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="10.8.0.0/13", TransitGatewayId=tgw["TransitGatewayId"])
    assert error_code(ec2.delete_transit_gateway, TransitGatewayId=tgw["TransitGatewayId"]) in ("IncorrectState", "DependencyViolation")
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
    ec2.delete_transit_gateway(TransitGatewayId=tgw["TransitGatewayId"])
    gone = ec2.describe_transit_gateways(TransitGatewayIds=[tgw["TransitGatewayId"]])["TransitGateways"][0]
    assert gone["State"] == "deleted"


def test_a_vpn_connection_has_two_tunnels_and_a_configuration(place):
    ec2 = place.ec2
    customer = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="198.51.100.77", BgpAsn=65010)["CustomerGateway"]["CustomerGatewayId"]
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpcId=place.vpc, VpnGatewayId=gateway)
    ask = {"Type": "ipsec.1", "CustomerGatewayId": customer, "VpnGatewayId": gateway, "Options": {"StaticRoutesOnly": True}}
    vpn = ec2.create_vpn_connection(**ask)["VpnConnection"]["VpnConnectionId"]
    ec2.get_waiter("vpn_connection_available").wait(VpnConnectionIds=[vpn], WaiterConfig=WAIT)
    found = ec2.describe_vpn_connections(VpnConnectionIds=[vpn])["VpnConnections"][0]
    assert len(found["VgwTelemetry"]) == 2 and found["CustomerGatewayConfiguration"].count("<ipsec_tunnel>") == 2
    ec2.create_vpn_connection_route(VpnConnectionId=vpn, DestinationCidrBlock="192.168.0.0/16")
    ec2.enable_vgw_route_propagation(RouteTableId=place.table, GatewayId=gateway)
    routes = ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]
    propagated = [route for route in routes["Routes"] if route["Origin"] == "EnableVgwRoutePropagation"]
    assert [route["DestinationCidrBlock"] for route in propagated] == ["192.168.0.0/16"]
    assert routes["PropagatingVgws"] == [{"GatewayId": gateway}]
    bad = {**ask, "Options": {"TunnelOptions": [{"PreSharedKey": "0abcdefgh"}]}}
    assert error_code(ec2.create_vpn_connection, **bad).startswith("Invalid")
    ec2.delete_vpn_connection(VpnConnectionId=vpn)
    ec2.get_waiter("vpn_connection_deleted").wait(VpnConnectionIds=[vpn], WaiterConfig=WAIT)
    ec2.detach_vpn_gateway(VpcId=place.vpc, VpnGatewayId=gateway)
    ec2.delete_vpn_gateway(VpnGatewayId=gateway)
    ec2.delete_customer_gateway(CustomerGatewayId=customer)


def test_a_direct_connect_from_the_connection_to_the_gateway(api):
    dx = api.client("directconnect", account="700000000005")
    location = dx.describe_locations()["locations"][0]["locationCode"]
    connection = dx.create_connection(location=location, bandwidth="10Gbps", connectionName="own")["connectionId"]
    assert connection.startswith("dxcon-")
    gateway = dx.create_direct_connect_gateway(directConnectGatewayName="hub", amazonSideAsn=64600)["directConnectGateway"]
    new = {"virtualInterfaceName": "v", "vlan": 101, "asn": 65001, "directConnectGatewayId": gateway["directConnectGatewayId"]}
    interface = dx.create_private_virtual_interface(connectionId=connection, newPrivateVirtualInterface=new)
    assert interface["virtualInterfaceId"].startswith("dxvif-") and interface["vlan"] == 101
    assert error_code(dx.create_private_virtual_interface, connectionId=connection, newPrivateVirtualInterface=new) == "DirectConnectClientException"
    assert error_code(dx.describe_connections, connectionId="dxcon-ffffffff") == "DirectConnectClientException"
    dx.delete_virtual_interface(virtualInterfaceId=interface["virtualInterfaceId"])
    elsewhere = api.client("directconnect", account="700000000005", region="us-west-2")
    seen = elsewhere.describe_direct_connect_gateways()["directConnectGateways"]
    assert [one["directConnectGatewayId"] for one in seen] == [gateway["directConnectGatewayId"]]


def test_prefix_lists_have_versions_and_are_kept_while_named(place):
    ec2 = place.ec2
    made = ec2.create_managed_prefix_list(
        PrefixListName="office", AddressFamily="IPv4", MaxEntries=3, Entries=[{"Cidr": "192.0.2.0/24", "Description": "one"}]
    )["PrefixList"]
    pl = made["PrefixListId"]
    assert (made["State"], made["Version"]) == ("create-in-progress", 1) or made["State"] == "create-complete"
    ec2.modify_managed_prefix_list(PrefixListId=pl, CurrentVersion=1, AddEntries=[{"Cidr": "198.51.100.0/24"}])
    assert error_code(ec2.modify_managed_prefix_list, PrefixListId=pl, CurrentVersion=1, AddEntries=[{"Cidr": "203.0.113.0/24"}]) == (
        "PrefixListVersionMismatch"
    )
    assert len(ec2.get_managed_prefix_list_entries(PrefixListId=pl)["Entries"]) == 2
    assert len(ec2.get_managed_prefix_list_entries(PrefixListId=pl, TargetVersion=1)["Entries"]) == 1
    permission = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": pl}]}]
    ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=permission)
    assert error_code(ec2.delete_managed_prefix_list, PrefixListId=pl) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=permission)
    ec2.delete_managed_prefix_list(PrefixListId=pl)
    assert error_code(ec2.describe_managed_prefix_lists, PrefixListIds=[pl]) == "InvalidPrefixListID.NotFound"


def test_what_tools_ask_beside_the_network(api):
    account = "700000000006"
    iam, ssm, logs = (api.client(service, account=account) for service in ("iam", "ssm", "logs"))
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="flow", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    assert iam.get_role(RoleName="flow")["Role"]["AssumeRolePolicyDocument"] == trust
    assert error_code(iam.get_role, RoleName="nobody") == "NoSuchEntity"
    image = ssm.get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
    assert api.client(account=account).describe_images(ImageIds=[image])["Images"]
    logs.create_log_group(logGroupName="/vpc")
    logs.put_retention_policy(logGroupName="/vpc", retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix="/v")["logGroups"][0]["retentionInDays"] == 7
    assert error_code(logs.create_log_group, logGroupName="/vpc") == "ResourceAlreadyExistsException"
    assume = {"RoleArn": role["Arn"], "RoleSessionName": "me"}
    assert error_code(api.client("sts", account=account).assume_role, **assume) == "AccessDenied"
    trust["Statement"][0]["Principal"] = {"AWS": f"arn:aws:iam::{account}:root"}
    iam.update_assume_role_policy(RoleName="flow", PolicyDocument=json.dumps(trust))
    session = api.client("sts", account=account).assume_role(**assume)
    assert session["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_status_names_what_is_kept_without_packets(start):
    daemon = start("--datapath", "none")
    ec2 = daemon.client()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    ec2.create_egress_only_internet_gateway(VpcId=vpc)
    assert json.loads(daemon.run("status", "--json").stdout)["not_forwarded"] == []
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    [kind] = json.loads(daemon.run("status", "--json").stdout)["not_forwarded"]
    assert kind == {"kind": "transit gateways", "ids": [gateway]}
    assert f"no packets yet: transit gateways {gateway}" in daemon.run("status").stdout
