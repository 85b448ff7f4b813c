//! Devices at the customer's end: the list of kinds, and a sample configuration for each.
//! See "Downloadable configuration files for AWS Site-to-Site VPN".

use std::fmt::Write as _;

use openvpc_model::vpn::tunnel::{Encryption, IkeVersion, Integrity, StartupAction, VpnTunnel};
use openvpc_model::{CustomerGateway, Network, VpnConnection};

use super::configuration::{BGP_HOLD_TIME, TCP_MSS, amazon_asn};
use crate::ControlError;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// What GetVpnConnectionDeviceSampleConfiguration takes.
    pub id: &'static str,
    /// Who makes it.
    pub vendor: &'static str,
    /// The model.
    pub platform: &'static str,
    /// The versions that the sample is for.
    pub software: &'static str,
}

/// All kinds, by id. The ids are openvpc's own.
pub const DEVICES: &[Device] = &[
    device("0a1c3e01", "Barracuda", "NextGen Firewall F-series", "6.2+"),
    device("0a1c3e02", "Checkpoint", "Gaia", "R80.10+"),
    device("0a1c3e03", "Cisco Systems, Inc.", "ASA 5500 Series", "ASA 9.7+ VTI"),
    device("0a1c3e04", "Cisco Systems, Inc.", "CSRv AMI", "IOS 12.4+"),
    device("0a1c3e05", "Cisco Systems, Inc.", "ISR Series Routers", "IOS 12.4+"),
    device("0a1c3e06", "Fortinet", "Fortigate 40+ Series", "FortiOS 6.4.4+ (GUI)"),
    device("0a1c3e07", "Juniper Networks, Inc.", "SRX Routers", "JunOS 11.0+"),
    device("0a1c3e08", "Mikrotik", "RouterOS", "6.36"),
    device("0a1c3e09", "Palo Alto Networks", "PA Series", "PANOS 7.0+"),
    device("0a1c3e0a", "pfSense", "pfSense", "pfsense 2.2.5+(GUI)"),
    device("0a1c3e0b", "SonicWall", "NSA, TZ", "OS 6.5"),
    device(STRONGSWAN, "Strongswan", "Ubuntu 16.04", "Strongswan 5.5.1+"),
    device("0a1c3e0d", "Yamaha", "RTX Routers", "Rev.10.01.16+"),
    device("0a1c3e0e", "Generic", "Generic", "Vendor Agnostic"),
];

const STRONGSWAN: &str = "0a1c3e0c";

const fn device(id: &'static str, vendor: &'static str, platform: &'static str, software: &'static str) -> Device {
    Device { id, vendor, platform, software }
}

/// A sample configuration for the device at the other end of a connection. It holds the pre-shared keys.
///
/// # Errors
/// `InvalidParameterValue` for an unknown device, and when the tunnels don't allow the IKE version.
pub fn sample(
    network: &Network,
    connection: &VpnConnection,
    device: &str,
    version: Option<IkeVersion>,
) -> Result<String, ControlError> {
    let Some(device) = DEVICES.iter().find(|known| known.id == device) else {
        return Err(ControlError::invalid_value(format!("The VPN connection device type '{device}' does not exist")));
    };
    let allowed = connection.tunnels[0].options.ike_versions();
    let version = version.or_else(|| allowed.first().copied()).unwrap_or(IkeVersion::V1);
    if !allowed.contains(&version) {
        let message = format!("The tunnels of '{}' don't allow {}", connection.id, version.as_str());
        return Err(ControlError::invalid_value(message));
    }
    let mut text = format!(
        "# {} for a {} {} ({})\n# VPN connection {}, customer gateway {}\n",
        version.as_str(),
        device.vendor,
        device.platform,
        device.software,
        connection.id,
        connection.customer_gateway
    );
    let customer = network.get::<CustomerGateway>(&connection.customer_gateway);
    let end = customer.and_then(|gateway| gateway.address).map_or_else(|| "%any".to_owned(), |address| address.to_string());
    for (number, tunnel) in (1..).zip(&connection.tunnels) {
        let written = match device.id {
            STRONGSWAN => strongswan(&mut text, number, connection, tunnel, &end, version),
            _ => generic(&mut text, number, tunnel, &end),
        };
        written.map_err(ControlError::internal)?;
        if let (false, Some(amazon), Some(customer)) =
            (connection.options.static_routes_only, amazon_asn(network, connection), customer)
        {
            let (neighbour, own) = tunnel.inside_ipv4_addresses();
            let asn = customer.asn;
            writeln!(text, "# BGP: {own} as AS{asn} to {neighbour} as AS{amazon}, hold time {BGP_HOLD_TIME} s")
                .map_err(ControlError::internal)?;
        }
    }
    Ok(text)
}

fn generic(text: &mut String, number: u32, tunnel: &VpnTunnel, customer: &str) -> std::fmt::Result {
    let options = &tunnel.options;
    let (amazon_inside, customer_inside) = tunnel.inside_ipv4_addresses();
    writeln!(text, "\nIPSec Tunnel #{number}")?;
    writeln!(
        text,
        "Outside IP Addresses:\n  - Customer Gateway : {customer}\n  - Virtual Private Gateway : {}",
        tunnel.outside_address
    )?;
    writeln!(
        text,
        "Inside IP Addresses:\n  - Customer Gateway : {customer_inside}/30\n  - Virtual Private Gateway : {amazon_inside}/30"
    )?;
    writeln!(text, "Internet Key Exchange:")?;
    if let Some(key) = &tunnel.pre_shared_key {
        writeln!(text, "  - Pre-Shared Key : {}", key.secret())?;
    }
    let words = |words: Vec<&str>| words.join(", ");
    writeln!(text, "  - Encryption : {}", words(options.phase1_encryption().iter().map(|e| e.as_str()).collect()))?;
    writeln!(text, "  - Integrity : {}", words(options.phase1_integrity().iter().map(|i| i.as_str()).collect()))?;
    writeln!(text, "  - Diffie-Hellman groups : {:?}", options.phase1_dh_groups())?;
    writeln!(text, "  - Lifetime : {} seconds", options.phase1_lifetime())?;
    writeln!(text, "IPSec:\n  - Protocol : esp, tunnel mode")?;
    writeln!(text, "  - Encryption : {}", words(options.phase2_encryption().iter().map(|e| e.as_str()).collect()))?;
    writeln!(text, "  - Integrity : {}", words(options.phase2_integrity().iter().map(|i| i.as_str()).collect()))?;
    writeln!(text, "  - Perfect forward secrecy : {:?}", options.phase2_dh_groups())?;
    writeln!(text, "  - Lifetime : {} seconds", options.phase2_lifetime())?;
    writeln!(text, "  - Dead peer detection : {} seconds", options.dpd_timeout())?;
    writeln!(text, "  - TCP MSS adjustment : {TCP_MSS} bytes")
}

fn strongswan(
    text: &mut String,
    number: u32,
    connection: &VpnConnection,
    tunnel: &VpnTunnel,
    customer: &str,
    version: IkeVersion,
) -> std::fmt::Result {
    let options = &tunnel.options;
    let first = |encryption: Option<&Encryption>, integrity: Option<&Integrity>, group: Option<&u8>| {
        let encryption = match encryption {
            Some(Encryption::Aes256) => "aes256",
            Some(Encryption::Aes128Gcm16) => "aes128gcm16",
            Some(Encryption::Aes256Gcm16) => "aes256gcm16",
            Some(Encryption::Aes128) | None => "aes128",
        };
        let integrity = match integrity {
            Some(Integrity::Sha2_256) => "sha256",
            Some(Integrity::Sha2_384) => "sha384",
            Some(Integrity::Sha2_512) => "sha512",
            Some(Integrity::Sha1) | None => "sha1",
        };
        let group = match group {
            Some(5) => "modp1536",
            Some(14) => "modp2048",
            Some(15) => "modp3072",
            Some(16) => "modp4096",
            Some(17) => "modp6144",
            Some(18) => "modp8192",
            Some(19) => "ecp256",
            Some(20) => "ecp384",
            Some(21) => "ecp521",
            Some(22) => "modp1024s160",
            Some(23) => "modp2048s224",
            Some(24) => "modp2048s256",
            _ => "modp1024",
        };
        format!("{encryption}-{integrity}-{group}!")
    };
    let (phase1, phase2) = (
        first(options.phase1_encryption().first(), options.phase1_integrity().first(), options.phase1_dh_groups().first()),
        first(options.phase2_encryption().first(), options.phase2_integrity().first(), options.phase2_dh_groups().first()),
    );
    // What one side begins, the other only waits for.
    let auto = match options.startup_action() {
        StartupAction::Add => "start",
        StartupAction::Start => "add",
    };
    writeln!(text, "\n# /etc/ipsec.conf\nconn Tunnel{number}")?;
    writeln!(text, "\tauto={auto}\n\tleft=%defaultroute\n\tleftid={customer}\n\tright={}", tunnel.outside_address)?;
    writeln!(text, "\ttype=tunnel\n\tleftauth=psk\n\trightauth=psk\n\tkeyexchange={}", version.as_str())?;
    writeln!(
        text,
        "\tike={phase1}\n\tikelifetime={}s\n\tesp={phase2}\n\tlifetime={}s",
        options.phase1_lifetime(),
        options.phase2_lifetime()
    )?;
    writeln!(
        text,
        "\tkeyingtries=%forever\n\tleftsubnet={}\n\trightsubnet={}",
        connection.options.local_ipv4, connection.options.remote_ipv4
    )?;
    writeln!(text, "\tdpddelay=10s\n\tdpdtimeout={}s\n\tdpdaction=restart\n\tmark={number}00", options.dpd_timeout())?;
    if let Some(key) = &tunnel.pre_shared_key {
        writeln!(text, "\n# /etc/ipsec.secrets\n{customer} {} : PSK \"{}\"", tunnel.outside_address, key.secret())?;
    }
    let (amazon_inside, customer_inside) = tunnel.inside_ipv4_addresses();
    writeln!(
        text,
        "\n# ip link add Tunnel{number} type vti local <own address> remote {} key {number}00\n# ip addr add {customer_inside}/30 remote {amazon_inside}/30 dev Tunnel{number}\n# ip link set Tunnel{number} up mtu 1419",
        tunnel.outside_address
    )
}
