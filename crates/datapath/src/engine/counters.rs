//! What the engine counts.

use std::fmt;

use openvpc_pipeline::verdict::Code;
use openvpc_pipeline::wire::Malformed;
use openvpc_pipeline::{EniIndex, GatewayCounters, ResourceId};

/// All counters at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EngineCounters {
    /// Of each connected interface.
    pub enis: Vec<(EniIndex, PortCounters)>,
    /// Of the uplink, when there is one.
    pub uplink: Option<PortCounters>,
    /// Of the link-local services, when they are there.
    pub services: Option<PortCounters>,
    /// Of all interfaces together that no longer exist, so that sums never fall.
    pub departed: PortCounters,
    /// How many interfaces are connected now.
    pub connected: u64,
    /// How many flows are tracked now.
    pub tracked_flows: u64,
    /// How many flows NAT gateways and egress-only internet gateways remember now.
    pub mappings: u64,
    /// What each of these gateways counted.
    pub gateways: Vec<(ResourceId, GatewayCounters)>,
    /// Frames that arrived faster than they could be taken, over all ports; the kernel dropped them.
    pub overruns: u64,
    /// Frames longer than any packet, or with an offload that can't be expressed; never judged.
    pub unusable: u64,
}

/// What passed one port. Packets and bytes are counted as flow logs count them: a super-packet is the packets it becomes
/// on the wire, and bytes are those of IP datagrams without the link header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortCounters {
    /// From the instance (or the internet): every packet that was judged, whatever became of it.
    pub received: Traffic,
    /// To the instance (or the internet): every packet that was let through to it.
    pub sent: Traffic,
    /// ICMP errors and answers of the router, sent to the instance besides.
    pub answers: u64,
    /// What was dropped: by cause, those that came in by this port; and [`LinkDrop::SendQueueFull`], those on their way
    /// out by it.
    pub drops: Drops,
}

impl PortCounters {
    /// Adds what passed another port.
    pub fn merge(&mut self, other: &Self) {
        self.received.merge(other.received);
        self.sent.merge(other.sent);
        self.answers += other.answers;
        for (reason, packets) in other.drops.iter() {
            self.drops.count(reason, packets);
        }
    }
}

/// A number of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Frames as the engine saw them; a super-packet is one.
    pub frames: u64,
    /// IP packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, packets: u64, bytes: u64) {
        self.frames += 1;
        self.packets += packets;
        self.bytes += bytes;
    }

    fn merge(&mut self, other: Self) {
        self.frames += other.frames;
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// Why a frame was dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DropReason {
    /// Something about the frame, before or after the packet was judged.
    Link(LinkDrop),
    /// It isn't an IP packet that anybody would forward.
    Malformed(Malformed),
    /// The packet was judged, and this is why it ended.
    Policy(Code),
}

macro_rules! link_drops {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Why a frame was dropped without the pipeline having said so.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum LinkDrop {
            $($(#[$doc])* $name,)*
        }

        impl LinkDrop {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The reason as text, spelled like the pipeline's own codes.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

link_drops! {
    /// To the broadcast address and not ARP.
    Broadcast = "OPENVPC_BROADCAST";
    /// An ARP message that does not parse.
    MalformedArp = "OPENVPC_MALFORMED_ARP";
    /// A DHCP message that does not parse, or is about another hardware address.
    MalformedDhcp = "OPENVPC_MALFORMED_DHCP";
    /// A neighbour discovery message that does not parse, or was routed, or hides behind extension headers.
    MalformedNeighborDiscovery = "OPENVPC_MALFORMED_NEIGHBOR_DISCOVERY";
    /// A checksum or segmentation request that does not fit the packet.
    MalformedOffload = "OPENVPC_MALFORMED_OFFLOAD";
    /// To a multicast address.
    Multicast = "OPENVPC_MULTICAST";
    /// A flow that the kernel tier doesn't know, of a link that had more of them than its share.
    MissBudget = "OPENVPC_MISS_BUDGET_EXCEEDED";
    /// The interface it was let through to is not connected here.
    NotConnected = "OPENVPC_NOT_CONNECTED";
    /// The engine stumbled over it: a bug.
    Panic = "OPENVPC_ENGINE_PANIC";
    /// More DHCP messages and router solicitations than the router answers to an interface in a second.
    RouterBusy = "OPENVPC_ROUTER_BUSY";
    /// Shorter than an Ethernet header.
    Runt = "OPENVPC_RUNT_FRAME";
    /// The link it was let through to took no more.
    SendQueueFull = "OPENVPC_SEND_QUEUE_FULL";
    /// An ARP message that speaks for an address which isn't the sender's.
    SpoofedArp = "OPENVPC_SPOOFED_ARP";
    /// From a hardware address that isn't the sender's.
    SpoofedMac = "OPENVPC_SPOOFED_MAC";
    /// A neighbour discovery message that speaks for an address which isn't the sender's, or for a router.
    SpoofedNeighborDiscovery = "OPENVPC_SPOOFED_NEIGHBOR_DISCOVERY";
    /// Neither IP nor ARP.
    UnknownEthertype = "OPENVPC_UNKNOWN_ETHERTYPE";
    /// To a hardware address that nobody in the subnet has.
    UnknownUnicast = "OPENVPC_UNKNOWN_UNICAST";
    /// A NAT gateway has no words for it in the other family.
    Untranslatable = "OPENVPC_NAT64_UNTRANSLATABLE";
}

/// Dropped packets by reason; frames, where they were not read as packets.
#[derive(Clone, PartialEq, Eq)]
pub struct Drops {
    link: [u64; LinkDrop::ALL.len()],
    malformed: [u64; Malformed::ALL.len()],
    policy: [u64; Code::ALL.len()],
}

impl Drops {
    pub(super) fn count(&mut self, reason: DropReason, packets: u64) {
        match reason {
            DropReason::Link(drop) => self.link[drop as usize] += packets,
            DropReason::Malformed(malformed) => self.malformed[malformed as usize] += packets,
            DropReason::Policy(code) => self.policy[code as usize] += packets,
        }
    }

    /// How many were dropped for that reason.
    pub fn of(&self, reason: impl Into<DropReason>) -> u64 {
        match reason.into() {
            DropReason::Link(drop) => self.link[drop as usize],
            DropReason::Malformed(malformed) => self.malformed[malformed as usize],
            DropReason::Policy(code) => self.policy[code as usize],
        }
    }

    /// The reasons that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        let link = LinkDrop::ALL.iter().map(|drop| DropReason::Link(*drop)).zip(self.link);
        let malformed = Malformed::ALL.iter().map(|malformed| DropReason::Malformed(*malformed)).zip(self.malformed);
        let policy = Code::ALL.iter().map(|code| DropReason::Policy(*code)).zip(self.policy);
        link.chain(malformed).chain(policy).filter(|(_, frames)| *frames > 0)
    }
}

impl Default for Drops {
    fn default() -> Self {
        Self { link: [0; LinkDrop::ALL.len()], malformed: [0; Malformed::ALL.len()], policy: [0; Code::ALL.len()] }
    }
}

impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(reason, frames)| (reason.as_str(), frames))).finish()
    }
}

impl DropReason {
    /// The reason as text: the pipeline's code, or [`LinkDrop::as_str`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link(drop) => drop.as_str(),
            Self::Malformed(malformed) => malformed.as_str(),
            Self::Policy(code) => code.as_str(),
        }
    }
}

impl From<LinkDrop> for DropReason {
    fn from(drop: LinkDrop) -> Self {
        Self::Link(drop)
    }
}

impl From<Malformed> for DropReason {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Code> for DropReason {
    fn from(code: Code) -> Self {
        Self::Policy(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let mut drops = Drops::default();
        let all = LinkDrop::ALL.iter().map(|drop| DropReason::from(*drop));
        let all = all.chain(Malformed::ALL.iter().map(|malformed| (*malformed).into()));
        let all = all.chain(Code::ALL.iter().map(|code| (*code).into()));
        for (number, reason) in all.enumerate() {
            drops.count(reason, number as u64 + 1);
        }
        assert_eq!(drops.iter().map(|(_, frames)| frames).sum::<u64>(), {
            let count = (LinkDrop::ALL.len() + Malformed::ALL.len() + Code::ALL.len()) as u64;
            count * (count + 1) / 2
        });
        for (reason, frames) in drops.iter() {
            assert_eq!(drops.of(reason), frames);
        }
    }
}
