//! The actions of EC2, one module per resource family.

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
pub(crate) const EC2: &[&[Action]] = &[
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

/// Whether EC2 has an action of that name that openvpc doesn't serve.
pub fn ec2_elsewhere(name: &str) -> bool {
    include_str!("../../model/ec2-all-operations.txt").lines().any(|known| known == name)
}
