//! The one function that judges packets.

use crate::compile::{EniIndex, NextHop, Tables};
use crate::flow::{DatagramKey, FlowState};
use crate::time::Nanos;
use crate::trace::{NoTrace, Tracer};
use crate::verdict::{Drop, Outcome, ResourceId, Verdict};
use crate::walk::Walk;
use crate::wire::PacketHeader;

/// Where a packet enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// An instance sends it.
    Eni {
        /// Out of this interface.
        eni: EniIndex,
        /// To this neighbour; see [`Tables::next_hop`].
        next_hop: NextHop,
    },
    /// It comes in from the internet.
    Internet,
    /// A link-local service answers with it.
    Services,
}

/// Takes a packet from where it enters to where it leaves or is dropped. The order of the stages is told in `walk.rs`.
///
/// An appliance ends the walk: the packet is delivered to it, and what it sends on is another packet.
pub fn step<T: Tracer>(
    tables: &Tables,
    state: &mut FlowState,
    ingress: Ingress,
    packet: &PacketHeader,
    now: Nanos,
    tracer: &mut T,
) -> Verdict {
    let verdict = judge(tables, state, ingress, packet, now, tracer);
    if let Some(through) = &verdict.basis.through {
        let delivered = matches!(verdict.outcome, Outcome::Deliver(_));
        state.count_through(through, packet.size.segments.into(), packet.size.wire_bytes, delivered);
    }
    if let Outcome::Drop(Drop { resource: resource @ ResourceId::NatGateway(_), .. }) = verdict.outcome
        && let Some(gateway) = tables.gateway_index(resource)
    {
        state.count_dropped(gateway, packet.size.segments.into());
    }
    verdict
}

fn judge<T: Tracer>(
    tables: &Tables,
    state: &mut FlowState,
    ingress: Ingress,
    packet: &PacketHeader,
    now: Nanos,
    tracer: &mut T,
) -> Verdict {
    match packet.fragment {
        None => Walk::new(tables, state, packet, now, tracer).run(ingress),
        Some(fragment) => {
            let key = DatagramKey {
                from: match ingress {
                    Ingress::Eni { eni, .. } => Some(eni.0),
                    Ingress::Internet => None,
                    // A number that no interface ever gets.
                    Ingress::Services => Some(u32::MAX),
                },
                source: packet.src,
                destination: packet.dst,
                protocol: packet.protocol,
                id: fragment.id,
            };
            let mut packet = *packet;
            if fragment.first {
                state.fragments.remember(key, packet.transport, now);
            } else if let Some(transport) = state.fragments.recall(&key, now) {
                packet.transport = transport;
            }
            Walk::new(tables, state, &packet, now, tracer).run(ingress)
        }
    }
}

/// What [`step`] would say of a packet that nobody has sent. The flows take no notice of it.
pub fn preview(tables: &Tables, state: &mut FlowState, ingress: Ingress, packet: &PacketHeader, now: Nanos) -> Verdict {
    Walk::new(tables, state, packet, now, &mut NoTrace).preview().run(ingress)
}
