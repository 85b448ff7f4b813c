//! Between the octets of DNS messages and questions and answers. Nothing that is received makes it panic.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record as WireRecord, RecordType as WireType};
use openvpc_model::DomainName;

use super::answer::{Question, Record};
use super::counters::Event;

/// The most octets of an answer over UDP, whatever the asker can take.
const LARGEST_DATAGRAM: u16 = 4096;
/// What everybody can take.
const SMALLEST: u16 = 512;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In one datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// A question, and what its answer must repeat.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub question: Question,
    /// The question as it came.
    pub query: Query,
    id: u16,
    recursion_desired: bool,
    checking_disabled: bool,
    edns: bool,
    largest: u16,
}

/// What a received message is.
#[derive(Clone, Debug)]
pub enum Received {
    /// A question to answer.
    Ask(Box<Request>),
    /// Something that is answered at once, and what it counts as.
    Reject(Vec<u8>, Event),
    /// Something that gets no answer.
    Drop,
}

/// Reads a message.
pub fn read(octets: &[u8], transport: Transport) -> Received {
    // An answer to an answer could go on for ever.
    if octets.len() < 12 || octets[2] & 0x80 != 0 {
        return Received::Drop;
    }
    let id = u16::from_be_bytes([octets[0], octets[1]]);
    let reject = |op_code, code, event| match Message::error_msg(id, op_code, code).to_vec() {
        Ok(reply) => Received::Reject(reply, event),
        Err(_) => Received::Drop,
    };
    let op_code = OpCode::from_u8(octets[2] >> 3 & 0x0f);
    let Ok(message) = Message::from_vec(octets) else {
        return reject(OpCode::Query, ResponseCode::FormErr, Event::Malformed);
    };
    if op_code != OpCode::Query {
        return reject(op_code, ResponseCode::NotImp, Event::NotAQuestion);
    }
    let [query] = message.queries.as_slice() else {
        return reject(op_code, ResponseCode::FormErr, Event::Malformed);
    };
    let edns = message.edns.is_some();
    let offered = message.edns.as_ref().map_or(SMALLEST, Edns::max_payload);
    let largest = match transport {
        Transport::Udp => offered.clamp(SMALLEST, LARGEST_DATAGRAM),
        Transport::Tcp => u16::MAX,
    };
    let Ok(name) = DomainName::from_labels(query.name().iter()) else {
        return reject(op_code, ResponseCode::FormErr, Event::Malformed);
    };
    let request = Request {
        question: Question { name, kind: query.query_type().into() },
        query: query.clone(),
        id,
        recursion_desired: message.metadata.recursion_desired,
        checking_disabled: message.metadata.checking_disabled,
        edns,
        largest,
    };
    let refused = |code, event| match request.reply(code, Vec::new(), Vec::new(), false) {
        Some(reply) => Received::Reject(reply, event),
        None => Received::Drop,
    };
    if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return refused(ResponseCode::BADVERS, Event::UnknownVersion);
    }
    if query.query_class() != DNSClass::IN {
        return refused(ResponseCode::Refused, Event::OtherClass);
    }
    if matches!(query.query_type(), WireType::AXFR | WireType::IXFR) {
        return refused(ResponseCode::Refused, Event::Transfer);
    }
    Received::Ask(Box::new(request))
}

impl Request {
    /// The answer that there are no records.
    pub fn empty(&self) -> Option<Vec<u8>> {
        self.reply(ResponseCode::NoError, Vec::new(), Vec::new(), false)
    }

    /// The answer with these records. What is too long for a datagram says so, and is asked for again over a connection.
    pub fn reply(
        &self,
        code: ResponseCode,
        answers: Vec<WireRecord>,
        authorities: Vec<WireRecord>,
        authoritative: bool,
    ) -> Option<Vec<u8>> {
        let mut message = Message::new(self.id, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.authoritative = authoritative;
        message.metadata.recursion_desired = self.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.checking_disabled = self.checking_disabled;
        message.add_query(self.query.clone());
        message.add_answers(answers);
        message.add_authorities(authorities);
        if self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(LARGEST_DATAGRAM);
            message.set_edns(edns);
        }
        let octets = message.to_vec().ok()?;
        if octets.len() <= usize::from(self.largest) {
            return Some(octets);
        }
        message.truncate().to_vec().ok()
    }
}

/// A record as messages have it.
pub fn wire_record(record: &Record) -> Option<WireRecord> {
    let code = WireType::from(record.kind.code());
    let data = RData::Unknown { code, rdata: NULL::with(record.data.octets()) };
    Some(WireRecord::from_rdata(wire_name(&record.name)?, record.ttl, data))
}

/// A name as messages have it.
pub fn wire_name(name: &DomainName) -> Option<Name> {
    let labels: Vec<Vec<u8>> = name.labels().collect();
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn query(name: &str, kind: WireType) -> Message {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn code(received: &Received) -> ResponseCode {
        match received {
            Received::Reject(reply, _) => Message::from_vec(reply).unwrap().metadata.response_code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_question_is_refused_or_dropped() {
        let ok = query("a.example.", WireType::A).to_vec().unwrap();
        assert!(matches!(read(&ok, Transport::Udp), Received::Ask(_)));
        assert!(matches!(read(&ok[..11], Transport::Udp), Received::Drop));
        let mut answer = ok.clone();
        answer[2] |= 0x80;
        assert!(matches!(read(&answer, Transport::Udp), Received::Drop), "an answer");
        assert_eq!(code(&read(&ok[..ok.len() - 3], Transport::Udp)), ResponseCode::FormErr);
        let mut update = ok.clone();
        update[2] |= 5 << 3;
        assert_eq!(code(&read(&update, Transport::Udp)), ResponseCode::NotImp);
        let mut two = query("a.example.", WireType::A);
        two.add_query(Query::query(Name::from_ascii("b.").unwrap(), WireType::A));
        assert_eq!(code(&read(&two.to_vec().unwrap(), Transport::Udp)), ResponseCode::FormErr);
        assert_eq!(code(&read(&query("a.", WireType::AXFR).to_vec().unwrap(), Transport::Tcp)), ResponseCode::Refused);
        let mut chaos = query("version.bind.", WireType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(code(&read(&chaos.to_vec().unwrap(), Transport::Udp)), ResponseCode::Refused);
    }

    #[test]
    fn what_is_too_long_for_a_datagram_is_cut_and_comes_whole_over_a_connection() {
        let octets = query("a.example.", WireType::TXT).to_vec().unwrap();
        let record = |_| {
            WireRecord::from_rdata(
                Name::from_ascii("a.example.").unwrap(),
                60,
                RData::Unknown { code: WireType::TXT, rdata: NULL::with(vec![7; 200]) },
            )
        };
        let reply = |transport| match read(&octets, transport) {
            Received::Ask(request) => {
                let reply = request.reply(ResponseCode::NoError, (0..9).map(record).collect(), Vec::new(), true).unwrap();
                (reply.len(), reply[2] & 2 != 0)
            }
            other => panic!("{other:?}"),
        };
        let (short, cut) = reply(Transport::Udp);
        assert!(short <= 512 && cut);
        let (long, cut) = reply(Transport::Tcp);
        assert!(long > 1800 && !cut);
    }
}
