//! Elastic IP addresses.

use std::net::Ipv4Addr;

use openvpc_control::addresses::{self, AddressTarget};
use openvpc_control::{ControlError, Tx};
use openvpc_model::{AddressAssociationId, AllocationId, ElasticIp, NetworkInterface};

use super::interfaces::ipv4;
use super::prelude::*;

mod attributes;
#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AllocateAddress, allocate_address),
    action!(AssociateAddress, associate_address),
    action!(DescribeAddresses, describe_addresses),
    action!(DescribeAddressesAttribute, attributes::describe_addresses_attribute),
    action!(DisassociateAddress, disassociate_address),
    action!(ModifyAddressAttribute, attributes::modify_address_attribute),
    action!(ReleaseAddress, release_address),
    action!(ResetAddressAttribute, attributes::reset_address_attribute),
];

/// The pool that all public addresses come from.
const POOL: &str = "amazon";

fn allocate_address(ctx: &Ctx<'_>, request: shapes::AllocateAddressRequest) -> Result<shapes::AllocateAddressResult, ApiError> {
    // What was asked for EC2-Classic before it was retired comes from the VPC's pool.
    if let Some(domain) = request.domain.as_deref().filter(|domain| !["vpc", "standard"].contains(domain)) {
        return Err(ApiError::invalid_value(format!("Value ({domain}) for parameter domain is invalid: use vpc")));
    }
    if let Some(pool) = request.public_ipv4_pool.as_deref().filter(|pool| *pool != POOL) {
        return Err(ApiError::new("InvalidPublicIpv4PoolID.NotFound", format!("The pool ID '{pool}' does not exist")));
    }
    let tags = tagging::on_create(&request.tag_specifications, "elastic-ip")?;
    let wanted = request.address.as_deref().map(ipv4).transpose()?;
    let eip = ctx.mutate(|tx| {
        let id = addresses::allocate(tx, wanted, tags)?;
        tx.find::<ElasticIp>(&id)
    })?;
    Ok(shapes::AllocateAddressResult {
        allocation_id: Some(eip.id.to_string()),
        public_ip: Some(eip.address.to_string()),
        domain: Some("vpc".to_owned()),
        public_ipv4_pool: Some(POOL.to_owned()),
        network_border_group: Some(ctx.owner().region.to_string()),
        ..Default::default()
    })
}

fn release_address(ctx: &Ctx<'_>, request: shapes::ReleaseAddressRequest) -> Result<Done, ApiError> {
    let address = AddressRef::parse(&request.allocation_id, &request.public_ip)?;
    ctx.mutate(|tx| {
        let id = address.resolve(tx)?;
        addresses::release(tx, id)
    })?;
    Ok(Done)
}

fn associate_address(
    ctx: &Ctx<'_>,
    request: shapes::AssociateAddressRequest,
) -> Result<shapes::AssociateAddressResult, ApiError> {
    let address = AddressRef::parse(&request.allocation_id, &request.public_ip)?;
    let target = AddressTarget {
        instance: ids::parse_opt(&request.instance_id)?,
        eni: ids::parse_opt(&request.network_interface_id)?,
        private_address: request.private_ip_address.as_deref().map(ipv4).transpose()?,
        allow_reassociation: request.allow_reassociation.unwrap_or(true),
    };
    let id = ctx.mutate(|tx| {
        let id = address.resolve(tx)?;
        addresses::associate(tx, id, &target)
    })?;
    Ok(shapes::AssociateAddressResult { association_id: Some(id.to_string()) })
}

fn disassociate_address(ctx: &Ctx<'_>, request: shapes::DisassociateAddressRequest) -> Result<Done, ApiError> {
    let association: Option<AddressAssociationId> = ids::parse_opt(&request.association_id)?;
    let public = request.public_ip.as_deref().map(ipv4).transpose()?;
    ctx.mutate(|tx| {
        let id = match (association, public) {
            (Some(id), _) => id,
            (None, Some(public)) => {
                let eip = addresses::by_public_address(tx, public)?;
                let present = tx.find::<ElasticIp>(&eip)?.association.as_ref().map(|association| association.id);
                present.ok_or_else(|| {
                    ControlError::new("InvalidAssociationID.NotFound", format!("The address {public} isn't associated"))
                })?
            }
            (None, None) => return Err(ControlError::missing_parameter("AssociationId")),
        };
        addresses::disassociate(tx, id)
    })?;
    Ok(Done)
}

fn describe_addresses(
    ctx: &Ctx<'_>,
    request: shapes::DescribeAddressesRequest,
) -> Result<shapes::DescribeAddressesResult, ApiError> {
    let network = ctx.network()?;
    let mut eips = ctx.pick::<ElasticIp>(&network, &request.allocation_ids)?;
    if !request.public_ips.is_empty() {
        let wanted: Vec<Ipv4Addr> = request.public_ips.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
        if let Some(missing) = wanted.iter().find(|wanted| eips.iter().all(|eip| eip.address != **wanted)) {
            return Err(ApiError::new("InvalidAddress.NotFound", format!("Address '{missing}' not found.")));
        }
        eips.retain(|eip| wanted.contains(&eip.address));
    }
    let addresses = eips.iter().map(|eip| address_shape(&network, eip)).collect();
    let addresses = filters::select(addresses, &request.filters, &ADDRESS_FIELDS)?;
    Ok(shapes::DescribeAddressesResult { addresses })
}

static ADDRESS_FIELDS: Fields<shapes::Address> = Fields {
    tags: Some(|address| &address.tags),
    fields: &[
        ("allocation-id", |address, m| m.offer(&address.allocation_id)),
        ("association-id", |address, m| m.offer(&address.association_id)),
        ("domain", |address, m| m.offer(&address.domain)),
        ("instance-id", |address, m| m.offer(&address.instance_id)),
        ("network-border-group", |address, m| m.offer(&address.network_border_group)),
        ("network-interface-id", |address, m| m.offer(&address.network_interface_id)),
        ("network-interface-owner-id", |address, m| m.offer(&address.network_interface_owner_id)),
        ("private-ip-address", |address, m| m.offer(&address.private_ip_address)),
        ("public-ip", |address, m| m.offer(&address.public_ip)),
    ],
};

fn address_shape(network: &Network, eip: &ElasticIp) -> shapes::Address {
    let mut shape = shapes::Address {
        allocation_id: Some(eip.id.to_string()),
        public_ip: Some(eip.address.to_string()),
        domain: Some("vpc".to_owned()),
        public_ipv4_pool: Some(POOL.to_owned()),
        network_border_group: Some(eip.owner.region.to_string()),
        service_managed: eip.service_managed.then(|| "rnat".to_owned()),
        tags: tagging::shapes(&eip.tags),
        ..Default::default()
    };
    if let Some(association) = &eip.association {
        let attachment = network.get::<NetworkInterface>(&association.eni).and_then(|eni| eni.attachment.as_ref());
        shape.association_id = Some(association.id.to_string());
        shape.network_interface_id = Some(association.eni.to_string());
        shape.network_interface_owner_id = Some(eip.owner.account.to_string());
        shape.private_ip_address = Some(association.private_address.to_string());
        shape.instance_id = attachment.map(|attachment| attachment.instance.to_string());
    }
    if let Some(present) = &eip.nat_gateway {
        shape.association_id = Some(present.id.to_string());
    }
    shape
}

/// How a request names an address: by its allocation, or by the address itself.
#[derive(Clone, Copy, Debug)]
enum AddressRef {
    Allocation(AllocationId),
    Public(Ipv4Addr),
}

impl AddressRef {
    fn parse(allocation: &Option<String>, public: &Option<String>) -> Result<Self, ApiError> {
        match (ids::parse_opt(allocation)?, public) {
            (Some(id), _) => Ok(Self::Allocation(id)),
            (None, Some(public)) => Ok(Self::Public(ipv4(public)?)),
            (None, None) => Err(ApiError::missing("AllocationId")),
        }
    }

    fn resolve(self, tx: &Tx<'_>) -> Result<AllocationId, ControlError> {
        match self {
            Self::Allocation(id) => Ok(id),
            Self::Public(address) => addresses::by_public_address(tx, address),
        }
    }
}
