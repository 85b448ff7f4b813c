//! VPCs: lifetime, CIDR blocks and attributes.

use openvpc_control::vpcs::{self, Attribute, CreateVpc, Disassociated};
use openvpc_control::{ControlError, Tx, regions};
use openvpc_model::public_access::PublicAccessMode;
use openvpc_model::vpc::VpcBlock;
use openvpc_model::{Owner, Vpc, VpcCidrAssociationId, VpcId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssociateVpcCidrBlock, associate_vpc_cidr_block),
    action!(CreateDefaultVpc, create_default_vpc),
    action!(CreateVpc, create_vpc),
    action!(DeleteVpc, delete_vpc),
    action!(DescribeVpcAttribute, describe_vpc_attribute),
    action!(DescribeVpcs, describe_vpcs),
    action!(DisassociateVpcCidrBlock, disassociate_vpc_cidr_block),
    action!(ModifyVpcAttribute, modify_vpc_attribute),
    action!(ModifyVpcTenancy, modify_vpc_tenancy),
];

fn create_vpc(ctx: &Ctx<'_>, request: shapes::CreateVpcRequest) -> Result<shapes::CreateVpcResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "vpc")?;
    refuse_pools(&[
        ("Ipv4IpamPoolId", &request.ipv4_ipam_pool_id),
        ("Ipv6IpamPoolId", &request.ipv6_ipam_pool_id),
        ("Ipv6Pool", &request.ipv6_pool),
    ])?;
    refuse_lengths(&[("Ipv4NetmaskLength", request.ipv4_netmask_length), ("Ipv6NetmaskLength", request.ipv6_netmask_length)])?;
    if request.ipv6_cidr_block.is_some() {
        return Err(ApiError::missing("Ipv6Pool"));
    }
    if request.vpc_encryption_control.is_some() {
        return Err(ApiError::unsupported("openvpc doesn't offer VPC encryption control"));
    }
    let amazon_ipv6 = request.amazon_provided_ipv6_cidr_block.unwrap_or(false);
    check_border_group(ctx, &request.ipv6_cidr_block_network_border_group)?;
    let create = CreateVpc {
        ipv4_block: ipv4_block(ids::required(&request.cidr_block, "CidrBlock")?, "cidrBlock")?,
        amazon_ipv6,
        tenancy: request.instance_tenancy.filter(|tenancy| !tenancy.is_empty()).unwrap_or_else(|| "default".to_owned()),
        tags,
    };
    let vpc = made(ctx, |tx| vpcs::create(tx, create))?;
    Ok(shapes::CreateVpcResult { vpc: Some(vpc) })
}

fn create_default_vpc(
    ctx: &Ctx<'_>,
    _request: shapes::CreateDefaultVpcRequest,
) -> Result<shapes::CreateDefaultVpcResult, ApiError> {
    let vpc = made(ctx, regions::create_default_vpc)?;
    Ok(shapes::CreateDefaultVpcResult { vpc: Some(vpc) })
}

/// A new VPC as the call that makes it shows it: clients wait until a Describe says that it is available.
fn made(ctx: &Ctx<'_>, make: impl FnOnce(&mut Tx<'_>) -> Result<VpcId, ControlError>) -> Result<shapes::Vpc, ApiError> {
    let vpc = ctx.mutate(|tx| {
        let id = make(tx)?;
        tx.find::<Vpc>(&id)
    })?;
    let network = ctx.network()?;
    let mut shape = vpc_shape(&network, &vpc);
    shape.state = Some("pending".to_owned());
    for association in &mut shape.ipv6_cidr_block_association_set {
        association.ipv6_cidr_block_state = state("associating");
    }
    Ok(shape)
}

fn delete_vpc(ctx: &Ctx<'_>, request: shapes::DeleteVpcRequest) -> Result<Done, ApiError> {
    let id: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| vpcs::delete(tx, id))?;
    Ok(Done)
}

fn describe_vpcs(ctx: &Ctx<'_>, request: shapes::DescribeVpcsRequest) -> Result<shapes::DescribeVpcsResult, ApiError> {
    let network = ctx.network()?;
    let vpcs = ctx.pick::<Vpc>(&network, &request.vpc_ids)?.iter().map(|vpc| vpc_shape(&network, vpc)).collect();
    let vpcs = filters::select(vpcs, &request.filters, &VPC_FIELDS)?;
    let (vpcs, next_token) = page::cut(&request, !request.vpc_ids.is_empty(), vpcs, |vpc| vpc.vpc_id.as_deref())?;
    Ok(shapes::DescribeVpcsResult { vpcs, next_token })
}

fn describe_vpc_attribute(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcAttributeRequest,
) -> Result<shapes::DescribeVpcAttributeResult, ApiError> {
    let id = ids::required(&request.vpc_id, "VpcId")?.to_owned();
    let attribute = ids::required(&request.attribute, "Attribute")?;
    let network = ctx.network()?;
    let [vpc] = &ctx.pick::<Vpc>(&network, std::slice::from_ref(&id))?[..] else {
        return Err(ApiError::internal("one id picks one VPC"));
    };
    let value = |value: bool| Some(shapes::AttributeBooleanValue { value: Some(value) });
    let mut result = shapes::DescribeVpcAttributeResult { vpc_id: Some(id), ..Default::default() };
    match attribute {
        "enableDnsHostnames" => result.enable_dns_hostnames = value(vpc.enable_dns_hostnames),
        "enableDnsSupport" => result.enable_dns_support = value(vpc.enable_dns_support),
        "enableNetworkAddressUsageMetrics" => {
            result.enable_network_address_usage_metrics = value(vpc.enable_network_address_usage_metrics);
        }
        _ => {
            return Err(ApiError::invalid_value(format!(
                "Value ({attribute}) for parameter attribute is invalid. Unknown attribute: use enableDnsHostnames, enableDnsSupport or enableNetworkAddressUsageMetrics."
            )));
        }
    }
    Ok(result)
}

fn modify_vpc_attribute(ctx: &Ctx<'_>, request: shapes::ModifyVpcAttributeRequest) -> Result<Done, ApiError> {
    let id: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let given = [
        switch(&request.enable_dns_hostnames, Attribute::EnableDnsHostnames),
        switch(&request.enable_dns_support, Attribute::EnableDnsSupport),
        switch(&request.enable_network_address_usage_metrics, Attribute::EnableNetworkAddressUsageMetrics),
    ];
    let attribute = the_one("EnableDnsHostnames, EnableDnsSupport or EnableNetworkAddressUsageMetrics", given)?;
    ctx.mutate(|tx| vpcs::modify(tx, id, attribute))?;
    Ok(Done)
}

fn modify_vpc_tenancy(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcTenancyRequest,
) -> Result<shapes::ModifyVpcTenancyResult, ApiError> {
    let id: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let tenancy = ids::required(&request.instance_tenancy, "InstanceTenancy")?;
    ctx.mutate(|tx| vpcs::modify_tenancy(tx, id, tenancy))?;
    Ok(shapes::ModifyVpcTenancyResult { return_value: Some(true) })
}

fn associate_vpc_cidr_block(
    ctx: &Ctx<'_>,
    request: shapes::AssociateVpcCidrBlockRequest,
) -> Result<shapes::AssociateVpcCidrBlockResult, ApiError> {
    let id: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    refuse_pools(&[
        ("Ipv4IpamPoolId", &request.ipv4_ipam_pool_id),
        ("Ipv6IpamPoolId", &request.ipv6_ipam_pool_id),
        ("Ipv6Pool", &request.ipv6_pool),
    ])?;
    refuse_lengths(&[("Ipv4NetmaskLength", request.ipv4_netmask_length), ("Ipv6NetmaskLength", request.ipv6_netmask_length)])?;
    check_border_group(ctx, &request.ipv6_cidr_block_network_border_group)?;
    let mut result = shapes::AssociateVpcCidrBlockResult { vpc_id: Some(id.to_string()), ..Default::default() };
    match (&request.cidr_block, &request.ipv6_cidr_block, request.amazon_provided_ipv6_cidr_block.unwrap_or(false)) {
        (Some(text), None, false) => {
            let block = ipv4_block(text, "cidrBlock")?;
            let block = ctx.mutate(|tx| vpcs::associate_ipv4(tx, id, block))?;
            result.cidr_block_association = Some(ipv4_association(&block, "associating"));
        }
        (None, None, true) => {
            let block = ctx.mutate(|tx| vpcs::associate_ipv6(tx, id))?;
            result.ipv6_cidr_block_association = Some(ipv6_association(ctx.owner(), &block, "associating"));
        }
        (None, Some(_), false) => return Err(ApiError::missing("Ipv6Pool")),
        (None, None, false) => return Err(ApiError::missing("CidrBlock")),
        _ => {
            return Err(ApiError::invalid_combination(
                "Only one of CidrBlock, Ipv6CidrBlock and AmazonProvidedIpv6CidrBlock may be given",
            ));
        }
    }
    Ok(result)
}

fn disassociate_vpc_cidr_block(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateVpcCidrBlockRequest,
) -> Result<shapes::DisassociateVpcCidrBlockResult, ApiError> {
    let association: VpcCidrAssociationId = ids::parse_required(&request.association_id, "AssociationId")?;
    let mut result = shapes::DisassociateVpcCidrBlockResult::default();
    let vpc = match ctx.mutate(|tx| vpcs::disassociate(tx, association))? {
        Disassociated::Ipv4(vpc, block) => {
            result.cidr_block_association = Some(ipv4_association(&block, "disassociating"));
            vpc
        }
        Disassociated::Ipv6(vpc, block) => {
            result.ipv6_cidr_block_association = Some(ipv6_association(ctx.owner(), &block, "disassociating"));
            vpc
        }
    };
    result.vpc_id = Some(vpc.to_string());
    Ok(result)
}

static VPC_FIELDS: Fields<shapes::Vpc> = Fields {
    tags: Some(|vpc| &vpc.tags),
    fields: &[
        ("cidr", |vpc, m| m.offer(&vpc.cidr_block)),
        ("cidr-block", |vpc, m| m.offer(&vpc.cidr_block)),
        ("cidr-block-association.association-id", |vpc, m| {
            vpc.cidr_block_association_set.iter().for_each(|a| m.offer(&a.association_id));
        }),
        ("cidr-block-association.cidr-block", |vpc, m| {
            vpc.cidr_block_association_set.iter().for_each(|a| m.offer(&a.cidr_block));
        }),
        ("cidr-block-association.state", |vpc, m| {
            vpc.cidr_block_association_set.iter().filter_map(|a| a.cidr_block_state.as_ref()).for_each(|s| m.offer(&s.state));
        }),
        ("cidrBlock", |vpc, m| m.offer(&vpc.cidr_block)),
        ("dhcp-options-id", |vpc, m| m.offer(&vpc.dhcp_options_id)),
        ("dhcpOptionsId", |vpc, m| m.offer(&vpc.dhcp_options_id)),
        ("ipv6-cidr-block-association.association-id", |vpc, m| {
            vpc.ipv6_cidr_block_association_set.iter().for_each(|a| m.offer(&a.association_id));
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |vpc, m| {
            vpc.ipv6_cidr_block_association_set.iter().for_each(|a| m.offer(&a.ipv6_cidr_block));
        }),
        ("ipv6-cidr-block-association.ipv6-pool", |vpc, m| {
            vpc.ipv6_cidr_block_association_set.iter().for_each(|a| m.offer(&a.ipv6_pool));
        }),
        ("ipv6-cidr-block-association.state", |vpc, m| {
            let states = vpc.ipv6_cidr_block_association_set.iter().filter_map(|a| a.ipv6_cidr_block_state.as_ref());
            states.for_each(|s| m.offer(&s.state));
        }),
        ("is-default", |vpc, m| m.offer(&vpc.is_default)),
        ("isDefault", |vpc, m| m.offer(&vpc.is_default)),
        ("owner-id", |vpc, m| m.offer(&vpc.owner_id)),
        ("state", |vpc, m| m.offer(&vpc.state)),
        ("vpc-id", |vpc, m| m.offer(&vpc.vpc_id)),
    ],
};

fn vpc_shape(network: &Network, vpc: &Vpc) -> shapes::Vpc {
    shapes::Vpc {
        vpc_id: Some(vpc.id.to_string()),
        owner_id: Some(vpc.owner.account.to_string()),
        state: Some("available".to_owned()),
        cidr_block: Some(vpc.primary_block().to_string()),
        cidr_block_association_set: vpc.ipv4_blocks.iter().map(|block| ipv4_association(block, "associated")).collect(),
        ipv6_cidr_block_association_set: vpc
            .ipv6_blocks
            .iter()
            .map(|block| ipv6_association(&vpc.owner, block, "associated"))
            .collect(),
        dhcp_options_id: Some(vpc.dhcp_options.map_or_else(|| "default".to_owned(), |id| id.to_string())),
        instance_tenancy: Some(vpc.tenancy.clone()),
        is_default: Some(vpc.is_default),
        block_public_access_states: public_access_states(network.public_access_of_vpc(&vpc.owner, vpc.id)),
        tags: tagging::shapes(&vpc.tags),
        ..Default::default()
    }
}

fn ipv4_association(block: &VpcBlock<ipnet::Ipv4Net>, is: &str) -> shapes::VpcCidrBlockAssociation {
    shapes::VpcCidrBlockAssociation {
        association_id: Some(block.association.to_string()),
        cidr_block: Some(block.block.to_string()),
        cidr_block_state: state(is),
    }
}

fn ipv6_association(owner: &Owner, block: &VpcBlock<ipnet::Ipv6Net>, is: &str) -> shapes::VpcIpv6CidrBlockAssociation {
    shapes::VpcIpv6CidrBlockAssociation {
        association_id: Some(block.association.to_string()),
        ipv6_cidr_block: Some(block.block.to_string()),
        ipv6_cidr_block_state: state(is),
        network_border_group: Some(owner.region.to_string()),
        ipv6_pool: Some("Amazon".to_owned()),
        ipv6_address_attribute: Some("public".to_owned()),
        ip_source: Some("amazon".to_owned()),
    }
}

fn state(is: &str) -> Option<shapes::VpcCidrBlockState> {
    Some(shapes::VpcCidrBlockState { state: Some(is.to_owned()), status_message: None })
}

/// What Block Public Access does to a VPC or subnet.
pub(super) fn public_access_states(mode: PublicAccessMode) -> Option<shapes::BlockPublicAccessStates> {
    Some(shapes::BlockPublicAccessStates { internet_gateway_block_mode: Some(mode.as_str().to_owned()) })
}

/// An attribute that is set to true or false, if the request has it.
pub(super) fn switch<A>(given: &Option<shapes::AttributeBooleanValue>, attribute: impl FnOnce(bool) -> A) -> Option<A> {
    given.as_ref().and_then(|given| given.value).map(attribute)
}

/// The one attribute that a request gives; AWS changes one per call.
pub(super) fn the_one<A>(names: &str, given: impl IntoIterator<Item = Option<A>>) -> Result<A, ApiError> {
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(ApiError::invalid_combination(format!("No attributes specified: give one of {names}"))),
        (Some(_), Some(_)) => Err(ApiError::invalid_combination(format!("Only one of {names} may be given per call"))),
    }
}

/// Address pools of IPAM and of a customer's own can't exist here.
pub(super) fn refuse_pools(pools: &[(&str, &Option<String>)]) -> Result<(), ApiError> {
    let named = pools.iter().find_map(|(name, pool)| pool.as_deref().map(|pool| (*name, pool)));
    match named {
        None => Ok(()),
        Some(("Ipv6Pool", pool)) => {
            Err(ApiError::new("InvalidPoolID.NotFound", format!("The address pool ID '{pool}' does not exist")))
        }
        Some((_, pool)) => Err(ApiError::new("InvalidIpamPoolId.NotFound", format!("The IPAM pool ID '{pool}' does not exist"))),
    }
}

/// The length of a block to take from a pool means nothing without the pool.
pub(super) fn refuse_lengths(lengths: &[(&str, Option<i32>)]) -> Result<(), ApiError> {
    match lengths.iter().find(|(_, length)| length.is_some()) {
        None => Ok(()),
        Some((name, _)) => Err(ApiError::invalid_combination(format!("The parameter {name} needs an IPAM pool."))),
    }
}

/// A region's only border group is its own name.
fn check_border_group(ctx: &Ctx<'_>, group: &Option<String>) -> Result<(), ApiError> {
    let region = ctx.owner().region.as_str();
    match group.as_deref().filter(|group| *group != region) {
        None => Ok(()),
        Some(group) => {
            Err(ApiError::invalid_value(format!("Value ({group}) for parameter networkBorderGroup is invalid: use {region}")))
        }
    }
}

/// Reads an IPv4 block; host bits stay for control to clear.
pub(super) fn ipv4_block(text: &str, parameter: &str) -> Result<ipnet::Ipv4Net, ApiError> {
    text.parse().map_err(|_| bad_block(text, parameter))
}

/// Reads an IPv6 block; host bits stay for control to clear.
pub(super) fn ipv6_block(text: &str, parameter: &str) -> Result<ipnet::Ipv6Net, ApiError> {
    text.parse().map_err(|_| bad_block(text, parameter))
}

fn bad_block(text: &str, parameter: &str) -> ApiError {
    ApiError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."))
}

#[cfg(test)]
mod tests;
