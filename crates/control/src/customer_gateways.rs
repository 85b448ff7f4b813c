//! Customer gateways. See "Customer gateway options for your AWS Site-to-Site VPN connection".

use std::net::IpAddr;
use std::sync::Arc;

use openvpc_model::{CustomerGateway, CustomerGatewayId, Tags, VpnConnection};

use crate::{ControlError, Missing, Tx, retention};

/// The device's number in BGP when none is given.
pub const DEFAULT_ASN: u32 = 65_000;

/// How long a deleted gateway is shown.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// What CreateCustomerGateway is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCustomerGateway {
    /// The device's outside address.
    pub address: Option<IpAddr>,
    /// Its number in BGP.
    pub asn: u32,
    /// The ARN of its private certificate.
    pub certificate: Option<String>,
    /// The user's name for it.
    pub device_name: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a customer gateway, or finds the one of equal address, number and device name.
///
/// # Errors
/// `MissingParameter` without address and certificate, `InvalidParameterValue` for an address that no device can have,
/// `CustomerGatewayLimitExceeded`.
pub fn create(tx: &mut Tx, request: CreateCustomerGateway) -> Result<CustomerGatewayId, ControlError> {
    let CreateCustomerGateway { address, asn, certificate, device_name, tags } = request;
    if address.is_none() && certificate.is_none() {
        return Err(ControlError::missing_parameter("IpAddress or CertificateArn"));
    }
    if let Some(address) = address.filter(|address| !is_unicast(*address)) {
        return Err(ControlError::invalid_value(format!(
            "Value ({address}) for parameter IpAddress is invalid: no device has it"
        )));
    }
    if device_name.as_ref().is_some_and(|name| name.chars().count() > 255) {
        return Err(ControlError::invalid_value("The parameter DeviceName has at most 255 characters"));
    }
    if let Some(certificate) = certificate.as_deref().filter(|arn| !is_certificate(arn)) {
        return Err(ControlError::invalid_value(format!("Value ({certificate}) for parameter CertificateArn is invalid")));
    }
    let same = |other: &&Arc<CustomerGateway>| {
        let (theirs, ours) = ((&other.certificate, &other.device_name), (&certificate, &device_name));
        (other.address, other.asn) == (address, asn) && theirs == ours
    };
    if let Some(present) = existing(tx).find(same) {
        return Ok(present.id);
    }
    let limit = tx.quotas().customer_gateways;
    if existing(tx).count() >= limit {
        let message = format!("The maximum number of customer gateways has been reached ({limit}).");
        return Err(ControlError::new("CustomerGatewayLimitExceeded", message));
    }
    let (id, owner) = (tx.new_id(), tx.owner().clone());
    tx.put(CustomerGateway { id, owner, address, asn, certificate, device_name, deleted_at: None, tags });
    Ok(id)
}

/// Deletes a customer gateway that no connection uses.
///
/// # Errors
/// `InvalidCustomerGatewayID.NotFound`, `IncorrectState` while a VPN connection uses it.
pub fn delete(tx: &mut Tx, id: CustomerGatewayId) -> Result<(), ControlError> {
    find(tx, id)?;
    let uses = |connection: &&Arc<VpnConnection>| connection.exists() && connection.customer_gateway == id;
    if let Some(connection) = tx.owned::<VpnConnection>().find(uses) {
        let message =
            format!("The customer gateway '{id}' is in use by the VPN connection {}; delete that first.", connection.id);
        return Err(ControlError::new("IncorrectState", message));
    }
    let now = tx.now();
    tx.update::<CustomerGateway, _>(&id, |gateway| gateway.deleted_at = Some(now))
}

/// The caller's gateway, unless it was deleted.
pub(crate) fn find(tx: &Tx, id: CustomerGatewayId) -> Result<Arc<CustomerGateway>, ControlError> {
    let gateway = tx.find::<CustomerGateway>(&id)?;
    if gateway.deleted_at.is_some() { Err(CustomerGateway::missing(&id)) } else { Ok(gateway) }
}

/// Forgets gateways that were deleted long enough ago.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let over = |gateway: &&Arc<CustomerGateway>| retention::is_over(gateway.deleted_at, SHOWN_FOR_MS, now);
    let old: Vec<_> = tx.network().all::<CustomerGateway>().filter(over).map(|gateway| gateway.id).collect();
    old.iter().for_each(|id| tx.remove::<CustomerGateway>(id));
}

fn existing<'a>(tx: &'a Tx) -> impl Iterator<Item = &'a Arc<CustomerGateway>> {
    tx.owned::<CustomerGateway>().filter(|gateway| gateway.deleted_at.is_none())
}

/// Whether a device can have the address: private ones are for connections over Direct Connect.
fn is_unicast(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || link_local)
}

fn is_certificate(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.nth(1) == Some("acm")
        && parts.nth(2).is_some_and(|rest| rest.starts_with("certificate/"))
}
