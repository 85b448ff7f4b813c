//! Tunnel options from a request. What is wrong with a pre-shared key is said without the key.

use std::collections::BTreeSet;
use std::str::FromStr;

use openvpc_control::vpn_connections::options::{LogRequest, TunnelRequest};
use openvpc_model::vpn::tunnel::{Phase, PreSharedKey, TunnelOptions};

use super::word;
use crate::error::ApiError;
use crate::shapes;

/// What CreateVpnConnection asks for its two tunnels, in their order.
pub(super) fn pair(given: &[shapes::VpnTunnelOptionsSpecification]) -> Result<[TunnelRequest; 2], ApiError> {
    match given {
        [] => Ok(Default::default()),
        [first] => Ok([created(first)?, TunnelRequest::default()]),
        [first, second] => Ok([created(first)?, created(second)?]),
        _ => Err(ApiError::invalid_value("A VPN connection has two tunnels; give TunnelOptions for two at most")),
    }
}

/// Both specifications have the same members.
macro_rules! tunnel {
    ($given:ident) => {{
        let (ike_log, bgp_log) = logs(&$given.log_options)?;
        Ok(TunnelRequest {
            inside_ipv4: block(&$given.tunnel_inside_cidr, "TunnelInsideCidr")?,
            inside_ipv6: block(&$given.tunnel_inside_ipv6_cidr, "TunnelInsideIpv6Cidr")?,
            pre_shared_key: key(&$given.pre_shared_key)?,
            options: TunnelOptions {
                ike_versions: words("IKEVersions", $given.ike_versions.iter().map(|v| &v.value))?,
                phase1: Phase {
                    encryption: words(
                        "Phase1EncryptionAlgorithms",
                        $given.phase1_encryption_algorithms.iter().map(|v| &v.value),
                    )?,
                    integrity: words("Phase1IntegrityAlgorithms", $given.phase1_integrity_algorithms.iter().map(|v| &v.value))?,
                    dh_groups: groups("Phase1DHGroupNumbers", $given.phase1_dh_group_numbers.iter().map(|v| v.value))?,
                    lifetime: number("Phase1LifetimeSeconds", $given.phase1_lifetime_seconds)?,
                },
                phase2: Phase {
                    encryption: words(
                        "Phase2EncryptionAlgorithms",
                        $given.phase2_encryption_algorithms.iter().map(|v| &v.value),
                    )?,
                    integrity: words("Phase2IntegrityAlgorithms", $given.phase2_integrity_algorithms.iter().map(|v| &v.value))?,
                    dh_groups: groups("Phase2DHGroupNumbers", $given.phase2_dh_group_numbers.iter().map(|v| v.value))?,
                    lifetime: number("Phase2LifetimeSeconds", $given.phase2_lifetime_seconds)?,
                },
                rekey_margin: number("RekeyMarginTimeSeconds", $given.rekey_margin_time_seconds)?,
                rekey_fuzz: number("RekeyFuzzPercentage", $given.rekey_fuzz_percentage)?,
                replay_window: number("ReplayWindowSize", $given.replay_window_size)?,
                dpd_timeout: number("DPDTimeoutSeconds", $given.dpd_timeout_seconds)?,
                dpd_action: word(&$given.dpd_timeout_action, "DPDTimeoutAction")?,
                startup_action: word(&$given.startup_action, "StartupAction")?,
                log: None,
                lifecycle_control: false,
            },
            ike_log,
            bgp_log,
            lifecycle_control: $given.enable_tunnel_lifecycle_control,
        })
    }};
}

fn created(given: &shapes::VpnTunnelOptionsSpecification) -> Result<TunnelRequest, ApiError> {
    tunnel!(given)
}

/// What ModifyVpnTunnelOptions asks for.
pub(super) fn modified(given: &shapes::ModifyVpnTunnelOptionsSpecification) -> Result<TunnelRequest, ApiError> {
    tunnel!(given)
}

fn block<B: FromStr>(text: &Option<String>, name: &str) -> Result<Option<B>, ApiError> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::invalid_value(format!("Value ({text}) for parameter {name} is invalid. This is not a valid CIDR block."))
        })
    };
    text.as_deref().filter(|text| !text.is_empty()).map(parse).transpose()
}

fn key(text: &Option<String>) -> Result<Option<PreSharedKey>, ApiError> {
    let invalid = |rule| ApiError::invalid_value(format!("Value for parameter PreSharedKey is invalid: {rule}"));
    text.as_deref().filter(|text| !text.is_empty()).map(|text| text.parse().map_err(invalid)).transpose()
}

fn words<'a, W: FromStr<Err = String> + Ord>(
    name: &str,
    values: impl Iterator<Item = &'a Option<String>>,
) -> Result<BTreeSet<W>, ApiError> {
    let parsed = values.map(|value| word(value, name)?.ok_or_else(|| ApiError::missing(name)));
    parsed.collect()
}

fn groups(name: &str, values: impl Iterator<Item = Option<i32>>) -> Result<BTreeSet<u8>, ApiError> {
    let group = |value: Option<i32>| {
        let value = value.ok_or_else(|| ApiError::missing(name))?;
        u8::try_from(value).map_err(|_| ApiError::invalid_value(format!("Value ({value}) for parameter {name} is invalid")))
    };
    values.map(group).collect()
}

fn number(name: &str, value: Option<i32>) -> Result<Option<u32>, ApiError> {
    let invalid = |value| ApiError::invalid_value(format!("Value ({value}) for parameter {name} is invalid"));
    value.map(|value| u32::try_from(value).map_err(|_| invalid(value))).transpose()
}

fn logs(given: &Option<shapes::VpnTunnelLogOptionsSpecification>) -> Result<(LogRequest, LogRequest), ApiError> {
    let Some(given) = given.as_ref().and_then(|options| options.cloud_watch_log_options.as_ref()) else {
        return Ok(Default::default());
    };
    let ike = LogRequest {
        enabled: given.log_enabled,
        group: given.log_group_arn.clone(),
        format: word(&given.log_output_format, "LogOutputFormat")?,
    };
    let bgp = LogRequest {
        enabled: given.bgp_log_enabled,
        group: given.bgp_log_group_arn.clone(),
        format: word(&given.bgp_log_output_format, "BgpLogOutputFormat")?,
    };
    Ok((ike, bgp))
}
