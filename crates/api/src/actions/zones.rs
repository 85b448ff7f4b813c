//! Regions, availability zones and what an account may have.

use openvpc_model::{AccountId, Region, RegionState, Vpc, Zone};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(DescribeAccountAttributes, describe_account_attributes),
    action!(DescribeAvailabilityZones, describe_availability_zones),
    action!(DescribeRegions, describe_regions),
];

fn describe_availability_zones(
    ctx: &Ctx<'_>,
    request: shapes::DescribeAvailabilityZonesRequest,
) -> Result<shapes::DescribeAvailabilityZonesResult, ApiError> {
    let region = &ctx.owner().region;
    let zones: Vec<_> = Zone::ALL.iter().map(|zone| zone_shape(region, *zone)).collect();
    let known = |name: &String, of: fn(&shapes::AvailabilityZone) -> &Option<String>| {
        zones.iter().any(|zone| of(zone).as_ref() == Some(name))
    };
    let stranger = request.zone_names.iter().find(|name| !known(name, |zone| &zone.zone_name));
    if let Some(stranger) = stranger.or(request.zone_ids.iter().find(|id| !known(id, |zone| &zone.zone_id))) {
        return Err(ApiError::invalid_value(format!("Invalid availability zone: [{stranger}]")));
    }
    let named = |given: &[String], value: &Option<String>| given.is_empty() || value.as_ref().is_some_and(|v| given.contains(v));
    let zones = zones
        .iter()
        .filter(|zone| named(&request.zone_names, &zone.zone_name) && named(&request.zone_ids, &zone.zone_id))
        .cloned()
        .collect();
    let availability_zones = filters::select(zones, &request.filters, &ZONE_FIELDS)?;
    Ok(shapes::DescribeAvailabilityZonesResult { availability_zones })
}

static ZONE_FIELDS: Fields<shapes::AvailabilityZone> = Fields {
    tags: None,
    fields: &[
        ("group-long-name", |zone, m| m.offer(&zone.group_long_name)),
        ("group-name", |zone, m| m.offer(&zone.group_name)),
        ("message", |zone, m| zone.messages.iter().for_each(|message| m.offer(&message.message))),
        ("opt-in-status", |zone, m| m.offer(&zone.opt_in_status)),
        ("parent-zone-id", |zone, m| m.offer(&zone.parent_zone_id)),
        ("parent-zone-name", |zone, m| m.offer(&zone.parent_zone_name)),
        ("region-name", |zone, m| m.offer(&zone.region_name)),
        ("state", |zone, m| m.offer(&zone.state)),
        ("zone-id", |zone, m| m.offer(&zone.zone_id)),
        ("zone-name", |zone, m| m.offer(&zone.zone_name)),
        ("zone-type", |zone, m| m.offer(&zone.zone_type)),
    ],
};

fn zone_shape(region: &Region, zone: Zone) -> shapes::AvailabilityZone {
    shapes::AvailabilityZone {
        opt_in_status: Some("opt-in-not-required".to_owned()),
        region_name: Some(region.to_string()),
        zone_name: Some(zone.name(region)),
        zone_id: Some(zone.id(region)),
        group_name: Some(format!("{region}-zg-1")),
        network_border_group: Some(region.to_string()),
        zone_type: Some("availability-zone".to_owned()),
        state: Some("available".to_owned()),
        ..Default::default()
    }
}

/// The regions that an AWS account has without asking.
const REGIONS: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The regions that an AWS account has to opt in to.
const OPT_IN_REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// AWS's regions and all others that the account has used: here every name is a region, and using it is opting in.
fn describe_regions(ctx: &Ctx<'_>, request: shapes::DescribeRegionsRequest) -> Result<shapes::DescribeRegionsResult, ApiError> {
    let network = ctx.network()?;
    let all = request.all_regions.unwrap_or(false);
    let regions = regions(&network, ctx.owner().account);
    if let Some(stranger) = request.region_names.iter().find(|name| !regions.iter().any(|r| r.region_name.as_ref() == Some(name)))
    {
        return Err(ApiError::invalid_value(format!("Invalid region: [{stranger}]")));
    }
    let wanted = |region: &shapes::Region| match region.region_name.as_ref() {
        Some(name) if !request.region_names.is_empty() => request.region_names.contains(name),
        _ => all || region.opt_in_status.as_deref() != Some(NOT_OPTED_IN),
    };
    let regions = regions.into_iter().filter(wanted).collect();
    Ok(shapes::DescribeRegionsResult { regions: filters::select(regions, &request.filters, &REGION_FIELDS)? })
}

const NOT_OPTED_IN: &str = "not-opted-in";

fn regions(network: &Network, account: AccountId) -> Vec<shapes::Region> {
    let used: Vec<&Region> =
        network.all::<RegionState>().map(|state| &state.owner).filter(|o| o.account == account).map(|o| &o.region).collect();
    let fixed = REGIONS.iter().map(|name| ((*name).to_owned(), "opt-in-not-required"));
    let opted = used.iter().map(|region| (region.to_string(), "opted-in"));
    let other = OPT_IN_REGIONS.iter().map(|name| ((*name).to_owned(), NOT_OPTED_IN));
    let mut regions: Vec<(String, &str)> = Vec::new();
    for (name, status) in fixed.chain(opted).chain(other) {
        if !regions.iter().any(|(known, _)| *known == name) {
            regions.push((name, status));
        }
    }
    regions.sort();
    let shape = |(name, status): (String, &str)| shapes::Region {
        endpoint: Some(format!("ec2.{name}.amazonaws.com{}", if name.starts_with("cn-") { ".cn" } else { "" })),
        opt_in_status: Some(status.to_owned()),
        region_name: Some(name),
        ..Default::default()
    };
    regions.into_iter().map(shape).collect()
}

static REGION_FIELDS: Fields<shapes::Region> = Fields {
    tags: None,
    fields: &[
        ("endpoint", |region, m| m.offer(&region.endpoint)),
        ("opt-in-status", |region, m| m.offer(&region.opt_in_status)),
        ("region-name", |region, m| m.offer(&region.region_name)),
    ],
};

fn describe_account_attributes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeAccountAttributesRequest,
) -> Result<shapes::DescribeAccountAttributesResult, ApiError> {
    let network = ctx.network()?;
    let default_vpc = network.owned::<Vpc>(ctx.owner()).find(|vpc| vpc.is_default);
    let quotas = ctx.control().quotas();
    let attributes = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", default_vpc.map_or_else(|| "none".to_owned(), |vpc| vpc.id.to_string())),
        ("max-instances", quotas.instances.to_string()),
        ("vpc-max-security-groups-per-interface", quotas.groups_per_interface.to_string()),
        ("max-elastic-ips", quotas.addresses.to_string()),
        ("vpc-max-elastic-ips", quotas.addresses.to_string()),
    ];
    let names = &request.attribute_names;
    if let Some(stranger) = names.iter().find(|name| !attributes.iter().any(|(known, _)| known == name)) {
        return Err(ApiError::invalid_value(format!("Value ({stranger}) for parameter attributeName is invalid.")));
    }
    let wanted = attributes.into_iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name));
    let shape = |(name, value): (&str, String)| shapes::AccountAttribute {
        attribute_name: Some(name.to_owned()),
        attribute_values: vec![shapes::AccountAttributeValue { attribute_value: Some(value) }],
    };
    Ok(shapes::DescribeAccountAttributesResult { account_attributes: wanted.map(shape).collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use crate::testing::api;

    fn names(answer: &Value, list: &str, member: &str) -> Vec<String> {
        answer[list].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_region_has_three_available_zones() {
        let api = api();
        let answer = api.call("DescribeAvailabilityZones", &[]).unwrap();
        assert_eq!(names(&answer, "AvailabilityZones", "ZoneName"), ["us-east-1a", "us-east-1b", "us-east-1c"]);
        assert_eq!(
            answer["AvailabilityZones"][1],
            json!({
                "OptInStatus": "opt-in-not-required", "Messages": [], "RegionName": "us-east-1", "ZoneName": "us-east-1b",
                "ZoneId": "use1-az2", "GroupName": "us-east-1-zg-1", "NetworkBorderGroup": "us-east-1",
                "ZoneType": "availability-zone", "State": "available", "Geography": [], "SubGeography": [],
            })
        );
        let one = api.call("DescribeAvailabilityZones", &[("ZoneId.1", "use1-az3")]).unwrap();
        assert_eq!(names(&one, "AvailabilityZones", "ZoneName"), ["us-east-1c"]);
        let filtered = [("Filter.1.Name", "zone-name"), ("Filter.1.Value.1", "*a")];
        let one = api.call("DescribeAvailabilityZones", &filtered).unwrap();
        assert_eq!(names(&one, "AvailabilityZones", "ZoneName"), ["us-east-1a"]);
        assert_eq!(api.code("DescribeAvailabilityZones", &[("ZoneName.1", "us-east-1q")]), "InvalidParameterValue");
    }

    #[test]
    fn regions_are_aws_s_and_those_in_use() {
        let api = api();
        let answer = api.call("DescribeRegions", &[]).unwrap();
        assert_eq!(answer["Regions"].as_array().unwrap().len(), 17);
        let all = api.call("DescribeRegions", &[("AllRegions", "true")]).unwrap();
        assert!(names(&all, "Regions", "RegionName").contains(&"af-south-1".to_owned()));
        api.raw_as("test", "moon-base-1", "Action=DescribeVpcs&Version=2016-11-15");
        let one = api.call("DescribeRegions", &[("RegionName.1", "moon-base-1")]).unwrap();
        assert_eq!(
            one["Regions"],
            json!([{"Endpoint": "ec2.moon-base-1.amazonaws.com", "OptInStatus": "opted-in", "RegionName": "moon-base-1", "Geography": []}])
        );
        assert_eq!(api.code("DescribeRegions", &[("RegionName.1", "mars-base-1")]), "InvalidParameterValue");
    }

    #[test]
    fn an_account_says_what_it_may_have() {
        let api = api();
        let answer = api.call("DescribeAccountAttributes", &[]).unwrap();
        assert_eq!(answer["AccountAttributes"].as_array().unwrap().len(), 6);
        let default = api.call("DescribeVpcs", &[("Filter.1.Name", "isDefault"), ("Filter.1.Value.1", "true")]).unwrap();
        let one = api.call("DescribeAccountAttributes", &[("AttributeName.1", "default-vpc")]).unwrap();
        assert_eq!(
            one["AccountAttributes"],
            json!([{"AttributeName": "default-vpc", "AttributeValues": [{"AttributeValue": default["Vpcs"][0]["VpcId"]}]}])
        );
        assert_eq!(api.code("DescribeAccountAttributes", &[("AttributeName.1", "shoe-size")]), "InvalidParameterValue");
    }
}
