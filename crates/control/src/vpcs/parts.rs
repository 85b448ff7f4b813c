//! What comes and goes with a VPC: main route table, default network ACL, default security group.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::{
    Direction, NaclAction, NaclEntry, NetworkAcl, Peer, Protocol, RouteTable, RulePorts, SecurityGroup, SecurityGroupRule, Tags,
    Vpc,
};

use crate::{ControlError, Tx};

/// Makes the parts of a new VPC under the ids that it names.
pub(super) fn create(tx: &mut Tx, vpc: &Vpc) {
    tx.put(RouteTable {
        id: vpc.main_route_table,
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        routes: Vec::new(),
        associations: vec![TableAssociation { id: tx.new_id(), user: TableUser::Main }],
        propagating: Vec::new(),
        tags: Tags::new(),
    });
    let has_ipv6 = !vpc.ipv6_blocks.is_empty();
    let mut entries = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        entries.push(allow_ipv4_entry(direction));
        entries.extend(has_ipv6.then(|| allow_ipv6_entry(direction)));
    }
    tx.put(NetworkAcl {
        id: vpc.default_nacl,
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        is_default: true,
        entries,
        tags: Tags::new(),
    });
    let itself = Peer::Group { account: vpc.owner.account, group: vpc.default_security_group };
    let mut rules = vec![allow(tx, Direction::Ingress, itself), allow(tx, Direction::Egress, Peer::Ipv4(Ipv4Net::default()))];
    rules.extend(has_ipv6.then(|| allow(tx, Direction::Egress, Peer::Ipv6(Ipv6Net::default()))));
    tx.put(SecurityGroup {
        associated_vpcs: Vec::new(),
        id: vpc.default_security_group,
        owner: vpc.owner.clone(),
        vpc: vpc.id,
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        rules,
        tags: Tags::new(),
    });
}

/// Lets IPv6 through where IPv4 is still let through as at first: in the default network ACL, and out of every security
/// group. See "Default network ACL for a VPC" and "Default security groups for your VPCs" in the VPC User Guide.
pub(super) fn allow_ipv6(tx: &mut Tx, vpc: &Vpc) -> Result<(), ControlError> {
    tx.update::<NetworkAcl, _>(&vpc.default_nacl, |nacl| {
        for direction in [Direction::Ingress, Direction::Egress] {
            let present: Vec<_> = nacl.entries.iter().filter(|entry| entry.direction == direction).collect();
            if present == [&allow_ipv4_entry(direction)] {
                nacl.entries.push(allow_ipv6_entry(direction));
            }
        }
        nacl.entries.sort_by_key(|entry| (entry.direction, entry.number));
    })?;
    let is_untouched = |group: &SecurityGroup| {
        let mut out = group.rules.iter().filter(|rule| rule.direction == Direction::Egress);
        let everywhere = Peer::Ipv4(Ipv4Net::default());
        out.next().is_some_and(|rule| rule.protocol == Protocol::All && rule.peer == everywhere) && out.next().is_none()
    };
    let groups = tx.owned::<SecurityGroup>().filter(|group| group.vpc == vpc.id && is_untouched(group));
    let groups: Vec<_> = groups.map(|group| group.id).collect();
    for id in groups {
        let rule = allow(tx, Direction::Egress, Peer::Ipv6(Ipv6Net::default()));
        tx.update::<SecurityGroup, _>(&id, |group| group.rules.push(rule))?;
    }
    Ok(())
}

fn allow_ipv4_entry(direction: Direction) -> NaclEntry {
    allow_entry(direction, 100, Ipv4Net::default().into())
}

fn allow_ipv6_entry(direction: Direction) -> NaclEntry {
    allow_entry(direction, 101, Ipv6Net::default().into())
}

fn allow_entry(direction: Direction, number: u16, block: IpNet) -> NaclEntry {
    NaclEntry { direction, number, action: NaclAction::Allow, block, protocol: Protocol::All, ports: RulePorts::All }
}

fn allow(tx: &Tx, direction: Direction, peer: Peer) -> SecurityGroupRule {
    SecurityGroupRule {
        id: tx.new_id(),
        direction,
        protocol: Protocol::All,
        ports: RulePorts::All,
        peer,
        description: String::new(),
        tags: Tags::new(),
    }
}
