//! Public IPv4 addresses: Elastic IPs, and the ones instances get at launch. See "Elastic IP addresses" in the EC2 User Guide.
//!
//! All accounts and regions share one pool, because they share one internet.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use openvpc_model::address::AddressAssociation;
use openvpc_model::internet::PublicPools;
use openvpc_model::{
    AddressAssociationId, AllocationId, ElasticIp, EniId, Instance, InstanceId, InstanceState, Network, NetworkInterface,
    PrivateAddress, PublicMapping, Tags,
};

use crate::{ControlError, Tx, instances, interfaces};

/// Where AssociateAddress shall put an address. At least one of instance and interface is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressTarget {
    /// An instance with exactly one interface.
    pub instance: Option<InstanceId>,
    /// An interface.
    pub eni: Option<EniId>,
    /// One of the interface's private addresses; none for the primary one.
    pub private_address: Option<Ipv4Addr>,
    /// Whether to take the address, or the private address's present one, away from where it is in use.
    pub allow_reassociation: bool,
}

/// Takes an address of the pool for the caller: AllocateAddress. `wanted` asks for one by its number.
///
/// # Errors
/// `AddressLimitExceeded`, `InsufficientAddressCapacity`, `InvalidAddress.NotFound` when the wanted one isn't free.
pub fn allocate(tx: &mut Tx, wanted: Option<Ipv4Addr>, tags: Tags) -> Result<AllocationId, ControlError> {
    let limit = tx.quotas().addresses;
    if tx.owned::<ElasticIp>().count() >= limit {
        return Err(ControlError::new(
            "AddressLimitExceeded",
            format!("The maximum number of addresses has been reached: {limit}"),
        ));
    }
    let address = match wanted {
        None => take_public(tx, None)?,
        Some(wanted) if free(tx.network(), &tx.public_pools()).any(|address| address == wanted) => wanted,
        Some(wanted) => {
            return Err(ControlError::new(
                "InvalidAddress.NotFound",
                format!("The address '{wanted}' isn't a free address of {}", tx.public_pools().names()),
            ));
        }
    };
    let id = tx.new_id();
    let owner = tx.owner().clone();
    tx.put(ElasticIp {
        id,
        owner,
        address,
        association: None,
        nat_gateway: None,
        service_managed: false,
        ptr_record: None,
        tags,
    });
    Ok(id)
}

/// Gives an address back: ReleaseAddress.
///
/// # Errors
/// `InvalidIPAddress.InUse` while associated, `InvalidAllocationID.NotFound`.
pub fn release(tx: &mut Tx, id: AllocationId) -> Result<(), ControlError> {
    let eip = tx.find::<ElasticIp>(&id)?;
    if let Some(association) = &eip.association {
        return Err(ControlError::new(
            "InvalidIPAddress.InUse",
            format!("Address {} is in use by {}; disassociate it first ({})", eip.address, association.eni, association.id),
        ));
    }
    if let Some(present) = &eip.nat_gateway {
        let message = format!("Address {} is in use by {}", eip.address, present.gateway);
        return Err(ControlError::new("InvalidIPAddress.InUse", message));
    }
    tx.remove::<ElasticIp>(&id);
    Ok(())
}

/// Lets an address stand for a private one: AssociateAddress. Doing the same again changes nothing.
///
/// # Errors
/// `Gateway.NotAttached`, `Resource.AlreadyAssociated`, `InvalidInstanceID`, `IncorrectInstanceState`,
/// `InvalidParameterCombination`, `InvalidParameterValue`, and the not-found error of what is named.
pub fn associate(tx: &mut Tx, id: AllocationId, target: &AddressTarget) -> Result<AddressAssociationId, ControlError> {
    let eip = tx.find::<ElasticIp>(&id)?;
    let eni = target_interface(tx, target)?;
    interfaces::refuse_if_managed(&eni)?;
    let private = match target.private_address.or_else(|| eni.primary_ipv4()) {
        Some(private) => private,
        None => return Err(ControlError::invalid_value(format!("{} has no private IPv4 address", eni.id))),
    };
    let Some(slot) = eni.private_addresses.iter().find(|slot| slot.address == private) else {
        return Err(ControlError::invalid_value(format!("The private IP address {private} isn't assigned to {}", eni.id)));
    };
    if tx.network().internet_gateway_of(eni.vpc).is_none() {
        return Err(ControlError::new(
            "Gateway.NotAttached",
            format!("Network {} is not attached to any internet gateway", eni.vpc),
        ));
    }
    if let Some(present) = &eip.nat_gateway {
        return Err(already_associated(&eip.id.to_string(), present.id));
    }
    if let Some(present) = &eip.association {
        if (present.eni, present.private_address) == (eni.id, private) {
            return Ok(present.id);
        }
        if !target.allow_reassociation || is_managed(tx, present.eni) {
            return Err(already_associated(&eip.id.to_string(), present.id));
        }
    }
    if let Some(present) = slot.public.as_ref().and_then(|public| public.association)
        && !target.allow_reassociation
    {
        return Err(already_associated(&format!("{} address {private}", eni.id), present));
    }
    if let Some(present) = &eip.association {
        disassociate(tx, present.id)?;
    }
    map(tx, id, eni.id, private)
}

/// Lets a free address stand for a private one, instead of the one that did.
pub(crate) fn map(tx: &mut Tx, id: AllocationId, eni: EniId, private: Ipv4Addr) -> Result<AddressAssociationId, ControlError> {
    unmap(tx, eni, private)?;
    let association = tx.new_id();
    let address = tx.update::<ElasticIp, _>(&id, |eip| {
        eip.association = Some(AddressAssociation { id: association, eni, private_address: private });
        eip.address
    })?;
    set_public(tx, eni, private, Some(PublicMapping { address, association: Some(association) }))?;
    Ok(association)
}

/// Ends an association: DisassociateAddress.
///
/// # Errors
/// `InvalidAssociationID.NotFound`; `AuthFailure` for an address that a service uses.
pub fn disassociate(tx: &mut Tx, association: AddressAssociationId) -> Result<(), ControlError> {
    if tx.owned::<ElasticIp>().any(|eip| eip.nat_gateway.as_ref().is_some_and(|present| present.id == association)) {
        return Err(no_permission());
    }
    let found = tx.owned::<ElasticIp>().find_map(|eip| {
        let present = eip.association.as_ref().filter(|present| present.id == association)?;
        Some((present.eni, present.private_address))
    });
    let (eni, private) = found.ok_or_else(|| {
        ControlError::new("InvalidAssociationID.NotFound", format!("The association ID '{association}' does not exist"))
    })?;
    if is_managed(tx, eni) {
        return Err(no_permission());
    }
    unmap(tx, eni, private)
}

/// Sets the name that a reverse lookup of an address gives; none takes it away.
///
/// # Errors
/// `InvalidAllocationID.NotFound`, `InvalidParameterValue` for what is no domain name.
pub fn set_ptr_record(tx: &mut Tx, id: AllocationId, name: Option<&str>) -> Result<(), ControlError> {
    tx.find::<ElasticIp>(&id)?;
    let name = name.map(|name| name.strip_suffix('.').unwrap_or(name));
    if let Some(name) = name.filter(|name| !is_domain_name(name)) {
        return Err(ControlError::invalid_value(format!(
            "Value ({name}) for parameter domainName is invalid: use a domain name"
        )));
    }
    tx.update::<ElasticIp, _>(&id, |eip| eip.ptr_record = name.map(|name| format!("{name}.")))
}

/// Labels of letters, digits and dashes, at least two, as RFC 1035 has them.
fn is_domain_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

/// The caller's allocation of a public address.
///
/// # Errors
/// `InvalidAddress.NotFound`.
pub fn by_public_address(tx: &Tx, address: Ipv4Addr) -> Result<AllocationId, ControlError> {
    let found = tx.owned::<ElasticIp>().find(|eip| eip.address == address);
    found.map(|eip| eip.id).ok_or_else(|| ControlError::new("InvalidAddress.NotFound", format!("Address '{address}' not found.")))
}

/// Gives the primary address of an interface a public one, unless it has one: what a launch and a start do.
///
/// # Errors
/// `InsufficientAddressCapacity`.
pub(crate) fn assign_at_launch(tx: &mut Tx, eni: EniId) -> Result<(), ControlError> {
    let found = tx.find::<NetworkInterface>(&eni)?;
    let Some(PrivateAddress { address, public: None }) = found.private_addresses.first() else {
        return Ok(());
    };
    let public = PublicMapping { address: take_public(tx, None)?, association: None };
    set_public(tx, eni, *address, Some(public))
}

/// Gives back the public address that a launch or start assigned; Elastic IPs stay.
pub(crate) fn release_assigned_at_launch(tx: &mut Tx, eni: EniId) -> Result<(), ControlError> {
    tx.update::<NetworkInterface, _>(&eni, |eni| {
        for slot in &mut eni.private_addresses {
            slot.public.take_if(|public| public.association.is_none());
        }
    })
}

/// Frees a private address of its public one: an Elastic IP stays allocated, another goes back to the pool.
pub(crate) fn unmap(tx: &mut Tx, eni: EniId, private: Ipv4Addr) -> Result<(), ControlError> {
    let here = |eip: &ElasticIp| eip.association.as_ref().is_some_and(|a| (a.eni, a.private_address) == (eni, private));
    let allocations: Vec<_> = tx.owned::<ElasticIp>().filter(|eip| here(eip)).map(|eip| eip.id).collect();
    for id in allocations {
        tx.update::<ElasticIp, _>(&id, |eip| eip.association = None)?;
    }
    set_public(tx, eni, private, None)
}

/// Whether an interface is a service's, whose addresses users may not take away.
fn is_managed(tx: &Tx, eni: EniId) -> bool {
    tx.network().get::<NetworkInterface>(&eni).is_some_and(|eni| eni.requester_managed)
}

fn set_public(tx: &mut Tx, eni: EniId, private: Ipv4Addr, public: Option<PublicMapping>) -> Result<(), ControlError> {
    tx.update::<NetworkInterface, _>(&eni, |eni| {
        if let Some(slot) = eni.private_addresses.iter_mut().find(|slot| slot.address == private) {
            slot.public = public;
        }
    })
}

fn target_interface(tx: &Tx, target: &AddressTarget) -> Result<std::sync::Arc<NetworkInterface>, ControlError> {
    let instance = target.instance.map(|id| tx.find::<Instance>(&id)).transpose()?;
    if let Some(instance) = &instance
        && matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated)
    {
        return Err(ControlError::new(
            "IncorrectInstanceState",
            format!("The instance '{}' is {} and can't take an address", instance.id, instance.state.as_str()),
        ));
    }
    match (instance, target.eni) {
        (None, None) => Err(ControlError::missing_parameter("InstanceId or NetworkInterfaceId")),
        (None, Some(eni)) => tx.find::<NetworkInterface>(&eni),
        (Some(instance), Some(eni)) => {
            let eni = tx.find::<NetworkInterface>(&eni)?;
            if eni.attachment.as_ref().is_some_and(|attachment| attachment.instance == instance.id) {
                return Ok(eni);
            }
            Err(ControlError::invalid_combination(format!("The interface {} isn't attached to {}", eni.id, instance.id)))
        }
        (Some(instance), None) => instances::only_interface(tx, instance.id),
    }
}

/// Draws a free address of the pool, so that an address just given back is seldom met again at once;
/// never the one `besides`, which the caller is about to take.
pub(crate) fn take_public(tx: &Tx, besides: Option<Ipv4Addr>) -> Result<Ipv4Addr, ControlError> {
    let pools = tx.public_pools();
    let free: Vec<_> = free(tx.network(), &pools).filter(|address| Some(*address) != besides).collect();
    // The remainder is smaller than the pool, whatever the platform's word.
    let at = (tx.random() % free.len().max(1) as u64) as usize;
    free.get(at).copied().ok_or_else(|| {
        ControlError::new(
            "InsufficientAddressCapacity",
            format!("There are not enough free public addresses: all of {} are in use", pools.names()),
        )
    })
}

/// The addresses of the pools that nobody has; the first and last of each are given to nobody.
fn free(network: &Network, pools: &PublicPools) -> impl Iterator<Item = Ipv4Addr> {
    let taken = taken(network);
    pools.ipv4.iter().flat_map(Ipv4Net::hosts).filter(move |address| !taken.contains(address))
}

fn taken(network: &Network) -> HashSet<Ipv4Addr> {
    let allocated = network.elastic_ips.values().map(|eip| eip.address);
    let assigned = network.enis.values().flat_map(|eni| &eni.private_addresses).filter_map(|slot| slot.public.as_ref());
    let tunnels = network.vpn_connections.values().filter(|connection| connection.exists()).flat_map(|vpn| &vpn.tunnels);
    let tunnel_ends = tunnels.filter_map(|tunnel| match tunnel.outside_address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    allocated.chain(assigned.map(|public| public.address)).chain(tunnel_ends).collect()
}

/// AWS's answer to users who would take away what a service uses.
fn no_permission() -> ControlError {
    ControlError::new("AuthFailure", "You do not have permission to access the specified resource.")
}

fn already_associated(what: &str, present: AddressAssociationId) -> ControlError {
    ControlError::new("Resource.AlreadyAssociated", format!("resource {what} is already associated with associate-id {present}"))
}
