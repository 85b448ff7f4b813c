//! Who is asked what nobody here knows, and what they said lately.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long all attempts together may take.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long one server is waited for, when there are others.
const ATTEMPT: Duration = Duration::from_millis(1200);
/// How many questions may wait at once.
const WAITING: usize = 256;
const CACHED: usize = 4096;
const LONGEST_CACHED: u32 = 24 * 60 * 60;
/// Unknown names without a SOA record of their own.
const UNKNOWN_CACHED: u32 = 5;

/// The servers beyond, and a memory of their answers.
#[derive(Debug)]
pub struct Upstream {
    servers: Vec<SocketAddr>,
    waiting: Semaphore,
    cache: Mutex<HashMap<(String, RecordType), Cached>>,
}

/// An answer that is remembered.
#[derive(Debug)]
struct Cached {
    since: Instant,
    until: Instant,
    said: Said,
}

/// What upstream said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its code.
    pub code: ResponseCode,
    /// Its answers.
    pub answers: Vec<Record>,
    /// Its authorities.
    pub authorities: Vec<Record>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many questions wait.
    Busy,
    /// Nobody answered in time.
    Silent,
}

impl Upstream {
    /// None at all is the lab internet, beyond which there is nothing.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, waiting: Semaphore::new(WAITING), cache: Mutex::default() }
    }

    /// The servers.
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// What was said lately, with the time that is left of it.
    pub fn remembered(&self, query: &Query) -> Option<Said> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let Cached { since, until, said } = cache.get(&key(query))?;
        let now = Instant::now();
        if now >= *until {
            return None;
        }
        let passed = u32::try_from(now.duration_since(*since).as_secs()).unwrap_or(u32::MAX);
        let mut said = said.clone();
        for record in said.answers.iter_mut().chain(&mut said.authorities) {
            record.ttl = record.ttl.saturating_sub(passed);
        }
        Some(said)
    }

    /// Asks one server after the other.
    ///
    /// # Errors
    /// When none answers in time, or too many questions wait already.
    pub async fn ask(&self, query: &Query) -> Result<Said, Failure> {
        let _place = self.waiting.try_acquire().map_err(|_| Failure::Busy)?;
        let all = async {
            for server in &self.servers {
                if let Ok(Ok(said)) = timeout(ATTEMPT, ask(*server, query)).await {
                    return Some(said);
                }
            }
            None
        };
        let said = timeout(PATIENCE, all).await.ok().flatten().ok_or(Failure::Silent)?;
        self.remember(query, &said);
        Ok(said)
    }

    fn remember(&self, query: &Query, said: &Said) {
        let shortest = said.answers.iter().map(|record| record.ttl).min();
        let negative = || said.authorities.iter().find(|record| record.record_type() == RecordType::SOA).map(|record| record.ttl);
        let seconds = match said.code {
            ResponseCode::NoError | ResponseCode::NXDomain => shortest.or_else(negative).unwrap_or(UNKNOWN_CACHED),
            _ => return,
        };
        if seconds == 0 {
            return;
        }
        let now = Instant::now();
        let until = now + Duration::from_secs(u64::from(seconds.min(LONGEST_CACHED)));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED {
            cache.retain(|_, cached| cached.until > now);
        }
        if cache.len() >= CACHED {
            // All of it is still good: forgetting it costs a question each.
            cache.clear();
        }
        cache.insert(key(query), Cached { since: now, until, said: said.clone() });
    }
}

/// The name servers of a file like `/etc/resolv.conf`.
pub fn servers_of(resolv_conf: &str) -> Vec<SocketAddr> {
    let address = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok();
    resolv_conf.lines().filter_map(address).map(|address| SocketAddr::new(address, 53)).collect()
}

fn key(query: &Query) -> (String, RecordType) {
    (query.name().to_lowercase().to_ascii(), query.query_type())
}

async fn ask(server: SocketAddr, query: &Query) -> io::Result<Said> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.set_edns(edns);
    let octets = message.to_vec().map_err(|_| broken("the question can't be written"))?;

    let local: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    socket.send(&octets).await?;
    let mut buffer = vec![0; 4096];
    let said = loop {
        let length = socket.recv(&mut buffer).await?;
        // What doesn't belong to the question may be somebody's attempt to be believed.
        if let Some(said) = Message::from_vec(&buffer[..length]).ok().filter(|said| belongs(said, &message)) {
            break said;
        }
    };
    if !said.metadata.truncation {
        return Ok(taken(said));
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(octets.len()).map_err(|_| broken("the question is too long"))?;
    stream.write_all(&[&length.to_be_bytes(), octets.as_slice()].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    let said = Message::from_vec(&buffer).map_err(|_| broken("the answer can't be read"))?;
    if belongs(&said, &message) { Ok(taken(said)) } else { Err(broken("the answer is to another question")) }
}

fn belongs(said: &Message, asked: &Message) -> bool {
    let same = |a: &Query, b: &Query| a.name() == b.name() && a.query_type() == b.query_type();
    said.metadata.id == asked.metadata.id
        && said.metadata.message_type == hickory_proto::op::MessageType::Response
        && said.queries.len() == 1
        && same(&said.queries[0], &asked.queries[0])
}

fn taken(said: Message) -> Said {
    Said { code: said.metadata.response_code, answers: said.answers, authorities: said.authorities }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use hickory_proto::rr::{Name, RData, rdata};

    use super::*;

    fn query(name: &str) -> Query {
        Query::query(Name::from_ascii(name).unwrap(), RecordType::A)
    }

    #[test]
    fn servers_are_read_from_resolv_conf() {
        let text = "# x\nnameserver 192.0.2.1\nsearch a\nnameserver ::1\nnameserver nonsense\n";
        assert_eq!(servers_of(text), ["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse::<SocketAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn an_answer_is_remembered_and_a_dead_server_passed_over() {
        let live = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = live.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, peer) = live.recv_from(&mut buffer).await.unwrap();
            let mut reply = Message::from_vec(&buffer[..length]).unwrap().into_response();
            let record = Record::from_rdata(reply.queries[0].name().clone(), 300, RData::A(rdata::A::new(192, 0, 2, 7)));
            reply.add_answer(record);
            live.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
        });
        // Nobody listens on the first one, which is known at once.
        let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let upstream = Upstream::new(vec![dead, address]);
        let said = upstream.ask(&query("a.example.")).await.unwrap();
        serving.await.unwrap();
        assert_eq!(said.answers.len(), 1);
        assert_eq!(upstream.remembered(&query("A.example.")).map(|said| said.answers.len()), Some(1));
        assert_eq!(upstream.remembered(&query("b.example.")), None);
        assert_eq!(upstream.ask(&query("b.example.")).await, Err(Failure::Silent), "bounded in time");
    }
}
