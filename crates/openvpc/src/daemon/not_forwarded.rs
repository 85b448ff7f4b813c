//! What the API keeps and describes, but no packet passes yet: said in the status, so that nobody is misled.

use openvpc_model::{
    ClientVpnEndpoint, LoadBalancer, Network, Peering, Resource, TransitGateway, VirtualInterface, VpcEndpoint, VpnConnection,
};
use serde_json::{Value, json};

/// Kinds of gateways that exist without packets, each with the ids of those that live.
pub fn not_forwarded(network: &Network) -> Vec<Value> {
    let kinds = [
        kind(network, "VPC endpoints", VpcEndpoint::exists),
        kind(network, "load balancers", |_: &LoadBalancer| true),
        kind(network, "VPC peering connections", Peering::is_active),
        kind(network, "transit gateways", |gateway: &TransitGateway| gateway.deleted_at.is_none()),
        kind(network, "VPN connections", VpnConnection::exists),
        kind(network, "Client VPN endpoints", |endpoint: &ClientVpnEndpoint| endpoint.deleted_at.is_none()),
        kind(network, "Direct Connect virtual interfaces", |interface: &VirtualInterface| interface.deleted_at.is_none()),
    ];
    kinds.into_iter().flatten().collect()
}

fn kind<R: Resource>(network: &Network, name: &str, lives: impl Fn(&R) -> bool) -> Option<Value> {
    let living = network.all::<R>().filter(|resource| lives(resource));
    let ids: Vec<String> = living.map(|resource| R::key_text(&resource.key())).collect();
    (!ids.is_empty()).then(|| json!({ "kind": name, "ids": ids }))
}
