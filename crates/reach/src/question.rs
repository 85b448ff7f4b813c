//! A question as a user puts it, turned into one that can be walked.

use std::net::{IpAddr, Ipv4Addr};

use openvpc_model::{EniId, InstanceId, Network, NetworkInterface, Owner, Protocol};

/// A question: can a packet of this kind get from here to there, and its answer back?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where the packet starts.
    pub start: Start,
    /// Whom it is for.
    pub destination: Destination,
    /// The IP protocol's number.
    pub protocol: u8,
    /// The destination port; for TCP and UDP.
    pub port: u16,
    /// The source port; for TCP and UDP.
    pub source_port: u16,
}

/// Where a packet starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an interface, from its primary address of the destination's family.
    Eni(EniId),
    /// On the internet, from that address.
    Internet(IpAddr),
}

/// Whom a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, as the source writes it.
    Address(IpAddr),
    /// An interface, by the address that a source at `Start` would use.
    Eni(EniId),
}

/// What makes a question unanswerable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The text names nothing.
    #[error("\"{0}\" is no instance id, no network interface id and no address")]
    Unreadable(String),
    /// The resource isn't there.
    #[error("{0} does not exist in this account and region")]
    Unknown(String),
    /// The protocol isn't one.
    #[error("\"{0}\" is no protocol: use tcp, udp, icmp, icmpv6 or a number from 0 to 255")]
    Protocol(String),
    /// TCP and UDP need a port.
    #[error("{0} needs a destination port: add --port")]
    Port(String),
    /// The source has no address of the destination's family.
    #[error("{from} has no {family} address, so it can't send to {to}")]
    Family {
        /// The source.
        from: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The destination.
        to: String,
    },
    /// The destination has no address at all.
    #[error("{0} has no address")]
    Addressless(String),
}

impl Question {
    /// The source port of questions that name none: the first of the ephemeral range of most systems.
    pub const DEFAULT_SOURCE_PORT: u16 = 49152;

    /// Reads a question of an account in a region.
    ///
    /// # Errors
    /// When a part of it can't be read or names what isn't there.
    pub fn parse(
        network: &Network,
        owner: &Owner,
        from: &str,
        to: &str,
        protocol: &str,
        port: Option<u16>,
        source_port: Option<u16>,
    ) -> Result<Self, QuestionError> {
        let start = match place(network, owner, from)? {
            Place::Eni(eni) => Start::Eni(eni),
            Place::Address(address) => Start::Internet(address),
        };
        let destination = match place(network, owner, to)? {
            Place::Eni(eni) => Destination::Eni(eni),
            Place::Address(address) => Destination::Address(address),
        };
        let Some(Protocol::Number(number)) = Protocol::parse(protocol) else {
            return Err(QuestionError::Protocol(protocol.to_owned()));
        };
        if port.is_none() && Protocol::Number(number).has_ports() {
            return Err(QuestionError::Port(protocol.to_owned()));
        }
        let source_port = source_port.unwrap_or(Self::DEFAULT_SOURCE_PORT);
        Ok(Self { start, destination, protocol: number, port: port.unwrap_or(0), source_port })
    }

    /// Source and destination address as the source writes them in the packet.
    ///
    /// # Errors
    /// When one of the two has no address of the other's family.
    pub fn addresses(&self, network: &Network) -> Result<(IpAddr, IpAddr), QuestionError> {
        let eni = |id: EniId| network.get::<NetworkInterface>(&id).ok_or_else(|| QuestionError::Unknown(id.to_string()));
        let to = match self.destination {
            Destination::Address(address) => address,
            Destination::Eni(id) => {
                let target = eni(id)?;
                let address = match self.start {
                    Start::Internet(from) => public_address(target, from),
                    Start::Eni(_) => private_address(target, self.protocol),
                };
                address.ok_or_else(|| QuestionError::Addressless(id.to_string()))?
            }
        };
        let from = match self.start {
            Start::Internet(address) if address.is_ipv4() == to.is_ipv4() => Some(address),
            Start::Internet(_) => None,
            Start::Eni(id) => eni(id)?.addresses().find(|address| address.is_ipv4() == to.is_ipv4()),
        };
        let from = from.ok_or_else(|| QuestionError::Family {
            from: match self.start {
                Start::Internet(address) => address.to_string(),
                Start::Eni(id) => id.to_string(),
            },
            family: if to.is_ipv4() { "IPv4" } else { "IPv6" },
            to: to.to_string(),
        })?;
        Ok((from, to))
    }
}

/// What a text names.
enum Place {
    Eni(EniId),
    Address(IpAddr),
}

fn place(network: &Network, owner: &Owner, text: &str) -> Result<Place, QuestionError> {
    let unknown = || QuestionError::Unknown(text.to_owned());
    if let Ok(address) = text.parse() {
        return Ok(Place::Address(address));
    }
    if let Ok(id) = text.parse::<EniId>() {
        let eni = network.enis.get(&id).filter(|eni| eni.owner == *owner).ok_or_else(unknown)?;
        return Ok(Place::Eni(eni.id));
    }
    if let Ok(id) = text.parse::<InstanceId>() {
        let instance = network.instances.get(&id).filter(|instance| instance.owner == *owner).ok_or_else(unknown)?;
        return Ok(Place::Eni(instance.primary_eni));
    }
    Err(QuestionError::Unreadable(text.to_owned()))
}

/// The address by which the internet knows an interface: its public IPv4 address, or its IPv6 address. An interface
/// without a public IPv4 address is asked for by its private one, which then fails with the reason.
fn public_address(eni: &NetworkInterface, from: IpAddr) -> Option<IpAddr> {
    if from.is_ipv6() {
        return eni.ipv6_addresses.first().copied().map(IpAddr::V6);
    }
    let public = eni.private_addresses.iter().find_map(|address| address.public.as_ref().map(|public| public.address));
    let private: Option<Ipv4Addr> = eni.primary_ipv4();
    public.or(private).map(IpAddr::V4)
}

/// The address by which its own network knows an interface.
fn private_address(eni: &NetworkInterface, protocol: u8) -> Option<IpAddr> {
    if Protocol::Number(protocol) == Protocol::ICMPV6 {
        return eni.ipv6_addresses.first().copied().map(IpAddr::V6);
    }
    eni.addresses().next()
}
