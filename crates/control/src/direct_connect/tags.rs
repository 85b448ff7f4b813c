//! Tags of Direct Connect's resources, which are named by their ARNs.

use openvpc_model::{
    AccountId, DirectConnectConnection, DirectConnectGateway, Lag, Network, Owner, Resource, Tags, VirtualInterface,
};

use super::refused;
use crate::{ControlError, Tx};

/// Most tags of a resource.
const LIMIT: usize = 50;

/// The tags of a resource.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn of(network: &Network, caller: &Owner, arn: &str) -> Result<Tags, ControlError> {
    Ok(match resource(network, caller, arn)? {
        Tagged::Connection(resource) => resource.tags,
        Tagged::Gateway(resource) => resource.tags,
        Tagged::Interface(resource) => resource.tags,
        Tagged::Lag(resource) => resource.tags,
    })
}

/// Changes the tags of a resource.
///
/// # Errors
/// `DirectConnectClientException`, `TooManyTagsException`.
pub fn change(tx: &mut Tx, arn: &str, edit: impl FnOnce(&mut Tags)) -> Result<(), ControlError> {
    let found = resource(tx.network(), tx.owner(), arn)?;
    match found {
        Tagged::Connection(mut resource) => edited(&mut resource.tags, edit).map(|()| tx.put(resource)),
        Tagged::Gateway(mut resource) => edited(&mut resource.tags, edit).map(|()| tx.put(resource)),
        Tagged::Interface(mut resource) => edited(&mut resource.tags, edit).map(|()| tx.put(resource)),
        Tagged::Lag(mut resource) => edited(&mut resource.tags, edit).map(|()| tx.put(resource)),
    }
}

/// Checks tags that a resource is made with.
///
/// # Errors
/// `TooManyTagsException`.
pub fn check(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(ControlError::new("TooManyTagsException", format!("A resource has {LIMIT} tags at most.")))
}

enum Tagged {
    Connection(DirectConnectConnection),
    Gateway(DirectConnectGateway),
    Interface(VirtualInterface),
    Lag(Lag),
}

/// `arn:aws:directconnect:REGION:ACCOUNT:dxcon/dxcon-…`; gateways have no region.
fn resource(network: &Network, caller: &Owner, arn: &str) -> Result<Tagged, ControlError> {
    let missing = || refused(format!("Resource {arn} does not exist."));
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, "directconnect", region, account, resource] = parts[..] else { return Err(missing()) };
    let (kind, id) = resource.split_once('/').ok_or_else(missing)?;
    let account: AccountId = account.parse().map_err(|_| missing())?;
    let global = kind == "dx-gateway" && region.is_empty();
    if account != caller.account || !(global || region == caller.region.as_str()) {
        return Err(missing());
    }
    let found = match kind {
        "dxcon" => own::<DirectConnectConnection>(network, caller, id).map(Tagged::Connection),
        "dxlag" => own::<Lag>(network, caller, id).map(Tagged::Lag),
        "dxvif" => own::<VirtualInterface>(network, caller, id).map(Tagged::Interface),
        "dx-gateway" => {
            let gateway = id.parse().ok().and_then(|id| network.get::<DirectConnectGateway>(&id));
            gateway.filter(|gateway| gateway.owner.account == account).map(|gateway| Tagged::Gateway((**gateway).clone()))
        }
        _ => None,
    };
    found.ok_or_else(missing)
}

fn own<R: Resource>(network: &Network, caller: &Owner, id: &str) -> Option<R>
where
    R::Key: std::str::FromStr,
{
    let found = network.get::<R>(&id.parse().ok()?)?;
    (found.owner() == caller).then(|| (**found).clone())
}

fn edited(tags: &mut Tags, edit: impl FnOnce(&mut Tags)) -> Result<(), ControlError> {
    edit(tags);
    check(tags)
}
