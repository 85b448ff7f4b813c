//! What AWS shows for a while after it is gone, and then forgets: one list of all that is to be forgotten.

use openvpc_model::UnixMillis;

use crate::{
    Tx, access_keys, client_vpn, endpoints, idempotency, instances, nat_gateways, peerings, public_access, route53,
    transit_gateways,
};
use crate::{customer_gateways, direct_connect, vpn_connections, vpn_gateways};

/// Forgets, in all accounts and regions, what went long enough ago. Writes nothing when there is nothing.
pub fn prune(tx: &mut Tx) {
    access_keys::prune(tx);
    client_vpn::prune(tx);
    idempotency::prune(tx);
    endpoints::prune(tx);
    instances::prune(tx);
    nat_gateways::prune(tx);
    peerings::prune(tx);
    public_access::prune(tx);
    route53::prune(tx);
    transit_gateways::prune(tx);
    customer_gateways::prune(tx);
    direct_connect::prune(tx);
    vpn_connections::prune(tx);
    vpn_gateways::prune(tx);
}

/// Whether something that went at `deleted_at` has been shown for long enough.
pub(crate) fn is_over(deleted_at: Option<UnixMillis>, shown_for_ms: u64, now: UnixMillis) -> bool {
    deleted_at.is_some_and(|at| now.0.saturating_sub(at.0) >= shown_for_ms)
}
