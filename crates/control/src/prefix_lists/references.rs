//! What refers to managed prefix lists.

use openvpc_model::{AccountId, Network, Peer, PrefixListId, RouteDestination, RouteTable, SecurityGroup, SecurityGroupRule};

use crate::{Tx, routes, security_groups, transit_gateways};

/// A resource that refers to a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The resource's id.
    pub resource: String,
    /// Whose it is.
    pub owner: AccountId,
}

/// The resources of all accounts that refer to a list, each once. One block per kind: a kind that comes to name lists
/// is added here.
pub fn references(network: &Network, list: PrefixListId) -> Vec<Reference> {
    let groups = network.all::<SecurityGroup>().filter(|group| group.rules.iter().any(|rule| names(rule, list)));
    let groups = groups.map(|group| Reference { resource: group.id.to_string(), owner: group.owner.account });
    let tables = network.all::<RouteTable>().filter(|table| has_route(table, list));
    let tables = tables.map(|table| Reference { resource: table.id.to_string(), owner: table.owner.account });
    let gateways = transit_gateways::routes::naming_prefix_list(network, list);
    let gateways = gateways.map(|table| Reference { resource: table.id.to_string(), owner: table.owner.account });
    groups.chain(tables).chain(gateways).collect()
}

/// The ids of the first ten resources that refer to a list and hold too much with the size that it has now.
pub(super) fn overfull(tx: &Tx, list: PrefixListId) -> Vec<String> {
    let groups = tx.owned::<SecurityGroup>().filter(|group| group.rules.iter().any(|rule| names(rule, list)));
    let groups = groups.filter(|group| security_groups::check_count(tx, group).is_err());
    let destination = RouteDestination::PrefixList(list);
    let tables = tx.owned::<RouteTable>().filter(|table| has_route(table, list));
    let tables = tables.filter(|table| routes::check_count(tx, table.id, destination).is_err());
    groups.map(|group| group.id.to_string()).chain(tables.map(|table| table.id.to_string())).take(10).collect()
}

fn names(rule: &SecurityGroupRule, list: PrefixListId) -> bool {
    rule.peer == Peer::PrefixList(list)
}

fn has_route(table: &RouteTable, list: PrefixListId) -> bool {
    table.routes.iter().any(|route| route.destination == RouteDestination::PrefixList(list))
}
