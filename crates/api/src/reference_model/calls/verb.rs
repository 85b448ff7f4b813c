//! The calls themselves; each function is named as its call.

mod gateways;
mod joins;
mod networks;
mod rules;

use super::*;
pub(super) use gateways::*;
pub(super) use joins::*;
pub(super) use networks::*;
pub(super) use rules::*;

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
                call = call.refused_if(gateway.is_none(), &["InvalidGatewayID.NotFound", "InvalidInternetGatewayID.NotFound"]);
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
