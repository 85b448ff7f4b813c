//! How far a connection is, in the memory that the program moves it in; `struct connection` of `bpf/layout.h`.

use std::sync::atomic::Ordering::{Relaxed, Release};

use openvpc_pipeline::{Connection, End, Exchanges, FlowKey, Phase, Progress};

use crate::kernel::layout::SharedConnection;

pub(super) fn state(connection: &SharedConnection) -> [u8; 8] {
    std::array::from_fn(|octet| connection.state[octet].load(Relaxed))
}

/// How far a connection is that the program carries; none for flows that nobody tracks.
pub(super) fn progress(connection: &SharedConnection) -> Option<Progress> {
    let [kind, _, phase, originator, responder, asking, exchanges, _] = state(connection);
    let end = |octet, which: usize| match octet {
        0 => End::Open,
        1 => End::Finished(connection.finished[which].load(Relaxed)),
        _ => End::Acknowledged,
    };
    Some(match kind {
        TCP_CONNECTION => {
            let ends = [end(originator, 0), end(responder, 1)];
            let phase = match phase {
                _ if ends == [End::Acknowledged; 2] => Phase::Closed,
                0 => Phase::SynSent,
                1 => Phase::SynAnswered,
                2 => Phase::Established,
                _ => Phase::Closed,
            };
            Progress::Tcp(Connection { phase, ends })
        }
        UDP_EXCHANGES => Progress::Udp(Exchanges { completed: exchanges, asking: asking != 0 }),
        ICMP_QUERY => Progress::Icmp,
        OTHER => Progress::Other,
        _ => return None,
    })
}

/// At which ends a flow is tracked: where its packets leave an interface 1, where they come to one 2; at a gateway on the way 4.
pub(super) fn places(flows: &[Option<FlowKey>; 2], at_gateway: bool) -> u8 {
    u8::from(flows[0].is_some()) | u8::from(flows[1].is_some()) << 1 | u8::from(at_gateway) << 2
}

/// Writes how far a connection is, which direction it began in, and at which ends it is tracked.
pub(super) fn set_connection(connection: &SharedConnection, tracking: Option<(Progress, u8, u8)>) {
    let mut state = [0; 8];
    if let Some((progress, originator, tracked_at)) = tracking {
        (state[1], state[7]) = (originator, tracked_at);
        match progress {
            Progress::Tcp(Connection { phase, ends }) => {
                state[0] = TCP_CONNECTION;
                state[2] = match phase {
                    Phase::SynSent => 0,
                    Phase::SynAnswered => 1,
                    Phase::Established => 2,
                    Phase::Closed => 3,
                };
                for (which, end) in ends.into_iter().enumerate() {
                    state[3 + which] = match end {
                        End::Open => 0,
                        End::Finished(number) => {
                            connection.finished[which].store(number, Relaxed);
                            1
                        }
                        End::Acknowledged => 2,
                    };
                }
            }
            Progress::Udp(Exchanges { completed, asking }) => {
                (state[0], state[5], state[6]) = (UDP_EXCHANGES, asking.into(), completed);
            }
            Progress::Icmp => state[0] = ICMP_QUERY,
            Progress::Other => state[0] = OTHER,
        }
    }
    for (place, octet) in connection.state.iter().zip(state) {
        place.store(octet, Release);
    }
}

/// The kinds of `struct connection`.
const TCP_CONNECTION: u8 = 1;
const UDP_EXCHANGES: u8 = 2;
const OTHER: u8 = 3;
const ICMP_QUERY: u8 = 4;
