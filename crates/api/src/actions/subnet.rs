//! Subnets: lifetime, IPv6 blocks and attributes.

use openvpc_control::regions;
use openvpc_control::subnets::{self, Attribute, CreateSubnet};
use openvpc_model::subnet::SubnetBlock;
use openvpc_model::{Region, Subnet, SubnetCidrAssociationId, SubnetId, VpcId, Zone};

use super::prelude::*;
use super::vpc::{ipv4_block, ipv6_block, public_access_states, refuse_lengths, refuse_pools, switch, the_one};

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssociateSubnetCidrBlock, associate_subnet_cidr_block),
    action!(CreateDefaultSubnet, create_default_subnet),
    action!(CreateSubnet, create_subnet),
    action!(DeleteSubnet, delete_subnet),
    action!(DescribeSubnets, describe_subnets),
    action!(DisassociateSubnetCidrBlock, disassociate_subnet_cidr_block),
    action!(ModifySubnetAttribute, modify_subnet_attribute),
];

fn create_subnet(ctx: &Ctx<'_>, request: shapes::CreateSubnetRequest) -> Result<shapes::CreateSubnetResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "subnet")?;
    refuse_pools(&[("Ipv4IpamPoolId", &request.ipv4_ipam_pool_id), ("Ipv6IpamPoolId", &request.ipv6_ipam_pool_id)])?;
    refuse_lengths(&[("Ipv4NetmaskLength", request.ipv4_netmask_length), ("Ipv6NetmaskLength", request.ipv6_netmask_length)])?;
    if request.outpost_arn.is_some() {
        return Err(ApiError::unsupported("openvpc has no Outposts"));
    }
    if request.ipv6_native == Some(true) {
        if request.ipv6_cidr_block.is_none() {
            let message = "Either 'ipv6CidrBlock' or 'ipv6IpamPoolId' should be provided.";
            return Err(ApiError::new("MissingParameter", message));
        }
        if request.cidr_block.is_some() {
            return Err(ApiError::invalid_combination(
                "When specifying ipv4 parameters, cidrBlock or ipv4IpamPoolId, you cannot set ipv6Native to true.",
            ));
        }
    }
    let create = CreateSubnet {
        vpc: ids::parse_required::<VpcId>(&request.vpc_id, "VpcId")?,
        zone: zone(ctx, &request.availability_zone, &request.availability_zone_id)?,
        ipv4_block: request.cidr_block.as_deref().map(|text| ipv4_block(text, "cidrBlock")).transpose()?,
        ipv6_block: request.ipv6_cidr_block.as_deref().map(|text| ipv6_block(text, "ipv6CidrBlock")).transpose()?,
        ipv6_native: request.ipv6_native.unwrap_or(false),
        tags,
    };
    let subnet = ctx.mutate(|tx| {
        let id = subnets::create(tx, create)?;
        Ok(subnet_shape(tx.network(), &*tx.find::<Subnet>(&id)?))
    })?;
    Ok(shapes::CreateSubnetResult { subnet: Some(subnet) })
}

fn create_default_subnet(
    ctx: &Ctx<'_>,
    request: shapes::CreateDefaultSubnetRequest,
) -> Result<shapes::CreateDefaultSubnetResult, ApiError> {
    let zone = zone(ctx, &request.availability_zone, &request.availability_zone_id)?;
    let zone = zone.ok_or_else(|| ApiError::missing("AvailabilityZone"))?;
    let ipv6_native = request.ipv6_native.unwrap_or(false);
    let subnet = ctx.mutate(|tx| {
        let id = regions::create_default_subnet(tx, zone, ipv6_native)?;
        Ok(subnet_shape(tx.network(), &*tx.find::<Subnet>(&id)?))
    })?;
    Ok(shapes::CreateDefaultSubnetResult { subnet: Some(subnet) })
}

fn delete_subnet(ctx: &Ctx<'_>, request: shapes::DeleteSubnetRequest) -> Result<Done, ApiError> {
    let id: SubnetId = ids::parse_required(&request.subnet_id, "SubnetId")?;
    ctx.mutate(|tx| subnets::delete(tx, id))?;
    Ok(Done)
}

fn describe_subnets(ctx: &Ctx<'_>, request: shapes::DescribeSubnetsRequest) -> Result<shapes::DescribeSubnetsResult, ApiError> {
    let network = ctx.network()?;
    let subnets = ctx.pick::<Subnet>(&network, &request.subnet_ids)?;
    let subnets = subnets.iter().map(|subnet| subnet_shape(&network, subnet)).collect();
    let subnets = filters::select(subnets, &request.filters, &SUBNET_FIELDS)?;
    let (subnets, next_token) =
        page::cut(&request, !request.subnet_ids.is_empty(), subnets, |subnet| subnet.subnet_id.as_deref())?;
    Ok(shapes::DescribeSubnetsResult { next_token, subnets })
}

fn modify_subnet_attribute(ctx: &Ctx<'_>, request: shapes::ModifySubnetAttributeRequest) -> Result<Done, ApiError> {
    let id: SubnetId = ids::parse_required(&request.subnet_id, "SubnetId")?;
    if request.map_customer_owned_ip_on_launch.is_some() || request.customer_owned_ipv4_pool.is_some() {
        return Err(ApiError::unsupported("Customer-owned addresses need an Outpost, and openvpc has none"));
    }
    let disable_lni = switch(&request.disable_lni_at_device_index, |on| on).filter(|on| *on);
    let given = [
        switch(&request.assign_ipv6_address_on_creation, Attribute::AssignIpv6AddressOnCreation),
        switch(&request.enable_dns64, Attribute::EnableDns64),
        request.enable_lni_at_device_index.map(Attribute::EnableLniAtDeviceIndex),
        disable_lni.map(|_| Attribute::DisableLniAtDeviceIndex),
        switch(&request.enable_resource_name_dns_a_record_on_launch, Attribute::EnableResourceNameDnsARecordOnLaunch),
        switch(&request.enable_resource_name_dns_aaaa_record_on_launch, Attribute::EnableResourceNameDnsAaaaRecordOnLaunch),
        switch(&request.map_public_ip_on_launch, Attribute::MapPublicIpOnLaunch),
        request.private_dns_hostname_type_on_launch.map(Attribute::PrivateDnsHostnameTypeOnLaunch),
    ];
    let attribute = the_one("MapPublicIpOnLaunch, AssignIpv6AddressOnCreation, EnableDns64 and the other attributes", given)?;
    ctx.mutate(|tx| subnets::modify(tx, id, attribute))?;
    Ok(Done)
}

fn associate_subnet_cidr_block(
    ctx: &Ctx<'_>,
    request: shapes::AssociateSubnetCidrBlockRequest,
) -> Result<shapes::AssociateSubnetCidrBlockResult, ApiError> {
    let id: SubnetId = ids::parse_required(&request.subnet_id, "SubnetId")?;
    refuse_pools(&[("Ipv6IpamPoolId", &request.ipv6_ipam_pool_id)])?;
    refuse_lengths(&[("Ipv6NetmaskLength", request.ipv6_netmask_length)])?;
    let block = ipv6_block(ids::required(&request.ipv6_cidr_block, "Ipv6CidrBlock")?, "ipv6CidrBlock")?;
    let block = ctx.mutate(|tx| subnets::associate_ipv6(tx, id, block))?;
    Ok(shapes::AssociateSubnetCidrBlockResult {
        ipv6_cidr_block_association: Some(association(&block, "associating")),
        subnet_id: Some(id.to_string()),
    })
}

fn disassociate_subnet_cidr_block(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateSubnetCidrBlockRequest,
) -> Result<shapes::DisassociateSubnetCidrBlockResult, ApiError> {
    let id: SubnetCidrAssociationId = ids::parse_required(&request.association_id, "AssociationId")?;
    let (subnet, block) = ctx.mutate(|tx| subnets::disassociate_ipv6(tx, id))?;
    Ok(shapes::DisassociateSubnetCidrBlockResult {
        ipv6_cidr_block_association: Some(association(&block, "disassociating")),
        subnet_id: Some(subnet.to_string()),
    })
}

static SUBNET_FIELDS: Fields<shapes::Subnet> = Fields {
    tags: Some(|subnet| &subnet.tags),
    fields: &[
        ("availability-zone", |subnet, m| m.offer(&subnet.availability_zone)),
        ("availability-zone-id", |subnet, m| m.offer(&subnet.availability_zone_id)),
        ("availabilityZone", |subnet, m| m.offer(&subnet.availability_zone)),
        ("availabilityZoneId", |subnet, m| m.offer(&subnet.availability_zone_id)),
        ("available-ip-address-count", |subnet, m| m.offer(&subnet.available_ip_address_count)),
        ("cidr", |subnet, m| m.offer(&subnet.cidr_block)),
        ("cidr-block", |subnet, m| m.offer(&subnet.cidr_block)),
        ("cidrBlock", |subnet, m| m.offer(&subnet.cidr_block)),
        ("customer-owned-ipv4-pool", |subnet, m| m.offer(&subnet.customer_owned_ipv4_pool)),
        ("default-for-az", |subnet, m| m.offer(&subnet.default_for_az)),
        ("defaultForAz", |subnet, m| m.offer(&subnet.default_for_az)),
        ("enable-dns64", |subnet, m| m.offer(&subnet.enable_dns64)),
        ("enable-lni-at-device-index", |subnet, m| m.offer(&subnet.enable_lni_at_device_index)),
        ("ipv6-cidr-block-association.association-id", |subnet, m| {
            subnet.ipv6_cidr_block_association_set.iter().for_each(|a| m.offer(&a.association_id));
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |subnet, m| {
            subnet.ipv6_cidr_block_association_set.iter().for_each(|a| m.offer(&a.ipv6_cidr_block));
        }),
        ("ipv6-cidr-block-association.state", |subnet, m| {
            let states = subnet.ipv6_cidr_block_association_set.iter().filter_map(|a| a.ipv6_cidr_block_state.as_ref());
            states.for_each(|s| m.offer(&s.state));
        }),
        ("ipv6-native", |subnet, m| m.offer(&subnet.ipv6_native)),
        ("map-customer-owned-ip-on-launch", |subnet, m| m.offer(&subnet.map_customer_owned_ip_on_launch)),
        ("map-public-ip-on-launch", |subnet, m| m.offer(&subnet.map_public_ip_on_launch)),
        ("outpost-arn", |subnet, m| m.offer(&subnet.outpost_arn)),
        ("owner-id", |subnet, m| m.offer(&subnet.owner_id)),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", |subnet, m| {
            m.offer(&subnet.private_dns_name_options_on_launch.as_ref().and_then(|o| o.enable_resource_name_dns_a_record));
        }),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", |subnet, m| {
            m.offer(&subnet.private_dns_name_options_on_launch.as_ref().and_then(|o| o.enable_resource_name_dns_aaaa_record));
        }),
        ("private-dns-name-options-on-launch.hostname-type", |subnet, m| {
            m.offer(&subnet.private_dns_name_options_on_launch.as_ref().and_then(|o| o.hostname_type.as_deref()));
        }),
        ("state", |subnet, m| m.offer(&subnet.state)),
        ("subnet-arn", |subnet, m| m.offer(&subnet.subnet_arn)),
        ("subnet-id", |subnet, m| m.offer(&subnet.subnet_id)),
        ("vpc-id", |subnet, m| m.offer(&subnet.vpc_id)),
    ],
};

fn subnet_shape(network: &Network, subnet: &Subnet) -> shapes::Subnet {
    let region = &subnet.owner.region;
    shapes::Subnet {
        subnet_id: Some(subnet.id.to_string()),
        subnet_arn: Some(subnet.owner.ec2_arn("subnet", subnet.id)),
        vpc_id: Some(subnet.vpc.to_string()),
        owner_id: Some(subnet.owner.account.to_string()),
        state: Some("available".to_owned()),
        availability_zone: Some(subnet.zone.name(region)),
        availability_zone_id: Some(subnet.zone.id(region)),
        cidr_block: subnet.ipv4_block.map(|block| block.to_string()),
        ipv6_cidr_block_association_set: subnet.ipv6_blocks.iter().map(|block| association(block, "associated")).collect(),
        ipv6_native: Some(subnet.ipv4_block.is_none()),
        // A block is at least a /16, so the count fits.
        available_ip_address_count: Some(subnets::available_ipv4_count(network, subnet) as i32),
        default_for_az: Some(subnet.default_for_zone),
        map_public_ip_on_launch: Some(subnet.map_public_ip_on_launch),
        map_customer_owned_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(subnet.assign_ipv6_address_on_creation),
        enable_dns64: Some(subnet.enable_dns64),
        enable_lni_at_device_index: subnet.lni_at_device_index,
        private_dns_name_options_on_launch: Some(shapes::PrivateDnsNameOptionsOnLaunch {
            hostname_type: Some(subnet.hostname_type.clone()),
            enable_resource_name_dns_a_record: Some(subnet.resource_name_dns_a_record),
            enable_resource_name_dns_aaaa_record: Some(subnet.resource_name_dns_aaaa_record),
        }),
        block_public_access_states: public_access_states(network.public_access_of_subnet(subnet)),
        tags: tagging::shapes(&subnet.tags),
        ..Default::default()
    }
}

fn association(block: &SubnetBlock, is: &str) -> shapes::SubnetIpv6CidrBlockAssociation {
    shapes::SubnetIpv6CidrBlockAssociation {
        association_id: Some(block.association.to_string()),
        ipv6_cidr_block: Some(block.block.to_string()),
        ipv6_cidr_block_state: Some(shapes::SubnetCidrBlockState { state: Some(is.to_owned()), status_message: None }),
        ipv6_address_attribute: Some("public".to_owned()),
        ip_source: Some("amazon".to_owned()),
    }
}

/// The zone that a request names, by name, by id or by both.
pub(super) fn zone(ctx: &Ctx<'_>, name: &Option<String>, id: &Option<String>) -> Result<Option<Zone>, ApiError> {
    let region = &ctx.owner().region;
    let find = |given: &Option<String>, parameter: &str, word: fn(Zone, &Region) -> String| {
        let Some(text) = given.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let found = Zone::ALL.into_iter().find(|zone| word(*zone, region) == text);
        found.map(Some).ok_or_else(|| {
            let zones = Zone::ALL.map(|zone| word(zone, region)).join(", ");
            ApiError::invalid_value(format!(
                "Value ({text}) for parameter {parameter} is invalid. Subnets can currently only be created in the following availability zones: {zones}."
            ))
        })
    };
    let name = find(name, "availabilityZone", Zone::name)?;
    let id = find(id, "availabilityZoneId", Zone::id)?;
    match (name, id) {
        (Some(name), Some(id)) if name != id => {
            Err(ApiError::invalid_combination("AvailabilityZone and AvailabilityZoneId name different zones"))
        }
        (name, id) => Ok(name.or(id)),
    }
}

#[cfg(test)]
mod tests;
