//! The resolver at its sockets.
//!
//! Messages are read, and questions that the network answers are answered, where they come in; only a question that is
//! forwarded gets a task of its own, so that a slow upstream holds up nobody else.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Record as WireRecord, RecordType as WireType};
use openvpc_model::{Network, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{self, Code, Outcome, Question, View};
use super::counters::{Counters, Event};
use super::message::{self, Received, Request, Transport};
use super::upstream::{Failure, Said, Upstream};
use crate::services::{Askers, Sockets};

/// How long a connection may be idle, and how many there may be per socket.
const IDLE: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 128;
/// No question is longer.
const LONGEST_DATAGRAM: usize = 4096;

/// From where a question is looked at.
#[derive(Clone, Debug)]
pub enum Standpoint {
    /// From the internet, whoever asks.
    Internet(Askers),
    /// From the VPC of whoever asks.
    Vpcs(Askers),
}

/// What all sockets share.
#[derive(Debug)]
pub struct Resolver {
    upstream: Upstream,
    counters: Counters,
}

/// What is to be done with a message.
enum Step {
    Send(Vec<u8>),
    Drop,
    Ask { request: Box<Request>, query: Query, records: Vec<WireRecord>, dns64: bool },
}

impl Resolver {
    /// A resolver that asks `upstream` what it doesn't know.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, counters: Counters::default() }
    }

    /// Who is asked what isn't known here.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What became of questions so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Answers a message, or not.
    pub async fn handle(&self, standpoint: &Standpoint, octets: &[u8], peer: IpAddr, transport: Transport) -> Option<Vec<u8>> {
        match self.begin(standpoint, octets, peer, transport) {
            Step::Send(reply) => Some(reply),
            Step::Drop => None,
            Step::Ask { request, query, records, dns64 } => self.forward(&request, query, records, dns64).await,
        }
    }

    /// Everything that needs nobody else.
    fn begin(&self, standpoint: &Standpoint, octets: &[u8], peer: IpAddr, transport: Transport) -> Step {
        let run = AssertUnwindSafe(|| self.judge(standpoint, octets, peer, transport));
        // A panic would be a fault of ours; it costs the one question.
        catch_unwind(run).unwrap_or_else(|_| {
            self.counters.count(Event::Failed);
            Step::Drop
        })
    }

    fn judge(&self, standpoint: &Standpoint, octets: &[u8], peer: IpAddr, transport: Transport) -> Step {
        let request = match message::read(octets, transport) {
            Received::Ask(request) => request,
            Received::Reject(reply, event) => {
                self.counters.count(event);
                return Step::Send(reply);
            }
            Received::Drop => {
                self.counters.count(Event::NoMessage);
                return Step::Drop;
            }
        };
        let outcome = match standpoint {
            Standpoint::Internet(askers) => Some(answer::answer(&askers.network(), View::Public, &request.question, dice())),
            Standpoint::Vpcs(askers) => {
                askers.who_in(peer).and_then(|(asker, network)| in_vpc(&network, asker.eni, &request.question))
            }
        };
        let Some(outcome) = outcome else {
            self.counters.count(Event::UnknownAsker);
            return Step::Drop;
        };
        match outcome {
            Outcome::Silent => {
                self.counters.count(Event::NoSupport);
                Step::Drop
            }
            Outcome::Answer { code, records, soa } => {
                let (code, event) = match code {
                    Code::NoError => (ResponseCode::NoError, Event::Answered),
                    Code::NxDomain => (ResponseCode::NXDomain, Event::NoName),
                    Code::ServFail => (ResponseCode::ServFail, Event::Unresolvable),
                };
                let records = records.iter().filter_map(message::wire_record).collect();
                let soa = soa.as_ref().and_then(message::wire_record).into_iter().collect();
                self.send(event, request.reply(code, records, soa, false))
            }
            Outcome::Forward { records, name, dns64 } => {
                let records: Vec<_> = records.iter().filter_map(message::wire_record).collect();
                let mut query = request.query.clone();
                if name != request.question.name
                    && let Some(name) = message::wire_name(&name)
                {
                    query.set_name(name);
                }
                if self.upstream.servers().is_empty() {
                    return self.send(Event::NowhereToAsk, request.reply(ResponseCode::NXDomain, records, Vec::new(), false));
                }
                Step::Ask { request, query, records, dns64 }
            }
        }
    }

    fn send(&self, event: Event, reply: Option<Vec<u8>>) -> Step {
        self.counters.count(if reply.is_some() { event } else { Event::Failed });
        reply.map_or(Step::Drop, Step::Send)
    }

    /// Asks upstream and answers with what it says.
    async fn forward(&self, request: &Request, query: Query, mut records: Vec<WireRecord>, dns64: bool) -> Option<Vec<u8>> {
        let (event, said) = match self.said(&query).await {
            Ok(said) => said,
            Err(failure) => {
                self.counters.count(match failure {
                    Failure::Busy => Event::UpstreamBusy,
                    Failure::Silent => Event::UpstreamSilent,
                });
                return request.reply(ResponseCode::ServFail, Vec::new(), Vec::new(), false);
            }
        };
        self.counters.count(event);
        let Said { code, mut answers, mut authorities } = said;
        let empty = !answers.iter().any(|record| record.record_type() == WireType::AAAA);
        if dns64 && code == ResponseCode::NoError && empty {
            let mut of_ipv4 = query.clone();
            of_ipv4.set_query_type(WireType::A);
            if let Ok((_, said)) = self.said(&of_ipv4).await
                && said.answers.iter().any(|record| record.record_type() == WireType::A)
            {
                answers = said.answers.into_iter().map(synthesized).collect();
                authorities.clear();
            }
        }
        records.extend(answers);
        request.reply(code, records, authorities, false)
    }

    async fn said(&self, query: &Query) -> Result<(Event, Said), Failure> {
        if let Some(said) = self.upstream.remembered(query) {
            return Ok((Event::Cached, said));
        }
        Ok((Event::Forwarded, self.upstream.ask(query).await?))
    }
}

/// Answers at these sockets until they fail.
///
/// # Errors
/// When a socket can't be used.
pub fn serve(resolver: &Arc<Resolver>, standpoint: &Standpoint, sockets: Vec<Sockets>) -> io::Result<()> {
    for Sockets { udp, tcp, .. } in sockets {
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let udp = Arc::new(UdpSocket::from_std(udp)?);
        let tcp = TcpListener::from_std(tcp)?;
        tokio::spawn(datagrams(Arc::clone(resolver), standpoint.clone(), udp));
        tokio::spawn(connections(Arc::clone(resolver), standpoint.clone(), tcp));
    }
    Ok(())
}

async fn datagrams(resolver: Arc<Resolver>, standpoint: Standpoint, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; LONGEST_DATAGRAM];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An error of an answer sent before, such as a port that nobody listens on any more; or one that would come at once
            // again, which must not take a whole processor.
            Err(error) => {
                tracing::debug!(%error, "the resolver's socket");
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        match resolver.begin(&standpoint, &buffer[..length], peer.ip(), Transport::Udp) {
            Step::Drop => {}
            Step::Send(reply) => send(&socket, &reply, peer).await,
            Step::Ask { request, query, records, dns64 } => {
                let (resolver, socket) = (Arc::clone(&resolver), Arc::clone(&socket));
                tokio::spawn(async move {
                    if let Some(reply) = resolver.forward(&request, query, records, dns64).await {
                        send(&socket, &reply, peer).await;
                    }
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(reply, peer).await {
        tracing::debug!(%error, %peer, "an answer of the resolver was not sent");
    }
}

async fn connections(resolver: Arc<Resolver>, standpoint: Standpoint, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "the resolver's listener");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let (resolver, standpoint) = (Arc::clone(&resolver), standpoint.clone());
        tokio::spawn(async move {
            let _place = place;
            // A connection that breaks is over.
            let _ = connection(&resolver, &standpoint, stream, peer.ip()).await;
        });
    }
}

async fn connection(resolver: &Resolver, standpoint: &Standpoint, mut stream: TcpStream, peer: IpAddr) -> io::Result<()> {
    loop {
        let length = timeout(IDLE, stream.read_u16()).await??;
        let mut octets = vec![0; usize::from(length)];
        timeout(IDLE, stream.read_exact(&mut octets)).await??;
        let Some(reply) = resolver.handle(standpoint, &octets, peer, Transport::Tcp).await else { return Ok(()) };
        let Ok(length) = u16::try_from(reply.len()) else { return Ok(()) };
        timeout(IDLE, stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())).await??;
    }
}

fn in_vpc(network: &Network, eni: openvpc_model::EniId, question: &Question) -> Option<Outcome> {
    let eni = network.enis.get(&eni)?;
    Some(answer::answer(network, View::Vpc(eni), question, dice()))
}

/// An A record of somebody else as an AAAA record; any other as it is.
fn synthesized(record: WireRecord) -> WireRecord {
    let Some(std::net::IpAddr::V4(address)) = record.data.ip_addr() else { return record };
    let Ok(name) = openvpc_model::DomainName::from_labels(record.name.iter()) else { return record };
    let data = openvpc_model::RecordData::V4(address);
    let made = answer::synthesized(answer::Record { name, kind: RecordType::A, ttl: record.ttl, data });
    message::wire_record(&made).unwrap_or(record)
}

/// A random number. The standard library's hash keys are random, and unpredictability isn't needed here.
fn dice() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use hickory_proto::op::Message;
    use hickory_proto::rr::Name;

    use super::*;

    fn askers(network: &Network) -> Askers {
        let tables = Arc::new(openvpc_pipeline::compile(network, None));
        Askers::new(move || Arc::clone(&tables))
    }

    async fn ask(resolver: &Resolver, standpoint: &Standpoint, name: &str) -> Option<(ResponseCode, usize)> {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), WireType::A));
        let octets = message.to_vec().unwrap();
        let reply = resolver.handle(standpoint, &octets, "192.0.2.1".parse().unwrap(), Transport::Udp).await?;
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!((reply.metadata.id, &reply.queries), (message.metadata.id, &message.queries));
        Some((reply.metadata.response_code, reply.answers.len()))
    }

    fn counted(resolver: &Resolver, reason: &str) -> u64 {
        resolver.counters().all().find(|(_, found, _)| *found == reason).unwrap().2
    }

    #[tokio::test]
    async fn a_question_goes_in_and_its_answer_comes_out() {
        let network = Network::default();
        let (resolver, internet) = (Resolver::new(Upstream::new(Vec::new())), Standpoint::Internet(askers(&network)));
        assert_eq!(ask(&resolver, &internet, "Internet.Example.").await, Some((ResponseCode::NoError, 1)));
        assert_eq!(ask(&resolver, &internet, "nothing.example.").await, Some((ResponseCode::NXDomain, 0)));
        assert_eq!((counted(&resolver, "no_error"), counted(&resolver, "lab_internet")), (1, 1));
        assert_eq!(ask(&resolver, &Standpoint::Vpcs(askers(&network)), "internet.example.").await, None, "nobody known asks");
        assert_eq!(counted(&resolver, "unknown_asker"), 1);
    }

    #[tokio::test]
    async fn a_dead_upstream_fails_its_own_questions_only() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let resolver = Resolver::new(Upstream::new(vec![silent.local_addr().unwrap()]));
        let internet = Standpoint::Internet(askers(&Network::default()));
        let slow = ask(&resolver, &internet, "somewhere.test.");
        let quick = ask(&resolver, &internet, "internet.example.");
        let (slow, quick) = tokio::join!(slow, quick);
        assert_eq!((slow, quick), (Some((ResponseCode::ServFail, 0)), Some((ResponseCode::NoError, 1))));
        assert_eq!(counted(&resolver, "upstream_silent"), 1);
    }
}
