"""A VPC as a test wants it, in few words: subnets, groups, instances, and programs that run inside them."""

import ipaddress
import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import REGION, error_code, until

ACCOUNTS = itertools.count(600000000000)
INTERNET4, INTERNET6 = "198.51.100.10", "2001:db8:ffff::10"
ANYWHERE = ("0.0.0.0/0", "::/0")
# Links of a virtual environment lead to an interpreter that instances see too.
PYTHON = os.path.realpath(sys.executable)
AGENT = (pathlib.Path(__file__).parent / "agent.py").read_text()


def rule(protocol, ports=None, *peers):
    """A permission of a security group: ports are one, a pair or none; peers are blocks and group ids."""
    low, high = ports if isinstance(ports, tuple) else (ports, ports)
    permission = {"IpProtocol": str(protocol)}
    if ports is not None:
        permission.update(FromPort=low, ToPort=high)
    elif protocol in ("icmp", "icmpv6"):
        permission.update(FromPort=-1, ToPort=-1)
    elif protocol in ("tcp", "udp"):
        permission.update(FromPort=0, ToPort=65535)
    for peer in peers or ANYWHERE:
        if peer.startswith("sg-"):
            permission.setdefault("UserIdGroupPairs", []).append({"GroupId": peer})
        elif ":" in peer:
            permission.setdefault("Ipv6Ranges", []).append({"CidrIpv6": peer})
        else:
            permission.setdefault("IpRanges", []).append({"CidrIp": peer})
    return permission


EVERYTHING = rule("-1")
PING = [rule("icmp"), rule("icmpv6")]


class Network:
    """A VPC with an internet gateway, of an account that nobody else uses."""

    def __init__(self, daemon, block="10.0.0.0/16", region=REGION, account=None, public=True):
        self.daemon, self.region, self.account = daemon, region, account or str(next(ACCOUNTS))
        self.ec2 = daemon.client(region=region, account=self.account)
        self.vpc = self.ec2.create_vpc(CidrBlock=block, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        self.block = ipaddress.ip_network(block)
        vpc = self.ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]
        self.block6 = ipaddress.ip_network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
        self.hosts, self.subnets, self.allocations, self.gateway = [], [], [], None
        self.main = self.tables(("association.main", "true"))[0]["RouteTableId"]
        if public:
            self.gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
            self.public_table = self.table()
            self.route(self.public_table, "0.0.0.0/0", GatewayId=self.gateway)
            self.route(self.public_table, "::/0", GatewayId=self.gateway)

    def filters(self, *more):
        return [{"Name": name, "Values": [value]} for name, value in (("vpc-id", self.vpc), *more)]

    def tables(self, *filters):
        return self.ec2.describe_route_tables(Filters=self.filters(*filters))["RouteTables"]

    def table(self, *subnets):
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        for subnet in subnets:
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return table

    def route(self, table, destination, **target):
        family = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
        self.ec2.create_route(RouteTableId=table, **{family: destination}, **target)

    def subnet(self, number, public=False, zone="a"):
        """The subnet of that number in the VPC's blocks."""
        four = next(itertools.islice(self.block.subnets(new_prefix=24), number, None))
        six = next(itertools.islice(self.block6.subnets(new_prefix=64), number, None))
        subnet = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=str(four), Ipv6CidrBlock=str(six), AvailabilityZone=self.region + zone
        )["Subnet"]["SubnetId"]
        self.ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
        if public:
            self.ec2.associate_route_table(RouteTableId=self.public_table, SubnetId=subnet)
        self.subnets.append(subnet)
        return subnet

    def unused(self, subnet):
        """An address of a subnet that nothing has."""
        found = self.ec2.describe_network_interfaces(Filters=self.filters(("subnet-id", subnet)))["NetworkInterfaces"]
        taken = {address["PrivateIpAddress"] for eni in found for address in eni["PrivateIpAddresses"]}
        block = ipaddress.ip_network(self.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["CidrBlock"])
        return next(str(address) for address in list(block)[200:] if str(address) not in taken)

    def group(self, *ingress, egress=None):
        """A security group; without `egress` everything may go out."""
        name = f"group {len(self.groups())}"
        group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        found = self.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        self.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
        if ingress:
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(ingress))
        egress = [EVERYTHING] if egress is None else egress
        if egress:
            self.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(egress))
        return group

    def groups(self):
        return self.ec2.describe_security_groups(Filters=self.filters())["SecurityGroups"]

    def allow(self, group, *ingress):
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(ingress))

    def revoke(self, group, *ingress):
        self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=list(ingress))

    def acl(self, subnet, *entries):
        """Gives the subnet a network ACL with these entries, in place of the one it has."""
        acl = self.ec2.create_network_acl(VpcId=self.vpc)["NetworkAcl"]["NetworkAclId"]
        for entry in entries:
            self.ec2.create_network_acl_entry(NetworkAclId=acl, **entry)
        self.use_acl(subnet, acl)
        return acl

    def use_acl(self, subnet, acl):
        acls = self.ec2.describe_network_acls(Filters=self.filters(("association.subnet-id", subnet)))["NetworkAcls"]
        association = next(a for a in acls[0]["Associations"] if a["SubnetId"] == subnet)
        self.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)

    def default_acl(self):
        return self.ec2.describe_network_acls(Filters=self.filters(("default", "true")))["NetworkAcls"][0]["NetworkAclId"]

    def instance(self, subnet, *groups, **options):
        return self.instances(subnet, 1, *groups, **options)[0]

    def instances(self, subnet, count, *groups, **options):
        """Instances that run; they take their groups, or the VPC's default group."""
        if groups:
            options["SecurityGroupIds"] = list(groups)
        launched = self.ec2.run_instances(ImageId="ami-00000000", MinCount=count, MaxCount=count, SubnetId=subnet, **options)
        ids = [instance["InstanceId"] for instance in launched["Instances"]]
        self.wait(ids, "running")
        hosts = [Host(self, instance) for instance in ids]
        self.hosts += hosts
        return hosts

    def states(self, ids):
        found = self.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        return {instance["State"]["Name"] for reservation in found for instance in reservation["Instances"]}

    def wait(self, ids, state):
        until(lambda: self.states(ids) == {state}, what=f"{ids} {state}")

    def elastic_ip(self, host):
        address = self.ec2.allocate_address(Domain="vpc")
        self.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=host.eni)
        host.public = address["PublicIp"]
        self.allocations.append(address["AllocationId"])
        return address["AllocationId"]

    def release(self, allocation):
        """Gives an Elastic IP back."""
        for address in self.ec2.describe_addresses(Filters=[{"Name": "allocation-id", "Values": [allocation]}])["Addresses"]:
            if "AssociationId" in address:
                self.ec2.disassociate_address(AssociationId=address["AssociationId"])
            self.ec2.release_address(AllocationId=allocation)

    def terminate(self):
        ids = [host.id for host in self.hosts]
        for host in self.hosts:
            host.close()
        self.hosts = []
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
            self.wait(ids, "terminated")

    def delete(self):
        """Everything, in the order that AWS asks for; nothing may remain."""
        self.terminate()
        ec2 = self.ec2
        for log in ec2.describe_flow_logs()["FlowLogs"]:
            ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"]])
        for allocation in self.allocations:
            self.release(allocation)
        for eni in ec2.describe_network_interfaces(Filters=self.filters())["NetworkInterfaces"]:
            ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
        for subnet in self.subnets:
            ec2.delete_subnet(SubnetId=subnet)
        if self.gateway:
            ec2.detach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
            ec2.delete_internet_gateway(InternetGatewayId=self.gateway)
        for table in self.tables():
            if table["RouteTableId"] != self.main:
                ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        for acl in ec2.describe_network_acls(Filters=self.filters(("default", "false")))["NetworkAcls"]:
            ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])
        groups = [group for group in self.groups() if group["GroupName"] != "default"]
        for group in groups:
            for direction in ("ingress", "egress"):
                rules = group["IpPermissions" if direction == "ingress" else "IpPermissionsEgress"]
                if rules:
                    getattr(ec2, f"revoke_security_group_{direction}")(GroupId=group["GroupId"], IpPermissions=rules)
        for group in groups:
            ec2.delete_security_group(GroupId=group["GroupId"])
        ec2.delete_vpc(VpcId=self.vpc)
        assert error_code(ec2.describe_vpcs, VpcIds=[self.vpc]) == "InvalidVpcID.NotFound"


class Host:
    """A running instance."""

    def __init__(self, network, instance):
        self.network, self.daemon, self.id, self.public, self.own_agent = network, network.daemon, instance, None, None
        found = network.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        eni = found["NetworkInterfaces"][0]
        self.eni, self.mac, self.subnet = eni["NetworkInterfaceId"], eni["MacAddress"], found["SubnetId"]
        self.address = eni["PrivateIpAddress"]
        self.address6 = eni["Ipv6Addresses"][0]["Ipv6Address"] if eni["Ipv6Addresses"] else None
        self.public = eni.get("Association", {}).get("PublicIp")

    def exec(self, *command, **options):
        return self.daemon.exec(self.id, *command, **options)

    def shell(self, script, **options):
        return self.exec("sh", "-c", script, **options)

    @property
    def agent(self):
        """The agent inside, started when it is first asked for."""
        if self.own_agent is None:
            self.own_agent = Agent(self.daemon, self.id)
        return self.own_agent

    def pings(self, address, **options):
        return self.agent.ping(address, **options)

    def groups(self, *groups):
        """Changes the interface's groups."""
        self.network.ec2.modify_network_interface_attribute(NetworkInterfaceId=self.eni, Groups=list(groups))

    def close(self):
        if self.own_agent:
            self.own_agent.close()
            self.own_agent = None


class Agent:
    """A program inside an instance, or `internet`, that does what it is asked for; see agent.py."""

    ids = itertools.count(1)

    def __init__(self, daemon, instance):
        command = daemon.command("exec", instance, "--", PYTHON, "-c", AGENT)
        self.name = instance
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        ready = self.process.stdout.readline()
        assert ready == '"ready"\n', f"the agent in {instance} did not start: {ready}"

    def ask(self, do, **parameters):
        self.tell(do, **parameters)
        return self.answer()

    def tell(self, do, **parameters):
        self.process.stdin.write(json.dumps({"do": do, **parameters}) + "\n")
        self.process.stdin.flush()

    def answer(self):
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, f"the agent in {self.name}: {answer['error']}"
        return answer["answer"]

    def serve(self, tcp=(), udp=()):
        self.ask("serve", tcp=list(tcp), udp=list(udp))

    def probe(self, kind, to, port=None, timeout=3, **options):
        """The outcome of one probe. What is expected to be silent is given less time."""
        probe = {"kind": kind, "to": to, "port": port, "id": next(self.ids) & 0xFFFF, **options}
        return self.ask("probe", probes=[probe], timeout=timeout)[0]

    def ping(self, to, timeout=3, **options):
        return self.probe("ping", to, timeout=timeout, **options) == "answered"

    def reaches(self, kind, to, port, **options):
        """Whether the other host itself answers, be it with a refusal."""
        outcome = self.probe(kind, to, port, **options)
        return outcome in ("answered", "refused")

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(autouse=True)
def everything_open_again(net):
    """Takes back, after each test of a module that imports this, what it did to groups and network ACLs of the module's `net`."""
    yield
    for host in (net.web, net.poor, net.db):
        host.groups(net.open)
    for subnet in net.subnets[:2]:
        net.use_acl(subnet, net.default_acl())
