//! Network ACLs: lifetime, entries, and which subnet uses which.

use std::sync::Arc;

use openvpc_control::idempotency;
use openvpc_control::network_acls::{self, EntrySpec};
use openvpc_model::{
    Direction, NaclAction, NaclAssociationId, NaclEntry, NaclId, NetworkAcl, Protocol, RulePorts, Subnet, Vpc, VpcId,
};

use super::prelude::*;

#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateNetworkAcl, create_network_acl),
    action!(CreateNetworkAclEntry, create_network_acl_entry),
    action!(DeleteNetworkAcl, delete_network_acl),
    action!(DeleteNetworkAclEntry, delete_network_acl_entry),
    action!(DescribeNetworkAcls, describe_network_acls),
    action!(ReplaceNetworkAclAssociation, replace_network_acl_association),
    action!(ReplaceNetworkAclEntry, replace_network_acl_entry),
];

fn create_network_acl(
    ctx: &Ctx<'_>,
    request: shapes::CreateNetworkAclRequest,
) -> Result<shapes::CreateNetworkAclResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "network-acl")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let token = request.client_token.as_deref();
    let shape = ctx.mutate(|tx| {
        let id =
            idempotency::once(tx, "CreateNetworkAcl", token, &(vpc, &tags), |tx| network_acls::create(tx, vpc, tags.clone()))?;
        let nacl = tx.find::<NetworkAcl>(&id)?;
        Ok(nacl_shape(tx.network(), &nacl))
    })?;
    Ok(shapes::CreateNetworkAclResult { network_acl: Some(shape), client_token: request.client_token })
}

fn delete_network_acl(ctx: &Ctx<'_>, request: shapes::DeleteNetworkAclRequest) -> Result<Done, ApiError> {
    let id: NaclId = ids::parse_required(&request.network_acl_id, "NetworkAclId")?;
    ctx.mutate(|tx| network_acls::delete(tx, id))?;
    Ok(Done)
}

/// The entry that CreateNetworkAclEntry and ReplaceNetworkAclEntry describe in the same parameters.
macro_rules! entry {
    ($request:ident) => {{
        let protocol = network_acls::parse_protocol(ids::required(&$request.protocol, "Protocol")?)?;
        let block = block(&$request.cidr_block, &$request.ipv6_cidr_block)?;
        let ports = $request.port_range.as_ref().and_then(|range| range.from.zip(range.to));
        let icmp = $request.icmp_type_code.as_ref().and_then(|icmp| icmp.r#type.zip(icmp.code));
        EntrySpec {
            direction: direction($request.egress)?,
            number: $request.rule_number.ok_or_else(|| ApiError::missing("RuleNumber"))?,
            action: action(ids::required(&$request.rule_action, "RuleAction")?)?,
            block,
            protocol,
            ports: network_acls::parse_ports(protocol, block, ports, icmp)?,
        }
    }};
}

fn create_network_acl_entry(ctx: &Ctx<'_>, request: shapes::CreateNetworkAclEntryRequest) -> Result<Done, ApiError> {
    let id: NaclId = ids::parse_required(&request.network_acl_id, "NetworkAclId")?;
    let spec = entry!(request);
    ctx.mutate(|tx| network_acls::create_entry(tx, id, &spec))?;
    Ok(Done)
}

fn replace_network_acl_entry(ctx: &Ctx<'_>, request: shapes::ReplaceNetworkAclEntryRequest) -> Result<Done, ApiError> {
    let id: NaclId = ids::parse_required(&request.network_acl_id, "NetworkAclId")?;
    let spec = entry!(request);
    ctx.mutate(|tx| network_acls::replace_entry(tx, id, &spec))?;
    Ok(Done)
}

fn delete_network_acl_entry(ctx: &Ctx<'_>, request: shapes::DeleteNetworkAclEntryRequest) -> Result<Done, ApiError> {
    let id: NaclId = ids::parse_required(&request.network_acl_id, "NetworkAclId")?;
    let number = request.rule_number.ok_or_else(|| ApiError::missing("RuleNumber"))?;
    let direction = direction(request.egress)?;
    ctx.mutate(|tx| network_acls::delete_entry(tx, id, direction, number))?;
    Ok(Done)
}

fn replace_network_acl_association(
    ctx: &Ctx<'_>,
    request: shapes::ReplaceNetworkAclAssociationRequest,
) -> Result<shapes::ReplaceNetworkAclAssociationResult, ApiError> {
    let association: NaclAssociationId = ids::parse_required(&request.association_id, "AssociationId")?;
    let nacl: NaclId = ids::parse_required(&request.network_acl_id, "NetworkAclId")?;
    let id = ctx.mutate(|tx| network_acls::replace_association(tx, association, nacl))?;
    Ok(shapes::ReplaceNetworkAclAssociationResult { new_association_id: Some(id.to_string()) })
}

fn describe_network_acls(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkAclsRequest,
) -> Result<shapes::DescribeNetworkAclsResult, ApiError> {
    let network = ctx.network()?;
    let nacls = ctx.pick::<NetworkAcl>(&network, &request.network_acl_ids)?;
    let nacls = nacls.iter().map(|nacl| nacl_shape(&network, nacl)).collect();
    let nacls = filters::select(nacls, &request.filters, &NACL_FIELDS)?;
    let (network_acls, next_token) =
        page::cut(&request, !request.network_acl_ids.is_empty(), nacls, |nacl| nacl.network_acl_id.as_deref())?;
    Ok(shapes::DescribeNetworkAclsResult { network_acls, next_token })
}

static NACL_FIELDS: Fields<shapes::NetworkAcl> = Fields {
    tags: Some(|nacl| &nacl.tags),
    fields: &[
        ("association.association-id", |nacl, m| {
            nacl.associations.iter().for_each(|a| m.offer(&a.network_acl_association_id));
        }),
        ("association.network-acl-id", |nacl, m| nacl.associations.iter().for_each(|a| m.offer(&a.network_acl_id))),
        ("association.subnet-id", |nacl, m| nacl.associations.iter().for_each(|a| m.offer(&a.subnet_id))),
        ("default", |nacl, m| m.offer(&nacl.is_default)),
        ("entry.cidr", |nacl, m| nacl.entries.iter().for_each(|e| m.offer(&e.cidr_block))),
        ("entry.egress", |nacl, m| nacl.entries.iter().for_each(|e| m.offer(&e.egress))),
        ("entry.icmp.code", |nacl, m| {
            nacl.entries.iter().filter_map(|e| e.icmp_type_code.as_ref()).for_each(|icmp| m.offer(&icmp.code));
        }),
        ("entry.icmp.type", |nacl, m| {
            nacl.entries.iter().filter_map(|e| e.icmp_type_code.as_ref()).for_each(|icmp| m.offer(&icmp.r#type));
        }),
        ("entry.ipv6-cidr", |nacl, m| nacl.entries.iter().for_each(|e| m.offer(&e.ipv6_cidr_block))),
        ("entry.port-range.from", |nacl, m| {
            nacl.entries.iter().filter_map(|e| e.port_range.as_ref()).for_each(|range| m.offer(&range.from));
        }),
        ("entry.port-range.to", |nacl, m| {
            nacl.entries.iter().filter_map(|e| e.port_range.as_ref()).for_each(|range| m.offer(&range.to));
        }),
        ("entry.protocol", |nacl, m| {
            for entry in &nacl.entries {
                m.offer(&entry.protocol);
                m.offer(&entry.protocol.as_deref().and_then(protocol_name));
            }
        }),
        ("entry.rule-action", |nacl, m| nacl.entries.iter().for_each(|e| m.offer(&e.rule_action))),
        ("entry.rule-number", |nacl, m| nacl.entries.iter().for_each(|e| m.offer(&e.rule_number))),
        ("network-acl-id", |nacl, m| m.offer(&nacl.network_acl_id)),
        ("owner-id", |nacl, m| m.offer(&nacl.owner_id)),
        ("vpc-id", |nacl, m| m.offer(&nacl.vpc_id)),
    ],
};

/// The names that the filter takes beside numbers.
fn protocol_name(number: &str) -> Option<&'static str> {
    match number {
        "1" => Some("icmp"),
        "6" => Some("tcp"),
        "17" => Some("udp"),
        _ => None,
    }
}

fn nacl_shape(network: &Network, nacl: &NetworkAcl) -> shapes::NetworkAcl {
    let has_ipv6 = network.get::<Vpc>(&nacl.vpc).is_some_and(|vpc| !vpc.ipv6_blocks.is_empty());
    let mut entries = Vec::new();
    for direction in [Direction::Egress, Direction::Ingress] {
        entries.extend(nacl.entries.iter().filter(|entry| entry.direction == direction).map(entry_shape));
        entries.push(fixed_deny(direction, NetworkAcl::DENY_IPV4));
        if has_ipv6 {
            entries.push(fixed_deny(direction, NetworkAcl::DENY_IPV6));
        }
    }
    let association = |subnet: &Arc<Subnet>| shapes::NetworkAclAssociation {
        network_acl_association_id: Some(subnet.nacl.id.to_string()),
        network_acl_id: Some(nacl.id.to_string()),
        subnet_id: Some(subnet.id.to_string()),
    };
    shapes::NetworkAcl {
        network_acl_id: Some(nacl.id.to_string()),
        vpc_id: Some(nacl.vpc.to_string()),
        owner_id: Some(nacl.owner.account.to_string()),
        is_default: Some(nacl.is_default),
        entries,
        associations: network.users_of(nacl.id).map(association).collect(),
        tags: tagging::shapes(&nacl.tags),
    }
}

fn entry_shape(entry: &NaclEntry) -> shapes::NetworkAclEntry {
    let (cidr_block, ipv6_cidr_block) = match entry.block {
        ipnet::IpNet::V4(block) => (Some(block.to_string()), None),
        ipnet::IpNet::V6(block) => (None, Some(block.to_string())),
    };
    let icmp = |kind: Option<u8>, code: Option<u8>| shapes::IcmpTypeCode {
        r#type: Some(kind.map_or(-1, i32::from)),
        code: Some(code.map_or(-1, i32::from)),
    };
    let (port_range, icmp_type_code) = match entry.ports {
        RulePorts::All if entry.protocol.is_icmp() => (None, Some(icmp(None, None))),
        RulePorts::All => (None, None),
        RulePorts::Icmp(only) => (None, Some(icmp(only.kind, only.code))),
        RulePorts::Range(range) => (Some(shapes::PortRange { from: Some(range.from.into()), to: Some(range.to.into()) }), None),
    };
    shapes::NetworkAclEntry {
        rule_number: Some(entry.number.into()),
        egress: Some(entry.direction == Direction::Egress),
        protocol: Some(protocol_number(entry.protocol)),
        rule_action: Some(if entry.action == NaclAction::Allow { "allow" } else { "deny" }.to_owned()),
        cidr_block,
        ipv6_cidr_block,
        port_range,
        icmp_type_code,
    }
}

/// The deny at the end of a direction's entries, which can't be changed.
fn fixed_deny(direction: Direction, number: u16) -> shapes::NetworkAclEntry {
    let ipv4 = number == NetworkAcl::DENY_IPV4;
    shapes::NetworkAclEntry {
        rule_number: Some(number.into()),
        egress: Some(direction == Direction::Egress),
        protocol: Some("-1".to_owned()),
        rule_action: Some("deny".to_owned()),
        cidr_block: ipv4.then(|| "0.0.0.0/0".to_owned()),
        ipv6_cidr_block: (!ipv4).then(|| "::/0".to_owned()),
        ..Default::default()
    }
}

/// Network ACLs name protocols by number only.
fn protocol_number(protocol: Protocol) -> String {
    match protocol {
        Protocol::All => "-1".to_owned(),
        Protocol::Number(number) => number.to_string(),
    }
}

fn direction(egress: Option<bool>) -> Result<Direction, ApiError> {
    let egress = egress.ok_or_else(|| ApiError::missing("Egress"))?;
    Ok(if egress { Direction::Egress } else { Direction::Ingress })
}

fn action(text: &str) -> Result<NaclAction, ApiError> {
    match &*text.to_ascii_lowercase() {
        "allow" => Ok(NaclAction::Allow),
        "deny" => Ok(NaclAction::Deny),
        _ => Err(ApiError::invalid_value(format!("Value ({text}) for parameter ruleAction is invalid: use allow or deny"))),
    }
}

fn block(ipv4: &Option<String>, ipv6: &Option<String>) -> Result<ipnet::IpNet, ApiError> {
    let bad = |name: &str, text: &str| {
        ApiError::invalid_value(format!("Value ({text}) for parameter {name} is invalid. This is not a valid CIDR block."))
    };
    match (ipv4, ipv6) {
        (Some(text), None) => text.parse().map(ipnet::IpNet::V4).map_err(|_| bad("cidrBlock", text)),
        (None, Some(text)) => text.parse().map(ipnet::IpNet::V6).map_err(|_| bad("ipv6CidrBlock", text)),
        (None, None) => Err(ApiError::missing("CidrBlock")),
        (Some(_), Some(_)) => Err(ApiError::invalid_combination("Specify CidrBlock or Ipv6CidrBlock, not both")),
    }
}
