//! Private IPv4 and IPv6 addresses of interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_control::interfaces::{self, AssignIpv4, AssignIpv6, Prefixes};
use openvpc_model::{EniId, TrackingTimeouts};

use super::super::prelude::*;

pub(super) fn assign_private_ip_addresses(
    ctx: &Ctx<'_>,
    request: shapes::AssignPrivateIpAddressesRequest,
) -> Result<shapes::AssignPrivateIpAddressesResult, ApiError> {
    let prefixes = prefixes(texts(&request.ipv4_prefixes), request.ipv4_prefix_count, [], None)?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let wanted = AssignIpv4 {
        addresses: request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?,
        count: count("SecondaryPrivateIpAddressCount", request.secondary_private_ip_address_count)?.unwrap_or(0),
        allow_reassignment: request.allow_reassignment.unwrap_or(false),
    };
    if !wanted.addresses.is_empty() && wanted.count > 0 {
        return Err(ApiError::invalid_combination("Specify PrivateIpAddresses or SecondaryPrivateIpAddressCount, not both"));
    }
    let only_prefixes = !prefixes.is_empty() && wanted.addresses.is_empty() && wanted.count == 0;
    let (assigned, (prefixes, _)) = ctx.mutate(|tx| {
        let assigned = if only_prefixes { Vec::new() } else { interfaces::assign_ipv4(tx, id, &wanted)? };
        Ok((assigned, interfaces::assign_prefixes(tx, id, &prefixes)?))
    })?;
    let prefix = |prefix: Ipv4Net| shapes::Ipv4PrefixSpecification { ipv4_prefix: Some(prefix.to_string()) };
    let shape = |address: Ipv4Addr| shapes::AssignedPrivateIpAddress { private_ip_address: Some(address.to_string()) };
    Ok(shapes::AssignPrivateIpAddressesResult {
        network_interface_id: Some(id.to_string()),
        assigned_private_ip_addresses: assigned.into_iter().map(shape).collect(),
        assigned_ipv4_prefixes: prefixes.into_iter().map(prefix).collect(),
    })
}

pub(super) fn unassign_private_ip_addresses(
    ctx: &Ctx<'_>,
    request: shapes::UnassignPrivateIpAddressesRequest,
) -> Result<Done, ApiError> {
    let prefixes: Vec<Ipv4Net> = texts(&request.ipv4_prefixes).map(prefix).collect::<Result<_, _>>()?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let doomed: Vec<_> = request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    if doomed.is_empty() && prefixes.is_empty() {
        return Err(ApiError::missing("PrivateIpAddresses"));
    }
    let prefixes: Vec<_> = prefixes.into_iter().map(IpNet::V4).collect();
    ctx.mutate(|tx| {
        interfaces::unassign_ipv4(tx, id, &doomed)?;
        interfaces::unassign_prefixes(tx, id, &prefixes)
    })?;
    Ok(Done)
}

pub(super) fn assign_ipv6_addresses(
    ctx: &Ctx<'_>,
    request: shapes::AssignIpv6AddressesRequest,
) -> Result<shapes::AssignIpv6AddressesResult, ApiError> {
    let prefixes = prefixes([], None, texts(&request.ipv6_prefixes), request.ipv6_prefix_count)?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let wanted = AssignIpv6 {
        addresses: request.ipv6_addresses.iter().map(|text| ipv6(text)).collect::<Result<_, _>>()?,
        count: count("Ipv6AddressCount", request.ipv6_address_count)?.unwrap_or(0),
    };
    match (wanted.addresses.is_empty(), wanted.count) {
        (true, 0) if prefixes.is_empty() => return Err(ApiError::missing("Ipv6AddressCount")),
        (false, 1..) => return Err(ApiError::invalid_combination("Specify Ipv6Addresses or Ipv6AddressCount, not both")),
        _ => {}
    }
    let (assigned, (_, prefixes)) = ctx.mutate(|tx| {
        let assigned = if wanted.is_empty() { Vec::new() } else { interfaces::assign_ipv6(tx, id, &wanted)? };
        Ok((assigned, interfaces::assign_prefixes(tx, id, &prefixes)?))
    })?;
    Ok(shapes::AssignIpv6AddressesResult {
        network_interface_id: Some(id.to_string()),
        assigned_ipv6_addresses: assigned.iter().map(Ipv6Addr::to_string).collect(),
        assigned_ipv6_prefixes: prefixes.iter().map(Ipv6Net::to_string).collect(),
    })
}

pub(super) fn unassign_ipv6_addresses(
    ctx: &Ctx<'_>,
    request: shapes::UnassignIpv6AddressesRequest,
) -> Result<shapes::UnassignIpv6AddressesResult, ApiError> {
    let prefixes: Vec<Ipv6Net> = texts(&request.ipv6_prefixes).map(prefix).collect::<Result<_, _>>()?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let doomed: Vec<_> = request.ipv6_addresses.iter().map(|text| ipv6(text)).collect::<Result<_, _>>()?;
    if doomed.is_empty() && prefixes.is_empty() {
        return Err(ApiError::missing("Ipv6Addresses"));
    }
    let doomed_prefixes: Vec<_> = prefixes.iter().copied().map(IpNet::V6).collect();
    ctx.mutate(|tx| {
        interfaces::unassign_ipv6(tx, id, &doomed)?;
        interfaces::unassign_prefixes(tx, id, &doomed_prefixes)
    })?;
    Ok(shapes::UnassignIpv6AddressesResult {
        network_interface_id: Some(id.to_string()),
        unassigned_ipv6_addresses: doomed.iter().map(Ipv6Addr::to_string).collect(),
        unassigned_ipv6_prefixes: prefixes.iter().map(Ipv6Net::to_string).collect(),
    })
}

/// Private addresses that a request gives by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList {
    /// The primary one.
    pub primary: Option<Ipv4Addr>,
    /// The others.
    pub secondary: Vec<Ipv4Addr>,
}

impl AddressList {
    /// Reads `PrivateIpAddress` and `PrivateIpAddresses`. In a list without a mark the first is the primary address.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what isn't an address, `InvalidParameterCombination` for two primary ones.
    pub fn parse(single: &Option<String>, list: &[shapes::PrivateIpAddressSpecification]) -> Result<Self, ApiError> {
        let mut primary = single.as_deref().map(ipv4).transpose()?;
        let mut secondary = Vec::new();
        for specification in list {
            let address = ipv4(ids::required(&specification.private_ip_address, "PrivateIpAddress")?)?;
            if specification.primary != Some(true) {
                secondary.push(address);
            } else if primary.replace(address).is_some() {
                return Err(ApiError::invalid_combination("Only one private address can be the primary one"));
            }
        }
        if primary.is_none() && !secondary.is_empty() {
            primary = Some(secondary.remove(0));
        }
        Ok(Self { primary, secondary })
    }
}

/// Reads a private address.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn ipv4(text: &str) -> Result<Ipv4Addr, ApiError> {
    text.parse().map_err(|_| ApiError::invalid_value(format!("Invalid IPv4 address: '{text}'")))
}

/// Reads an IPv6 address.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn ipv6(text: &str) -> Result<Ipv6Addr, ApiError> {
    text.parse().map_err(|_| ApiError::invalid_value(format!("Invalid IPv6 address: '{text}'")))
}

/// Reads a list of IPv6 addresses.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn ipv6_list(list: &[shapes::InstanceIpv6Address]) -> Result<Vec<Ipv6Addr>, ApiError> {
    list.iter().map(|one| ipv6(ids::required(&one.ipv6_address, "Ipv6Address")?)).collect()
}

/// Reads a number of addresses to choose.
///
/// # Errors
/// `InvalidParameterValue` for a negative one.
pub fn count(parameter: &str, value: Option<i32>) -> Result<Option<usize>, ApiError> {
    let read = |value: i32| {
        usize::try_from(value)
            .map_err(|_| ApiError::invalid_value(format!("Value ({value}) for parameter {parameter} is invalid: it is negative")))
    };
    value.map(read).transpose()
}

/// Reads connection-tracking timeouts; which values are allowed is control's to say.
///
/// # Errors
/// `InvalidParameterValue` for a negative one.
pub fn tracking(specification: Option<&shapes::ConnectionTrackingSpecificationRequest>) -> Result<TrackingTimeouts, ApiError> {
    let Some(specification) = specification else {
        return Ok(TrackingTimeouts::default());
    };
    let seconds = |value: Option<i32>| {
        let read = |value: i32| u32::try_from(value).map_err(|_| ApiError::invalid_value(format!("Invalid timeout: {value}")));
        value.map(read).transpose()
    };
    Ok(TrackingTimeouts {
        tcp_established: seconds(specification.tcp_established_timeout)?,
        udp_stream: seconds(specification.udp_stream_timeout)?,
        udp: seconds(specification.udp_timeout)?,
    })
}

/// Reads the prefixes that a request names, or the number of them to choose; per family not both.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidParameterCombination`.
pub fn prefixes<'a>(
    ipv4: impl IntoIterator<Item = &'a str>,
    ipv4_count: Option<i32>,
    ipv6: impl IntoIterator<Item = &'a str>,
    ipv6_count: Option<i32>,
) -> Result<Prefixes, ApiError> {
    let prefixes = Prefixes {
        ipv4: ipv4.into_iter().map(prefix).collect::<Result<_, _>>()?,
        ipv4_count: count("Ipv4PrefixCount", ipv4_count)?.unwrap_or(0),
        ipv6: ipv6.into_iter().map(prefix).collect::<Result<_, _>>()?,
        ipv6_count: count("Ipv6PrefixCount", ipv6_count)?.unwrap_or(0),
    };
    if !prefixes.ipv4.is_empty() && prefixes.ipv4_count > 0 {
        return Err(ApiError::invalid_combination("Specify Ipv4Prefixes or Ipv4PrefixCount, not both"));
    }
    if !prefixes.ipv6.is_empty() && prefixes.ipv6_count > 0 {
        return Err(ApiError::invalid_combination("Specify Ipv6Prefixes or Ipv6PrefixCount, not both"));
    }
    Ok(prefixes)
}

/// The prefixes of a request that makes an interface, for CreateNetworkInterface and RunInstances alike.
macro_rules! specified_prefixes {
    ($request:expr) => {
        $crate::actions::interfaces::prefixes(
            $request.ipv4_prefixes.iter().map(|one| one.ipv4_prefix.as_deref().unwrap_or_default()),
            $request.ipv4_prefix_count,
            $request.ipv6_prefixes.iter().map(|one| one.ipv6_prefix.as_deref().unwrap_or_default()),
            $request.ipv6_prefix_count,
        )
    };
}
pub(in super::super) use specified_prefixes;

fn prefix<N: std::str::FromStr>(text: &str) -> Result<N, ApiError> {
    text.parse().map_err(|_| ApiError::invalid_value(format!("Invalid prefix: '{text}'")))
}

fn texts(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(String::as_str)
}
