//! Subnets. See "Subnets for your VPC" in the VPC User Guide.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::nacl::NaclAssociation;
use openvpc_model::public_access::ExcludedResource;
use openvpc_model::route::TableUser;
use openvpc_model::subnet::SubnetBlock;
use openvpc_model::table::Quantity;
use openvpc_model::{
    Anchor, FlowLogTarget, Network, NetworkInterface, RouteTable, Subnet, SubnetCidrAssociationId, SubnetId, Tags, Vpc, VpcId,
    Zone,
};

use crate::interfaces::prefixes;
use crate::{ControlError, Tx, cidr_reservations, flow_logs, public_access};

/// How often a random address is tried before the free ones are counted through.
const RANDOM_TRIES: usize = 8;

/// What CreateSubnet takes.
#[derive(Clone, Debug)]
pub struct CreateSubnet {
    /// The VPC.
    pub vpc: VpcId,
    /// The zone; the region's first when none is given.
    pub zone: Option<Zone>,
    /// The IPv4 block; host bits are cleared.
    pub ipv4_block: Option<Ipv4Net>,
    /// The IPv6 block.
    pub ipv6_block: Option<Ipv6Net>,
    /// Whether the subnet has IPv6 only.
    pub ipv6_native: bool,
    /// Tags.
    pub tags: Tags,
}

/// Makes a subnet, which uses the VPC's default network ACL and main route table.
///
/// # Errors
/// `InvalidSubnet.Range`, `InvalidSubnet.Conflict`, `SubnetLimitExceeded`, and missing or contradicting parameters.
pub fn create(tx: &mut Tx, request: CreateSubnet) -> Result<SubnetId, ControlError> {
    let vpc = tx.find::<Vpc>(&request.vpc)?;
    let limit = tx.quotas().subnets_per_vpc;
    if tx.network().subnets.count_by(Anchor::Vpc(vpc.id)) >= limit {
        return Err(ControlError::new("SubnetLimitExceeded", format!("The VPC '{}' has its limit of {limit} subnets", vpc.id)));
    }
    make(tx, request)
}

/// [`create`] without the quota, which doesn't hold for what a region comes with.
pub(crate) fn make(tx: &mut Tx, request: CreateSubnet) -> Result<SubnetId, ControlError> {
    let vpc = tx.find::<Vpc>(&request.vpc)?;
    match (request.ipv4_block, request.ipv6_block, request.ipv6_native) {
        (None, _, false) => return Err(ControlError::missing_parameter("CidrBlock")),
        (Some(_), _, true) => {
            return Err(ControlError::invalid_combination("When Ipv6Native is true, a subnet has no CidrBlock"));
        }
        (None, None, true) => return Err(ControlError::missing_parameter("Ipv6CidrBlock")),
        _ => {}
    }
    let ipv4_block = request.ipv4_block.map(|block| block.trunc());
    if let Some(block) = ipv4_block {
        check_ipv4_block(tx.network(), &vpc, block)?;
    }
    let ipv6_blocks = match request.ipv6_block {
        Some(block) => vec![check_ipv6_block(tx, &vpc, block)?],
        None => Vec::new(),
    };
    let subnet = Subnet {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        vpc: vpc.id,
        zone: request.zone.unwrap_or(Zone::ALL[0]),
        nacl: NaclAssociation { id: tx.new_id(), nacl: vpc.default_nacl },
        ipv4_block,
        ipv6_blocks,
        default_for_zone: false,
        map_public_ip_on_launch: false,
        // An instance in a subnet without IPv4 would otherwise have no address at all.
        assign_ipv6_address_on_creation: request.ipv6_native,
        enable_dns64: false,
        hostname_type: if request.ipv6_native { "resource-name" } else { "ip-name" }.to_owned(),
        resource_name_dns_a_record: false,
        resource_name_dns_aaaa_record: false,
        lni_at_device_index: None,
        tags: request.tags,
    };
    let id = subnet.id;
    tx.put(subnet);
    Ok(id)
}

/// Deletes a subnet that holds no interface.
///
/// # Errors
/// `InvalidSubnetID.NotFound`, `DependencyViolation`.
pub fn delete(tx: &mut Tx, id: SubnetId) -> Result<(), ControlError> {
    tx.find::<Subnet>(&id)?;
    if let Some(eni) = tx.network().enis_in(id).next() {
        return Err(ControlError::dependency(format!(
            "The subnet '{id}' has dependencies and cannot be deleted: delete the network interface {} first.",
            eni.id
        )));
    }
    let uses = |table: &RouteTable| table.associations.iter().any(|a| a.user == TableUser::Subnet(id));
    let tables = tx.network().by::<RouteTable>(Anchor::Subnet(id)).filter(|table| uses(table));
    let tables: Vec<_> = tables.map(|table| table.id).collect();
    for table in tables {
        tx.update::<RouteTable, _>(&table, |table| table.associations.retain(|a| a.user != TableUser::Subnet(id)))?;
    }
    cidr_reservations::end_with_subnet(tx, id);
    flow_logs::end_with(tx, FlowLogTarget::Subnet(id));
    public_access::end_with(tx, ExcludedResource::Subnet(id))?;
    tx.remove::<Subnet>(&id);
    Ok(())
}

/// One attribute of ModifySubnetAttribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum Attribute {
    AssignIpv6AddressOnCreation(bool),
    EnableDns64(bool),
    EnableLniAtDeviceIndex(i32),
    DisableLniAtDeviceIndex,
    EnableResourceNameDnsARecordOnLaunch(bool),
    EnableResourceNameDnsAaaaRecordOnLaunch(bool),
    MapPublicIpOnLaunch(bool),
    PrivateDnsHostnameTypeOnLaunch(String),
}

/// Changes one attribute.
///
/// # Errors
/// `InvalidSubnetID.NotFound`, `InvalidParameterValue` for what the subnet's families don't allow.
pub fn modify(tx: &mut Tx, id: SubnetId, attribute: Attribute) -> Result<(), ControlError> {
    let subnet = tx.find::<Subnet>(&id)?;
    let refuse = |why: &str| Err(ControlError::invalid_value(format!("The subnet '{id}' {why}")));
    match attribute {
        Attribute::AssignIpv6AddressOnCreation(true) | Attribute::EnableDns64(true) if subnet.ipv6_blocks.is_empty() => {
            return refuse("has no IPv6 CIDR block");
        }
        Attribute::MapPublicIpOnLaunch(true) if subnet.ipv4_block.is_none() => return refuse("has no IPv4 CIDR block"),
        Attribute::AssignIpv6AddressOnCreation(false) if subnet.ipv4_block.is_none() => return refuse("has IPv6 only"),
        Attribute::PrivateDnsHostnameTypeOnLaunch(ref kind) if kind == "ip-name" && subnet.ipv4_block.is_none() => {
            return refuse("has IPv6 only, so that its instances are named after their ids");
        }
        Attribute::EnableLniAtDeviceIndex(index) if index < 1 => {
            return Err(ControlError::invalid_value(format!("Value ({index}) for parameter enableLniAtDeviceIndex is invalid.")));
        }
        Attribute::PrivateDnsHostnameTypeOnLaunch(ref kind) if !matches!(kind.as_str(), "ip-name" | "resource-name") => {
            return Err(ControlError::invalid_value(format!(
                "Value ({kind}) for parameter privateDnsHostnameTypeOnLaunch is invalid. It must be ip-name or resource-name."
            )));
        }
        _ => {}
    }
    tx.update::<Subnet, _>(&id, |subnet| match attribute {
        Attribute::AssignIpv6AddressOnCreation(on) => subnet.assign_ipv6_address_on_creation = on,
        Attribute::EnableDns64(on) => subnet.enable_dns64 = on,
        Attribute::EnableLniAtDeviceIndex(index) => subnet.lni_at_device_index = Some(index),
        Attribute::DisableLniAtDeviceIndex => subnet.lni_at_device_index = None,
        Attribute::EnableResourceNameDnsARecordOnLaunch(on) => subnet.resource_name_dns_a_record = on,
        Attribute::EnableResourceNameDnsAaaaRecordOnLaunch(on) => subnet.resource_name_dns_aaaa_record = on,
        Attribute::MapPublicIpOnLaunch(on) => subnet.map_public_ip_on_launch = on,
        Attribute::PrivateDnsHostnameTypeOnLaunch(kind) => subnet.hostname_type = kind,
    })
}

/// Gives a subnet an IPv6 block of its VPC.
///
/// # Errors
/// As for [`create`]; a subnet has one IPv6 block.
pub fn associate_ipv6(tx: &mut Tx, id: SubnetId, block: Ipv6Net) -> Result<SubnetBlock, ControlError> {
    let subnet = tx.find::<Subnet>(&id)?;
    let vpc = tx.find::<Vpc>(&subnet.vpc)?;
    if !subnet.ipv6_blocks.is_empty() {
        let message = format!("The subnet '{id}' has an IPv6 CIDR block already; disassociate it first.");
        return Err(ControlError::new("InvalidSubnet.Conflict", message));
    }
    let block = check_ipv6_block(tx, &vpc, block)?;
    tx.update::<Subnet, _>(&id, |subnet| subnet.ipv6_blocks.push(block.clone()))?;
    Ok(block)
}

/// Takes an IPv6 block from a subnet none of whose interfaces uses it.
///
/// # Errors
/// `InvalidSubnetCidrBlockAssociationID.NotFound`, `DependencyViolation`, `OperationNotPermitted` in an IPv6-only subnet.
pub fn disassociate_ipv6(tx: &mut Tx, association: SubnetCidrAssociationId) -> Result<(SubnetId, SubnetBlock), ControlError> {
    let found = tx.owned::<Subnet>().find_map(|subnet| {
        subnet.ipv6_blocks.iter().find(|b| b.association == association).map(|block| (subnet.id, block.clone()))
    });
    let Some((id, block)) = found else {
        let message = format!("The subnet CIDR block with association ID '{association}' does not exist");
        return Err(ControlError::new("InvalidSubnetCidrBlockAssociationID.NotFound", message));
    };
    if tx.find::<Subnet>(&id)?.ipv4_block.is_none() {
        let message = format!("The subnet '{id}' has IPv6 only; its block can't be disassociated");
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    let uses = |eni: &NetworkInterface| {
        eni.ipv6_addresses.iter().any(|a| block.block.contains(a))
            || eni.ipv6_prefixes.iter().any(|prefix| block.block.contains(prefix))
    };
    if tx.network().enis_in(id).any(|eni| uses(eni)) {
        return Err(ControlError::dependency(format!("Addresses of the block {} are in use in the subnet '{id}'", block.block)));
    }
    tx.update::<Subnet, _>(&id, |subnet| {
        subnet.ipv6_blocks.retain(|b| b.association != association);
        subnet.assign_ipv6_address_on_creation = false;
    })?;
    Ok((id, block))
}

/// A free private IPv4 address of a subnet, as unpredictable as AWS's.
///
/// # Errors
/// `InsufficientFreeAddressesInSubnet`.
pub fn allocate_ipv4(tx: &Tx, subnet: &Subnet) -> Result<Ipv4Addr, ControlError> {
    let full = || {
        let message = format!("The specified subnet '{}' does not have enough free addresses to satisfy the request.", subnet.id);
        ControlError::new("InsufficientFreeAddressesInSubnet", message)
    };
    let block = subnet.ipv4_block.ok_or_else(full)?;
    let kept = |address: IpAddr| subnet.is_reserved(address) || tx.network().reservation_of(subnet.id, address).is_some();
    let free = |address: &Ipv4Addr| !kept(IpAddr::V4(*address)) && !is_used(tx.network(), subnet.id, *address);
    let (base, size) = (u32::from(block.network()), 1u64 << (32 - block.prefix_len()));
    // The remainder is smaller than the block, which has at most 2^16 addresses.
    let random = |tx: &Tx| Ipv4Addr::from(base + (tx.random() % size) as u32);
    (0..RANDOM_TRIES).map(|_| random(tx)).find(free).or_else(|| block.hosts().find(free)).ok_or_else(full)
}

/// A free IPv6 address of a subnet.
///
/// # Errors
/// `InvalidParameterValue` when the subnet has no IPv6 block, `InsufficientFreeAddressesInSubnet` when all of it is reserved.
pub fn allocate_ipv6(tx: &Tx, subnet: &Subnet) -> Result<Ipv6Addr, ControlError> {
    let Some(SubnetBlock { block, .. }) = subnet.ipv6_blocks.first() else {
        return Err(ControlError::invalid_value(format!("The subnet '{}' has no IPv6 CIDR block", subnet.id)));
    };
    let enis: Vec<_> = tx.network().enis_in(subnet.id).collect();
    let taken: BTreeSet<_> = enis.iter().flat_map(|eni| eni.ipv6_addresses.iter().copied()).collect();
    let reserved = tx.network().reservations_of(subnet.id).filter_map(|range| match range {
        IpNet::V6(range) => Some(range),
        IpNet::V4(_) => None,
    });
    // Nothing is chosen from reservations and from prefixes that interfaces have.
    let kept: Vec<Ipv6Net> = enis.iter().flat_map(|eni| eni.ipv6_prefixes.iter().copied()).chain(reserved).collect();
    let (base, mask) = (u128::from(block.network()), u128::from(block.hostmask()));
    let free = |address: &Ipv6Addr| !taken.contains(address) && !subnet.is_reserved(IpAddr::V6(*address));
    let random = |tx: &Tx| Ipv6Addr::from(base | u128::from(tx.random()) & mask);
    let is_kept = |address: &Ipv6Addr| kept.iter().any(|range| range.contains(address));
    if let Some(address) = (0..RANDOM_TRIES).map(|_| random(tx)).find(|address| free(address) && !is_kept(address)) {
        return Ok(address);
    }
    // Most of the block is kept: the first free address behind its start or a range.
    let mut next = base;
    while next <= base | mask {
        let address = Ipv6Addr::from(next);
        match kept.iter().find(|range| range.contains(&address)) {
            None if free(&address) => return Ok(address),
            None => next += 1,
            // The last address of all isn't in any subnet.
            Some(range) => next = u128::from(range.broadcast()).saturating_add(1),
        }
    }
    let message = format!("The specified subnet '{}' does not have enough free addresses to satisfy the request.", subnet.id);
    Err(ControlError::new("InsufficientFreeAddressesInSubnet", message))
}

/// How many private IPv4 addresses of a subnet are free: `AvailableIpAddressCount`.
pub fn available_ipv4_count(network: &Network, subnet: &Subnet) -> u32 {
    let Some(block) = subnet.ipv4_block else {
        return 0;
    };
    // AWS keeps five addresses of each subnet: the first four and the last.
    let all = (1u32 << (32 - block.prefix_len())) - 5;
    let used = network.enis.sum(&Quantity::Ipv4AddressesIn(subnet.id));
    all.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
}

/// Whether an interface has an address, or a prefix with it, in a subnet.
fn is_used(network: &Network, subnet: SubnetId, address: Ipv4Addr) -> bool {
    let prefix = Ipv4Net::new_assert(address, prefixes::IPV4_LENGTH).trunc();
    let anchors = [Anchor::Address(IpAddr::V4(address)), Anchor::Prefix(IpNet::V4(prefix))];
    anchors.into_iter().any(|anchor| network.by::<NetworkInterface>(anchor).any(|eni| eni.subnet == subnet))
}

fn check_ipv4_block(network: &Network, vpc: &Vpc, block: Ipv4Net) -> Result<(), ControlError> {
    if !(16..=28).contains(&block.prefix_len()) || !vpc.ipv4_blocks.iter().any(|b| b.block.contains(&block)) {
        return Err(ControlError::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid.")));
    }
    let overlaps = |other: &Ipv4Net| other.contains(&block) || block.contains(other);
    if network.subnets_of(vpc.id).filter_map(|subnet| subnet.ipv4_block).any(|other| overlaps(&other)) {
        return Err(ControlError::new("InvalidSubnet.Conflict", format!("The CIDR '{block}' conflicts with another subnet")));
    }
    Ok(())
}

fn check_ipv6_block(tx: &Tx, vpc: &Vpc, block: Ipv6Net) -> Result<SubnetBlock, ControlError> {
    let block = block.trunc();
    let is_size = (44..=64).contains(&block.prefix_len()) && block.prefix_len().is_multiple_of(4);
    if !is_size || !vpc.ipv6_blocks.iter().any(|b| b.block.contains(&block)) {
        return Err(ControlError::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid.")));
    }
    let overlaps = |other: &Ipv6Net| other.contains(&block) || block.contains(other);
    if tx.network().subnets_of(vpc.id).flat_map(|subnet| &subnet.ipv6_blocks).any(|other| overlaps(&other.block)) {
        return Err(ControlError::new("InvalidSubnet.Conflict", format!("The CIDR '{block}' conflicts with another subnet")));
    }
    Ok(SubnetBlock { association: tx.new_id(), block })
}
