//! What a region holds from the start: default DHCP options and the default VPC. See "Default VPCs" in the VPC User Guide.

use ipnet::{IpNet, Ipv4Net};
use openvpc_model::{
    DhcpOptions, RegionState, Route, RouteOrigin, RouteTable, RouteTarget, Subnet, SubnetId, Tags, Vpc, VpcId, Zone,
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
    let domain = if owner.region.as_str() == "us-east-1" {
        "ec2.internal".to_owned()
    } else {
        format!("{}.compute.internal", owner.region)
    };
    let options = DhcpOptions {
        id: tx.new_id(),
        owner: owner.clone(),
        options: vec![
            ("domain-name".to_owned(), vec![domain]),
            ("domain-name-servers".to_owned(), vec!["AmazonProvidedDNS".to_owned()]),
        ],
        tags: Tags::new(),
    };
    tx.put(RegionState { owner, default_dhcp_options: options.id });
    tx.put(options);
    create_default_vpc(tx)?;
    Ok(())
}

/// Makes the region's default VPC, with an internet gateway and a default subnet in every zone.
///
/// # Errors
/// `DefaultVpcAlreadyExists`.
pub fn create_default_vpc(tx: &mut Tx) -> Result<VpcId, ControlError> {
    if let Some(vpc) = default_vpc(tx) {
        let message = format!("A Default VPC already exists for this account in this region: {vpc}");
        return Err(ControlError::new("DefaultVpcAlreadyExists", message));
    }
    let request = CreateVpc { ipv4_block: DEFAULT_BLOCK, amazon_ipv6: false, tenancy: "default".to_owned(), tags: Tags::new() };
    let id = vpcs::create(tx, request)?;
    let table = tx.update::<Vpc, _>(&id, |vpc| {
        vpc.is_default = true;
        vpc.enable_dns_hostnames = true;
        vpc.main_route_table
    })?;
    let gateway = internet_gateways::create(tx, Tags::new())?;
    internet_gateways::attach(tx, gateway, id)?;
    tx.update::<RouteTable, _>(&table, |table| {
        table.routes.push(Route {
            destination: IpNet::V4(Ipv4Net::default()),
            target: RouteTarget::InternetGateway(gateway),
            origin: RouteOrigin::CreateRoute,
        });
    })?;
    for zone in Zone::ALL {
        create_default_subnet(tx, zone)?;
    }
    Ok(id)
}

/// Makes a zone's default subnet from the first free /20 of the default VPC.
///
/// # Errors
/// `DefaultVpcDoesNotExist`, `DefaultSubnetAlreadyExistsInAvailabilityZone`, `InsufficientFreeAddressesInSubnet`.
pub fn create_default_subnet(tx: &mut Tx, zone: Zone) -> Result<SubnetId, ControlError> {
    let vpc = default_vpc(tx).ok_or_else(no_default_vpc)?;
    let existing: Vec<_> = tx.network().subnets_of(vpc).cloned().collect();
    if let Some(subnet) = existing.iter().find(|subnet| subnet.default_for_zone && subnet.zone == zone) {
        let message = format!("'{}' is already the default subnet in {}.", subnet.id, zone.name(&tx.owner().region));
        return Err(ControlError::new("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let overlaps = |block: &Ipv4Net| {
        existing.iter().filter_map(|subnet| subnet.ipv4_block).any(|other| other.contains(block) || block.contains(&other))
    };
    let mut blocks = DEFAULT_BLOCK.subnets(DEFAULT_SUBNET).map_err(ControlError::internal)?;
    let block = blocks.find(|block| !overlaps(block)).ok_or_else(|| {
        let message = format!("The default vpc '{vpc}' has no free block of size /{DEFAULT_SUBNET}");
        ControlError::new("InsufficientFreeAddressesInSubnet", message)
    })?;
    let request =
        CreateSubnet { vpc, zone: Some(zone), ipv4_block: Some(block), ipv6_block: None, ipv6_native: false, tags: Tags::new() };
    let id = subnets::create(tx, request)?;
    tx.update::<Subnet, _>(&id, |subnet| {
        subnet.default_for_zone = true;
        subnet.map_public_ip_on_launch = true;
    })?;
    Ok(id)
}

fn default_vpc(tx: &Tx) -> Option<VpcId> {
    tx.owned::<Vpc>().find(|vpc| vpc.is_default).map(|vpc| vpc.id)
}

fn no_default_vpc() -> ControlError {
    ControlError::new("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.")
}
