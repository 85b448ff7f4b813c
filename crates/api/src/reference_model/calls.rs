//! Each kind of call: its parameters, what speaks against it, and what it changes when nothing does.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::Value;

use super::model::{
    Acl, Address, Endpoint, Eni, Group, Id, InternetGateway, List, Model, Nat, Peering, PeeringState, Subnet, Table, Target, Vpc,
    Who,
};
use super::{CALLERS, Step, described};
use crate::Api;

macro_rules! verbs {
    ($($verb:ident)*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Verb { $($verb),* }
        pub(super) const VERBS: &[Verb] = &[$(Verb::$verb),*];
        impl Model {
            /// The call that a step makes of the state there is.
            pub(super) fn call(&self, step: &Step) -> Call {
                match step.verb { $(Verb::$verb => verb::$verb(self, step)),* }
            }
        }
    };
}

verbs! {
    CreateVpc DeleteVpc AssociateVpcCidrBlock DisassociateVpcCidrBlock CreateSubnet DeleteSubnet
    CreateRouteTable DeleteRouteTable AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation
    CreateRoute ReplaceRoute DeleteRoute
    CreateInternetGateway DeleteInternetGateway AttachInternetGateway DetachInternetGateway
    CreateEgressOnlyInternetGateway DeleteEgressOnlyInternetGateway
    AllocateAddress ReleaseAddress AssociateAddress DisassociateAddress
    CreateNetworkInterface DeleteNetworkInterface AssignPrivateIpAddresses
    CreateNatGateway DeleteNatGateway
    CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress
    CreateNetworkAcl DeleteNetworkAcl CreateNetworkAclEntry DeleteNetworkAclEntry ReplaceNetworkAclAssociation
    CreateManagedPrefixList ModifyManagedPrefixList DeleteManagedPrefixList
    CreateVpcPeeringConnection AcceptVpcPeeringConnection RejectVpcPeeringConnection DeleteVpcPeeringConnection
    CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints
    CreateTags DeleteTags
}

/// What the success of a call changes, by its answer and what the API shows then.
type Change = Box<dyn FnOnce(&mut Model, &Value, &Api)>;

/// A call and what the model has to say about it.
pub(super) struct Call {
    pub(super) action: &'static str,
    pub(super) parameters: Vec<(&'static str, String)>,
    /// When there are any, the call must fail with one of these codes.
    pub(super) must: Vec<&'static str>,
    /// Codes that the rules leave open.
    pub(super) may: Vec<&'static str>,
    /// What success changes.
    pub(super) then: Change,
}

impl Call {
    fn new(action: &'static str, parameters: Vec<(&'static str, String)>) -> Self {
        Self { action, parameters, must: Vec::new(), may: Vec::new(), then: Box::new(|_, _, _| {}) }
    }

    fn refused_if(mut self, wrong: bool, codes: &[&'static str]) -> Self {
        if wrong {
            self.must.extend(codes);
        }
        self
    }

    fn perhaps_refused_if(mut self, unclear: bool, codes: &[&'static str]) -> Self {
        if unclear {
            self.may.extend(codes);
        }
        self
    }

    fn then(mut self, change: impl FnOnce(&mut Model, &Value, &Api) + 'static) -> Self {
        self.then = Box::new(change);
        self
    }

    /// Whether the answer lists failures instead of being one.
    pub(super) fn lists_failures(&self) -> bool {
        self.action == "DeleteVpcEndpoints"
    }
}

const VPC: &[&str] = &["InvalidVpcID.NotFound"];
const SUBNET: &[&str] = &["InvalidSubnetID.NotFound"];
const TABLE: &[&str] = &["InvalidRouteTableID.NotFound"];
const IGW: &[&str] = &["InvalidInternetGatewayID.NotFound"];
const ENI: &[&str] = &["InvalidNetworkInterfaceID.NotFound"];
const EIP: &[&str] = &["InvalidAllocationID.NotFound"];
const NAT: &[&str] = &["NatGatewayNotFound"];
const GROUP: &[&str] = &["InvalidGroup.NotFound"];
const ACL: &[&str] = &["InvalidNetworkAclID.NotFound"];
const LIST: &[&str] = &["InvalidPrefixListID.NotFound"];
const PEERING: &[&str] = &["InvalidVpcPeeringConnectionID.NotFound"];
const ASSOCIATION: &[&str] = &["InvalidAssociationID.NotFound"];
const DEPENDENCY: &[&str] = &["DependencyViolation"];
/// The rules don't name the code for things of different VPCs.
const ELSEWHERE: &[&str] = &["InvalidParameterValue", "InvalidParameterCombination", "InvalidParameter"];
const MANAGED: &[&str] = &["OperationNotPermitted", "AuthFailure", "InvalidIPAddress.InUse", "InvalidNetworkInterface.InUse"];
/// A block that doesn't go with what the VPC or its peers have; nor here.
const CONFLICT: &[&str] = &["CidrConflict", "InvalidVpc.Range", "OperationNotPermitted", "InvalidParameterValue"];

const BLOCKS: &[&str] =
    &["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "172.16.0.0/16", "10.0.0.0/15", "192.0.2.0/29", "10.0.128.0/17"];
const MORE_BLOCKS: &[&str] = &[
    "100.64.0.0/16",
    "10.2.0.0/16",
    "10.0.128.0/17",
    "192.168.0.0/16",
    "100.65.0.0/24",
    "10.1.0.0/24",
    "172.31.0.0/16",
    "198.51.100.0/24",
    "10.3.0.0/15",
];
const DESTINATIONS: &[&str] = &["0.0.0.0/0", "10.9.0.0/16", "198.51.100.0/24", "203.0.113.7/32"];
const SOURCES: &[&str] = &["192.0.2.0/24", "198.51.100.0/24", "0.0.0.0/0"];

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn texts(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// One of the things there are: mostly the caller's own, and one that nobody has when there is none.
fn pick<T>(things: &BTreeMap<Id, T>, at: usize, own: impl Fn(&T) -> bool, nobodys: &str) -> Id {
    let mine: Vec<&Id> = things.iter().filter(|(_, thing)| own(thing)).map(|(id, _)| id).collect();
    let any: Vec<&Id> = things.keys().collect();
    let from = if at % 9 == 8 || mine.is_empty() { any } else { mine };
    if from.is_empty() { format!("{nobodys}-0123456789abcdef0") } else { from[at / 9 % from.len()].clone() }
}

/// The table of association restrictions in the networking sheet.
fn restricted(present: &[Ipv4Net], new: Ipv4Net) -> bool {
    let within = |block: &Ipv4Net, range: &str| net(range).contains(block);
    let private = |block: &Ipv4Net| {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"].iter().any(|range| within(block, range))
    };
    let has_private = present.iter().any(private);
    present.iter().any(|block| {
        let row: &[&str] = if within(block, "10.0.0.0/15") {
            &["172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16", "10.0.0.0/16"]
        } else if within(block, "10.0.0.0/8") {
            &["172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"]
        } else if within(block, "172.16.0.0/12") {
            &["10.0.0.0/8", "192.168.0.0/16", "172.31.0.0/16", "198.19.0.0/16"]
        } else if !has_private {
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"]
        } else {
            &[]
        };
        row.iter().any(|range| within(&new, range))
    })
}

#[expect(non_snake_case, reason = "the functions are named as the calls")]
mod verb {
    use super::*;

    impl Model {
        fn a_vpc(&self, s: &Step) -> Id {
            pick(&self.vpcs, s.a, |vpc| vpc.owner == s.who, "vpc")
        }

        fn owns_vpc(&self, id: &str, who: Who) -> bool {
            self.vpc_owner(id) == Some(who)
        }

        fn a_subnet(&self, at: usize, who: Who) -> Id {
            pick(&self.subnets, at, |subnet| self.owns_vpc(&subnet.vpc, who), "subnet")
        }

        /// The VPC of a subnet that the caller has.
        fn subnet_vpc(&self, id: &str, who: Who) -> Option<&Id> {
            self.subnets.get(id).map(|subnet| &subnet.vpc).filter(|vpc| self.owns_vpc(vpc, who))
        }

        fn a_table(&self, at: usize, who: Who) -> Id {
            pick(&self.tables, at, |table| self.owns_vpc(&table.vpc, who), "rtb")
        }

        fn table(&self, id: &str, who: Who) -> Option<&Table> {
            self.tables.get(id).filter(|table| self.owns_vpc(&table.vpc, who))
        }

        fn an_igw(&self, at: usize, who: Who) -> Id {
            pick(&self.igws, at, |gateway| gateway.owner == who, "igw")
        }

        fn an_eni(&self, at: usize, who: Who) -> Id {
            pick(&self.enis, at, |eni| self.owns_vpc(&eni.vpc, who) && (!eni.managed || at % 5 == 4), "eni")
        }

        fn eni(&self, id: &str, who: Who) -> Option<&Eni> {
            self.enis.get(id).filter(|eni| self.owns_vpc(&eni.vpc, who))
        }

        fn an_eip(&self, at: usize, who: Who) -> Id {
            pick(&self.eips, at, |eip| eip.owner == who, "eipalloc")
        }

        fn a_group(&self, at: usize, who: Who) -> Id {
            pick(&self.groups, at, |group| self.owns_vpc(&group.vpc, who), "sg")
        }

        fn group(&self, id: &str, who: Who) -> Option<&Group> {
            self.groups.get(id).filter(|group| self.owns_vpc(&group.vpc, who))
        }

        fn an_acl(&self, at: usize, who: Who) -> Id {
            pick(&self.acls, at, |acl| self.owns_vpc(&acl.vpc, who), "acl")
        }

        fn acl(&self, id: &str, who: Who) -> Option<&Acl> {
            self.acls.get(id).filter(|acl| self.owns_vpc(&acl.vpc, who))
        }

        fn a_list(&self, at: usize, who: Who) -> Id {
            pick(&self.lists, at, |list| list.owner == who, "pl")
        }

        fn list(&self, id: &str, who: Who) -> Option<&List> {
            self.lists.get(id).filter(|list| list.owner == who)
        }

        fn a_peering(&self, at: usize, who: Who) -> Id {
            pick(&self.peerings, at, |p| p.requester.0 == who || p.accepter.0 == who, "pcx")
        }

        fn an_endpoint(&self, at: usize, who: Who) -> Id {
            pick(&self.endpoints, at, |endpoint| self.owns_vpc(&endpoint.vpc, who), "vpce")
        }

        /// Whether a destination is a block of the table's VPC.
        fn is_local(&self, table: &Table, to: &str) -> bool {
            to.parse().is_ok_and(|to: Ipv4Net| self.vpcs[&table.vpc].blocks.iter().any(|(_, block)| *block == to))
        }

        /// A route's destination and target, and what speaks against them in a table.
        fn route(&self, s: &Step, table: &Id, action: &'static str) -> (Call, String, Target) {
            let vpc = self.table(table, s.who).map(|table| table.vpc.clone());
            let of_vpc = |other: Option<&Id>| vpc.is_none() || other == vpc.as_ref();
            let kind = s.c % 5;
            let list = (s.b % 5 == 4).then(|| self.a_list(s.b / 5, s.who));
            let (parameter, to) = match (&list, kind) {
                (Some(list), _) => ("DestinationPrefixListId", list.clone()),
                (None, 4) => ("DestinationIpv6CidrBlock", "::/0".to_owned()),
                (None, _) => ("DestinationCidrBlock", DESTINATIONS[s.b % DESTINATIONS.len()].to_owned()),
            };
            let mut call = Call::new(action, vec![("RouteTableId", table.clone()), (parameter, to.clone())])
                .refused_if(vpc.is_none(), TABLE)
                .refused_if(list.as_ref().is_some_and(|list| self.list(list, s.who).is_none()), LIST);
            let at = s.c / 5;
            let target = match kind {
                0 => {
                    let id = self.an_igw(at, s.who);
                    call.parameters.push(("GatewayId", id.clone()));
                    let gateway = self.igws.get(&id).filter(|gateway| gateway.owner == s.who);
                    call =
                        call.refused_if(gateway.is_none(), &["InvalidGatewayID.NotFound", "InvalidInternetGatewayID.NotFound"]);
                    let here = gateway.is_none_or(|gateway| of_vpc(gateway.vpc.as_ref()));
                    call = call.refused_if(!here, ELSEWHERE).refused_if(!here, &["Gateway.NotAttached"]);
                    Target::Igw(id)
                }
                1 => {
                    let id = pick(&self.nats, at, |nat| nat.owner == s.who && nat.state == "available", "nat");
                    call.parameters.push(("NatGatewayId", id.clone()));
                    let nat = self.nats.get(&id).filter(|nat| nat.owner == s.who && nat.state == "available");
                    call = call.refused_if(nat.is_none(), &["NatGatewayNotFound", "InvalidNatGatewayID.NotFound"]);
                    call = call.refused_if(nat.is_some_and(|nat| !of_vpc(Some(&nat.vpc))), ELSEWHERE);
                    Target::Nat(id)
                }
                2 => {
                    let id = self.a_peering(at, s.who);
                    call.parameters.push(("VpcPeeringConnectionId", id.clone()));
                    let living = self
                        .peerings
                        .get(&id)
                        .filter(|p| p.state != PeeringState::Ended && (p.requester.0 == s.who || p.accepter.0 == s.who));
                    call = call.refused_if(living.is_none(), PEERING);
                    let ours = living.is_none_or(|p| of_vpc(Some(&p.requester.1)) || of_vpc(Some(&p.accepter.1)));
                    call = call.refused_if(!ours, ELSEWHERE);
                    Target::Peering(id)
                }
                3 => {
                    let id = self.an_eni(at, s.who);
                    call.parameters.push(("NetworkInterfaceId", id.clone()));
                    let eni = self.eni(&id, s.who);
                    call = call.refused_if(eni.is_none(), ENI);
                    call = call.refused_if(eni.is_some_and(|eni| !of_vpc(Some(&eni.vpc))), ELSEWHERE);
                    call = call.perhaps_refused_if(eni.is_some_and(|eni| eni.managed), ELSEWHERE);
                    Target::Eni(id)
                }
                _ => {
                    let id = pick(&self.eigws, at, |vpc| self.owns_vpc(vpc, s.who), "eigw");
                    call.parameters.push(("EgressOnlyInternetGatewayId", id.clone()));
                    let place = self.eigws.get(&id).filter(|vpc| self.owns_vpc(vpc, s.who));
                    let missing = &["InvalidEgressOnlyInternetGatewayId.NotFound", "InvalidGatewayID.NotFound"];
                    call = call.refused_if(place.is_none(), missing);
                    call = call.refused_if(place.is_some_and(|vpc| !of_vpc(Some(vpc))), ELSEWHERE);
                    // It carries IPv6 alone, and the lists here are IPv4.
                    call = call.refused_if(list.is_some(), ELSEWHERE);
                    Target::Eigw(id)
                }
            };
            (call, to, target)
        }
    }

    pub(super) fn CreateVpc(_: &Model, s: &Step) -> Call {
        let (block, who) = (BLOCKS[s.a % BLOCKS.len()], s.who);
        let size = net(block).prefix_len();
        Call::new("CreateVpc", vec![("CidrBlock", block.to_owned())])
            .refused_if(!(16..=28).contains(&size), &["InvalidVpc.Range"])
            .then(move |m, answer, api| {
                let vpc = &answer["Vpc"];
                let id = texts(&vpc["VpcId"]);
                let parts = |action, list| described(api, who, action, list, "vpc-id", &id)[0].clone();
                let table = parts("DescribeRouteTables", "RouteTables");
                let acl = texts(&parts("DescribeNetworkAcls", "NetworkAcls")["NetworkAclId"]);
                let group = texts(&parts("DescribeSecurityGroups", "SecurityGroups")["GroupId"]);
                let main = Some(texts(&table["Associations"][0]["RouteTableAssociationId"]));
                m.tables.insert(
                    texts(&table["RouteTableId"]),
                    Table { vpc: id.clone(), main, subnets: BTreeMap::new(), routes: BTreeMap::new() },
                );
                m.acls.insert(acl.clone(), Acl { vpc: id.clone(), is_default: true, entries: BTreeMap::new() });
                m.groups.insert(group.clone(), Group { vpc: id.clone(), name: "default".into(), rules: BTreeMap::new() });
                let association = texts(&vpc["CidrBlockAssociationSet"][0]["AssociationId"]);
                m.vpcs.insert(id, Vpc { owner: who, blocks: vec![(association, net(block))], group, acl });
            })
    }

    pub(super) fn DeleteVpc(m: &Model, s: &Step) -> Call {
        let id = m.a_vpc(s);
        let has = m.subnets.values().any(|x| x.vpc == id)
            || m.gateway_of(&id).is_some()
            || m.eigws.values().any(|vpc| *vpc == id)
            || m.groups.iter().any(|(group, x)| x.vpc == id && m.vpcs[&id].group != *group)
            || m.acls.values().any(|x| x.vpc == id && !x.is_default)
            || m.tables.values().any(|x| x.vpc == id && x.main.is_none())
            || m.endpoints.values().any(|x| x.vpc == id);
        // The rules don't say what becomes of another's request that still waits for an answer.
        let asked = m.peerings.values().any(|p| p.state == PeeringState::Pending && p.accepter.1 == id);
        let own = m.owns_vpc(&id, s.who);
        Call::new("DeleteVpc", vec![("VpcId", id.clone())])
            .refused_if(!own, VPC)
            .refused_if(own && has, DEPENDENCY)
            .perhaps_refused_if(own && asked, DEPENDENCY)
            .then(move |m, _, _| {
                m.vpcs.remove(&id);
                m.tables.retain(|_, x| x.vpc != id);
                m.acls.retain(|_, x| x.vpc != id);
                m.groups.retain(|_, x| x.vpc != id);
                for peering in m.peerings.values_mut().filter(|p| p.requester.1 == id || p.accepter.1 == id) {
                    peering.state = PeeringState::Ended;
                }
            })
    }

    pub(super) fn AssociateVpcCidrBlock(m: &Model, s: &Step) -> Call {
        let (id, block) = (m.a_vpc(s), net(MORE_BLOCKS[s.b % MORE_BLOCKS.len()]).trunc());
        let own = m.owns_vpc(&id, s.who);
        let present: Vec<Ipv4Net> = m.vpcs.get(&id).map(|vpc| vpc.blocks.iter().map(|b| b.1).collect()).unwrap_or_default();
        let overlaps = |other: &Ipv4Net| other.contains(&block) || block.contains(other);
        let bent = m.tables.values().filter(|x| x.vpc == id).flat_map(|x| x.routes.keys());
        let bent = bent.filter_map(|to| to.parse::<Ipv4Net>().ok()).any(|to| block.contains(&to));
        let listed = m.tables.values().any(|x| x.vpc == id && x.routes.keys().any(|to| to.starts_with("pl-")));
        let of_peer = |p: &Peering| {
            let peer = if p.requester.1 == id { &p.accepter.1 } else { &p.requester.1 };
            (p.requester.1 == id || p.accepter.1 == id)
                && match p.state {
                    PeeringState::Pending => p.requester.1 == id,
                    PeeringState::Active => m.vpcs[peer].blocks.iter().any(|b| overlaps(&b.1)),
                    PeeringState::Ended => false,
                }
        };
        Call::new("AssociateVpcCidrBlock", vec![("VpcId", id.clone()), ("CidrBlock", block.to_string())])
            .refused_if(!own, VPC)
            .refused_if(!(16..=28).contains(&block.prefix_len()) || own && restricted(&present, block), &["InvalidVpc.Range"])
            .refused_if(own && (present.iter().any(overlaps) || bent || m.peerings.values().any(of_peer)), CONFLICT)
            .refused_if(own && present.len() >= 5, &["CidrLimitExceeded"])
            .perhaps_refused_if(listed, CONFLICT)
            .then(move |m, answer, _| {
                let association = texts(&answer["CidrBlockAssociation"]["AssociationId"]);
                m.vpcs.get_mut(&id).unwrap().blocks.push((association, block));
            })
    }

    pub(super) fn DisassociateVpcCidrBlock(m: &Model, s: &Step) -> Call {
        let vpc = m.a_vpc(s);
        let blocks = m.vpcs.get(&vpc).map(|vpc| &vpc.blocks[..]).unwrap_or_default();
        // The last one, mostly: the first can't go.
        let at = if s.b.is_multiple_of(4) { 0 } else { blocks.len().saturating_sub(1) };
        let found = blocks.get(at).cloned();
        let association = found.as_ref().map_or("vpc-cidr-assoc-0123456789abcdef0".to_owned(), |b| b.0.clone());
        let own = m.owns_vpc(&vpc, s.who);
        let used = found.is_some_and(|(_, block)| m.subnets.values().any(|x| x.vpc == vpc && block.contains(&x.block)));
        Call::new("DisassociateVpcCidrBlock", vec![("AssociationId", association.clone())])
            .refused_if(!own, &["InvalidVpcCidrBlockAssociationID.NotFound"])
            .refused_if(own && at == 0, &["OperationNotPermitted"])
            .refused_if(own && used, DEPENDENCY)
            .then(move |m, _, _| m.vpcs.get_mut(&vpc).unwrap().blocks.retain(|b| b.0 != association))
    }

    pub(super) fn CreateSubnet(m: &Model, s: &Step) -> Call {
        let (id, who) = (m.a_vpc(s), s.who);
        let blocks: Vec<Ipv4Net> = m.vpcs.get(&id).map(|vpc| vpc.blocks.iter().map(|b| b.1).collect()).unwrap_or_default();
        let base = blocks.get(s.c % blocks.len().max(1)).map_or(net("10.0.0.0/16"), |block| *block);
        let block = match s.b % 8 {
            6 => net("192.168.7.0/24"),
            7 => Ipv4Net::new(base.network(), 29).unwrap(),
            // Few addresses, so that they run out.
            n if s.b >= 32 => Ipv4Net::new((u32::from(base.network()) + 16 * n as u32).into(), 28).unwrap(),
            n => Ipv4Net::new((u32::from(base.network()) + 256 * n as u32).into(), 24).unwrap(),
        };
        let own = m.owns_vpc(&id, s.who);
        let inside = blocks.iter().any(|b| b.contains(&block));
        let overlaps = |x: &Subnet| x.vpc == id && (x.block.contains(&block) || block.contains(&x.block));
        Call::new("CreateSubnet", vec![("VpcId", id.clone()), ("CidrBlock", block.to_string())])
            .refused_if(!own, VPC)
            .refused_if(block.prefix_len() > 28 || own && !inside, &["InvalidSubnet.Range"])
            .refused_if(own && m.subnets.values().any(overlaps), &["InvalidSubnet.Conflict"])
            .then(move |m, answer, api| {
                let subnet = texts(&answer["Subnet"]["SubnetId"]);
                let acl = described(api, who, "DescribeNetworkAcls", "NetworkAcls", "association.subnet-id", &subnet)[0].clone();
                let is_its = |a: &&Value| a["SubnetId"] == subnet.as_str();
                let acl_association = acl["Associations"].as_array().unwrap().iter().find(is_its).unwrap();
                let acl_association = texts(&acl_association["NetworkAclAssociationId"]);
                let acl = m.vpcs[&id].acl.clone();
                m.subnets.insert(subnet, Subnet { vpc: id, block, acl, acl_association });
            })
    }

    pub(super) fn DeleteSubnet(m: &Model, s: &Step) -> Call {
        let id = m.a_subnet(s.a, s.who);
        let own = m.subnet_vpc(&id, s.who).is_some();
        Call::new("DeleteSubnet", vec![("SubnetId", id.clone())])
            .refused_if(!own, SUBNET)
            .refused_if(own && m.enis.values().any(|eni| eni.subnet == id), DEPENDENCY)
            .then(move |m, _, _| {
                m.subnets.remove(&id);
                m.tables.values_mut().for_each(|table| table.subnets.retain(|_, subnet| *subnet != id));
            })
    }

    pub(super) fn CreateRouteTable(m: &Model, s: &Step) -> Call {
        let id = m.a_vpc(s);
        Call::new("CreateRouteTable", vec![("VpcId", id.clone())]).refused_if(!m.owns_vpc(&id, s.who), VPC).then(
            move |m, answer, _| {
                let table = Table { vpc: id, main: None, subnets: BTreeMap::new(), routes: BTreeMap::new() };
                m.tables.insert(texts(&answer["RouteTable"]["RouteTableId"]), table);
            },
        )
    }

    pub(super) fn DeleteRouteTable(m: &Model, s: &Step) -> Call {
        let id = m.a_table(s.a, s.who);
        let table = m.table(&id, s.who);
        Call::new("DeleteRouteTable", vec![("RouteTableId", id.clone())])
            .refused_if(table.is_none(), TABLE)
            .refused_if(table.is_some_and(|table| table.main.is_some() || !table.subnets.is_empty()), DEPENDENCY)
            .perhaps_refused_if(m.endpoints.values().any(|endpoint| endpoint.tables.contains(&id)), DEPENDENCY)
            .then(move |m, _, _| {
                m.tables.remove(&id);
                m.endpoints.values_mut().for_each(|endpoint| {
                    endpoint.tables.remove(&id);
                });
            })
    }

    pub(super) fn AssociateRouteTable(m: &Model, s: &Step) -> Call {
        let (id, subnet) = (m.a_table(s.a, s.who), m.a_subnet(s.b, s.who));
        let (table, vpc) = (m.table(&id, s.who), m.subnet_vpc(&subnet, s.who));
        let apart = table.zip(vpc).is_some_and(|(table, vpc)| table.vpc != *vpc);
        let other = m.tables.iter().any(|(other, x)| *other != id && x.subnets.values().any(|used| *used == subnet));
        Call::new("AssociateRouteTable", vec![("RouteTableId", id.clone()), ("SubnetId", subnet.clone())])
            .refused_if(table.is_none(), TABLE)
            .refused_if(vpc.is_none(), SUBNET)
            .refused_if(apart, ELSEWHERE)
            .refused_if(vpc.is_some() && other, &["Resource.AlreadyAssociated"])
            .then(move |m, answer, _| {
                // To associate the same again changes nothing and gives the same association.
                m.tables.get_mut(&id).unwrap().subnets.insert(texts(&answer["AssociationId"]), subnet);
            })
    }

    /// An association of a table, and which table that is.
    fn association(m: &Model, s: &Step) -> (Id, Id, bool) {
        let of = |table: &Table, who: Who| m.owns_vpc(&table.vpc, who) && (!table.subnets.is_empty() || s.a % 5 == 4);
        let id = pick(&m.tables, s.a, |table| of(table, s.who), "rtb");
        let found = m.tables.get(&id).and_then(|table| {
            let subnet = table.subnets.keys().nth(s.c % table.subnets.len().max(1));
            subnet.map(|a| (a.clone(), false)).or_else(|| table.main.clone().map(|a| (a, true)))
        });
        let (association, main) = found.unwrap_or(("rtbassoc-0123456789abcdef0".to_owned(), false));
        (id, association, main)
    }

    pub(super) fn DisassociateRouteTable(m: &Model, s: &Step) -> Call {
        let (id, association, main) = association(m, s);
        let known = m.table(&id, s.who).is_some() && !association.ends_with("-0123456789abcdef0");
        Call::new("DisassociateRouteTable", vec![("AssociationId", association.clone())])
            .refused_if(!known, ASSOCIATION)
            .refused_if(known && main, &["InvalidParameterValue"])
            .then(move |m, _, _| {
                m.tables.get_mut(&id).unwrap().subnets.remove(&association);
            })
    }

    pub(super) fn ReplaceRouteTableAssociation(m: &Model, s: &Step) -> Call {
        let (old, association, main) = association(m, s);
        let new = m.a_table(s.b, s.who);
        let known = m.table(&old, s.who).is_some() && !association.ends_with("-0123456789abcdef0");
        let (was, is) = (m.table(&old, s.who), m.table(&new, s.who));
        Call::new("ReplaceRouteTableAssociation", vec![("AssociationId", association.clone()), ("RouteTableId", new.clone())])
            .refused_if(!known, ASSOCIATION)
            .refused_if(is.is_none(), TABLE)
            .refused_if(was.zip(is).is_some_and(|(was, is)| was.vpc != is.vpc), ELSEWHERE)
            .perhaps_refused_if(old == new, ELSEWHERE)
            .then(move |m, answer, _| {
                let made = texts(&answer["NewAssociationId"]);
                let was = m.tables.get_mut(&old).unwrap();
                let subnet = was.subnets.remove(&association);
                if main {
                    was.main = None;
                }
                let is = m.tables.get_mut(&new).unwrap();
                match subnet {
                    Some(subnet) => drop(is.subnets.insert(made, subnet)),
                    None => is.main = Some(made),
                }
            })
    }

    pub(super) fn CreateRoute(m: &Model, s: &Step) -> Call {
        let id = m.a_table(s.a, s.who);
        let (call, to, target) = m.route(s, &id, "CreateRoute");
        let there = m.table(&id, s.who).is_some_and(|table| table.routes.contains_key(&to) || m.is_local(table, &to));
        call.refused_if(there, &["RouteAlreadyExists"]).then(move |m, _, _| {
            m.tables.get_mut(&id).unwrap().routes.insert(to, target);
        })
    }

    pub(super) fn ReplaceRoute(m: &Model, s: &Step) -> Call {
        let id = m.a_table(s.a, s.who);
        let (call, to, target) = m.route(s, &id, "ReplaceRoute");
        // What may stand in for a local route has rules of its own, which aren't here.
        if m.tables.get(&id).is_some_and(|table| m.is_local(table, &to)) {
            return DeleteRoute(m, s);
        }
        let missing = m.table(&id, s.who).is_some_and(|table| !table.routes.contains_key(&to));
        call.refused_if(missing, &["InvalidParameterValue", "InvalidRoute.NotFound"]).then(move |m, _, _| {
            m.tables.get_mut(&id).unwrap().routes.insert(to, target);
        })
    }

    pub(super) fn DeleteRoute(m: &Model, s: &Step) -> Call {
        let id = pick(&m.tables, s.a, |table| m.owns_vpc(&table.vpc, s.who) && !table.routes.is_empty(), "rtb");
        let table = m.table(&id, s.who);
        let known = table.and_then(|table| table.routes.keys().nth(s.b % table.routes.len().max(1))).cloned();
        let to = known.clone().unwrap_or("0.0.0.0/0".to_owned());
        let parameter = match &to {
            to if to.starts_with("pl-") => "DestinationPrefixListId",
            to if to.contains(':') => "DestinationIpv6CidrBlock",
            _ => "DestinationCidrBlock",
        };
        Call::new("DeleteRoute", vec![("RouteTableId", id.clone()), (parameter, to.clone())])
            .refused_if(table.is_none(), TABLE)
            .refused_if(table.is_some() && known.is_none(), &["InvalidRoute.NotFound"])
            .then(move |m, _, _| {
                m.tables.get_mut(&id).unwrap().routes.remove(&to);
            })
    }

    pub(super) fn CreateInternetGateway(_: &Model, s: &Step) -> Call {
        let owner = s.who;
        Call::new("CreateInternetGateway", Vec::new()).then(move |m, answer, _| {
            let id = texts(&answer["InternetGateway"]["InternetGatewayId"]);
            m.igws.insert(id, InternetGateway { owner, vpc: None });
        })
    }

    pub(super) fn DeleteInternetGateway(m: &Model, s: &Step) -> Call {
        let id = m.an_igw(s.a, s.who);
        let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
        Call::new("DeleteInternetGateway", vec![("InternetGatewayId", id.clone())])
            .refused_if(gateway.is_none(), IGW)
            .refused_if(gateway.is_some_and(|gateway| gateway.vpc.is_some()), DEPENDENCY)
            .then(move |m, _, _| {
                m.igws.remove(&id);
            })
    }

    pub(super) fn AttachInternetGateway(m: &Model, s: &Step) -> Call {
        let (id, vpc) = (m.an_igw(s.b, s.who), m.a_vpc(s));
        let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
        let own = m.owns_vpc(&vpc, s.who);
        Call::new("AttachInternetGateway", vec![("InternetGatewayId", id.clone()), ("VpcId", vpc.clone())])
            .refused_if(gateway.is_none(), IGW)
            .refused_if(!own, VPC)
            .refused_if(gateway.is_some_and(|gateway| gateway.vpc.is_some()), &["Resource.AlreadyAssociated"])
            .refused_if(own && m.gateway_of(&vpc).is_some(), &["InvalidParameterValue"])
            .then(move |m, _, _| m.igws.get_mut(&id).unwrap().vpc = Some(vpc))
    }

    pub(super) fn DetachInternetGateway(m: &Model, s: &Step) -> Call {
        let id = m.an_igw(s.b, s.who);
        let gateway = m.igws.get(&id).filter(|gateway| gateway.owner == s.who);
        let attached = gateway.and_then(|gateway| gateway.vpc.clone());
        let vpc = attached.clone().filter(|_| !s.c.is_multiple_of(4)).unwrap_or_else(|| m.a_vpc(s));
        let public = m.eips.values().filter_map(|eip| eip.on.as_ref()).any(|(_, eni)| m.enis[eni].vpc == vpc);
        Call::new("DetachInternetGateway", vec![("InternetGatewayId", id.clone()), ("VpcId", vpc.clone())])
            .refused_if(gateway.is_none(), IGW)
            .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
            .refused_if(gateway.is_some() && attached.as_ref() != Some(&vpc), &["Gateway.NotAttached"])
            .perhaps_refused_if(public, DEPENDENCY)
            .then(move |m, _, _| m.igws.get_mut(&id).unwrap().vpc = None)
    }

    pub(super) fn CreateEgressOnlyInternetGateway(m: &Model, s: &Step) -> Call {
        let vpc = m.a_vpc(s);
        Call::new("CreateEgressOnlyInternetGateway", vec![("VpcId", vpc.clone())])
            .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
            .refused_if(
                m.eigws.values().any(|other| *other == vpc),
                &["InvalidParameterValue", "Resource.AlreadyAssociated", "EgressOnlyInternetGatewayLimitExceeded"],
            )
            .then(move |m, answer, _| {
                m.eigws.insert(texts(&answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]), vpc);
            })
    }

    pub(super) fn DeleteEgressOnlyInternetGateway(m: &Model, s: &Step) -> Call {
        let id = pick(&m.eigws, s.a, |vpc| m.owns_vpc(vpc, s.who), "eigw");
        let own = m.eigws.get(&id).is_some_and(|vpc| m.owns_vpc(vpc, s.who));
        Call::new("DeleteEgressOnlyInternetGateway", vec![("EgressOnlyInternetGatewayId", id.clone())])
            .refused_if(!own, &["InvalidEgressOnlyInternetGatewayId.NotFound"])
            .then(move |m, _, _| {
                m.eigws.remove(&id);
            })
    }

    pub(super) fn AllocateAddress(_: &Model, s: &Step) -> Call {
        let owner = s.who;
        Call::new("AllocateAddress", Vec::new()).then(move |m, answer, _| {
            m.eips.insert(texts(&answer["AllocationId"]), Address { owner, on: None });
        })
    }

    pub(super) fn ReleaseAddress(m: &Model, s: &Step) -> Call {
        let id = m.an_eip(s.a, s.who);
        let eip = m.eips.get(&id).filter(|eip| eip.owner == s.who);
        Call::new("ReleaseAddress", vec![("AllocationId", id.clone())])
            .refused_if(eip.is_none(), EIP)
            .refused_if(eip.is_some_and(|eip| eip.on.is_some()), &["InvalidIPAddress.InUse"])
            .then(move |m, _, _| {
                m.eips.remove(&id);
            })
    }

    pub(super) fn AssociateAddress(m: &Model, s: &Step) -> Call {
        let (id, eni_id, force) = (m.an_eip(s.a, s.who), m.an_eni(s.b, s.who), !s.c.is_multiple_of(3));
        let (eip, eni) = (m.eips.get(&id).filter(|eip| eip.owner == s.who), m.eni(&eni_id, s.who));
        let on = eip.and_then(|eip| eip.on.as_ref()).map(|(_, eni)| eni.clone());
        let of_nat = on.as_ref().is_some_and(|eni| m.enis[eni].managed) || eni.is_some_and(|eni| eni.managed);
        let elsewhere = on.as_ref().is_some_and(|on| *on != eni_id);
        let displaces = m.eips.iter().any(|(other, x)| *other != id && x.on.as_ref().is_some_and(|(_, on)| *on == eni_id));
        Call::new(
            "AssociateAddress",
            vec![("AllocationId", id.clone()), ("NetworkInterfaceId", eni_id.clone()), ("AllowReassociation", force.to_string())],
        )
        .refused_if(eip.is_none(), EIP)
        .refused_if(eni.is_none(), ENI)
        .refused_if(eni.is_some_and(|eni| m.gateway_of(&eni.vpc).is_none()), &["Gateway.NotAttached"])
        .refused_if(of_nat, MANAGED)
        .perhaps_refused_if(of_nat, &["Resource.AlreadyAssociated"])
        .refused_if(elsewhere && !force, &["Resource.AlreadyAssociated"])
        .perhaps_refused_if(displaces, &["Resource.AlreadyAssociated"])
        .then(move |m, answer, _| {
            for other in m.eips.values_mut().filter(|x| x.on.as_ref().is_some_and(|(_, on)| *on == eni_id)) {
                other.on = None;
            }
            m.eips.get_mut(&id).unwrap().on = Some((texts(&answer["AssociationId"]), eni_id));
        })
    }

    pub(super) fn DisassociateAddress(m: &Model, s: &Step) -> Call {
        let id = pick(&m.eips, s.a, |eip| eip.owner == s.who && eip.on.is_some(), "eipalloc");
        let eip = m.eips.get(&id).filter(|eip| eip.owner == s.who);
        let association =
            m.eips.get(&id).and_then(|eip| eip.on.clone()).map_or("eipassoc-0123456789abcdef0".to_owned(), |on| on.0);
        let on = eip.and_then(|eip| eip.on.as_ref());
        Call::new("DisassociateAddress", vec![("AssociationId", association)])
            .refused_if(on.is_none(), ASSOCIATION)
            .refused_if(on.is_some_and(|(_, eni)| m.enis[eni].managed), MANAGED)
            .then(move |m, _, _| m.eips.get_mut(&id).unwrap().on = None)
    }

    pub(super) fn CreateNetworkInterface(m: &Model, s: &Step) -> Call {
        let subnet = m.a_subnet(s.a, s.who);
        let vpc = m.subnet_vpc(&subnet, s.who).cloned();
        let group = (s.b.is_multiple_of(2)).then(|| m.a_group(s.b / 2, s.who));
        let more = s.c % 8;
        let mut parameters = vec![("SubnetId", subnet.clone())];
        parameters.extend(group.iter().map(|group| ("SecurityGroupId.1", group.clone())));
        if more > 0 {
            parameters.push(("SecondaryPrivateIpAddressCount", more.to_string()));
        }
        let its = group.as_ref().map(|group| m.group(group, s.who).map(|group| &group.vpc));
        Call::new("CreateNetworkInterface", parameters)
            .refused_if(vpc.is_none(), SUBNET)
            .refused_if(its.is_some_and(|its| its.is_none()), GROUP)
            .refused_if(vpc.is_some() && its.flatten().is_some_and(|its| Some(its) != vpc.as_ref()), ELSEWHERE)
            .perhaps_refused_if(vpc.is_some() && its.flatten().is_some_and(|its| Some(its) != vpc.as_ref()), GROUP)
            .refused_if(vpc.is_some() && m.free(&subnet) < more + 1, &["InsufficientFreeAddressesInSubnet"])
            .then(move |m, answer, _| {
                let vpc = vpc.unwrap();
                let groups = BTreeSet::from([group.unwrap_or_else(|| m.vpcs[&vpc].group.clone())]);
                let id = texts(&answer["NetworkInterface"]["NetworkInterfaceId"]);
                m.enis.insert(id, Eni { vpc, subnet, addresses: more + 1, groups, managed: false });
            })
    }

    pub(super) fn DeleteNetworkInterface(m: &Model, s: &Step) -> Call {
        let id = m.an_eni(s.a, s.who);
        let eni = m.eni(&id, s.who);
        Call::new("DeleteNetworkInterface", vec![("NetworkInterfaceId", id.clone())])
            .refused_if(eni.is_none(), ENI)
            .refused_if(eni.is_some_and(|eni| eni.managed), MANAGED)
            .then(move |m, _, _| remove_eni(m, &id))
    }

    fn remove_eni(m: &mut Model, id: &Id) {
        m.enis.remove(id);
        for eip in m.eips.values_mut().filter(|eip| eip.on.as_ref().is_some_and(|(_, on)| on == id)) {
            eip.on = None;
        }
    }

    pub(super) fn AssignPrivateIpAddresses(m: &Model, s: &Step) -> Call {
        let (id, more) = (m.an_eni(s.a, s.who), s.b % 6 + 1);
        let eni = m.eni(&id, s.who);
        Call::new(
            "AssignPrivateIpAddresses",
            vec![("NetworkInterfaceId", id.clone()), ("SecondaryPrivateIpAddressCount", more.to_string())],
        )
        .refused_if(eni.is_none(), ENI)
        .refused_if(eni.is_some_and(|eni| eni.managed), MANAGED)
        .refused_if(eni.is_some_and(|eni| m.free(&eni.subnet) < more), &["InsufficientFreeAddressesInSubnet"])
        .perhaps_refused_if(eni.is_some_and(|eni| eni.addresses + more > 50), &["PrivateIpAddressLimitExceeded"])
        .then(move |m, _, _| m.enis.get_mut(&id).unwrap().addresses += more)
    }

    pub(super) fn CreateNatGateway(m: &Model, s: &Step) -> Call {
        let (subnet, owner) = (m.a_subnet(s.a, s.who), s.who);
        let address = (!s.c.is_multiple_of(3)).then(|| m.an_eip(s.b, s.who));
        let mut parameters = vec![("SubnetId", subnet.clone())];
        match &address {
            Some(address) => parameters.push(("AllocationId", address.clone())),
            None => parameters.push(("ConnectivityType", "private".to_owned())),
        }
        let vpc = m.subnet_vpc(&subnet, s.who).cloned();
        let eip = address.as_ref().map(|address| m.eips.get(address).filter(|eip| eip.owner == s.who));
        // What is wrong with the place shows only afterwards, as a gateway that has failed.
        let fails = vpc.as_ref().is_some_and(|vpc| {
            m.free(&subnet) == 0
                || eip.flatten().is_some_and(|eip| eip.on.is_some())
                || address.is_some() && m.gateway_of(vpc).is_none()
        });
        Call::new("CreateNatGateway", parameters)
            .refused_if(vpc.is_none(), SUBNET)
            .refused_if(eip.is_some_and(|eip| eip.is_none()), &["InvalidAllocationID.NotFound", "InvalidElasticIpID.NotFound"])
            .perhaps_refused_if(
                m.nats.values().filter(|nat| nat.owner == s.who && nat.state == "available").count() >= 5,
                &["NatGatewayLimitExceeded"],
            )
            .then(move |m, answer, api| {
                let (nat, vpc) = (&answer["NatGateway"], vpc.unwrap());
                let id = texts(&nat["NatGatewayId"]);
                let eni = (!fails).then(|| texts(&nat["NatGatewayAddresses"][0]["NetworkInterfaceId"]));
                if let Some(eni) = &eni {
                    let made =
                        Eni { vpc: vpc.clone(), subnet: subnet.clone(), addresses: 1, groups: BTreeSet::new(), managed: true };
                    m.enis.insert(eni.clone(), made);
                    if let Some(address) = address {
                        let shown = api.call_as(CALLERS[owner], "DescribeAddresses", &[("AllocationId.1", &address)]).unwrap();
                        let association = texts(&shown["Addresses"][0]["AssociationId"]);
                        m.eips.get_mut(&address).unwrap().on = Some((association, eni.clone()));
                    }
                }
                let state = if fails { "failed" } else { "available" };
                m.nats.insert(id, Nat { owner, vpc, subnet, state, eni });
            })
    }

    pub(super) fn DeleteNatGateway(m: &Model, s: &Step) -> Call {
        let id = pick(&m.nats, s.a, |nat| nat.owner == s.who && nat.state != "deleted", "nat");
        let nat = m.nats.get(&id).filter(|nat| nat.owner == s.who);
        Call::new("DeleteNatGateway", vec![("NatGatewayId", id.clone())])
            .refused_if(nat.is_none(), NAT)
            .perhaps_refused_if(nat.is_some_and(|nat| nat.state == "deleted"), NAT)
            .then(move |m, _, _| {
                let nat = m.nats.get_mut(&id).unwrap();
                nat.state = "deleted";
                if let Some(eni) = nat.eni.take() {
                    remove_eni(m, &eni);
                }
            })
    }

    pub(super) fn CreateSecurityGroup(m: &Model, s: &Step) -> Call {
        let (vpc, name) = (m.a_vpc(s), ["web", "db", "WEB", "default"][s.b % 4]);
        let taken = m.groups.values().any(|group| group.vpc == vpc && group.name.eq_ignore_ascii_case(name));
        Call::new(
            "CreateSecurityGroup",
            vec![("GroupName", name.into()), ("GroupDescription", "d".into()), ("VpcId", vpc.clone())],
        )
        .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
        .refused_if(name == "default", &["InvalidGroup.Reserved"])
        .refused_if(m.owns_vpc(&vpc, s.who) && taken, &["InvalidGroup.Duplicate"])
        .then(move |m, answer, _| {
            m.groups.insert(texts(&answer["GroupId"]), Group { vpc, name: name.to_owned(), rules: BTreeMap::new() });
        })
    }

    pub(super) fn DeleteSecurityGroup(m: &Model, s: &Step) -> Call {
        let id = m.a_group(s.a, s.who);
        let group = m.group(&id, s.who);
        let named = |(other, x): (&Id, &Group)| {
            *other != id && group.is_some_and(|group| group.vpc == x.vpc) && x.rules.values().any(|(_, peer)| *peer == id)
        };
        let used = m.enis.values().any(|eni| eni.groups.contains(&id)) || m.groups.iter().any(named);
        let is_default = group.is_some_and(|group| m.vpcs[&group.vpc].group == id);
        Call::new("DeleteSecurityGroup", vec![("GroupId", id.clone())])
            .refused_if(group.is_none(), GROUP)
            .refused_if(is_default, &["CannotDelete"])
            .refused_if(group.is_some() && used, DEPENDENCY)
            .then(move |m, _, _| {
                m.groups.remove(&id);
            })
    }

    pub(super) fn AuthorizeSecurityGroupIngress(m: &Model, s: &Step) -> Call {
        let (id, port) = (m.a_group(s.a, s.who), [80u16, 443][s.c % 2]);
        let group = m.group(&id, s.who);
        let (parameter, peer) = match s.b % 3 {
            0 => ("IpPermissions.1.IpRanges.1.CidrIp", SOURCES[s.b / 3 % SOURCES.len()].to_owned()),
            1 => ("IpPermissions.1.Groups.1.GroupId", m.a_group(s.b / 3, s.who)),
            _ => ("IpPermissions.1.PrefixListIds.1.PrefixListId", m.a_list(s.b / 3, s.who)),
        };
        let other = m.groups.get(&peer);
        let reachable =
            group.zip(other).is_none_or(|(group, other)| group.vpc == other.vpc || m.active_between(&group.vpc, &other.vpc));
        let there = group.is_some_and(|group| group.rules.values().any(|rule| *rule == (port, peer.clone())));
        let mine = m.group(&peer, s.who).is_some();
        let parameters = vec![
            ("GroupId", id.clone()),
            ("IpPermissions.1.IpProtocol", "tcp".to_owned()),
            ("IpPermissions.1.FromPort", port.to_string()),
            ("IpPermissions.1.ToPort", port.to_string()),
            (parameter, peer.clone()),
        ];
        Call::new("AuthorizeSecurityGroupIngress", parameters)
            .refused_if(group.is_none(), GROUP)
            .refused_if(peer.starts_with("sg-") && other.is_none(), GROUP)
            .refused_if(
                peer.starts_with("sg-") && other.is_some() && !reachable,
                &["InvalidGroup.NotFound", "InvalidParameterValue"],
            )
            // Over a peering with another account it takes that account's number, which isn't given here.
            .perhaps_refused_if(peer.starts_with("sg-") && !mine, GROUP)
            .refused_if(peer.starts_with("pl-") && m.list(&peer, s.who).is_none(), LIST)
            .refused_if(there, &["InvalidPermission.Duplicate"])
            .then(move |m, answer, _| {
                let rule = texts(&answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]);
                m.groups.get_mut(&id).unwrap().rules.insert(rule, (port, peer));
            })
    }

    pub(super) fn RevokeSecurityGroupIngress(m: &Model, s: &Step) -> Call {
        let id = pick(&m.groups, s.a, |group| m.owns_vpc(&group.vpc, s.who) && !group.rules.is_empty(), "sg");
        let group = m.group(&id, s.who);
        let known = group.and_then(|group| group.rules.keys().nth(s.b % group.rules.len().max(1))).cloned();
        let rule = known.clone().unwrap_or("sgr-0123456789abcdef0".to_owned());
        Call::new("RevokeSecurityGroupIngress", vec![("GroupId", id.clone()), ("SecurityGroupRuleId.1", rule.clone())])
            .refused_if(group.is_none(), GROUP)
            .refused_if(known.is_none(), &["InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound"])
            .then(move |m, _, _| {
                m.groups.get_mut(&id).unwrap().rules.remove(&rule);
            })
    }

    pub(super) fn CreateNetworkAcl(m: &Model, s: &Step) -> Call {
        let vpc = m.a_vpc(s);
        Call::new("CreateNetworkAcl", vec![("VpcId", vpc.clone())]).refused_if(!m.owns_vpc(&vpc, s.who), VPC).then(
            move |m, answer, _| {
                m.acls.insert(
                    texts(&answer["NetworkAcl"]["NetworkAclId"]),
                    Acl { vpc, is_default: false, entries: BTreeMap::new() },
                );
            },
        )
    }

    pub(super) fn DeleteNetworkAcl(m: &Model, s: &Step) -> Call {
        let id = m.an_acl(s.a, s.who);
        let acl = m.acl(&id, s.who);
        Call::new("DeleteNetworkAcl", vec![("NetworkAclId", id.clone())])
            .refused_if(acl.is_none(), ACL)
            .refused_if(acl.is_some_and(|acl| acl.is_default), &["InvalidParameterValue", "DependencyViolation"])
            .refused_if(acl.is_some() && m.subnets.values().any(|subnet| subnet.acl == id), DEPENDENCY)
            .then(move |m, _, _| {
                m.acls.remove(&id);
            })
    }

    pub(super) fn CreateNetworkAclEntry(m: &Model, s: &Step) -> Call {
        let (id, number) = (m.an_acl(s.a, s.who), [10u16, 20, 30, 32767][s.b % 4]);
        let (acl, source) = (m.acl(&id, s.who), SOURCES[s.c % SOURCES.len()]);
        let parameters = vec![
            ("NetworkAclId", id.clone()),
            ("RuleNumber", number.to_string()),
            ("Protocol", "-1".into()),
            ("RuleAction", "allow".into()),
            ("Egress", "false".into()),
            ("CidrBlock", source.into()),
        ];
        Call::new("CreateNetworkAclEntry", parameters)
            .refused_if(acl.is_none(), ACL)
            .refused_if(number == 32767, &["InvalidParameterValue"])
            .refused_if(acl.is_some_and(|acl| acl.entries.contains_key(&number)), &["NetworkAclEntryAlreadyExists"])
            .then(move |m, _, _| {
                m.acls.get_mut(&id).unwrap().entries.insert(number, source.to_owned());
            })
    }

    pub(super) fn DeleteNetworkAclEntry(m: &Model, s: &Step) -> Call {
        let (id, number) = (m.an_acl(s.a, s.who), [10u16, 20, 30][s.b % 3]);
        let acl = m.acl(&id, s.who);
        Call::new(
            "DeleteNetworkAclEntry",
            vec![("NetworkAclId", id.clone()), ("RuleNumber", number.to_string()), ("Egress", "false".into())],
        )
        .refused_if(acl.is_none(), ACL)
        .refused_if(acl.is_some_and(|acl| !acl.entries.contains_key(&number)), &["InvalidNetworkAclEntry.NotFound"])
        .then(move |m, _, _| {
            m.acls.get_mut(&id).unwrap().entries.remove(&number);
        })
    }

    pub(super) fn ReplaceNetworkAclAssociation(m: &Model, s: &Step) -> Call {
        let (id, subnet) = (m.an_acl(s.a, s.who), m.a_subnet(s.b, s.who));
        let (acl, vpc) = (m.acl(&id, s.who), m.subnet_vpc(&subnet, s.who));
        let association =
            m.subnets.get(&subnet).map_or("aclassoc-0123456789abcdef0".to_owned(), |subnet| subnet.acl_association.clone());
        Call::new("ReplaceNetworkAclAssociation", vec![("AssociationId", association), ("NetworkAclId", id.clone())])
            .refused_if(acl.is_none(), ACL)
            .refused_if(vpc.is_none(), ASSOCIATION)
            .refused_if(acl.zip(vpc).is_some_and(|(acl, vpc)| acl.vpc != *vpc), ELSEWHERE)
            .then(move |m, answer, _| {
                let subnet = m.subnets.get_mut(&subnet).unwrap();
                subnet.acl = id;
                subnet.acl_association = texts(&answer["NewAssociationId"]);
            })
    }

    pub(super) fn CreateManagedPrefixList(_: &Model, s: &Step) -> Call {
        let owner = s.who;
        let parameters = vec![("PrefixListName", "list".into()), ("AddressFamily", "IPv4".into()), ("MaxEntries", "3".into())];
        Call::new("CreateManagedPrefixList", parameters).then(move |m, answer, _| {
            m.lists.insert(texts(&answer["PrefixList"]["PrefixListId"]), List { owner, version: 1, entries: BTreeSet::new() });
        })
    }

    pub(super) fn ModifyManagedPrefixList(m: &Model, s: &Step) -> Call {
        let (id, entry) = (m.a_list(s.a, s.who), format!("10.9.{}.0/24", s.b % 5));
        let list = m.list(&id, s.who);
        let version = list.map_or(1, |list| list.version) + u64::from(s.c.is_multiple_of(6));
        let there = list.is_some_and(|list| list.entries.contains(&entry));
        let change = if there { "RemoveEntry.1.Cidr" } else { "AddEntry.1.Cidr" };
        Call::new(
            "ModifyManagedPrefixList",
            vec![("PrefixListId", id.clone()), ("CurrentVersion", version.to_string()), (change, entry.clone())],
        )
        .refused_if(list.is_none(), LIST)
        .refused_if(list.is_some_and(|list| list.version != version), &["PrefixListVersionMismatch"])
        .refused_if(
            list.is_some_and(|list| !there && list.entries.len() == 3),
            &["PrefixListMaxEntriesExceeded", "InvalidPrefixListModification"],
        )
        .then(move |m, _, _| {
            let list = m.lists.get_mut(&id).unwrap();
            list.version += 1;
            if !list.entries.remove(&entry) {
                list.entries.insert(entry);
            }
        })
    }

    pub(super) fn DeleteManagedPrefixList(m: &Model, s: &Step) -> Call {
        let id = m.a_list(s.a, s.who);
        let list = m.list(&id, s.who);
        let used = m.tables.values().any(|table| table.routes.contains_key(&id))
            || m.groups.values().any(|group| group.rules.values().any(|(_, peer)| *peer == id));
        Call::new("DeleteManagedPrefixList", vec![("PrefixListId", id.clone())])
            .refused_if(list.is_none(), LIST)
            .refused_if(list.is_some() && used, DEPENDENCY)
            .then(move |m, _, _| {
                m.lists.remove(&id);
            })
    }

    pub(super) fn CreateVpcPeeringConnection(m: &Model, s: &Step) -> Call {
        let (vpc, who) = (m.a_vpc(s), s.who);
        let peer = pick(&m.vpcs, s.b, |_| true, "vpc");
        let other = m.vpc_owner(&peer).unwrap_or(s.who);
        let (account, region) = CALLERS[other];
        let parameters = vec![
            ("VpcId", vpc.clone()),
            ("PeerVpcId", peer.clone()),
            ("PeerOwnerId", account.into()),
            ("PeerRegion", region.into()),
        ];
        let joins = |p: &&Peering| {
            p.state != PeeringState::Ended && [&p.requester.1, &p.accepter.1].iter().all(|x| **x == vpc || **x == peer)
        };
        let living = m.peerings.values().find(joins);
        let same = living.is_some_and(|p| p.state == PeeringState::Pending && p.requester.1 == vpc);
        let own = m.owns_vpc(&vpc, s.who);
        let overlap = m.overlap(&vpc, &peer);
        Call::new("CreateVpcPeeringConnection", parameters)
            .refused_if(!own || !m.vpcs.contains_key(&peer), VPC)
            .refused_if(vpc == peer, &["InvalidParameterValue"])
            .refused_if(own && vpc != peer && living.is_some() && !same, &["VpcPeeringConnectionAlreadyExists"])
            .perhaps_refused_if(same, &["VpcPeeringConnectionAlreadyExists"])
            .then(move |m, answer, _| {
                let peering = &answer["VpcPeeringConnection"];
                let state = if overlap { PeeringState::Ended } else { PeeringState::Pending };
                assert_eq!(peering["Status"]["Code"] == "failed", overlap && !same, "{peering}");
                m.peerings.entry(texts(&peering["VpcPeeringConnectionId"])).or_insert(Peering {
                    requester: (who, vpc),
                    accepter: (other, peer),
                    state,
                });
            })
    }

    /// What speaks against the accepter's answer to a request.
    fn answer(m: &Model, s: &Step, action: &'static str) -> (Call, Id) {
        let waits = |p: &Peering| p.accepter.0 == s.who && p.state == PeeringState::Pending;
        let id = if s.b.is_multiple_of(4) { m.a_peering(s.a, s.who) } else { pick(&m.peerings, s.a, waits, "pcx") };
        let peering = m.peerings.get(&id);
        let account = |who: Who| CALLERS[who].0 == CALLERS[s.who].0;
        let party = peering.is_some_and(|p| p.requester.0 == s.who || p.accepter.0 == s.who);
        // Whether an ended one is still shown, and to whom, takes the clock.
        let ended = peering.is_some_and(|p| p.state == PeeringState::Ended);
        let call = Call::new(action, vec![("VpcPeeringConnectionId", id.clone())])
            .refused_if(!party, PEERING)
            .perhaps_refused_if(
                !party && peering.is_some_and(|p| account(p.accepter.0) || account(p.requester.0)),
                &["OperationNotPermitted", "InvalidStateTransition"],
            )
            .refused_if(party && peering.is_some_and(|p| p.accepter.0 != s.who), &["OperationNotPermitted"])
            .refused_if(party && peering.is_some_and(|p| p.state != PeeringState::Pending), &["InvalidStateTransition"])
            .perhaps_refused_if(ended, PEERING);
        (call, id)
    }

    pub(super) fn AcceptVpcPeeringConnection(m: &Model, s: &Step) -> Call {
        let (call, id) = answer(m, s, "AcceptVpcPeeringConnection");
        call.then(move |m, _, _| {
            let (one, other) = (m.peerings[&id].requester.1.clone(), m.peerings[&id].accepter.1.clone());
            let fails = m.overlap(&one, &other);
            m.peerings.get_mut(&id).unwrap().state = if fails { PeeringState::Ended } else { PeeringState::Active };
        })
    }

    pub(super) fn RejectVpcPeeringConnection(m: &Model, s: &Step) -> Call {
        let (call, id) = answer(m, s, "RejectVpcPeeringConnection");
        call.then(move |m, _, _| m.peerings.get_mut(&id).unwrap().state = PeeringState::Ended)
    }

    pub(super) fn DeleteVpcPeeringConnection(m: &Model, s: &Step) -> Call {
        let id = m.a_peering(s.a, s.who);
        let peering = m.peerings.get(&id);
        let party = peering.is_some_and(|p| p.requester.0 == s.who || p.accepter.0 == s.who);
        let ended = peering.is_some_and(|p| p.state == PeeringState::Ended);
        let request = peering.is_some_and(|p| p.state == PeeringState::Pending && CALLERS[p.requester.0].0 != CALLERS[s.who].0);
        Call::new("DeleteVpcPeeringConnection", vec![("VpcPeeringConnectionId", id.clone())])
            .refused_if(!party, PEERING)
            .refused_if(party && ended, &["InvalidStateTransition", "InvalidVpcPeeringConnectionID.NotFound"])
            .refused_if(party && request, &["OperationNotPermitted", "InvalidStateTransition"])
            .then(move |m, _, _| m.peerings.get_mut(&id).unwrap().state = PeeringState::Ended)
    }

    pub(super) fn CreateVpcEndpoint(m: &Model, s: &Step) -> Call {
        let vpc = m.a_vpc(s);
        let table = (!s.b.is_multiple_of(4)).then(|| m.a_table(s.b, s.who));
        let mut parameters = vec![("VpcId", vpc.clone()), ("ServiceName", format!("com.amazonaws.{}.s3", CALLERS[s.who].1))];
        parameters.extend(table.iter().map(|table| ("RouteTableId.1", table.clone())));
        let its = table.as_ref().map(|table| m.table(table, s.who).map(|table| &table.vpc));
        let taken = table.as_ref().is_some_and(|table| m.endpoints.values().any(|endpoint| endpoint.tables.contains(table)));
        Call::new("CreateVpcEndpoint", parameters)
            .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
            .refused_if(its.is_some_and(|its| its.is_none()), TABLE)
            .refused_if(its.flatten().is_some_and(|its| *its != vpc), ELSEWHERE)
            .perhaps_refused_if(its.flatten().is_some_and(|its| *its != vpc), TABLE)
            .refused_if(taken, &["RouteAlreadyExists"])
            .then(move |m, answer, _| {
                let tables = table.into_iter().collect();
                m.endpoints.insert(texts(&answer["VpcEndpoint"]["VpcEndpointId"]), Endpoint { vpc, tables });
            })
    }

    pub(super) fn ModifyVpcEndpoint(m: &Model, s: &Step) -> Call {
        let (id, table) = (m.an_endpoint(s.a, s.who), m.a_table(s.b, s.who));
        let endpoint = m.endpoints.get(&id).filter(|endpoint| m.owns_vpc(&endpoint.vpc, s.who));
        let there = endpoint.is_some_and(|endpoint| endpoint.tables.contains(&table));
        let parameter = if there { "RemoveRouteTableId.1" } else { "AddRouteTableId.1" };
        let its = m.table(&table, s.who).map(|table| &table.vpc);
        let taken = m.endpoints.iter().any(|(other, x)| *other != id && x.tables.contains(&table));
        Call::new("ModifyVpcEndpoint", vec![("VpcEndpointId", id.clone()), (parameter, table.clone())])
            .refused_if(endpoint.is_none(), &["InvalidVpcEndpointId.NotFound"])
            .refused_if(its.is_none(), TABLE)
            .refused_if(its.is_some_and(|its| endpoint.is_some_and(|endpoint| *its != endpoint.vpc)), ELSEWHERE)
            .perhaps_refused_if(its.is_some_and(|its| endpoint.is_some_and(|endpoint| *its != endpoint.vpc)), TABLE)
            .refused_if(its.is_some() && taken, &["RouteAlreadyExists"])
            .then(move |m, _, _| {
                let tables = &mut m.endpoints.get_mut(&id).unwrap().tables;
                if !tables.remove(&table) {
                    tables.insert(table);
                }
            })
    }

    pub(super) fn DeleteVpcEndpoints(m: &Model, s: &Step) -> Call {
        let id = m.an_endpoint(s.a, s.who);
        let own = m.endpoints.get(&id).is_some_and(|endpoint| m.owns_vpc(&endpoint.vpc, s.who));
        Call::new("DeleteVpcEndpoints", vec![("VpcEndpointId.1", id.clone())])
            // The list of what didn't work has a spelling of its own at AWS.
            .refused_if(!own, &["InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"])
            .then(move |m, _, _| {
                m.endpoints.remove(&id);
            })
    }

    /// Something that shows its tags, whether the caller has it, and the code when not.
    fn taggable(m: &Model, s: &Step) -> (Id, bool, &'static [&'static str]) {
        match s.a % 5 {
            0 => {
                let id = m.an_igw(s.b, s.who);
                let own = m.igws.get(&id).is_some_and(|gateway| gateway.owner == s.who);
                (id, own, IGW)
            }
            1 => {
                let id = m.a_subnet(s.b, s.who);
                let own = m.subnet_vpc(&id, s.who).is_some();
                (id, own, SUBNET)
            }
            2 => {
                let id = m.a_table(s.b, s.who);
                let own = m.table(&id, s.who).is_some();
                (id, own, TABLE)
            }
            3 => {
                let id = m.a_group(s.b, s.who);
                let own = m.group(&id, s.who).is_some();
                (id, own, GROUP)
            }
            _ => {
                let id = pick(&m.vpcs, s.b, |vpc| vpc.owner == s.who, "vpc");
                let own = m.owns_vpc(&id, s.who);
                (id, own, VPC)
            }
        }
    }

    pub(super) fn CreateTags(m: &Model, s: &Step) -> Call {
        let (id, own, code) = taggable(m, s);
        let (key, value) = (["Name", "team"][s.c % 2], ["", "x", "y"][s.c % 3]);
        let parameters = vec![("ResourceId.1", id.clone()), ("Tag.1.Key", key.into()), ("Tag.1.Value", value.into())];
        Call::new("CreateTags", parameters).refused_if(!own, code).perhaps_refused_if(!own, &["InvalidID"]).then(
            move |m, _, _| {
                m.tags.entry(id).or_default().insert(key.to_owned(), value.to_owned());
            },
        )
    }

    pub(super) fn DeleteTags(m: &Model, s: &Step) -> Call {
        let (id, own, code) = taggable(m, s);
        let key = ["Name", "team"][s.c % 2];
        Call::new("DeleteTags", vec![("ResourceId.1", id.clone()), ("Tag.1.Key", key.into())])
            .refused_if(!own, code)
            .perhaps_refused_if(!own, &["InvalidID"])
            .then(move |m, _, _| {
                m.tags.entry(id).or_default().remove(key);
            })
    }
}
