//! How far a TCP connection is, as a security group sees it go by.

use openvpc_model::interface::TrackingTimeouts;

use crate::wire::TcpInfo;

/// A TCP segment, as far as connection tracking looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    flags: u8,
    /// The sequence number behind the segment, FIN included.
    end: u32,
    acknowledges: u32,
}

impl From<TcpInfo> for Segment {
    fn from(tcp: TcpInfo) -> Self {
        let fin = u32::from(tcp.flags & TcpInfo::FIN != 0);
        Self { flags: tcp.flags, end: tcp.seq.wrapping_add(tcp.payload_len).wrapping_add(fin), acknowledges: tcp.ack }
    }
}

impl Segment {
    /// Whether it opens a connection: SYN without ACK.
    pub fn opens(&self) -> bool {
        self.flags & (TcpInfo::SYN | TcpInfo::ACK) == TcpInfo::SYN
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Which of the two ends sent a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that sent the first packet.
    Originator,
    /// The other.
    Responder,
}

/// A connection.
///
/// Sequence numbers are looked at only to know which FIN an acknowledgement covers; whether a segment is inside the window
/// is the endpoints' business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    phase: Phase,
    ends: [End; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A SYN went by.
    SynSent,
    /// Its answer went by.
    SynAnswered,
    /// The handshake is complete.
    Established,
    /// Both FINs are acknowledged, or one end reset the connection.
    Closed,
}

/// How far one end is with closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// It sent a FIN; the number acknowledges it.
    Finished(u32),
    /// Its FIN is acknowledged.
    Acknowledged,
}

impl Connection {
    /// A connection of which the first SYN goes by.
    pub fn opening() -> Self {
        Self { phase: Phase::SynSent, ends: [End::Open; 2] }
    }

    /// Takes notice of a segment.
    pub fn advance(&mut self, side: Side, segment: Segment) {
        if segment.has(TcpInfo::RST) {
            self.phase = Phase::Closed;
            return;
        }
        let (own, other) = match side {
            Side::Originator => (0, 1),
            Side::Responder => (1, 0),
        };
        self.phase = match (self.phase, side) {
            (Phase::SynSent, Side::Responder) if segment.has(TcpInfo::SYN) => Phase::SynAnswered,
            (Phase::SynAnswered, Side::Originator) if segment.has(TcpInfo::ACK) && !segment.has(TcpInfo::SYN) => {
                Phase::Established
            }
            (phase, _) => phase,
        };
        if segment.has(TcpInfo::ACK)
            && let End::Finished(number) = self.ends[other]
            && segment.acknowledges.wrapping_sub(number) < 1 << 31
        {
            self.ends[other] = End::Acknowledged;
        }
        if segment.has(TcpInfo::FIN) && self.ends[own] == End::Open {
            self.ends[own] = End::Finished(segment.end);
        }
        if self.ends == [End::Acknowledged; 2] {
            self.phase = Phase::Closed;
        }
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// After how many seconds without a packet the connection is forgotten.
    pub fn timeout(&self, settings: &TrackingTimeouts) -> u32 {
        let established = settings.tcp_established.unwrap_or(ESTABLISHED);
        match (self.phase, self.ends) {
            (Phase::Closed, _) => CLOSED,
            (_, [End::Finished(_) | End::Acknowledged, End::Finished(_) | End::Acknowledged]) => CLOSING,
            (Phase::SynSent | Phase::SynAnswered, _) => OPENING,
            (Phase::Established, [End::Open, End::Open]) => established,
            (Phase::Established, _) => established.min(HALF_CLOSED),
        }
    }
}

/// Default of TcpEstablishedTimeout, in seconds.
pub(crate) const ESTABLISHED: u32 = 432_000;
/// Handshake not complete. AWS doesn't document it; this is what a client's SYN retransmissions take at most.
pub(crate) const OPENING: u32 = 60;
/// One end has finished, the other may still send.
pub(crate) const HALF_CLOSED: u32 = 3_600;
/// Both ends have finished, an acknowledgement is missing.
pub(crate) const CLOSING: u32 = 60;
/// How long a closed connection is remembered, so that late packets are refused as AWS's flow logs show it.
pub(crate) const CLOSED: u32 = 60;
