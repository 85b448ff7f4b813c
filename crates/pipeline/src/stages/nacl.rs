//! Network ACLs: every packet that crosses the boundary of a subnet, in either direction, judged on its own.

use openvpc_model::{Direction, NaclAction};

use crate::compile::Nacl;
use crate::trace::HeaderView;
use crate::verdict::RuleId;

/// Judges a packet: inbound by its source, outbound by its destination, both by destination port. Answers the entry that
/// decides and whether it allows.
pub(crate) fn judge(nacl: &Nacl, direction: Direction, packet: &HeaderView) -> (RuleId, bool) {
    let peer = match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    };
    let (number, action) = nacl.decide(direction, peer, packet.protocol, &packet.transport);
    (RuleId::NaclEntry(number), action == NaclAction::Allow)
}
