//! The options of connections and tunnels: which values AWS takes, and the blocks inside tunnels.
//! See "Tunnel options for your AWS Site-to-Site VPN connection" in the Site-to-Site VPN User Guide.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{Ipv4Net, Ipv6Net};
use openvpc_model::vpn::tunnel::{
    IkeVersion, LogFormat, LogStream, PHASE1_DH_GROUPS, PHASE2_DH_GROUPS, Phase, PreSharedKey, StartupAction, TunnelOptions,
    VpnTunnel,
};
use openvpc_model::vpn::{InsideIpVersion, OutsideAddressType, TunnelBandwidth, VpnOptions};
use openvpc_model::{CustomerGateway, VpnConnection, VpnConnectionId};

use super::Gateway;
use crate::{ControlError, Tx};

/// What is asked for one tunnel. What isn't given is drawn, left to its default, or left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunnelRequest {
    /// The link inside.
    pub inside_ipv4: Option<Ipv4Net>,
    /// The link inside for IPv6.
    pub inside_ipv6: Option<Ipv6Net>,
    /// The secret of both ends.
    pub pre_shared_key: Option<PreSharedKey>,
    /// Everything about IKE.
    pub options: TunnelOptions,
    /// Whether and how IKE is logged.
    pub ike_log: LogRequest,
    /// Whether and how BGP is logged.
    pub bgp_log: LogRequest,
    /// Whether the user says when the endpoint is replaced.
    pub lifecycle_control: Option<bool>,
}

/// What is asked for a log of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Whether it is written.
    pub enabled: Option<bool>,
    /// The ARN of the log group.
    pub group: Option<String>,
    /// How records are written.
    pub format: Option<LogFormat>,
}

impl TunnelRequest {
    /// Checks everything that doesn't depend on other tunnels.
    pub(super) fn check(&self, connection: &VpnOptions, customer: &CustomerGateway) -> Result<(), ControlError> {
        self.inside_ipv4.map_or(Ok(()), check_inside_ipv4)?;
        if let Some(block) = self.inside_ipv6 {
            if connection.inside_ip_version == InsideIpVersion::Ipv4 {
                return Err(ControlError::invalid_combination(
                    "TunnelInsideIpv6Cidr is for connections whose TunnelInsideIpVersion is ipv6",
                ));
            }
            check_inside_ipv6(block)?;
        }
        if self.pre_shared_key.is_some() && customer.certificate.is_some() {
            return Err(ControlError::invalid_combination(
                "PreSharedKey is not for a customer gateway that authenticates with a certificate",
            ));
        }
        check(&self.options, customer.address)?;
        self.ike_log.check("LogEnabled", "LogGroupArn")?;
        self.bgp_log.check("BgpLogEnabled", "BgpLogGroupArn")
    }

    /// Options with those of the request instead of their own.
    pub(super) fn applied_to(&self, present: &TunnelOptions) -> TunnelOptions {
        let asked = &self.options;
        let mut log = present.log.clone().unwrap_or_default();
        self.ike_log.apply(&mut log.ike);
        self.bgp_log.apply(&mut log.bgp);
        let no_log = present.log.is_none() && self.ike_log == LogRequest::default() && self.bgp_log == LogRequest::default();
        TunnelOptions {
            ike_versions: or(&asked.ike_versions, &present.ike_versions),
            phase1: phase(&asked.phase1, &present.phase1),
            phase2: phase(&asked.phase2, &present.phase2),
            rekey_margin: asked.rekey_margin.or(present.rekey_margin),
            rekey_fuzz: asked.rekey_fuzz.or(present.rekey_fuzz),
            replay_window: asked.replay_window.or(present.replay_window),
            dpd_timeout: asked.dpd_timeout.or(present.dpd_timeout),
            dpd_action: asked.dpd_action.or(present.dpd_action),
            startup_action: asked.startup_action.or(present.startup_action),
            log: (!no_log).then_some(log),
            lifecycle_control: self.lifecycle_control.unwrap_or(present.lifecycle_control),
        }
    }

    /// Whether the request could have made that tunnel.
    pub(super) fn would_give(&self, tunnel: &VpnTunnel) -> bool {
        self.inside_ipv4.is_none_or(|block| block == tunnel.inside_ipv4)
            && self.inside_ipv6.is_none_or(|block| Some(block) == tunnel.inside_ipv6)
            && self.pre_shared_key.as_ref().is_none_or(|key| Some(key) == tunnel.pre_shared_key.as_ref())
            && self.applied_to(&TunnelOptions::default()) == tunnel.options
    }
}

impl LogRequest {
    fn check(&self, enabled: &str, group: &str) -> Result<(), ControlError> {
        let arn = self.group.as_deref().filter(|group| !group.is_empty());
        if let Some(arn) = arn.filter(|arn| !(arn.starts_with("arn:") && arn.contains(":log-group:"))) {
            return Err(ControlError::invalid_value(format!(
                "Value ({arn}) for parameter {group} is invalid: not a log group's ARN"
            )));
        }
        if self.enabled == Some(true) && arn.is_none() {
            return Err(ControlError::invalid_combination(format!("{enabled} needs {group}")));
        }
        Ok(())
    }

    fn apply(&self, stream: &mut LogStream) {
        stream.enabled = self.enabled.unwrap_or(stream.enabled);
        if let Some(group) = &self.group {
            stream.group = Some(group.clone()).filter(|group| !group.is_empty());
        }
        stream.format = self.format.or(stream.format);
    }
}

/// Checks what holds for both tunnels.
pub(super) fn check_connection(
    options: &VpnOptions,
    customer: &CustomerGateway,
    gateway: Option<Gateway>,
) -> Result<(), ControlError> {
    if let Some(Gateway::VpnGateway(_)) = gateway {
        let only_transit = [
            (options.enable_acceleration, "EnableAcceleration"),
            (options.inside_ip_version == InsideIpVersion::Ipv6, "TunnelInsideIpVersion ipv6"),
            (options.outside_address_type != OutsideAddressType::PublicIpv4, "OutsideIpAddressType"),
            (options.bandwidth == TunnelBandwidth::Large, "TunnelBandwidth large"),
        ];
        if let Some((_, option)) = only_transit.iter().find(|(asked, _)| *asked) {
            return Err(ControlError::invalid_combination(format!("{option} is only for connections of a transit gateway")));
        }
    }
    let other_family = match options.inside_ip_version {
        InsideIpVersion::Ipv4 => options.local_ipv6.prefix_len() > 0 || options.remote_ipv6.prefix_len() > 0,
        InsideIpVersion::Ipv6 => options.local_ipv4.prefix_len() > 0 || options.remote_ipv4.prefix_len() > 0,
    };
    if other_family {
        let family = options.inside_ip_version.as_str();
        return Err(ControlError::invalid_combination(format!(
            "LocalIpv4NetworkCidr, RemoteIpv4NetworkCidr, LocalIpv6NetworkCidr and RemoteIpv6NetworkCidr have to be {family} as TunnelInsideIpVersion is"
        )));
    }
    match (options.outside_address_type, options.transport_attachment) {
        (OutsideAddressType::PrivateIpv4, None) => {
            return Err(ControlError::missing_parameter("TransportTransitGatewayAttachmentId"));
        }
        (OutsideAddressType::PublicIpv4 | OutsideAddressType::Ipv6, Some(_)) => {
            return Err(ControlError::invalid_combination(
                "TransportTransitGatewayAttachmentId is for the OutsideIpAddressType PrivateIpv4",
            ));
        }
        _ => {}
    }
    if options.enable_acceleration && options.outside_address_type != OutsideAddressType::PublicIpv4 {
        return Err(ControlError::invalid_combination("EnableAcceleration needs the OutsideIpAddressType PublicIpv4"));
    }
    let is_ipv6 = options.outside_address_type == OutsideAddressType::Ipv6;
    if let Some(address) = customer.address.filter(|address| address.is_ipv6() != is_ipv6) {
        return Err(ControlError::invalid_combination(format!(
            "The address {address} of the customer gateway {} doesn't fit the OutsideIpAddressType {}",
            customer.id,
            options.outside_address_type.as_str()
        )));
    }
    Ok(())
}

/// Checks the options of IKE; those left out count with their defaults.
pub(super) fn check(options: &TunnelOptions, customer: Option<IpAddr>) -> Result<(), ControlError> {
    let phase2 = options.phase2_lifetime();
    in_range("Phase1LifetimeSeconds", options.phase1_lifetime(), 900..=28_800)?;
    in_range("Phase2LifetimeSeconds", phase2, 900..=3_600)?;
    if phase2 >= options.phase1_lifetime() {
        return Err(ControlError::invalid_value(format!(
            "Phase2LifetimeSeconds ({phase2}) must be less than Phase1LifetimeSeconds ({})",
            options.phase1_lifetime()
        )));
    }
    in_range("RekeyMarginTimeSeconds", options.rekey_margin(), 60..=phase2 / 2)?;
    in_range("RekeyFuzzPercentage", options.rekey_fuzz(), 0..=100)?;
    in_range("ReplayWindowSize", options.replay_window(), 64..=2_048)?;
    in_range("DPDTimeoutSeconds", options.dpd_timeout(), 30..=u32::MAX)?;
    known_groups("Phase1DHGroupNumbers", &options.phase1.dh_groups, PHASE1_DH_GROUPS)?;
    known_groups("Phase2DHGroupNumbers", &options.phase2.dh_groups, PHASE2_DH_GROUPS)?;
    if options.startup_action() == StartupAction::Start {
        if customer.is_none() {
            return Err(ControlError::invalid_value("StartupAction start needs a customer gateway with an IP address"));
        }
        if !options.ike_versions().contains(&IkeVersion::V2) {
            return Err(ControlError::invalid_value("StartupAction start needs ikev2 among the IKEVersions"));
        }
    }
    Ok(())
}

/// The blocks inside the tunnels of one gateway.
#[derive(Default)]
pub(super) struct InsideCidrs {
    ipv4: BTreeSet<Ipv4Net>,
    ipv6: BTreeSet<Ipv6Net>,
}

impl InsideCidrs {
    /// The blocks of all connections of a gateway but one.
    pub fn taken(tx: &Tx, besides: Option<VpnConnectionId>, gateway: Option<Gateway>) -> Self {
        let Some(gateway) = gateway else { return Self::default() };
        let mut taken = Self::default();
        let at = |other: &VpnConnection| other.exists() && other.gateway.is_some_and(|present| gateway.is(present));
        for connection in tx.network().all::<VpnConnection>().filter(|other| at(other) && Some(other.id) != besides) {
            taken.add(&connection.tunnels);
        }
        taken
    }

    pub fn add(&mut self, tunnels: &[VpnTunnel]) {
        self.ipv4.extend(tunnels.iter().map(|tunnel| tunnel.inside_ipv4));
        self.ipv6.extend(tunnels.iter().filter_map(|tunnel| tunnel.inside_ipv6));
    }

    /// Takes the blocks that a tunnel was asked to have.
    pub fn claim(&mut self, ipv4: Option<Ipv4Net>, ipv6: Option<Ipv6Net>) -> Result<(), ControlError> {
        let in_use = |block: &dyn Display| {
            ControlError::new("InvalidCidr.InUse", format!("The specified inside tunnel CIDR '{block}' is already in use"))
        };
        if let Some(block) = ipv4.filter(|block| !self.ipv4.insert(*block)) {
            return Err(in_use(&block));
        }
        ipv6.filter(|block| !self.ipv6.insert(*block)).map_or(Ok(()), |block| Err(in_use(&block)))
    }

    /// A free block, drawn so that two gateways seldom have the same.
    pub fn draw_ipv4(&mut self, tx: &Tx) -> Result<Ipv4Net, ControlError> {
        let first = tx.random();
        let block = |step: u64| {
            let at = (first.wrapping_add(step) & 0x3fff) as u32;
            Ipv4Net::new_assert(Ipv4Addr::from(LINK_LOCAL | at << 2), 30)
        };
        let free = |block: &Ipv4Net| !RESERVED.contains(&block.network()) && !self.ipv4.contains(block);
        let found = (0..1 << 14)
            .map(block)
            .find(free)
            .ok_or_else(|| ControlError::new("InvalidCidr.InUse", "All inside tunnel CIDRs of 169.254.0.0/16 are in use"))?;
        self.ipv4.insert(found);
        Ok(found)
    }

    pub fn draw_ipv6(&mut self, tx: &Tx) -> Ipv6Net {
        loop {
            let bits = u128::from(tx.random()) << 56 | u128::from(tx.random() & 0xff_ffff_ffff_fffc);
            let block = Ipv6Net::new_assert(Ipv6Addr::from(0xfd << 120 | bits), 126);
            // One of 2^118 blocks: the second draw is free if the first isn't.
            if self.ipv6.insert(block) {
                return block;
            }
        }
    }
}

/// 169.254.0.0/16.
const LINK_LOCAL: u32 = 0xa9fe_0000;

/// Blocks that AWS keeps for itself, by their first address.
const RESERVED: [Ipv4Addr; 7] = [
    Ipv4Addr::new(169, 254, 0, 0),
    Ipv4Addr::new(169, 254, 1, 0),
    Ipv4Addr::new(169, 254, 2, 0),
    Ipv4Addr::new(169, 254, 3, 0),
    Ipv4Addr::new(169, 254, 4, 0),
    Ipv4Addr::new(169, 254, 5, 0),
    Ipv4Addr::new(169, 254, 169, 252),
];

fn check_inside_ipv4(block: Ipv4Net) -> Result<(), ControlError> {
    let fits = block.prefix_len() == 30 && block.addr() == block.network() && block.network().is_link_local();
    if fits && !RESERVED.contains(&block.network()) {
        return Ok(());
    }
    let message = format!(
        "Value ({block}) for parameter TunnelInsideCidr is invalid: use a /30 of 169.254.0.0/16 that AWS doesn't keep for itself."
    );
    Err(ControlError::invalid_value(message))
}

fn check_inside_ipv6(block: Ipv6Net) -> Result<(), ControlError> {
    let local = block.addr().octets()[0] == 0xfd;
    if block.prefix_len() == 126 && block.addr() == block.network() && local {
        return Ok(());
    }
    let message = format!("Value ({block}) for parameter TunnelInsideIpv6Cidr is invalid: use a /126 of fd00::/8.");
    Err(ControlError::invalid_value(message))
}

fn in_range(name: &str, value: u32, allowed: RangeInclusive<u32>) -> Result<(), ControlError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let range = if *most == u32::MAX { format!("{least} or more") } else { format!("{least} to {most}") };
    Err(ControlError::invalid_value(format!("Value ({value}) for parameter {name} is invalid: use {range}.")))
}

fn known_groups(name: &str, given: &BTreeSet<u8>, known: &[u8]) -> Result<(), ControlError> {
    match given.iter().find(|group| !known.contains(group)) {
        None => Ok(()),
        Some(group) => {
            Err(ControlError::invalid_value(format!("Value ({group}) for parameter {name} is invalid: use {known:?}.")))
        }
    }
}

fn phase(asked: &Phase, present: &Phase) -> Phase {
    Phase {
        encryption: or(&asked.encryption, &present.encryption),
        integrity: or(&asked.integrity, &present.integrity),
        dh_groups: or(&asked.dh_groups, &present.dh_groups),
        lifetime: asked.lifetime.or(present.lifetime),
    }
}

fn or<T: Clone>(asked: &BTreeSet<T>, present: &BTreeSet<T>) -> BTreeSet<T> {
    if asked.is_empty() { present.clone() } else { asked.clone() }
}
