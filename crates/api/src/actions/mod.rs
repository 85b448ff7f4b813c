//! The actions, one module per resource family, and the table that finds them by name.

use crate::action::Action;

pub mod access_scopes;
pub mod addresses;
pub mod carrier_gateways;
pub mod catalogue;
pub mod cidr_reservations;
pub mod client_vpn;
pub mod customer_gateways;
pub mod dhcp;
pub mod egress_only_gateways;
pub mod endpoint_services;
pub mod endpoints;
pub mod flow_logs;
pub mod insights;
pub mod instances;
pub mod interface_permissions;
pub mod interfaces;
pub mod internet_gateways;
pub mod key_pairs;
pub mod nat_gateways;
pub mod network_acls;
pub mod peerings;
pub mod prefix_lists;
pub mod public_access;
pub mod routes;
pub mod security_groups;
pub mod sts;
pub mod subnet;
pub mod tags;
pub mod transit_gateways;
pub mod vpc;
pub mod vpn_connections;
pub mod vpn_gateways;
pub mod zones;

/// What an action module needs.
pub mod prelude {
    pub use openvpc_model::Network;

    pub use crate::action;
    pub use crate::action::{Action, Ctx};
    pub use crate::error::ApiError;
    pub use crate::filters::{self, Fields};
    pub use crate::shapes;
    pub use crate::xml::{Blob, Done};
    pub use crate::{ids, page, tagging};
}

/// The EC2 actions of all families.
const EC2: &[&[Action]] = &[
    access_scopes::ACTIONS,
    addresses::ACTIONS,
    carrier_gateways::ACTIONS,
    catalogue::ACTIONS,
    cidr_reservations::ACTIONS,
    client_vpn::ACTIONS,
    customer_gateways::ACTIONS,
    dhcp::ACTIONS,
    egress_only_gateways::ACTIONS,
    endpoint_services::ACTIONS,
    endpoints::ACTIONS,
    flow_logs::ACTIONS,
    insights::ACTIONS,
    instances::ACTIONS,
    interface_permissions::ACTIONS,
    interfaces::ACTIONS,
    internet_gateways::ACTIONS,
    key_pairs::ACTIONS,
    nat_gateways::ACTIONS,
    network_acls::ACTIONS,
    peerings::ACTIONS,
    prefix_lists::ACTIONS,
    public_access::ACTIONS,
    routes::ACTIONS,
    security_groups::ACTIONS,
    subnet::ACTIONS,
    tags::ACTIONS,
    transit_gateways::ACTIONS,
    vpc::ACTIONS,
    vpn_connections::ACTIONS,
    vpn_gateways::ACTIONS,
    zones::ACTIONS,
];

/// The EC2 action of that name.
pub fn ec2(name: &str) -> Option<&'static Action> {
    EC2.iter().copied().flatten().find(|action| action.name == name)
}

/// The STS action of that name.
pub fn sts(name: &str) -> Option<&'static Action> {
    sts::ACTIONS.iter().find(|action| action.name == name)
}

/// Whether EC2 has an action of that name that openvpc doesn't serve.
pub fn ec2_elsewhere(name: &str) -> bool {
    include_str!("../../model/ec2-all-operations.txt").lines().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `operations.txt`, as `ec2:CreateVpc`.
    fn listed() -> BTreeSet<String> {
        let lines = include_str!("../../model/operations.txt").lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn no_action_is_served_twice() {
        let names: Vec<&str> = EC2.iter().copied().flatten().map(|action| action.name).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len(), "{names:?}");
    }

    #[test]
    fn every_listed_operation_has_a_handler() {
        let served = |line: &&String| match line.split_once(':') {
            Some(("ec2", name)) => ec2(name).is_some(),
            Some(("sts", name)) => sts(name).is_some(),
            _ => false,
        };
        let listed = listed();
        let missing: Vec<&String> = listed.iter().filter(|line| !served(line)).collect();
        assert!(missing.is_empty(), "listed in operations.txt but not served: {missing:?}");
    }
}
