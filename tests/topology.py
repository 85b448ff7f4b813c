"""Networks at random: an estate of two VPCs whose instances stay and whose rules are drawn anew for every round."""

import http.client
import itertools
import json
import random
import urllib.parse

from network import ANYWHERE, EVERYTHING, INTERNET4, INTERNET6, Agent, Network, rule

SERVED = (7001, 7002)
PORTS = (7001, 7002, 7003)
RANGES = (7001, 7002, (7000, 7002), (7002, 7100), (1, 65535))


FORWARD = """
for setting in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 > /proc/sys/net/$setting; done
for setting in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$setting/send_redirects; done
"""


class Estate:
    """Two VPCs of one account that a round makes new rules for."""

    source_ports = itertools.count(10000)

    def __init__(self, world):
        self.world = world
        home = Network(world)
        away = Network(world, block="10.1.0.0/16", account=home.account)
        self.networks, self.ec2 = [home, away], home.ec2
        self.sites = [Site(home, (2, 2, 1)), Site(away, (1, 1))]
        self.hosts = [host for network in self.networks for host in network.hosts]
        self.addresses = [self.ec2.allocate_address(Domain="vpc") for _ in range(4)]
        home.allocations += [address["AllocationId"] for address in self.addresses]
        self.holders = {}
        self.internet = Agent(world, "internet")
        for host in self.hosts:
            host.agent.serve(tcp=SERVED, udp=SERVED)

    def draw(self, choose):
        """Puts a topology in force."""
        self.draw_addresses(choose)
        for site in self.sites:
            site.draw(choose)

    def draw_addresses(self, choose):
        holders = dict(zip((a["AllocationId"] for a in self.addresses), choose.sample(self.hosts, len(self.addresses))))
        for allocation, (host, association) in list(self.holders.items()):
            if choose.random() < 0.5:
                self.ec2.disassociate_address(AssociationId=association)
                del self.holders[allocation]
        taken = [host for host, _ in self.holders.values()]
        for allocation, host in holders.items():
            if allocation not in self.holders and host not in taken:
                done = self.ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=host.eni)
                self.holders[allocation] = (host, done["AssociationId"])

    def probes(self, choose, count):
        """Probes, each with where it starts: a host, or none for the internet."""
        return [self.probe(choose) for _ in range(count)]

    def probe(self, choose):
        source = choose.choice([*self.hosts, None])
        public = [address["PublicIp"] for address in self.addresses]
        six = choose.random() < 0.4
        others = [host for host in self.hosts if host is not source]
        if six:
            internet = [INTERNET6] if source else []
            to = choose.choice([host.address6 for host in others] + internet)
        else:
            internet = [INTERNET4] * 2 if source else []
            near = [host.address for host in others if source is None or host.network is source.network]
            to = choose.choice(near * 3 + [host.address for host in others] + public + internet + ["10.0.1.77", "203.0.113.254"])
        kind = choose.choice(("tcp", "tcp", "tcp", "udp", "ping"))
        probe = {"kind": kind, "to": to, "id": next(Agent.ids) & 0xFFFF}
        if kind != "ping":
            near, far = next(self.source_ports), choose.choice((0, 30000))
            probe |= {"port": choose.choice(PORTS if kind == "tcp" else SERVED), "source_port": near + far}
        return source, probe

    def send(self, probes, timeout):
        """The outcomes of the probes, all sent at the same time."""
        by_agent = {}
        for index, (source, probe) in enumerate(probes):
            by_agent.setdefault(source.agent if source else self.internet, []).append((index, probe))
        for agent, batch in by_agent.items():
            agent.tell("probe", probes=[probe for _, probe in batch], timeout=timeout)
        outcomes = [None] * len(probes)
        for agent, batch in by_agent.items():
            for (index, _), outcome in zip(batch, agent.answer()):
                outcomes[index] = outcome
        return outcomes

    def explain(self, source, probe):
        six = ":" in probe["to"]
        protocol = {"ping": "icmpv6" if six else "icmp"}.get(probe["kind"], probe["kind"])
        origin = source.id if source else (INTERNET6 if six else INTERNET4)
        question = {"from": origin, "to": probe["to"], "protocol": protocol}
        question |= {key: probe[key] for key in ("port", "source_port") if key in probe}
        return explain(self.world, self.networks[0].account, question)

    def described(self):
        """The topology in force, for a person who looks for the reason of a difference."""
        ec2, lines = self.ec2, []
        for host in self.hosts:
            groups = ec2.describe_network_interfaces(NetworkInterfaceIds=[host.eni])["NetworkInterfaces"][0]["Groups"]
            public = [a["PublicIp"] for a in self.addresses if self.holders.get(a["AllocationId"], (None,))[0] is host]
            names = [group["GroupId"] for group in groups]
            lines.append(f"{host.id} {host.eni} {host.subnet} {host.address} {host.address6} public {public} groups {names}")
        for row in ec2.describe_security_group_rules()["SecurityGroupRules"]:
            lines.append(json.dumps({key: value for key, value in row.items() if key not in ("GroupOwnerId", "Tags")}))
        for acl in ec2.describe_network_acls()["NetworkAcls"]:
            lines.append(f"{acl['NetworkAclId']} for {[a['SubnetId'] for a in acl['Associations']]}")
            lines += [f"  {json.dumps(entry)}" for entry in acl["Entries"]]
        for table in ec2.describe_route_tables()["RouteTables"]:
            lines.append(f"{table['RouteTableId']} for {[a.get('SubnetId', 'main') for a in table['Associations']]}")
            lines += [f"  {json.dumps(route)}" for route in table["Routes"]]
        return "\n".join(lines)

    def delete(self):
        self.internet.close()
        for network in self.networks:
            network.terminate()
        for network in self.networks:
            network.delete()


class Site:
    """The part of an estate that is one VPC: a list of how many hosts each subnet has. It remembers what is in force, so
    that a draw costs calls only for what it changes."""

    def __init__(self, network, sizes):
        self.network, self.ec2 = network, network.ec2
        self.subnets = [network.subnet(number + 1) for number in range(len(sizes))]
        self.groups = [network.group(egress=[]) for _ in range(3)]
        for subnet, size in zip(self.subnets, sizes):
            network.instances(subnet, size, self.groups[0])
        self.tables = [network.table(), network.table()]
        self.acls = [self.ec2.create_network_acl(VpcId=network.vpc)["NetworkAcl"]["NetworkAclId"] for _ in range(2)]
        self.default_acl = network.default_acl()
        self.in_force = {}
        for subnet in self.subnets:
            done = self.ec2.associate_route_table(RouteTableId=self.tables[0], SubnetId=subnet)
            self.in_force[subnet, "table"] = (self.tables[0], done["AssociationId"])
        # This one forwards whatever it is sent, when its check lets it.
        self.middlebox = network.hosts[0]
        self.middlebox.shell(FORWARD, check=True)
        # A route to it leads nowhere: nothing has this interface.
        self.spare = self.ec2.create_network_interface(SubnetId=self.subnets[0])["NetworkInterface"]["NetworkInterfaceId"]
        self.blocks = [str(network.block), str(network.block6)]
        for subnet in self.ec2.describe_subnets(SubnetIds=self.subnets)["Subnets"]:
            self.blocks += [subnet["CidrBlock"], subnet["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]]

    def draw(self, choose):
        for group in self.groups:
            for direction in ("ingress", "egress"):
                self.draw_rules(choose, group, direction)
        for host in self.network.hosts:
            groups = choose.sample(self.groups, choose.choice((1, 1, 2)))
            if self.changes((host, "groups"), sorted(groups)):
                host.groups(*groups)
        check = choose.random() < 0.3
        if self.changes("check", check):
            self.ec2.modify_network_interface_attribute(NetworkInterfaceId=self.middlebox.eni, SourceDestCheck={"Value": check})
        for acl in self.acls:
            for egress in (False, True):
                for number in (50, 100, 150, 151):
                    self.draw_entry(choose, acl, egress, number)
        for subnet in self.subnets:
            acl = choose.choice([*self.acls, self.default_acl, self.default_acl, self.default_acl])
            if self.changes((subnet, "acl"), acl):
                self.network.use_acl(subnet, acl)
            self.draw_association(choose, subnet)
        for table in self.tables:
            self.draw_routes(choose, table)

    def changes(self, key, value):
        """Whether that isn't in force yet; from now on it is."""
        return self.in_force.get(key) != value and [self.in_force.update({key: value})]

    def peer(self, choose):
        hosts = [f"{host.address}/32" for host in self.network.hosts] + [f"{host.address6}/128" for host in self.network.hosts]
        rare = [*self.blocks, *hosts, "198.51.100.0/24", f"{INTERNET6}/128"]
        return choose.choice(ANYWHERE) if choose.random() < 0.6 else choose.choice(rare)

    def draw_rules(self, choose, group, direction):
        old, drawn = self.in_force.get((group, direction), {}), {}
        if choose.random() < (0.5 if direction == "ingress" else 0.75):
            drawn["everything"] = EVERYTHING
        for _ in range(choose.choice((0, 1, 2, 4) if direction == "ingress" else (0, 1, 2))):
            protocol = choose.choice(("tcp", "tcp", "udp", "icmp", "icmpv6", "-1"))
            ports = choose.choice(RANGES) if protocol in ("tcp", "udp") else None
            peer = choose.choice(self.groups) if choose.random() < 0.25 else self.peer(choose)
            if not (protocol == "-1" and peer in ANYWHERE):
                drawn[protocol, ports, peer] = rule(protocol, ports, peer)
        for action, rules in (("revoke", old.keys() - drawn), ("authorize", drawn.keys() - old)):
            permissions = [{**old, **drawn}[key] for key in sorted(rules, key=str)]
            if permissions:
                getattr(self.ec2, f"{action}_security_group_{direction}")(GroupId=group, IpPermissions=permissions)
        self.in_force[group, direction] = drawn

    def draw_entry(self, choose, acl, egress, number):
        there = self.in_force.get((acl, egress, number))
        if there and choose.random() < 0.5:
            return
        change = self.ec2.replace_network_acl_entry if there else self.ec2.create_network_acl_entry
        change(NetworkAclId=acl, RuleNumber=number, Egress=egress, **self.entry(choose, last=number - 150))
        self.in_force[acl, egress, number] = True

    def entry(self, choose, last):
        """An entry; the last ones are for everything of a family."""
        block, last = (ANYWHERE[last], True) if last >= 0 else (self.peer(choose), False)
        entry = {"RuleAction": choose.choices(("allow", "deny"), (4, 1) if last else (2, 1))[0]}
        entry["Ipv6CidrBlock" if ":" in block else "CidrBlock"] = block
        protocol = choose.choice(("-1", "6", "6", "17", "icmp")) if not last else "-1"
        if protocol == "icmp":
            protocol = "58" if ":" in block else "1"
            kinds = (128, 129, -1) if ":" in block else (8, 0, -1)
            entry["IcmpTypeCode"] = {"Type": choose.choice(kinds), "Code": -1}
        elif protocol in ("6", "17"):
            low, high = choose.choice(((7001, 7001), (7002, 7100), (1024, 65535), (40000, 65535), (0, 65535)))
            entry["PortRange"] = {"From": low, "To": high}
        return entry | {"Protocol": protocol}

    def draw_association(self, choose, subnet):
        table, association = self.in_force[subnet, "table"]
        wanted = choose.choice(self.tables)
        if wanted != table:
            done = self.ec2.replace_route_table_association(AssociationId=association, RouteTableId=wanted)
            self.in_force[subnet, "table"] = (wanted, done["NewAssociationId"])

    def draw_routes(self, choose, table):
        wanted = {}
        gateway, nowhere, box = (
            {"GatewayId": self.network.gateway}, {"NetworkInterfaceId": self.spare}, {"NetworkInterfaceId": self.middlebox.eni},
        )
        for destination in ("0.0.0.0/0", "::/0"):
            if choose.random() < 0.85:
                wanted[destination] = choose.choices((gateway, box), (5, 1))[0]
        if choose.random() < 0.1:
            wanted["198.51.100.0/24"] = choose.choice((nowhere, box))
        if choose.random() < 0.1:
            wanted["203.0.113.0/24"] = gateway
        if choose.random() < 0.25:
            # Only whole subnets may have a route that is more specific than the local one.
            wanted[choose.choice(self.blocks[2:])] = choose.choices((nowhere, box), (1, 3))[0]
        there = self.in_force.get((table, "routes"), {})
        for destination in there.keys() - wanted:
            family = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
            self.ec2.delete_route(RouteTableId=table, **{family: destination})
        for destination, target in wanted.items():
            if destination not in there:
                self.network.route(table, destination, **target)
            elif there[destination] != target:
                family = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
                self.ec2.replace_route(RouteTableId=table, **{family: destination}, **target)
        self.in_force[table, "routes"] = wanted


def explain(daemon, account, question, region="eu-central-1"):
    """An explanation as the daemon gives it, without a process in between."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(daemon.endpoint).netloc, timeout=20)
    scope = f"AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
    connection.request("POST", "/_openvpc/explain", json.dumps(question), {"Authorization": scope})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return json.loads(text)


def seeded(seed, number):
    return random.Random(f"{seed}/{number}")
