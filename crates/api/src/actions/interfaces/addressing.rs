//! Private IPv4 and IPv6 addresses of interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_control::interfaces::{self, AssignIpv4, AssignIpv6};
use openvpc_model::{EniId, TrackingTimeouts};

use super::super::prelude::*;

pub(super) fn assign_private_ip_addresses(
    ctx: &Ctx<'_>,
    request: shapes::AssignPrivateIpAddressesRequest,
) -> Result<shapes::AssignPrivateIpAddressesResult, ApiError> {
    refuse_prefixes(!request.ipv4_prefixes.is_empty() || request.ipv4_prefix_count.is_some())?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let wanted = AssignIpv4 {
        addresses: request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?,
        count: count("SecondaryPrivateIpAddressCount", request.secondary_private_ip_address_count)?.unwrap_or(0),
        allow_reassignment: request.allow_reassignment.unwrap_or(false),
    };
    if !wanted.addresses.is_empty() && wanted.count > 0 {
        return Err(ApiError::invalid_combination("Specify PrivateIpAddresses or SecondaryPrivateIpAddressCount, not both"));
    }
    let assigned = ctx.mutate(|tx| interfaces::assign_ipv4(tx, id, &wanted))?;
    let shape = |address: Ipv4Addr| shapes::AssignedPrivateIpAddress { private_ip_address: Some(address.to_string()) };
    Ok(shapes::AssignPrivateIpAddressesResult {
        network_interface_id: Some(id.to_string()),
        assigned_private_ip_addresses: assigned.into_iter().map(shape).collect(),
        assigned_ipv4_prefixes: Vec::new(),
    })
}

pub(super) fn unassign_private_ip_addresses(
    ctx: &Ctx<'_>,
    request: shapes::UnassignPrivateIpAddressesRequest,
) -> Result<Done, ApiError> {
    refuse_prefixes(!request.ipv4_prefixes.is_empty())?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let doomed: Vec<_> = request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    if doomed.is_empty() {
        return Err(ApiError::missing("PrivateIpAddresses"));
    }
    ctx.mutate(|tx| interfaces::unassign_ipv4(tx, id, &doomed))?;
    Ok(Done)
}

pub(super) fn assign_ipv6_addresses(
    ctx: &Ctx<'_>,
    request: shapes::AssignIpv6AddressesRequest,
) -> Result<shapes::AssignIpv6AddressesResult, ApiError> {
    refuse_prefixes(!request.ipv6_prefixes.is_empty() || request.ipv6_prefix_count.is_some())?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let wanted = AssignIpv6 {
        addresses: request.ipv6_addresses.iter().map(|text| ipv6(text)).collect::<Result<_, _>>()?,
        count: count("Ipv6AddressCount", request.ipv6_address_count)?.unwrap_or(0),
    };
    match (wanted.addresses.is_empty(), wanted.count) {
        (true, 0) => return Err(ApiError::missing("Ipv6AddressCount")),
        (false, 1..) => return Err(ApiError::invalid_combination("Specify Ipv6Addresses or Ipv6AddressCount, not both")),
        _ => {}
    }
    let assigned = ctx.mutate(|tx| interfaces::assign_ipv6(tx, id, &wanted))?;
    Ok(shapes::AssignIpv6AddressesResult {
        network_interface_id: Some(id.to_string()),
        assigned_ipv6_addresses: assigned.iter().map(Ipv6Addr::to_string).collect(),
        assigned_ipv6_prefixes: Vec::new(),
    })
}

pub(super) fn unassign_ipv6_addresses(
    ctx: &Ctx<'_>,
    request: shapes::UnassignIpv6AddressesRequest,
) -> Result<shapes::UnassignIpv6AddressesResult, ApiError> {
    refuse_prefixes(!request.ipv6_prefixes.is_empty())?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let doomed: Vec<_> = request.ipv6_addresses.iter().map(|text| ipv6(text)).collect::<Result<_, _>>()?;
    if doomed.is_empty() {
        return Err(ApiError::missing("Ipv6Addresses"));
    }
    ctx.mutate(|tx| interfaces::unassign_ipv6(tx, id, &doomed))?;
    Ok(shapes::UnassignIpv6AddressesResult {
        network_interface_id: Some(id.to_string()),
        unassigned_ipv6_addresses: doomed.iter().map(Ipv6Addr::to_string).collect(),
        unassigned_ipv6_prefixes: Vec::new(),
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

/// Interfaces here carry addresses, no delegated prefixes.
///
/// # Errors
/// `UnsupportedOperation`.
pub fn refuse_prefixes(asked: bool) -> Result<(), ApiError> {
    if asked {
        return Err(ApiError::unsupported("openvpc doesn't delegate prefixes to interfaces; assign addresses instead"));
    }
    Ok(())
}
