//! RunInstances.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openvpc_control::instances::{self, LaunchInterface, MetadataOptions, RunInstances};
use openvpc_model::{Instance, InstanceOptions, Owner, Zone};

use super::super::interfaces::{AddressList, count, ipv6_list, specified_prefixes, tracking};
use super::super::prelude::*;
use super::view;

pub(super) fn run_instances(ctx: &Ctx<'_>, request: shapes::RunInstancesRequest) -> Result<shapes::Reservation, ApiError> {
    refuse(&request)?;
    let wanted = parse(ctx.owner(), &request)?;
    ctx.mutate(|tx| {
        let reservation = instances::run(tx, &wanted)?;
        let mut launched: Vec<_> = tx.owned::<Instance>().filter(|instance| instance.reservation == reservation).collect();
        launched.sort_by_key(|instance| instance.launch_index);
        let rows = launched.into_iter().map(|instance| view::Row::new(tx.network(), instance)).collect();
        Ok(view::reservations(rows).into_iter().next().unwrap_or_default())
    })
}

/// What would change the meaning of the call if it were ignored.
fn refuse(request: &shapes::RunInstancesRequest) -> Result<(), ApiError> {
    if let Some(template) = &request.launch_template {
        let name = template.launch_template_id.as_ref().or(template.launch_template_name.as_ref());
        return Err(ApiError::new(
            "InvalidLaunchTemplateId.NotFound",
            format!("The launch template '{}' does not exist: openvpc keeps none", name.map_or("", String::as_str)),
        ));
    }
    if request.instance_market_options.is_some() {
        return Err(ApiError::unsupported("openvpc has no Spot market; leave InstanceMarketOptions out"));
    }
    if !request.secondary_interfaces.is_empty() {
        return Err(ApiError::unsupported("openvpc has no secondary networks; leave SecondaryInterfaces out"));
    }
    Ok(())
}

fn parse(owner: &Owner, request: &shapes::RunInstancesRequest) -> Result<RunInstances, ApiError> {
    let kinds = ["instance", "network-interface", "volume", "spot-instances-request", "elastic-gpu"];
    let mut tags = tagging::on_create_many(&request.tag_specifications, &kinds)?;
    let interface = LaunchInterface {
        subnet: ids::parse_opt(&request.subnet_id)?,
        groups: ids::parse_all(&request.security_group_ids)?,
        group_names: request.security_groups.clone(),
        primary_ipv4: AddressList::parse(&request.private_ip_address, &[])?.primary,
        ipv6: ipv6_list(&request.ipv6_addresses)?,
        ipv6_count: count("Ipv6AddressCount", request.ipv6_address_count)?,
        ..LaunchInterface::default()
    };
    Ok(RunInstances {
        min_count: request.min_count.ok_or_else(|| ApiError::missing("MinCount"))?,
        max_count: request.max_count.ok_or_else(|| ApiError::missing("MaxCount"))?,
        image: ids::required(&request.image_id, "ImageId")?.to_owned(),
        instance_type: request.instance_type.clone().unwrap_or_default(),
        key_name: request.key_name.clone(),
        user_data: request.user_data.as_deref().map(user_data).transpose()?.filter(|data| !data.is_empty()),
        zone: zone(owner, request.placement.as_ref())?,
        interface,
        interfaces: request.network_interfaces.iter().map(launch_interface).collect::<Result<_, _>>()?,
        disable_api_termination: request.disable_api_termination.unwrap_or(false),
        disable_api_stop: request.disable_api_stop.unwrap_or(false),
        shutdown_behavior: request.instance_initiated_shutdown_behavior.clone().unwrap_or_default(),
        options: options(owner, request)?,
        tags: tags.remove("instance").unwrap_or_default(),
        interface_tags: tags.remove("network-interface").unwrap_or_default(),
        client_token: request.client_token.clone(),
    })
}

fn launch_interface(specification: &shapes::InstanceNetworkInterfaceSpecification) -> Result<LaunchInterface, ApiError> {
    let list = AddressList::parse(&specification.private_ip_address, &specification.private_ip_addresses)?;
    Ok(LaunchInterface {
        device_index: specification.device_index.ok_or_else(|| ApiError::missing("NetworkInterface.DeviceIndex"))?,
        eni: ids::parse_opt(&specification.network_interface_id)?,
        subnet: ids::parse_opt(&specification.subnet_id)?,
        groups: ids::parse_all(&specification.groups)?,
        group_names: Vec::new(),
        description: specification.description.clone().unwrap_or_default(),
        primary_ipv4: list.primary,
        secondary_ipv4: list.secondary,
        secondary_ipv4_count: count("SecondaryPrivateIpAddressCount", specification.secondary_private_ip_address_count)?
            .unwrap_or(0),
        ipv6: ipv6_list(&specification.ipv6_addresses)?,
        ipv6_count: count("Ipv6AddressCount", specification.ipv6_address_count)?,
        associate_public_ip: specification.associate_public_ip_address,
        delete_on_termination: specification.delete_on_termination,
        prefixes: specified_prefixes!(specification)?,
        tracking: tracking(specification.connection_tracking_specification.as_ref())?,
    })
}

/// User data comes in base64, which some clients break into lines.
pub(super) fn user_data(text: &str) -> Result<Vec<u8>, ApiError> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).map_err(|_| ApiError::invalid_value("Invalid BASE64 encoding of user data"))
}

fn zone(owner: &Owner, placement: Option<&shapes::Placement>) -> Result<Option<Zone>, ApiError> {
    let named = placement.and_then(|place| place.availability_zone.as_deref().or(place.availability_zone_id.as_deref()));
    let Some(name) = named.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let zone = Zone::parse(name, &owner.region);
    zone.map(Some).ok_or_else(|| ApiError::invalid_value(format!("Invalid availability zone: [{name}]")))
}

fn options(owner: &Owner, request: &shapes::RunInstancesRequest) -> Result<InstanceOptions, ApiError> {
    let profile = request.iam_instance_profile.as_ref();
    let by_name = |name: &String| format!("arn:{}:iam::{}:instance-profile/{name}", owner.region.partition(), owner.account);
    let mut options = InstanceOptions {
        monitoring: request.monitoring.as_ref().and_then(|monitoring| monitoring.enabled).unwrap_or(false),
        ebs_optimized: request.ebs_optimized.unwrap_or(false),
        iam_instance_profile: profile.and_then(|profile| profile.arn.clone().or(profile.name.as_ref().map(by_name))),
        cpu_credits: request.credit_specification.as_ref().and_then(|credits| credits.cpu_credits.clone()),
        ..InstanceOptions::default()
    };
    if let Some(metadata) = &request.metadata_options {
        let wanted = MetadataOptions {
            http_tokens: metadata.http_tokens.clone(),
            http_endpoint: metadata.http_endpoint.clone(),
            http_protocol_ipv6: metadata.http_protocol_ipv6.clone(),
            http_put_response_hop_limit: metadata.http_put_response_hop_limit,
            instance_metadata_tags: metadata.instance_metadata_tags.clone(),
        };
        wanted.apply(&mut options)?;
    }
    Ok(options)
}
