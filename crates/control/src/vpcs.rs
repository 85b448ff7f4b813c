//! VPCs: lifetime, attributes and ([`blocks`]) CIDR blocks. See "How Amazon VPC works" in the VPC User Guide.

mod blocks;
mod parts;

use std::sync::Arc;

use ipnet::Ipv4Net;
use openvpc_model::public_access::ExcludedResource;
use openvpc_model::vpc::VpcBlock;
use openvpc_model::{
    Anchor, DhcpOptions, DhcpOptionsId, FlowLogTarget, NetworkAcl, NetworkInterface, RegionState, RouteTable, SecurityGroup,
    Tags, Vpc, VpcId,
};

use crate::{ControlError, Tx, carrier_gateways, endpoints, flow_logs, peerings, public_access};

pub use blocks::{Disassociated, associate_ipv4, associate_ipv6, disassociate};

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
/// `InvalidVpc.Range`, `VpcLimitExceeded`, `InvalidParameterValue` for the tenancy.
pub fn create(tx: &mut Tx, request: CreateVpc) -> Result<VpcId, ControlError> {
    let limit = tx.quotas().vpcs;
    if tx.count::<Vpc>() >= limit {
        return Err(ControlError::new("VpcLimitExceeded", format!("The maximum number of VPCs has been reached ({limit}).")));
    }
    make(tx, request)
}

/// [`create`] without the quota, which doesn't hold for what a region comes with.
pub(crate) fn make(tx: &mut Tx, request: CreateVpc) -> Result<VpcId, ControlError> {
    let block = blocks::checked(request.ipv4_block)?;
    if !matches!(request.tenancy.as_str(), "default" | "dedicated") {
        return Err(ControlError::invalid_value(format!(
            "Value ({}) for parameter instanceTenancy is invalid. It must be default or dedicated.",
            request.tenancy
        )));
    }
    let ipv6_blocks = if request.amazon_ipv6 { vec![blocks::amazon_ipv6(tx)?] } else { Vec::new() };
    let owner = tx.owner().clone();
    let vpc = Vpc {
        id: tx.new_id(),
        dhcp_options: default_dhcp_options(tx),
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
    parts::create(tx, &vpc);
    tx.put(vpc);
    Ok(id)
}

/// Deletes an empty VPC, with its main route table, default network ACL and default security group.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `DependencyViolation`.
pub fn delete(tx: &mut Tx, id: VpcId) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    if let Some(dependent) = dependent(tx, &vpc) {
        return Err(ControlError::dependency(format!(
            "The vpc '{id}' has dependencies and cannot be deleted: delete or detach {dependent} first."
        )));
    }
    peerings::end_with_vpc(tx, id)?;
    flow_logs::end_with(tx, FlowLogTarget::Vpc(id));
    public_access::end_with(tx, ExcludedResource::Vpc(id))?;
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

/// Lets instances be started on shared hardware: a dedicated VPC becomes a default one, and never the other way.
///
/// # Errors
/// `InvalidVpcID.NotFound`; `InvalidParameterValue` for another tenancy than `default`.
pub fn modify_tenancy(tx: &mut Tx, id: VpcId, tenancy: &str) -> Result<(), ControlError> {
    tx.find::<Vpc>(&id)?;
    if tenancy != "default" {
        return Err(ControlError::invalid_value(format!(
            "Value ({tenancy}) for parameter instanceTenancy is invalid. The tenancy of a VPC may only be changed to default."
        )));
    }
    tx.update::<Vpc, _>(&id, |vpc| "default".clone_into(&mut vpc.tenancy))
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

/// Something that a VPC doesn't go without, if it has any.
fn dependent(tx: &Tx, vpc: &Vpc) -> Option<String> {
    let (network, id) = (tx.network(), vpc.id);
    let subnet = || network.subnets_of(id).next().map(|subnet| subnet.id.to_string());
    let gateway = || network.internet_gateway_of(id).map(|gateway| gateway.id.to_string());
    let egress_only = || network.egress_only_gateway_of(id).map(|gateway| gateway.id.to_string());
    let vpn_gateway = || network.vpn_gateway_of(id).map(|gateway| gateway.id.to_string());
    let carrier = || carrier_gateways::of(tx, id).map(|gateway| gateway.to_string());
    let eni = || network.by::<NetworkInterface>(Anchor::Vpc(id)).next().map(|eni| eni.id.to_string());
    let group = || {
        let other = |group: &&Arc<SecurityGroup>| group.is_in(id) && group.id != vpc.default_security_group;
        network.by::<SecurityGroup>(Anchor::Vpc(id)).find(other).map(|group| group.id.to_string())
    };
    let nacl = || {
        let other = |nacl: &&Arc<NetworkAcl>| nacl.vpc == id && nacl.id != vpc.default_nacl;
        network.by::<NetworkAcl>(Anchor::Vpc(id)).find(other).map(|nacl| nacl.id.to_string())
    };
    let table = || {
        let other = |table: &&Arc<RouteTable>| table.vpc == id && table.id != vpc.main_route_table;
        network.by::<RouteTable>(Anchor::Vpc(id)).find(other).map(|table| table.id.to_string())
    };
    let endpoint = || endpoints::in_vpc(tx, id).map(|endpoint| endpoint.to_string());
    subnet()
        .or_else(endpoint)
        .or_else(gateway)
        .or_else(egress_only)
        .or_else(vpn_gateway)
        .or_else(carrier)
        .or_else(eni)
        .or_else(group)
        .or_else(nacl)
        .or_else(table)
}

/// The set that the region started with, unless it was deleted since.
fn default_dhcp_options(tx: &Tx) -> Option<DhcpOptionsId> {
    let region = tx.network().get::<RegionState>(tx.owner())?;
    tx.network().get::<DhcpOptions>(&region.default_dhcp_options).map(|options| options.id)
}
