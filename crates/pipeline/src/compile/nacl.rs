//! Network ACLs.

use std::net::IpAddr;

use openvpc_model::{Direction, NaclAction, NaclId, NetworkAcl};

use super::groups::rule_match;
use crate::matching::{PeerMatch, RuleSet};
use crate::wire::Transport;

/// A network ACL compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nacl {
    pub id: NaclId,
    ingress: Entries,
    egress: Entries,
}

/// The entries of one direction, lower numbers first.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entries {
    set: RuleSet,
    /// Number and action of each.
    entries: Vec<(u16, NaclAction)>,
}

impl Nacl {
    pub fn compile(nacl: &NetworkAcl) -> Self {
        Self {
            id: nacl.id,
            ingress: Entries::compile(nacl, Direction::Ingress),
            egress: Entries::compile(nacl, Direction::Egress),
        }
    }

    /// An ACL with the fixed denies only, for a subnet whose ACL is missing.
    pub fn closed(id: NaclId) -> Self {
        Self { id, ingress: Entries::default(), egress: Entries::default() }
    }

    /// The number and action of the entry that decides on a packet from (ingress) or to (egress) a peer.
    #[inline]
    pub fn decide(&self, direction: Direction, peer: IpAddr, protocol: u8, transport: &Transport) -> (u16, NaclAction) {
        let entries = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let first = entries.set.first_match(peer, &[], protocol, transport);
        let found = first.and_then(|index| entries.entries.get(index as usize).copied());
        found.unwrap_or(match peer {
            IpAddr::V4(_) => (NetworkAcl::DENY_IPV4, NaclAction::Deny),
            IpAddr::V6(_) => (NetworkAcl::DENY_IPV6, NaclAction::Deny),
        })
    }
}

impl Entries {
    fn compile(nacl: &NetworkAcl, direction: Direction) -> Self {
        let mut entries: Vec<_> = nacl.entries.iter().filter(|entry| entry.direction == direction).collect();
        entries.sort_by_key(|entry| entry.number);
        let matches: Vec<_> =
            entries.iter().map(|entry| (PeerMatch::Cidr(entry.block), rule_match(entry.protocol, entry.ports))).collect();
        Self { set: RuleSet::new(&matches), entries: entries.iter().map(|entry| (entry.number, entry.action)).collect() }
    }
}
