//! Network interfaces.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    AddressAssociationId, EniAttachmentId, EniId, InstanceId, Owner, SecurityGroupId, SubnetId, Tags, UnixMillis, VpcId, Zone,
};

/// An elastic network interface. See "Elastic network interfaces" in the EC2 User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// The interface's id.
    pub id: EniId,
    /// Owning account and region.
    pub owner: Owner,
    /// The subnet it belongs to for life.
    pub subnet: SubnetId,
    /// The subnet's VPC.
    pub vpc: VpcId,
    /// The subnet's zone.
    pub zone: Zone,
    /// Fixed at creation.
    pub mac: MacAddress,
    /// The user's text.
    pub description: String,
    /// `interface`, or what a service made it for.
    pub interface_type: String,
    /// Whether a service made it and users may not change it.
    pub requester_managed: bool,
    /// Private IPv4 addresses; the first is the primary one. Empty only in an IPv6-only subnet.
    pub private_addresses: Vec<PrivateAddress>,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// Delegated IPv4 prefixes: all their addresses are the interface's.
    #[serde(default)]
    pub ipv4_prefixes: Vec<Ipv4Net>,
    /// Delegated IPv6 prefixes.
    #[serde(default)]
    pub ipv6_prefixes: Vec<Ipv6Net>,
    /// Security groups, in the order given; empty only for some that services made.
    pub groups: Vec<SecurityGroupId>,
    /// Whether packets with foreign addresses are dropped.
    pub source_dest_check: bool,
    /// As the primary interface of an instance: whether it gets a public IPv4 address each time the instance starts.
    #[serde(default)]
    pub associate_public_ip: bool,
    /// The instance that carries it.
    pub attachment: Option<Attachment>,
    /// How it was last in an instance, and when that ended; none while it is in one.
    #[serde(default)]
    pub detached: Option<(Attachment, UnixMillis)>,
    /// What is no instance of ours and carries it: a virtual machine or a container. Never together with `attachment`.
    #[serde(default)]
    pub outside: Option<OutsideAttachment>,
    /// Connection-tracking timeouts, where they differ from the defaults.
    pub tracking: TrackingTimeouts,
    /// Tags.
    pub tags: Tags,
}

impl NetworkInterface {
    /// The primary private IPv4 address.
    pub fn primary_ipv4(&self) -> Option<Ipv4Addr> {
        self.private_addresses.first().map(|a| a.address)
    }

    /// Whether the address is one of the interface's own private or IPv6 addresses, those of delegated prefixes included.
    pub fn owns(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                self.private_addresses.iter().any(|a| a.address == v4) || self.ipv4_prefixes.iter().any(|p| p.contains(&v4))
            }
            IpAddr::V6(v6) => self.ipv6_addresses.contains(&v6) || self.ipv6_prefixes.iter().any(|p| p.contains(&v6)),
        }
    }

    /// Who has it, if somebody has: an instance, or [`OUTSIDE_OWNER`].
    pub fn user(&self) -> Option<String> {
        let instance = self.attachment.as_ref().map(|attachment| attachment.instance.to_string());
        instance.or_else(|| self.outside.as_ref().map(|_| OUTSIDE_OWNER.to_owned()))
    }

    /// All delegated prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = self.ipv4_prefixes.iter().copied().map(IpNet::V4);
        v4.chain(self.ipv6_prefixes.iter().copied().map(IpNet::V6))
    }

    /// All private and IPv6 addresses, those of prefixes left out.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.private_addresses.iter().map(|a| IpAddr::V4(a.address));
        v4.chain(self.ipv6_addresses.iter().copied().map(IpAddr::V6))
    }
}

/// One private IPv4 address and the public one that stands for it at the internet gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateAddress {
    /// The private address.
    pub address: Ipv4Addr,
    /// The public address, auto-assigned or Elastic.
    pub public: Option<PublicMapping>,
}

/// A public IPv4 address that the internet gateway translates to a private one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicMapping {
    /// The public address.
    pub address: Ipv4Addr,
    /// The Elastic IP's association; none when the address was assigned at launch.
    pub association: Option<AddressAssociationId>,
}

/// An interface in an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The attachment's id.
    pub id: EniAttachmentId,
    /// The instance.
    pub instance: InstanceId,
    /// 0 is the primary interface, which can't be detached.
    pub device_index: u16,
    /// Whether the interface goes when the instance does.
    pub delete_on_termination: bool,
    /// When it was attached.
    pub attached_at: UnixMillis,
}

/// An interface in a virtual machine or a container that `openvpc attach` bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideAttachment {
    /// The attachment's id.
    pub id: EniAttachmentId,
    /// When it was attached.
    pub attached_at: UnixMillis,
}

/// Whose instances those are that are none of ours, where answers name an owner.
pub const OUTSIDE_OWNER: &str = "openvpc-attach";

/// Idle timeouts in seconds; none means the default of the VPC's connection tracking.
/// See "Idle connection tracking timeout" in the EC2 User Guide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingTimeouts {
    /// Established TCP, 60–432,000.
    pub tcp_established: Option<u32>,
    /// UDP with more than one exchange, 60–180.
    pub udp_stream: Option<u32>,
    /// UDP in one direction or with one exchange, 30–60.
    pub udp: Option<u32>,
}

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// A locally administered unicast address, first octet 02 or 06 as EC2's are.
    pub fn from_random(bits: u64) -> Self {
        let [_, _, first, b, c, d, e, f] = bits.to_be_bytes();
        Self([if first & 1 == 0 { 0x02 } else { 0x06 }, b, c, d, e, f])
    }

    /// The IPv6 link-local address made from it (modified EUI-64, RFC 4291 appendix A).
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("a hardware address is six pairs of hexadecimal digits, not \"{text}\"");
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        parts.next().map_or(Ok(Self(octets)), |_| Err(bad()))
    }
}

impl TryFrom<String> for MacAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}
