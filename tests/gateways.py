"""NAT gateways and egress-only internet gateways as tests want them."""

import json

from conftest import until
from network import EVERYTHING, Agent, Network


class Private(Network):
    """A VPC whose second subnet is behind gateways in the first, public one."""

    def __init__(self, daemon, **options):
        super().__init__(daemon, **options)
        self.nats, self.egress_only, self.internet = [], [], None
        self.outer, self.inner = self.subnet(1, public=True), self.subnet(2)
        self.inner_table = self.table(self.inner)

    def nat(self, subnet=None, route=True, **options):
        """A zonal NAT gateway, with a new Elastic IP unless it is private; the inner subnet's way out."""
        allocation = None
        if options.get("ConnectivityType") != "private":
            allocation = self.ec2.allocate_address(Domain="vpc")
            options["AllocationId"] = allocation["AllocationId"]
            self.allocations.append(allocation["AllocationId"])
        nat = self.ec2.create_nat_gateway(SubnetId=subnet or self.outer, **options)["NatGateway"]["NatGatewayId"]
        self.nats.append(nat)
        until(lambda: self.described(nat)["State"] == "available", what=f"{nat} available")
        if route:
            self.route(self.inner_table, "0.0.0.0/0", NatGatewayId=nat)
        return Nat(self, nat)

    def described(self, nat):
        return self.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]

    def egress_only_gateway(self):
        made = self.ec2.create_egress_only_internet_gateway(VpcId=self.vpc)["EgressOnlyInternetGateway"]
        gateway = made["EgressOnlyInternetGatewayId"]
        self.egress_only.append(gateway)
        self.route(self.inner_table, "::/0", EgressOnlyInternetGatewayId=gateway)
        return gateway

    def populate(self):
        """A client inside, a public host outside, and the internet's host, which all serve."""
        self.open = self.group(EVERYTHING)
        self.client, self.public = self.instance(self.inner, self.open), self.instance(self.outer, self.open)
        self.internet = Agent(self.daemon, "internet")
        for agent in (self.client.agent, self.public.agent, self.internet):
            agent.serve(tcp=[8080], udp=[8080])

    def delete(self):
        if self.internet:
            self.internet.close()
        self.terminate()
        for nat in self.nats:
            if self.described(nat)["State"] == "available":
                self.ec2.delete_nat_gateway(NatGatewayId=nat)
        for gateway in self.egress_only:
            self.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)
        super().delete()


class Nat:
    """A zonal NAT gateway."""

    def __init__(self, network, nat):
        self.network, self.id = network, nat
        found = network.described(nat)["NatGatewayAddresses"][0]
        self.eni, self.address, self.public = found["NetworkInterfaceId"], found["PrivateIp"], found.get("PublicIp")

    def counts(self):
        """What it counted, by CloudWatch's names."""
        return counts(self.network.daemon, self.id)


def counts(daemon, gateway):
    status = json.loads(daemon.run("status", "--json", check=True).stdout)
    return next(found["counts"] for found in status["gateways"] if found["id"] == gateway)
