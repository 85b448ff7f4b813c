//! Of every Describe: ids, filters and pages.

use std::collections::BTreeSet;

use serde_json::Value;

use super::operations::reads;
use super::script::{World, lines, served};
use crate::generated::ec2::table::MODEL;
use crate::table::{Member, Shape};

/// A Describe that takes ids: the operation, its parameter of ids, where its answer lists what has them, how an id starts,
/// and the codes for one that isn't an id and for one that nothing has (section 18 of the networking sheet).
struct ById(&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const BY_ID: &[ById] = &[
    ById(
        "DescribeAddresses",
        "AllocationId",
        "Addresses.AllocationId",
        "eipalloc",
        "InvalidAllocationID.Malformed",
        "InvalidAllocationID.NotFound",
    ),
    ById(
        "DescribeAddressesAttribute",
        "AllocationId",
        "Addresses.AllocationId",
        "eipalloc",
        "InvalidAllocationID.Malformed",
        "InvalidAllocationID.NotFound",
    ),
    ById(
        "DescribeClientVpnEndpoints",
        "ClientVpnEndpointId",
        "ClientVpnEndpoints.ClientVpnEndpointId",
        "cvpn-endpoint",
        "InvalidClientVpnEndpointId.Malformed",
        "InvalidClientVpnEndpointId.NotFound",
    ),
    ById(
        "DescribeCustomerGateways",
        "CustomerGatewayId",
        "CustomerGateways.CustomerGatewayId",
        "cgw",
        "InvalidCustomerGatewayId.Malformed",
        "InvalidCustomerGatewayID.NotFound",
    ),
    ById(
        "DescribeDhcpOptions",
        "DhcpOptionsId",
        "DhcpOptions.DhcpOptionsId",
        "dopt",
        "InvalidDhcpOptionID.Malformed",
        "InvalidDhcpOptionID.NotFound",
    ),
    ById(
        "DescribeEgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayId",
        "EgressOnlyInternetGateways.EgressOnlyInternetGatewayId",
        "eigw",
        "InvalidEgressOnlyInternetGatewayId.Malformed",
        "InvalidEgressOnlyInternetGatewayId.NotFound",
    ),
    ById("DescribeFlowLogs", "FlowLogId", "FlowLogs.FlowLogId", "fl", "InvalidFlowLogId.Malformed", "InvalidFlowLogId.NotFound"),
    ById(
        "DescribeInstanceStatus",
        "InstanceId",
        "InstanceStatuses.InstanceId",
        "i",
        "InvalidInstanceID.Malformed",
        "InvalidInstanceID.NotFound",
    ),
    ById(
        "DescribeInstances",
        "InstanceId",
        "Reservations.Instances.InstanceId",
        "i",
        "InvalidInstanceID.Malformed",
        "InvalidInstanceID.NotFound",
    ),
    ById(
        "DescribeInternetGateways",
        "InternetGatewayId",
        "InternetGateways.InternetGatewayId",
        "igw",
        "InvalidInternetGatewayID.Malformed",
        "InvalidInternetGatewayID.NotFound",
    ),
    ById(
        "DescribeManagedPrefixLists",
        "PrefixListId",
        "PrefixLists.PrefixListId",
        "pl",
        "InvalidPrefixListID.Malformed",
        "InvalidPrefixListID.NotFound",
    ),
    ById("DescribeNatGateways", "NatGatewayId", "NatGateways.NatGatewayId", "nat", "NatGatewayMalformed", "NatGatewayNotFound"),
    ById(
        "DescribeNetworkAcls",
        "NetworkAclId",
        "NetworkAcls.NetworkAclId",
        "acl",
        "InvalidNetworkAclID.Malformed",
        "InvalidNetworkAclID.NotFound",
    ),
    ById(
        "DescribeNetworkInsightsAnalyses",
        "NetworkInsightsAnalysisId",
        "NetworkInsightsAnalyses.NetworkInsightsAnalysisId",
        "nia",
        "InvalidNetworkInsightsAnalysisId.Malformed",
        "InvalidNetworkInsightsAnalysisId.NotFound",
    ),
    ById(
        "DescribeNetworkInsightsPaths",
        "NetworkInsightsPathId",
        "NetworkInsightsPaths.NetworkInsightsPathId",
        "nip",
        "InvalidNetworkInsightsPathId.Malformed",
        "InvalidNetworkInsightsPathId.NotFound",
    ),
    ById(
        "DescribeNetworkInterfaces",
        "NetworkInterfaceId",
        "NetworkInterfaces.NetworkInterfaceId",
        "eni",
        "InvalidNetworkInterfaceID.Malformed",
        "InvalidNetworkInterfaceID.NotFound",
    ),
    ById(
        "DescribePrefixLists",
        "PrefixListId",
        "PrefixLists.PrefixListId",
        "pl",
        "InvalidPrefixListID.Malformed",
        "InvalidPrefixListID.NotFound",
    ),
    ById(
        "DescribeRouteTables",
        "RouteTableId",
        "RouteTables.RouteTableId",
        "rtb",
        "InvalidRouteTableID.Malformed",
        "InvalidRouteTableID.NotFound",
    ),
    ById(
        "DescribeSecurityGroupRules",
        "SecurityGroupRuleId",
        "SecurityGroupRules.SecurityGroupRuleId",
        "sgr",
        "InvalidSecurityGroupRuleId.Malformed",
        "InvalidSecurityGroupRuleId.NotFound",
    ),
    ById(
        "DescribeSecurityGroups",
        "GroupId",
        "SecurityGroups.GroupId",
        "sg",
        "InvalidGroupId.Malformed",
        "InvalidGroup.NotFound",
    ),
    ById("DescribeSubnets", "SubnetId", "Subnets.SubnetId", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"),
    ById(
        "DescribeTransitGatewayAttachments",
        "TransitGatewayAttachmentIds",
        "TransitGatewayAttachments.TransitGatewayAttachmentId",
        "tgw-attach",
        "InvalidTransitGatewayAttachmentID.Malformed",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    ById(
        "DescribeTransitGatewayPeeringAttachments",
        "TransitGatewayAttachmentIds",
        "TransitGatewayPeeringAttachments.TransitGatewayAttachmentId",
        "tgw-attach",
        "InvalidTransitGatewayAttachmentID.Malformed",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    ById(
        "DescribeTransitGatewayRouteTables",
        "TransitGatewayRouteTableIds",
        "TransitGatewayRouteTables.TransitGatewayRouteTableId",
        "tgw-rtb",
        "InvalidRouteTableID.Malformed",
        "InvalidRouteTableID.NotFound",
    ),
    ById(
        "DescribeTransitGatewayVpcAttachments",
        "TransitGatewayAttachmentIds",
        "TransitGatewayVpcAttachments.TransitGatewayAttachmentId",
        "tgw-attach",
        "InvalidTransitGatewayAttachmentID.Malformed",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    ById(
        "DescribeTransitGateways",
        "TransitGatewayIds",
        "TransitGateways.TransitGatewayId",
        "tgw",
        "InvalidTransitGatewayID.Malformed",
        "InvalidTransitGatewayID.NotFound",
    ),
    ById(
        "DescribeVpcEndpointServiceConfigurations",
        "ServiceId",
        "ServiceConfigurations.ServiceId",
        "vpce-svc",
        "InvalidVpcEndpointServiceId.Malformed",
        "InvalidVpcEndpointServiceId.NotFound",
    ),
    ById(
        "DescribeVpcEndpoints",
        "VpcEndpointId",
        "VpcEndpoints.VpcEndpointId",
        "vpce",
        "InvalidVpcEndpointId.Malformed",
        "InvalidVpcEndpointId.NotFound",
    ),
    ById(
        "DescribeVpcPeeringConnections",
        "VpcPeeringConnectionId",
        "VpcPeeringConnections.VpcPeeringConnectionId",
        "pcx",
        "InvalidVpcPeeringConnectionId.Malformed",
        "InvalidVpcPeeringConnectionID.NotFound",
    ),
    ById("DescribeVpcs", "VpcId", "Vpcs.VpcId", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"),
    ById(
        "DescribeVpnConnections",
        "VpnConnectionId",
        "VpnConnections.VpnConnectionId",
        "vpn",
        "InvalidVpnConnectionID.Malformed",
        "InvalidVpnConnectionID.NotFound",
    ),
    ById(
        "DescribeVpnGateways",
        "VpnGatewayId",
        "VpnGateways.VpnGatewayId",
        "vgw",
        "InvalidVpnGatewayID.Malformed",
        "InvalidVpnGatewayID.NotFound",
    ),
];

/// Describes whose ids [`BY_ID`] doesn't have: of AWS's own things, or of nothing that openvpc has.
const OTHER_IDS: &[&str] = &[
    "DescribeAvailabilityZones",
    "DescribeCarrierGateways",
    "DescribeClientVpnTargetNetworks",
    "DescribeIamInstanceProfileAssociations",
    "DescribeImages",
    "DescribeInstanceCreditSpecifications",
    "DescribeKeyPairs",
    "DescribeNetworkInsightsAccessScopeAnalyses",
    "DescribeNetworkInsightsAccessScopes",
    "DescribeNetworkInterfacePermissions",
    "DescribeVolumes",
    "DescribeVpcBlockPublicAccessExclusions",
    "DescribeVpcEndpointAssociations",
];

/// What an operation needs to be asked at all.
const NEEDS: &[(&str, &str)] = &[
    ("DescribeClientVpnAuthorizationRules", "ClientVpnEndpointId={cvpn}"),
    ("DescribeClientVpnConnections", "ClientVpnEndpointId={cvpn}"),
    ("DescribeClientVpnRoutes", "ClientVpnEndpointId={cvpn}"),
    ("DescribeClientVpnTargetNetworks", "ClientVpnEndpointId={cvpn}"),
    ("DescribeStaleSecurityGroups", "VpcId={vpc}"),
    ("DescribeVpcEndpointServicePermissions", "ServiceId={service}"),
    ("GetManagedPrefixListAssociations", "PrefixListId={list}"),
    ("GetManagedPrefixListEntries", "PrefixListId={list}"),
    ("GetNetworkInsightsAccessScopeAnalysisFindings", "NetworkInsightsAccessScopeAnalysisId={scopeanalysis}"),
    ("GetSecurityGroupsForVpc", "VpcId={vpc}"),
    ("GetSubnetCidrReservations", "SubnetId={subnet}"),
    ("GetTransitGatewayAttachmentPropagations", "TransitGatewayAttachmentId={tgwattach}"),
    ("GetTransitGatewayPrefixListReferences", "TransitGatewayRouteTableId={tgwtable}"),
    ("GetTransitGatewayRouteTableAssociations", "TransitGatewayRouteTableId={tgwdefault}"),
    ("GetTransitGatewayRouteTablePropagations", "TransitGatewayRouteTableId={tgwtable}"),
    ("SearchTransitGatewayRoutes", "TransitGatewayRouteTableId={tgwtable}"),
];

#[test]
fn every_describe_with_ids_is_in_the_table() {
    let forgotten: Vec<_> = questions()
        .filter(|(_, members)| members.iter().any(|member| member.name.ends_with("Ids")))
        .map(|(operation, _)| operation)
        .filter(|operation| !BY_ID.iter().any(|row| row.0 == *operation) && !OTHER_IDS.contains(operation))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn ids_are_malformed_unknown_or_known() {
    let world = World::built();
    let mut faults = Vec::new();
    for ById(operation, parameter, path, prefix, malformed, unknown) in BY_ID {
        if !served(operation) {
            continue;
        }
        let parameter = format!("{parameter}.1");
        let no_id = format!("{prefix}-xyz!");
        let nobodys = format!("{prefix}-0123456789abcdef0");
        for (id, expected) in [(&no_id, malformed), (&nobodys, unknown)] {
            let code = world.ask(operation, &[(&parameter, id)]).map_err(|error| error.code.into_owned());
            if code != Err((*expected).to_owned()) {
                faults.push(format!("{operation} {id}: {code:?}, not {expected}"));
            }
        }
        let all = texts(&world.ask(operation, &[]).unwrap(), path);
        if all.is_empty() && world.is_whole {
            faults.push(format!("{operation}: there is none to ask for"));
        }
        for id in all {
            let answer = world.ask(operation, &[(&parameter, &id)]).map(|answer| texts(&answer, path));
            if answer.as_ref().is_ok_and(|found| found.as_slice() == [id.clone()]) {
                continue;
            }
            faults.push(format!("{operation} {id}: {answer:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn filters_have_the_names_that_aws_documents_and_no_others() {
    let world = World::built();
    let mut faults = Vec::new();
    for (operation, members) in questions() {
        let (Some(filter), Some(needs)) = (filters_of(members), needs(&world, operation)) else { continue };
        let (name, value) = (format!("{filter}.1.Name"), format!("{filter}.1.Value.1"));
        let ask = |filter: &str, with: &str| {
            let mut parameters = needs.clone();
            parameters.extend([(name.clone(), filter.to_owned()), (value.clone(), with.to_owned())]);
            ask(&world, operation, &parameters)
        };
        match ask("no-such-filter", "x") {
            Err(error) if error.code == "InvalidParameterValue" => {}
            other => faults.push(format!("{operation} no-such-filter: {other:?}")),
        }
        let documented = lines(include_str!("filters.txt")).find_map(|line| line.strip_prefix(operation)?.strip_prefix(' '));
        for known in documented.unwrap_or_default().split(' ').filter(|name| !name.is_empty()) {
            // A value may be refused for its form; the name may not.
            match ask(known, "10.20.0.0/16") {
                Err(error) if !error.code.ends_with(".Malformed") => faults.push(format!("{operation} {known}: {error}")),
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tags_find_what_carries_them() {
    let world = World::built();
    let mut faults = Vec::new();
    for ById(operation, _, path, ..) in BY_ID {
        let (_, members) = questions().find(|(name, _)| name == operation).unwrap_or((operation, &[]));
        let Some(filter) = filters_of(members) else { continue };
        if !shows_tags(operation, path) {
            continue;
        }
        let all: BTreeSet<String> = texts(&world.ask(operation, &[]).unwrap(), path).into_iter().collect();
        let tag = |id: &String| {
            // AWS's own can't be tagged; what belongs to nobody here can't be found by a tag either.
            world.ask("CreateTags", &[("ResourceId.1", id), ("Tag.1.Key", "Id"), ("Tag.1.Value", id)]).is_ok()
        };
        let tagged: BTreeSet<String> = all.iter().filter(|id| tag(id)).cloned().collect();
        let one = tagged.first().cloned().into_iter().collect::<BTreeSet<_>>();
        let start = one.first().map(|id| format!("{}*", &id[..3])).unwrap_or_default();
        let any_letter = one.first().map(|id| format!("{}?", &id[..id.len() - 1])).unwrap_or_default();
        let first = one.first().cloned().unwrap_or_default();
        let none = BTreeSet::new();
        for (name, value, expected) in [
            ("tag:Id", &*first, &one),
            ("tag:Id", &start, &tagged),
            ("tag:Id", "no*", &none),
            ("tag:id", &start, &none),
            ("tag-key", "Id", &tagged),
            ("tag-key", "?d", &tagged),
            ("tag-key", "id", &none),
        ] {
            let (key, with) = (format!("{filter}.1.Name"), format!("{filter}.1.Value.1"));
            let answer = world.ask(operation, &[(&key, name), (&with, value)]);
            let found = answer.map(|answer| texts(&answer, path).into_iter().collect::<BTreeSet<_>>());
            if found.as_ref() != Ok(expected) {
                faults.push(format!("{operation} {name}={value}: {found:?}, not {expected:?}"));
            }
        }
        let several = texts(
            &world
                .ask(operation, &[(&format!("{filter}.1.Name"), "tag:Id"), (&format!("{filter}.1.Value.1"), &any_letter)])
                .unwrap(),
            path,
        );
        if !first.is_empty() && !several.contains(&first) {
            faults.push(format!("{operation} tag:Id={any_letter}: {several:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pages_add_up_to_the_whole() {
    let world = World::built();
    let mut faults = Vec::new();
    for (operation, members) in questions() {
        if !members.iter().any(|member| member.name == "MaxResults") {
            continue;
        }
        let Some(needs) = needs(&world, operation) else { continue };
        let ask = |more: &[(&str, &str)]| {
            let mut parameters = needs.clone();
            if operation == "SearchTransitGatewayRoutes" {
                return Ok(Value::Null);
            }
            parameters.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            ask(&world, operation, &parameters)
        };
        for (name, value, codes) in [
            ("MaxResults", "0", &["InvalidParameterValue", "InvalidMaxResults"][..]),
            ("MaxResults", "-1", &["InvalidParameterValue", "InvalidMaxResults"]),
            ("MaxResults", "many", &["InvalidParameterValue"]),
            ("NextToken", "no token", &["InvalidNextToken", "InvalidPaginationToken"]),
        ] {
            match ask(&[(name, value)]) {
                Err(error) if codes.contains(&&*error.code) => {}
                Ok(Value::Null) => {}
                other => faults.push(format!("{operation} {name}={value}: {other:?}")),
            }
        }
        let whole = ask(&[]).map(|answer| items(&answer));
        let (mut token, mut pages) = (None::<String>, Vec::new());
        let smallest = ["1", "5", "10", "200"].into_iter().find(|size| ask(&[("MaxResults", size)]).is_ok()).unwrap_or("1000");
        let together = loop {
            let mut parameters = vec![("MaxResults", smallest)];
            parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
            let answer = match ask(&parameters) {
                Ok(answer) => answer,
                Err(error) => break Err(error),
            };
            let page = items(&answer);
            if page.len() > smallest.parse().unwrap() {
                faults.push(format!("{operation}: a page of {} items for {smallest}", page.len()));
            }
            pages.extend(page);
            token = answer["NextToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() || pages.len() > 1000 {
                break Ok(pages);
            }
        };
        if whole != together {
            faults.push(format!("{operation}: {whole:?} is not {together:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The operations that are served and only ask, with the members of their requests.
fn questions() -> impl Iterator<Item = (&'static str, &'static [Member])> {
    let asked = |name: &str| served(name) && reads(name);
    MODEL.operations.iter().filter(move |operation| asked(operation.name)).filter_map(|operation| {
        let Shape::Structure(members) = MODEL.shape(operation.request?) else { return None };
        Some((operation.name, *members))
    })
}

/// What the filters are called in a request.
fn filters_of(members: &[Member]) -> Option<&'static str> {
    members.iter().find(|member| member.name == "Filters" || member.name == "Filter").map(|member| member.query)
}

/// Whether the items that an answer lists at `path` show their tags.
fn shows_tags(operation: &str, path: &str) -> bool {
    let mut shape = MODEL.shape(MODEL.operation(operation).unwrap().response.unwrap());
    for name in path.split('.') {
        let Shape::Structure(members) = shape else { return false };
        if members.iter().any(|member| member.name == "Tags") {
            return true;
        }
        shape = MODEL.shape(members.iter().find(|member| member.name == name).unwrap().shape);
        if let Shape::List { item, .. } = shape {
            shape = MODEL.shape(*item);
        }
    }
    false
}

/// What an operation needs to be asked at all; none when the world has no such thing.
fn needs(world: &World, operation: &str) -> Option<Vec<(String, String)>> {
    let Some((_, needed)) = NEEDS.iter().find(|(name, _)| *name == operation) else { return Some(Vec::new()) };
    let (name, value) = needed.split_once('=').unwrap();
    let Some(value) = world.put_in(value) else {
        assert!(!world.is_whole, "{operation} needs {value}");
        return None;
    };
    Some(vec![(name.to_owned(), value)])
}

fn ask(world: &World, operation: &str, parameters: &[(String, String)]) -> Result<Value, crate::ApiError> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    world.ask(operation, &parameters)
}

/// The items of the first list of an answer.
fn items(answer: &Value) -> Vec<Value> {
    let lists = answer.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array());
    lists.max_by_key(|list| list.len()).cloned().unwrap_or_default()
}

/// The texts at the end of a path through lists.
fn texts(answer: &Value, path: &str) -> Vec<String> {
    let Some((name, rest)) = path.split_once('.') else { return answer[path].as_str().map(str::to_owned).into_iter().collect() };
    answer[name].as_array().into_iter().flatten().flat_map(|item| texts(item, rest)).collect()
}
