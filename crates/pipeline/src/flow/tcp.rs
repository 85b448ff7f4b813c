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
pub struct Connection {
    /// How far it was opened, or that it is over.
    pub phase: Phase,
    /// How far originator and responder are with closing.
    pub ends: [End; 2],
}

/// How far a connection was opened, or that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
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
pub enum End {
    /// It has sent no FIN.
    Open,
    /// It sent a FIN; the number acknowledges it.
    Finished(u32),
    /// Its FIN is acknowledged.
    Acknowledged,
}

impl Connection {
    /// A connection of which the first SYN goes by.
    pub(crate) fn opening() -> Self {
        Self { phase: Phase::SynSent, ends: [End::Open; 2] }
    }

    /// Takes notice of a segment.
    pub(crate) fn advance(&mut self, side: Side, segment: Segment) {
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

    /// Takes notice of a segment of either end: for tests of those who take connections further elsewhere.
    #[cfg(any(test, feature = "testing"))]
    pub fn meet(&mut self, is_originators: bool, tcp: TcpInfo) {
        self.advance(if is_originators { Side::Originator } else { Side::Responder }, tcp.into());
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

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: u8 = TcpInfo::SYN;
    const FIN: u8 = TcpInfo::FIN;
    const ACK: u8 = TcpInfo::ACK;

    fn segment(flags: u8, seq: u32, ack: u32, payload_len: u32) -> Segment {
        Segment::from(TcpInfo { flags, seq, ack, payload_len })
    }

    fn established() -> Connection {
        let mut connection = Connection::opening();
        connection.advance(Side::Responder, segment(SYN | ACK, 500, 101, 0));
        connection.advance(Side::Originator, segment(ACK, 101, 501, 0));
        connection
    }

    #[test]
    fn each_phase_has_its_timeout() {
        let settings = TrackingTimeouts { tcp_established: Some(1000), ..TrackingTimeouts::default() };
        let mut connection = Connection::opening();
        assert_eq!(connection.timeout(&settings), OPENING);
        connection.advance(Side::Responder, segment(SYN | ACK, 500, 101, 0));
        assert_eq!(connection.timeout(&settings), OPENING);
        connection.advance(Side::Originator, segment(ACK, 101, 501, 0));
        assert_eq!(connection.timeout(&settings), 1000);
        assert_eq!(connection.timeout(&TrackingTimeouts::default()), ESTABLISHED);
        connection.advance(Side::Responder, segment(FIN | ACK, 501, 101, 0));
        assert_eq!(connection.timeout(&TrackingTimeouts::default()), HALF_CLOSED);
        assert_eq!(connection.timeout(&settings), 1000);
        connection.advance(Side::Originator, segment(FIN | ACK, 101, 502, 0));
        assert_eq!(connection.timeout(&settings), CLOSING);
        connection.advance(Side::Responder, segment(ACK, 502, 102, 0));
        assert!(connection.is_closed());
        assert_eq!(connection.timeout(&settings), CLOSED);
    }

    #[test]
    fn a_fin_with_data_is_acknowledged_behind_the_data_even_where_numbers_wrap() {
        let mut connection = established();
        let end = u32::MAX - 10;
        connection.advance(Side::Originator, segment(FIN | ACK, end, 501, 100));
        connection.advance(Side::Responder, segment(FIN | ACK, 501, end, 0));
        connection.advance(Side::Originator, segment(ACK, end.wrapping_add(101), 502, 0));
        assert!(!connection.is_closed(), "the data isn't acknowledged");
        connection.advance(Side::Responder, segment(ACK, 502, end.wrapping_add(101), 0));
        assert!(connection.is_closed());
    }

    #[test]
    fn a_reset_closes_in_any_phase() {
        for mut connection in [Connection::opening(), established()] {
            connection.advance(Side::Responder, segment(TcpInfo::RST | ACK, 0, 101, 0));
            assert!(connection.is_closed());
        }
    }

    #[test]
    fn an_answer_alone_does_not_establish() {
        let mut connection = Connection::opening();
        connection.advance(Side::Originator, segment(ACK, 101, 501, 0));
        connection.advance(Side::Responder, segment(ACK, 501, 101, 0));
        assert_eq!(connection.timeout(&TrackingTimeouts::default()), OPENING);
    }
}
