//! VPCs and their CIDR blocks. See "VPC CIDR blocks" in the VPC User Guide.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::nacl::{Direction, NaclAction};
use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::security_group::{Peer, SecurityGroupRule};
use openvpc_model::vpc::VpcBlock;
use openvpc_model::{
    DhcpOptions, DhcpOptionsId, Instance, InstanceState, NaclEntry, NetworkAcl, NetworkInterface, Protocol, RegionState,
    RouteTable, RulePorts, SecurityGroup, Subnet, Tags, Vpc, VpcCidrAssociationId, VpcId,
};

use crate::{ControlError, Missing, Tx};

/// The block that Amazon-provided IPv6 blocks come from on the lab internet, and the part of it that hosts there use.
const AMAZON_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
const LAB_HOSTS: u16 = 0xffff;

/// What CreateVpc takes.
#[derive(Clone, Debug)]
pub struct CreateVpc {
    /// The primary block; host bits are cleared.
    pub ipv4_block: Ipv4Net,
    /// Whether the VPC gets an Amazon-provided IPv6 block.
    pub amazon_ipv6: bool,
    /// `default` or `dedicated`.
    pub tenancy: String,
    /// Tags.
    pub tags: Tags,
}

/// Makes a VPC with its main route table, default network ACL and default security group.
///
/// # Errors
/// `InvalidVpc.Range`, `VpcLimitExceeded`.
pub fn create(tx: &mut Tx, request: CreateVpc) -> Result<VpcId, ControlError> {
    let limit = tx.quotas().vpcs;
    if tx.owned::<Vpc>().count() >= limit {
        return Err(ControlError::new("VpcLimitExceeded", format!("The maximum number of VPCs has been reached ({limit}).")));
    }
    if !matches!(request.tenancy.as_str(), "default" | "dedicated") {
        return Err(ControlError::invalid_value(format!(
            "Value ({}) for parameter instanceTenancy is invalid. It must be default or dedicated.",
            request.tenancy
        )));
    }
    let block = checked_size(request.ipv4_block)?;
    let ipv6_blocks = if request.amazon_ipv6 { vec![amazon_ipv6_block(tx)] } else { Vec::new() };
    let owner = tx.owner().clone();
    let vpc = Vpc {
        id: tx.new_id(),
        dhcp_options: tx.network().get::<RegionState>(&owner).map(|region| region.default_dhcp_options),
        owner,
        ipv4_blocks: vec![VpcBlock { association: tx.new_id(), block }],
        ipv6_blocks,
        is_default: false,
        tenancy: request.tenancy,
        enable_dns_support: true,
        enable_dns_hostnames: false,
        enable_network_address_usage_metrics: false,
        main_route_table: tx.new_id(),
        default_nacl: tx.new_id(),
        default_security_group: tx.new_id(),
        tags: request.tags,
    };
    let id = vpc.id;
    create_parts(tx, &vpc);
    tx.put(vpc);
    Ok(id)
}

/// Deletes an empty VPC, with its main route table, default network ACL and default security group.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `DependencyViolation`.
pub fn delete(tx: &mut Tx, id: VpcId) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    let network = tx.network();
    let in_use = network.subnets_of(id).next().is_some()
        || network.internet_gateway_of(id).is_some()
        || network.all::<NetworkInterface>().any(|eni| eni.vpc == id)
        || network.all::<SecurityGroup>().any(|group| group.vpc == id && group.id != vpc.default_security_group)
        || network.all::<NetworkAcl>().any(|nacl| nacl.vpc == id && !nacl.is_default)
        || network.all::<RouteTable>().any(|table| table.vpc == id && table.id != vpc.main_route_table);
    if in_use {
        return Err(ControlError::dependency(format!("The vpc '{id}' has dependencies and cannot be deleted.")));
    }
    tx.remove::<RouteTable>(&vpc.main_route_table);
    tx.remove::<NetworkAcl>(&vpc.default_nacl);
    tx.remove::<SecurityGroup>(&vpc.default_security_group);
    tx.remove::<Vpc>(&id);
    Ok(())
}

/// One attribute of ModifyVpcAttribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum Attribute {
    EnableDnsHostnames(bool),
    EnableDnsSupport(bool),
    EnableNetworkAddressUsageMetrics(bool),
}

/// Changes one attribute.
///
/// # Errors
/// `InvalidVpcID.NotFound`; `InvalidParameterValue` when host names are turned on without DNS support.
pub fn modify(tx: &mut Tx, id: VpcId, attribute: Attribute) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    if attribute == Attribute::EnableDnsHostnames(true) && !vpc.enable_dns_support {
        return Err(ControlError::invalid_value("DNS host names need DNS support: enable enableDnsSupport first."));
    }
    tx.update::<Vpc, _>(&id, |vpc| match attribute {
        Attribute::EnableDnsHostnames(on) => vpc.enable_dns_hostnames = on,
        Attribute::EnableDnsSupport(on) => vpc.enable_dns_support = on,
        Attribute::EnableNetworkAddressUsageMetrics(on) => vpc.enable_network_address_usage_metrics = on,
    })
}

/// Gives a VPC another IPv4 block.
///
/// # Errors
/// `InvalidVpc.Range`, `CidrLimitExceeded`, `CidrConflict`, and `InvalidVpc.Range` for the combinations of ranges that AWS
/// restricts ("IPv4 CIDR block association restrictions").
pub fn associate_ipv4(tx: &mut Tx, id: VpcId, block: Ipv4Net) -> Result<VpcBlock<Ipv4Net>, ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    let block = checked_size(block)?;
    check_limit(vpc.ipv4_blocks.len(), tx.quotas().ipv4_blocks_per_vpc, id)?;
    let overlaps = |other: &Ipv4Net| other.contains(&block) || block.contains(other);
    if vpc.ipv4_blocks.iter().any(|b| overlaps(&b.block)) {
        return Err(conflict(format!("The CIDR '{block}' conflicts with another block of the vpc '{id}'")));
    }
    let covered = |destination: &IpNet| matches!(destination, IpNet::V4(route) if block.contains(route));
    let routes = tx.network().all::<RouteTable>().filter(|table| table.vpc == id).flat_map(|table| &table.routes);
    if let Some(route) = routes.map(|route| route.destination).find(covered) {
        return Err(conflict(format!("The CIDR '{block}' is equal to or larger than the route '{route}' of the vpc '{id}'")));
    }
    if let Some(restricted) = restriction(&vpc, block) {
        let message = format!("The CIDR '{block}' is restricted: a VPC with blocks in {restricted} may not have it.");
        return Err(ControlError::new("InvalidVpc.Range", message));
    }
    let block = VpcBlock { association: tx.new_id(), block };
    tx.update::<Vpc, _>(&id, |vpc| vpc.ipv4_blocks.push(block.clone()))?;
    Ok(block)
}

/// Gives a VPC an Amazon-provided IPv6 block.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `CidrLimitExceeded`.
pub fn associate_ipv6(tx: &mut Tx, id: VpcId) -> Result<VpcBlock<Ipv6Net>, ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    check_limit(vpc.ipv6_blocks.len(), tx.quotas().ipv6_blocks_per_vpc, id)?;
    let block = amazon_ipv6_block(tx);
    tx.update::<Vpc, _>(&id, |vpc| vpc.ipv6_blocks.push(block.clone()))?;
    Ok(block)
}

/// A block that left its VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disassociated {
    /// An IPv4 block.
    Ipv4(VpcId, VpcBlock<Ipv4Net>),
    /// An IPv6 block.
    Ipv6(VpcId, VpcBlock<Ipv6Net>),
}

/// Takes a block that no subnet uses from its VPC.
///
/// # Errors
/// `InvalidVpcCidrBlockAssociationID.NotFound`, `OperationNotPermitted` for the primary block, `DependencyViolation`.
pub fn disassociate(tx: &mut Tx, association: VpcCidrAssociationId) -> Result<Disassociated, ControlError> {
    let holds = |vpc: &Vpc| {
        vpc.ipv4_blocks.iter().any(|b| b.association == association)
            || vpc.ipv6_blocks.iter().any(|b| b.association == association)
    };
    let found = tx.owned::<Vpc>().find(|vpc| holds(vpc)).cloned();
    let vpc = found.ok_or_else(|| {
        let message = format!("The vpc CIDR block with association ID '{association}' does not exist");
        ControlError::new("InvalidVpcCidrBlockAssociationID.NotFound", message)
    })?;
    let in_use = |block: IpNet| {
        ControlError::dependency(format!("The vpc '{}' has subnets in the block {block}, which cannot be disassociated.", vpc.id))
    };
    if let Some((index, block)) = vpc.ipv4_blocks.iter().enumerate().find(|(_, b)| b.association == association) {
        if index == 0 {
            let message = format!(
                "The vpc CIDR block with association ID '{association}' may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
            );
            return Err(ControlError::new("OperationNotPermitted", message));
        }
        if tx.network().subnets_of(vpc.id).any(|subnet| subnet.ipv4_block.is_some_and(|b| block.block.contains(&b))) {
            return Err(in_use(block.block.into()));
        }
        tx.update::<Vpc, _>(&vpc.id, |vpc| vpc.ipv4_blocks.retain(|b| b.association != association))?;
        return Ok(Disassociated::Ipv4(vpc.id, block.clone()));
    }
    let block = vpc.ipv6_blocks.iter().find(|b| b.association == association).ok_or_else(|| Vpc::missing(&vpc.id))?;
    let uses = |subnet: &Subnet| subnet.ipv6_blocks.iter().any(|b| block.block.contains(&b.block));
    if tx.network().subnets_of(vpc.id).any(|subnet| uses(subnet)) {
        return Err(in_use(block.block.into()));
    }
    tx.update::<Vpc, _>(&vpc.id, |vpc| vpc.ipv6_blocks.retain(|b| b.association != association))?;
    Ok(Disassociated::Ipv6(vpc.id, block.clone()))
}

/// Sets a VPC's DHCP options; none stands for the id `default`, which takes them away.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `InvalidDhcpOptionID.NotFound`.
pub fn associate_dhcp_options(tx: &mut Tx, id: VpcId, options: Option<DhcpOptionsId>) -> Result<(), ControlError> {
    tx.find::<Vpc>(&id)?;
    if let Some(options) = options {
        tx.find::<DhcpOptions>(&options)?;
    }
    tx.update::<Vpc, _>(&id, |vpc| vpc.dhcp_options = options)
}

/// Whether an instance with a public address runs in the VPC: then its internet gateway can't be detached.
pub fn has_public_addresses(tx: &Tx, id: VpcId) -> bool {
    let alive = |eni: &NetworkInterface| {
        let instance = eni.attachment.as_ref().and_then(|a| tx.network().get::<Instance>(&a.instance));
        instance.is_none_or(|instance| instance.state != InstanceState::Terminated)
    };
    let public = |eni: &NetworkInterface| eni.private_addresses.iter().any(|a| a.public.is_some());
    tx.network().all::<NetworkInterface>().any(|eni| eni.vpc == id && public(eni) && alive(eni))
}

/// What comes with every VPC.
fn create_parts(tx: &mut Tx, vpc: &Vpc) {
    let owner = vpc.owner.clone();
    let main = TableAssociation { id: tx.new_id(), user: TableUser::Main };
    tx.put(RouteTable {
        id: vpc.main_route_table,
        owner: owner.clone(),
        vpc: vpc.id,
        routes: Vec::new(),
        associations: vec![main],
        tags: Tags::new(),
    });
    let mut entries = Vec::new();
    for direction in [Direction::Egress, Direction::Ingress] {
        entries.push(allow_all(direction, 100, Ipv4Net::default().into()));
        if !vpc.ipv6_blocks.is_empty() {
            entries.push(allow_all(direction, 101, Ipv6Net::default().into()));
        }
    }
    entries.sort_by_key(|entry| (entry.direction, entry.number));
    tx.put(NetworkAcl {
        id: vpc.default_nacl,
        owner: owner.clone(),
        vpc: vpc.id,
        is_default: true,
        entries,
        associations: Vec::new(),
        tags: Tags::new(),
    });
    let group = vpc.default_security_group;
    let mut rules = vec![
        allow_peer(tx, Direction::Ingress, Peer::Group { account: owner.account, group }),
        allow_peer(tx, Direction::Egress, Peer::Ipv4(Ipv4Net::default())),
    ];
    if !vpc.ipv6_blocks.is_empty() {
        rules.push(allow_peer(tx, Direction::Egress, Peer::Ipv6(Ipv6Net::default())));
    }
    tx.put(SecurityGroup {
        id: group,
        owner,
        vpc: vpc.id,
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        rules,
        tags: Tags::new(),
    });
}

fn allow_all(direction: Direction, number: u16, block: IpNet) -> NaclEntry {
    NaclEntry { direction, number, action: NaclAction::Allow, block, protocol: Protocol::All, ports: RulePorts::All }
}

fn allow_peer(tx: &Tx, direction: Direction, peer: Peer) -> SecurityGroupRule {
    SecurityGroupRule {
        id: tx.new_id(),
        direction,
        protocol: Protocol::All,
        ports: RulePorts::All,
        peer,
        description: String::new(),
        tags: Tags::new(),
    }
}

fn checked_size(block: Ipv4Net) -> Result<Ipv4Net, ControlError> {
    if (16..=28).contains(&block.prefix_len()) {
        return Ok(block.trunc());
    }
    Err(ControlError::new("InvalidVpc.Range", format!("The CIDR '{block}' is invalid: a block has a size from /16 to /28.")))
}

fn check_limit(present: usize, limit: usize, vpc: VpcId) -> Result<(), ControlError> {
    if present < limit {
        return Ok(());
    }
    Err(ControlError::new("CidrLimitExceeded", format!("The vpc '{vpc}' has its limit of {limit} CIDR blocks")))
}

fn conflict(message: String) -> ControlError {
    ControlError::new("CidrConflict", message)
}

/// A random /56 that no VPC of any account has: all of them meet on one internet.
fn amazon_ipv6_block(tx: &Tx) -> VpcBlock<Ipv6Net> {
    loop {
        let bits = tx.random();
        // The 24 bits between 2001:db8::/32 and a /56.
        let network = Ipv6Addr::from(u128::from(AMAZON_IPV6) | u128::from(bits & 0xff_ffff) << 72);
        let taken = |vpc: &Vpc| vpc.ipv6_blocks.iter().any(|b| b.block.contains(&network));
        if network.segments()[2] != LAB_HOSTS && !tx.network().all::<Vpc>().any(|vpc| taken(vpc)) {
            let block = Ipv6Net::new_assert(network, 56);
            return VpcBlock { association: tx.new_id(), block };
        }
    }
}

/// The range whose presence in the VPC forbids the block, as the table of association restrictions has it.
fn restriction(vpc: &Vpc, block: Ipv4Net) -> Option<Ipv4Net> {
    let net = |a, b, length| Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length);
    let (ten, sixteen, eighteen) = (net(10, 0, 8), net(172, 16, 12), net(192, 168, 16));
    let (plumbing, link_local, shared) = (net(198, 19, 16), net(169, 254, 16), net(100, 64, 10));
    let private = [ten, sixteen, eighteen];
    if link_local.contains(&block) {
        return Some(Ipv4Net::default());
    }
    let in_any = |ranges: &[Ipv4Net]| ranges.iter().any(|range| range.contains(&block));
    vpc.ipv4_blocks.iter().map(|b| b.block).find_map(|present| {
        let forbidden = if ten.contains(&present) {
            let low = net(10, 0, 15).contains(&present) && net(10, 0, 16).contains(&block);
            low || in_any(&[sixteen, eighteen, plumbing])
        } else if sixteen.contains(&present) {
            in_any(&[ten, eighteen, net(172, 31, 16), plumbing])
        } else if eighteen.contains(&present) {
            in_any(&[ten, sixteen, plumbing])
        } else if plumbing.contains(&present) {
            in_any(&private)
        } else {
            // A public range or 100.64.0.0/10, which may have more of its own kind.
            !shared.contains(&block) && in_any(&[ten, sixteen, eighteen, plumbing])
        };
        forbidden.then_some(present)
    })
}
