//! What the model holds, and how it would be shown.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

pub(super) type Id = String;
/// An index into the callers.
pub(super) type Who = usize;

#[derive(Default)]
pub(super) struct Model {
    pub vpcs: BTreeMap<Id, Vpc>,
    pub subnets: BTreeMap<Id, Subnet>,
    pub tables: BTreeMap<Id, Table>,
    pub igws: BTreeMap<Id, InternetGateway>,
    pub eigws: BTreeMap<Id, Id>,
    pub eips: BTreeMap<Id, Address>,
    pub enis: BTreeMap<Id, Eni>,
    pub nats: BTreeMap<Id, Nat>,
    pub groups: BTreeMap<Id, Group>,
    pub acls: BTreeMap<Id, Acl>,
    pub lists: BTreeMap<Id, List>,
    pub peerings: BTreeMap<Id, Peering>,
    pub endpoints: BTreeMap<Id, Endpoint>,
    pub tags: BTreeMap<Id, BTreeMap<String, String>>,
}

pub(super) struct Vpc {
    pub owner: Who,
    /// By association; the first is the primary one.
    pub blocks: Vec<(Id, Ipv4Net)>,
    pub group: Id,
    pub acl: Id,
}

pub(super) struct Subnet {
    pub vpc: Id,
    pub block: Ipv4Net,
    pub acl: Id,
    pub acl_association: Id,
}

pub(super) struct Table {
    pub vpc: Id,
    /// The association that makes it the main one.
    pub main: Option<Id>,
    /// Subnets by association.
    pub subnets: BTreeMap<Id, Id>,
    pub routes: BTreeMap<String, Target>,
}

#[derive(Clone)]
pub(super) enum Target {
    Igw(Id),
    Eigw(Id),
    Nat(Id),
    Eni(Id),
    Peering(Id),
}

pub(super) struct InternetGateway {
    pub owner: Who,
    pub vpc: Option<Id>,
}

pub(super) struct Address {
    pub owner: Who,
    /// The association and the interface.
    pub on: Option<(Id, Id)>,
}

pub(super) struct Eni {
    pub vpc: Id,
    pub subnet: Id,
    pub addresses: usize,
    pub groups: BTreeSet<Id>,
    /// Of a NAT gateway.
    pub managed: bool,
}

pub(super) struct Nat {
    pub owner: Who,
    pub vpc: Id,
    pub subnet: Id,
    pub state: &'static str,
    pub eni: Option<Id>,
}

pub(super) struct Group {
    pub vpc: Id,
    pub name: String,
    /// Port and peer by rule id.
    pub rules: BTreeMap<Id, (u16, String)>,
}

pub(super) struct Acl {
    pub vpc: Id,
    pub is_default: bool,
    /// What inbound entries of ours allow, by number.
    pub entries: BTreeMap<u16, String>,
}

pub(super) struct List {
    pub owner: Who,
    pub version: u64,
    pub entries: BTreeSet<String>,
}

pub(super) struct Peering {
    pub requester: (Who, Id),
    /// None when nobody here could accept it.
    pub accepter: (Who, Id),
    pub state: PeeringState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PeeringState {
    Pending,
    Active,
    Ended,
}

pub(super) struct Endpoint {
    pub vpc: Id,
    pub tables: BTreeSet<Id>,
}

impl Model {
    pub(super) fn vpc_owner(&self, vpc: &str) -> Option<Who> {
        self.vpcs.get(vpc).map(|vpc| vpc.owner)
    }

    pub(super) fn free(&self, id: &str) -> usize {
        let size = 1usize << (32 - self.subnets[id].block.prefix_len());
        size - 5 - self.enis.values().filter(|eni| eni.subnet == id).map(|eni| eni.addresses).sum::<usize>()
    }

    /// The internet gateway of a VPC.
    pub(super) fn gateway_of(&self, vpc: &str) -> Option<&Id> {
        self.igws.iter().find(|(_, gateway)| gateway.vpc.as_deref() == Some(vpc)).map(|(id, _)| id)
    }

    pub(super) fn active_between(&self, one: &str, other: &str) -> bool {
        let joins = |p: &Peering| [&p.requester.1, &p.accepter.1].iter().all(|vpc| *vpc == one || *vpc == other);
        one != other && self.peerings.values().any(|p| p.state == PeeringState::Active && joins(p))
    }

    pub(super) fn overlap(&self, one: &str, other: &str) -> bool {
        let blocks =
            |vpc: &str| self.vpcs.get(vpc).map(|vpc| vpc.blocks.iter().map(|b| b.1).collect::<Vec<_>>()).unwrap_or_default();
        let others = blocks(other);
        blocks(one).iter().any(|a| others.iter().any(|b| a.contains(b) || b.contains(a)))
    }

    fn state(&self, vpc: &str, target: &Target) -> &'static str {
        let active = match target {
            Target::Igw(id) => self.igws.get(id).is_some_and(|gateway| gateway.vpc.as_deref() == Some(vpc)),
            Target::Eigw(id) => self.eigws.contains_key(id),
            Target::Nat(id) => self.nats[id].state == "available",
            // No interface here is attached to an instance.
            Target::Eni(_) => false,
            Target::Peering(id) => self.peerings[id].state == PeeringState::Active,
        };
        if active { "active" } else { "blackhole" }
    }

    /// What a caller is to be shown, one line per thing.
    pub(super) fn lines(&self, who: Who) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let own = |vpc: &str| self.vpc_owner(vpc) == Some(who);
        let tags = |id: &str| format!("{:?}", self.tags.get(id).cloned().unwrap_or_default());
        for (id, vpc) in self.vpcs.iter().filter(|(_, vpc)| vpc.owner == who) {
            let blocks: BTreeSet<String> = vpc.blocks.iter().map(|(_, block)| block.to_string()).collect();
            lines.insert(format!("{id} {blocks:?} tags {}", tags(id)));
        }
        for (id, subnet) in self.subnets.iter().filter(|(_, subnet)| own(&subnet.vpc)) {
            lines.insert(format!("{id} {} {} free {} tags {}", subnet.vpc, subnet.block, self.free(id), tags(id)));
        }
        for (id, table) in self.tables.iter().filter(|(_, table)| own(&table.vpc)) {
            let mut routes: BTreeSet<String> =
                self.vpcs[&table.vpc].blocks.iter().map(|(_, block)| format!("{block} local active")).collect();
            routes.extend(
                table.routes.iter().map(|(to, target)| format!("{to} {} {}", target.id(), self.state(&table.vpc, target))),
            );
            let endpoints = self.endpoints.iter().filter(|(_, endpoint)| endpoint.tables.contains(id));
            routes.extend(endpoints.map(|(endpoint, _)| format!("aws {endpoint} active")));
            let subnets: BTreeSet<&Id> = table.subnets.values().collect();
            let main = table.main.is_some();
            lines.insert(format!("{id} {} main {main} subnets {subnets:?} routes {routes:?} tags {}", table.vpc, tags(id)));
        }
        for (id, gateway) in self.igws.iter().filter(|(_, gateway)| gateway.owner == who) {
            lines.insert(format!("{id} at {:?} tags {}", gateway.vpc, tags(id)));
        }
        for (id, vpc) in self.eigws.iter().filter(|(_, vpc)| own(vpc)) {
            lines.insert(format!("{id} at {vpc}"));
        }
        for (id, address) in self.eips.iter().filter(|(_, address)| address.owner == who) {
            lines.insert(format!("{id} on {:?}", address.on));
        }
        for (id, eni) in self.enis.iter().filter(|(_, eni)| own(&eni.vpc)) {
            lines.insert(format!(
                "{id} in {} addresses {} groups {:?} managed {}",
                eni.subnet, eni.addresses, eni.groups, eni.managed
            ));
        }
        for (id, nat) in self.nats.iter().filter(|(_, nat)| nat.owner == who) {
            lines.insert(format!("{id} in {} {} {}", nat.vpc, nat.subnet, nat.state));
        }
        for (id, group) in self.groups.iter().filter(|(_, group)| own(&group.vpc)) {
            let rules: BTreeSet<String> = group.rules.values().map(|(port, peer)| format!("{port} {peer}")).collect();
            lines.insert(format!("{id} {} '{}' rules {rules:?} tags {}", group.vpc, group.name, tags(id)));
        }
        for (id, acl) in self.acls.iter().filter(|(_, acl)| own(&acl.vpc)) {
            let subnets: BTreeSet<&Id> = self.subnets.iter().filter(|(_, subnet)| subnet.acl == *id).map(|(id, _)| id).collect();
            lines.insert(format!("{id} {} default {} entries {:?} subnets {subnets:?}", acl.vpc, acl.is_default, acl.entries));
        }
        for (id, list) in self.lists.iter().filter(|(_, list)| list.owner == who) {
            lines.insert(format!("{id} version {} {:?}", list.version, list.entries));
        }
        for (id, peering) in &self.peerings {
            let state = match peering.state {
                PeeringState::Pending => "pending-acceptance",
                PeeringState::Active => "active",
                PeeringState::Ended => continue,
            };
            if peering.requester.0 == who || peering.accepter.0 == who {
                lines.insert(format!("{id} {} {} {state}", peering.requester.1, peering.accepter.1));
            }
        }
        for (id, endpoint) in self.endpoints.iter().filter(|(_, endpoint)| own(&endpoint.vpc)) {
            lines.insert(format!("{id} in {} tables {:?}", endpoint.vpc, endpoint.tables));
        }
        lines
    }
}

impl Target {
    pub(super) fn id(&self) -> &Id {
        match self {
            Self::Igw(id) | Self::Eigw(id) | Self::Nat(id) | Self::Eni(id) | Self::Peering(id) => id,
        }
    }
}
