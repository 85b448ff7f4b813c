"""Route tables of an internet gateway: what comes in from the internet is bent through an appliance."""

import pytest

from conftest import error_code
from network import EVERYTHING, Agent, Network
from topology import FORWARD

SILENT = {"timeout": 0.3}


@pytest.fixture(scope="module")
def net(world):
    """A server and an appliance in subnets of their own, both with public addresses; the appliance forwards."""
    net = Network(world)
    net.open = net.group(EVERYTHING)
    net.inside, net.edge = net.subnet(1, public=True), net.subnet(2, public=True)
    net.server, net.box = net.instance(net.inside, net.open), net.instance(net.edge, net.open)
    net.elastic_ip(net.server)
    net.server.agent.serve(tcp=[80])
    net.box.shell(FORWARD, check=True)
    net.block = net.ec2.describe_subnets(SubnetIds=[net.inside])["Subnets"][0]["CidrBlock"]
    net.block6_inside = net.ec2.describe_subnets(SubnetIds=[net.inside])["Subnets"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    net.internet = Agent(world, "internet")
    yield net
    net.internet.close()
    net.delete()


@pytest.fixture
def edge(net):
    """A route table that is the gateway's for a test."""
    table = net.table()
    association = net.ec2.associate_route_table(RouteTableId=table, GatewayId=net.gateway)["AssociationId"]
    yield table
    net.ec2.disassociate_route_table(AssociationId=association)
    net.ec2.delete_route_table(RouteTableId=table)


def test_an_edge_table_with_local_routes_changes_nothing(net, edge):
    assert net.internet.probe("tcp", net.server.public, 80) == "answered"
    [association] = net.ec2.describe_route_tables(RouteTableIds=[edge])["RouteTables"][0]["Associations"]
    assert association["GatewayId"] == net.gateway and not association["Main"]


def test_traffic_from_the_internet_goes_through_the_appliance(net, edge):
    """As AWS asks for: the check is off, the appliance has a public address, and answers go back through it."""
    allocation = net.elastic_ip(net.box)
    back = net.table()
    net.route(back, "0.0.0.0/0", NetworkInterfaceId=net.box.eni)
    net.route(edge, net.block, NetworkInterfaceId=net.box.eni)
    try:
        assert net.internet.probe("tcp", net.server.public, 80, **SILENT) == "silence", "the check is on"
        net.ec2.modify_network_interface_attribute(NetworkInterfaceId=net.box.eni, SourceDestCheck={"Value": False})
        [own] = [a for a in net.tables(("route-table-id", net.public_table))[0]["Associations"] if a.get("SubnetId") == net.inside]
        moved = net.ec2.replace_route_table_association(AssociationId=own["RouteTableAssociationId"], RouteTableId=back)
        net.box.agent.ask("start_capture")
        assert net.internet.probe("tcp", net.server.public, 80) == "answered"
        assert len(net.box.agent.ask("captured")) >= 2, "there and back"
        # The appliance's own rules count.
        net.box.groups(net.group())
        assert net.internet.probe("tcp", net.server.public, 80, **SILENT) == "silence"
        net.box.groups(net.open)
        net.ec2.replace_route_table_association(AssociationId=moved["NewAssociationId"], RouteTableId=net.public_table)
    finally:
        net.ec2.modify_network_interface_attribute(NetworkInterfaceId=net.box.eni, SourceDestCheck={"Value": True})
        net.ec2.delete_route(RouteTableId=edge, DestinationCidrBlock=net.block)
        net.release(allocation)
    assert net.internet.probe("tcp", net.server.public, 80) == "answered"


def test_what_an_edge_table_may_not_hold_is_refused(net, edge):
    outside = {"RouteTableId": edge, "DestinationCidrBlock": "192.0.2.0/24", "NetworkInterfaceId": net.box.eni}
    assert error_code(net.ec2.create_route, **outside).startswith("InvalidParameter")
    to_gateway = {"RouteTableId": edge, "DestinationCidrBlock": net.block, "GatewayId": net.gateway}
    assert error_code(net.ec2.create_route, **to_gateway).startswith("InvalidParameter")
    second = {"RouteTableId": net.table(), "GatewayId": net.gateway}
    assert error_code(net.ec2.associate_route_table, **second) == "Resource.AlreadyAssociated"


def test_a_table_that_holds_more_is_no_edge_table(net):
    for table in (net.public_table, net.main):
        assert error_code(net.ec2.associate_route_table, RouteTableId=table, GatewayId=net.gateway).startswith("InvalidParameter")
