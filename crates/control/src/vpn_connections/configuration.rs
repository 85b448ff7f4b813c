//! `customerGatewayConfiguration`: the XML document that AWS gives to whoever sets up the device at the other end, and that
//! tools take tunnel addresses, keys and BGP numbers from. It holds the pre-shared keys, so it must not be logged.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::Ipv4Net;
use openvpc_model::vpn::tunnel::{Encryption, Integrity, PreSharedKey, VpnTunnel};
use openvpc_model::{CustomerGateway, Network, VpnConnection, VpnGateway, VpnTarget};

/// Seconds after which BGP takes a silent neighbour for gone.
pub const BGP_HOLD_TIME: u32 = 30;

/// The largest TCP segment that fits in a tunnel whatever is negotiated.
/// See "Best practices for an AWS Site-to-Site VPN customer gateway device".
pub const TCP_MSS: u32 = 1379;

/// The document for a connection.
pub fn document(network: &Network, connection: &VpnConnection) -> String {
    let customer = network.get::<CustomerGateway>(&connection.customer_gateway);
    let mut xml = Xml { text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), depth: 0 };
    xml.open_with("vpn_connection", &format!("id=\"{}\"", connection.id));
    xml.leaf("customer_gateway_id", connection.customer_gateway);
    match connection.gateway {
        Some(VpnTarget::VpnGateway(id)) => xml.leaf("vpn_gateway_id", id),
        Some(VpnTarget::TransitGateway(id, _)) => {
            xml.leaf("vpn_gateway_id", "");
            xml.leaf("transit_gateway_id", id);
        }
        None => xml.leaf("vpn_gateway_id", ""),
    }
    xml.leaf("vpn_connection_type", "ipsec.1");
    if connection.options.static_routes_only {
        xml.leaf("vpn_connection_attributes", "NoBGPVPNConnection");
    }
    let bgp = (!connection.options.static_routes_only).then(|| Bgp {
        customer: customer.map_or(0, |gateway| gateway.asn),
        amazon: amazon_asn(network, connection).unwrap_or_default(),
    });
    for tunnel in &connection.tunnels {
        write_tunnel(&mut xml, tunnel, customer.and_then(|gateway| gateway.address), bgp.as_ref());
    }
    xml.close("vpn_connection");
    xml.text
}

/// Amazon's number in BGP at its end of a connection.
pub fn amazon_asn(network: &Network, connection: &VpnConnection) -> Option<u32> {
    match connection.gateway? {
        VpnTarget::VpnGateway(id) => network.get::<VpnGateway>(&id).map(|gateway| gateway.asn),
        VpnTarget::TransitGateway(id, _) => super::transit::asn(network, id),
    }
}

/// The numbers of both ends.
struct Bgp {
    customer: u32,
    amazon: u32,
}

fn write_tunnel(xml: &mut Xml, tunnel: &VpnTunnel, customer: Option<IpAddr>, bgp: Option<&Bgp>) {
    let (amazon_v4, customer_v4) = tunnel.inside_ipv4_addresses();
    let inside_v6 = tunnel.inside_ipv6_addresses();
    xml.open("ipsec_tunnel");
    let customer_end = End {
        outside: customer,
        inside: customer_v4.into(),
        inside_v6: inside_v6.map(|(_, customer)| customer.into()),
        asn: bgp.map(|bgp| bgp.customer),
    };
    customer_end.write(xml, "customer_gateway", tunnel);
    let amazon_end = End {
        outside: Some(tunnel.outside_address),
        inside: amazon_v4.into(),
        inside_v6: inside_v6.map(|(amazon, _)| amazon.into()),
        asn: bgp.map(|bgp| bgp.amazon),
    };
    amazon_end.write(xml, "vpn_gateway", tunnel);

    let options = &tunnel.options;
    xml.open("ike");
    xml.leaf("authentication_protocol", options.phase1_integrity().first().map_or("sha1", |i| ike_integrity(*i)));
    xml.leaf("encryption_protocol", options.phase1_encryption().first().map_or("aes-128-cbc", |e| encryption(*e)));
    xml.leaf("lifetime", options.phase1_lifetime());
    xml.leaf("perfect_forward_secrecy", group(options.phase1_dh_groups().first()));
    xml.leaf("mode", "main");
    if let Some(key) = tunnel.pre_shared_key.as_ref().map(PreSharedKey::secret) {
        xml.leaf("pre_shared_key", key);
    }
    xml.close("ike");

    xml.open("ipsec");
    xml.leaf("protocol", "esp");
    xml.leaf("authentication_protocol", options.phase2_integrity().first().map_or("hmac-sha1-96", |i| esp_integrity(*i)));
    xml.leaf("encryption_protocol", options.phase2_encryption().first().map_or("aes-128-cbc", |e| encryption(*e)));
    xml.leaf("lifetime", options.phase2_lifetime());
    xml.leaf("perfect_forward_secrecy", group(options.phase2_dh_groups().first()));
    xml.leaf("mode", "tunnel");
    xml.leaf("clear_df_bit", true);
    xml.leaf("fragmentation_before_encryption", true);
    xml.leaf("tcp_mss_adjustment", TCP_MSS);
    xml.open("dead_peer_detection");
    xml.leaf("interval", options.dpd_timeout() / DPD_RETRIES);
    xml.leaf("retries", DPD_RETRIES);
    xml.close("dead_peer_detection");
    xml.close("ipsec");
    xml.close("ipsec_tunnel");
}

/// How many probes the peer may leave unanswered within the timeout.
const DPD_RETRIES: u32 = 3;

/// One end of a tunnel.
struct End {
    outside: Option<IpAddr>,
    inside: IpAddr,
    inside_v6: Option<IpAddr>,
    asn: Option<u32>,
}

impl End {
    fn write(&self, xml: &mut Xml, name: &str, tunnel: &VpnTunnel) {
        xml.open(name);
        xml.open("tunnel_outside_address");
        xml.leaf("ip_address", self.outside.map(|address| address.to_string()).unwrap_or_default());
        xml.close("tunnel_outside_address");
        xml.open("tunnel_inside_address");
        xml.leaf("ip_address", self.inside);
        xml.leaf("network_mask", Ipv4Net::netmask(&tunnel.inside_ipv4));
        xml.leaf("network_cidr", tunnel.inside_ipv4.prefix_len());
        xml.close("tunnel_inside_address");
        if let (Some(address), Some(block)) = (self.inside_v6, tunnel.inside_ipv6) {
            xml.open("tunnel_inside_ipv6_address");
            xml.leaf("ip_address", address);
            xml.leaf("prefix_length", block.prefix_len());
            xml.close("tunnel_inside_ipv6_address");
        }
        if let Some(asn) = self.asn {
            xml.open("bgp");
            xml.leaf("asn", asn);
            xml.leaf("hold_time", BGP_HOLD_TIME);
            xml.close("bgp");
        }
        xml.close(name);
    }
}

fn encryption(algorithm: Encryption) -> &'static str {
    match algorithm {
        Encryption::Aes128 => "aes-128-cbc",
        Encryption::Aes256 => "aes-256-cbc",
        Encryption::Aes128Gcm16 => "aes-128-gcm-16",
        Encryption::Aes256Gcm16 => "aes-256-gcm-16",
    }
}

fn ike_integrity(algorithm: Integrity) -> &'static str {
    match algorithm {
        Integrity::Sha1 => "sha1",
        Integrity::Sha2_256 => "sha256",
        Integrity::Sha2_384 => "sha384",
        Integrity::Sha2_512 => "sha512",
    }
}

fn esp_integrity(algorithm: Integrity) -> &'static str {
    match algorithm {
        Integrity::Sha1 => "hmac-sha1-96",
        Integrity::Sha2_256 => "hmac-sha2-256",
        Integrity::Sha2_384 => "hmac-sha2-384",
        Integrity::Sha2_512 => "hmac-sha2-512",
    }
}

fn group(number: Option<&u8>) -> String {
    format!("group{}", number.copied().unwrap_or(2))
}

/// A writer of indented XML.
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn open(&mut self, name: &str) {
        self.open_with(name, "");
    }

    fn open_with(&mut self, name: &str, attributes: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        self.line(&format!("<{name}{space}{attributes}>"));
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    /// An element of text. Ids, numbers, addresses and keys have no character that XML wants escaped.
    fn leaf(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(&format!("<{name}>{value}</{name}>"));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string doesn't fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = 2 * self.depth);
    }
}
