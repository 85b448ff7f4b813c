//! What a region holds from the start: default DHCP options and the default VPC. See "Default VPCs" in the VPC User Guide.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::public_access::PublicAccessOptions;
use openvpc_model::{
    DhcpOptions, RegionState, Route, RouteOrigin, RouteTable, RouteTarget, Subnet, SubnetId, Tags, Vpc, VpcId, Zone, dns,
};

use crate::subnets::CreateSubnet;
use crate::vpcs::CreateVpc;
use crate::{ControlError, Tx, internet_gateways, subnets, vpcs};

/// The default VPC's block, 172.31.0.0/16.
const DEFAULT_BLOCK: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 31, 0, 0), 16);
/// The size of a default subnet.
const DEFAULT_SUBNET: u8 = 20;

/// Sets the caller's region up if nobody looked at it before: default DHCP options, default VPC with its parts.
///
/// # Errors
/// When the default VPC can't be made.
pub fn ensure(tx: &mut Tx) -> Result<(), ControlError> {
    let owner = tx.owner().clone();
    if tx.network().get::<RegionState>(&owner).is_some() {
        return Ok(());
    }
    let options = DhcpOptions {
        id: tx.new_id(),
        owner: owner.clone(),
        options: vec![
            ("domain-name".to_owned(), vec![dns::private_domain(&owner.region)]),
            ("domain-name-servers".to_owned(), vec!["AmazonProvidedDNS".to_owned()]),
        ],
        tags: Tags::new(),
    };
    tx.put(RegionState { owner, default_dhcp_options: options.id, public_access: PublicAccessOptions::default() });
    tx.put(options);
    create_default_vpc(tx)?;
    Ok(())
}

/// Makes the region's default VPC, with an internet gateway and a default subnet in every zone.
///
/// # Errors
/// `DefaultVpcAlreadyExists`.
pub fn create_default_vpc(tx: &mut Tx) -> Result<VpcId, ControlError> {
    if default_vpc(tx).is_some() {
        let message = "A Default VPC already exists for this account in this region.";
        return Err(ControlError::new("DefaultVpcAlreadyExists", message));
    }
    let request = CreateVpc { ipv4_block: DEFAULT_BLOCK, amazon_ipv6: false, tenancy: "default".to_owned(), tags: Tags::new() };
    let id = vpcs::make(tx, request)?;
    let table = tx.update::<Vpc, _>(&id, |vpc| {
        vpc.is_default = true;
        vpc.enable_dns_hostnames = true;
        vpc.main_route_table
    })?;
    let gateway = internet_gateways::make(tx, Tags::new());
    internet_gateways::attach(tx, gateway, id)?;
    tx.update::<RouteTable, _>(&table, |table| {
        table.routes.push(Route {
            destination: IpNet::V4(Ipv4Net::default()).into(),
            target: RouteTarget::InternetGateway(gateway),
            origin: RouteOrigin::CreateRoute,
        });
    })?;
    for zone in Zone::ALL {
        create_default_subnet(tx, zone, false)?;
    }
    Ok(id)
}

/// Makes a zone's default subnet from the first free /20 of the default VPC, or an IPv6-only one from its first free /64.
///
/// # Errors
/// `DefaultVpcDoesNotExist`, `DefaultSubnetAlreadyExistsInAvailabilityZone`, `InvalidSubnet.Conflict` when nothing is free,
/// `InvalidParameterValue` for an IPv6-only one while the VPC has no IPv6 block.
pub fn create_default_subnet(tx: &mut Tx, zone: Zone, ipv6_native: bool) -> Result<SubnetId, ControlError> {
    let vpc = default_vpc(tx)
        .ok_or_else(|| ControlError::new("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region."))?;
    let vpc = tx.find::<Vpc>(&vpc)?;
    let existing: Vec<_> = tx.network().subnets_of(vpc.id).cloned().collect();
    if let Some(subnet) = existing.iter().find(|subnet| subnet.default_for_zone && subnet.zone == zone) {
        let message = format!("'{}' is already the default subnet in {}.", subnet.id, zone.name(&tx.owner().region));
        return Err(ControlError::new("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let mut request =
        CreateSubnet { vpc: vpc.id, zone: Some(zone), ipv4_block: None, ipv6_block: None, ipv6_native, tags: Tags::new() };
    if ipv6_native {
        let block = vpc.ipv6_blocks.first().ok_or_else(|| {
            ControlError::invalid_value(format!("The default vpc '{}' has no IPv6 CIDR block for an IPv6-only subnet", vpc.id))
        })?;
        let taken = |block: &Ipv6Net| existing.iter().flat_map(|subnet| &subnet.ipv6_blocks).any(|b| b.block.contains(block));
        let mut blocks = block.block.subnets(64).map_err(ControlError::internal)?;
        request.ipv6_block = Some(blocks.find(|block| !taken(block)).ok_or_else(|| nothing_free(vpc.id))?);
    } else {
        let taken = |block: &Ipv4Net| {
            existing.iter().filter_map(|subnet| subnet.ipv4_block).any(|other| other.contains(block) || block.contains(&other))
        };
        let mut blocks = vpc.primary_block().subnets(DEFAULT_SUBNET).map_err(ControlError::internal)?;
        request.ipv4_block = Some(blocks.find(|block| !taken(block)).ok_or_else(|| nothing_free(vpc.id))?);
    }
    let id = subnets::make(tx, request)?;
    tx.update::<Subnet, _>(&id, |subnet| {
        subnet.default_for_zone = true;
        subnet.map_public_ip_on_launch = !ipv6_native;
    })?;
    Ok(id)
}

fn nothing_free(vpc: VpcId) -> ControlError {
    ControlError::new("InvalidSubnet.Conflict", format!("The default vpc '{vpc}' has no free block for a default subnet"))
}

fn default_vpc(tx: &Tx) -> Option<VpcId> {
    tx.owned::<Vpc>().find(|vpc| vpc.is_default).map(|vpc| vpc.id)
}
