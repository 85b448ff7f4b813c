//! What the Amazon-provided resolver answers, as a function of the network, of who asks and of the question.
//!
//! A name is looked for in this order, and whoever knows it has the last word: the private hosted zones and the private names
//! of endpoints that the asker's VPC sees (the most specific one), the names that AWS gives to instances, addresses,
//! endpoints, load balancers and services, the public hosted zones of all accounts, the lab internet's own host. Nobody knows
//! the rest: those questions are forwarded.

use std::net::{IpAddr, Ipv6Addr};

use openvpc_model::{DomainName, Network, NetworkInterface, RecordData, RecordType, Subnet, Vpc};

use super::{aws, instances, zones};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// Somebody on the internet.
    Public,
    /// An interface in a VPC.
    Vpc(&'a NetworkInterface),
}

/// What is asked, of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: DomainName,
    /// The type's number, which need not be one that Route 53 has.
    pub kind: u16,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name.
    pub name: DomainName,
    /// The type.
    pub kind: RecordType,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// The value.
    pub data: RecordData,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The name is there, perhaps without records of the type.
    NoError,
    /// The name isn't there.
    NxDomain,
    /// The name can't be resolved: aliases in a circle, or a delegation to servers that there aren't.
    ServFail,
}

/// What becomes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered.
    Answer {
        /// How the answer ends.
        code: Code,
        /// Records, the canonical names on the way first.
        records: Vec<Record>,
        /// The SOA record of the zone that has no such name or records.
        soa: Option<Record>,
    },
    /// Somebody else has to be asked.
    Forward {
        /// The canonical names on the way.
        records: Vec<Record>,
        /// Where they lead.
        name: DomainName,
        /// Whether AAAA records are to be made of A records when there are none.
        dns64: bool,
    },
    /// Nobody answers: the VPC has no DNS support.
    Silent,
}

/// What one place knows of a name.
#[derive(Debug)]
pub(super) enum Found {
    /// Records, of the type or a canonical name.
    Records(Vec<Record>),
    /// The name is there, but has no records of the type.
    Nothing(Option<Record>),
    /// There is no such name.
    NoName(Option<Record>),
    /// It is the place of others who can't be asked.
    Elsewhere,
}

/// Seconds that AWS lets its own names be kept.
pub(super) const TTL: u32 = 60;
/// How many canonical names may follow each other.
const HOPS: usize = 9;
/// The well-known prefix of RFC 6052.
const DNS64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Answers a question. `dice` is a random number, by which weighted records are chosen and equal ones are ordered.
pub fn answer(network: &Network, view: View<'_>, question: &Question, dice: u64) -> Outcome {
    let Some(place) = Place::of(network, view, dice) else { return Outcome::Silent };
    let outcome = place.chase(question);
    if !place.dns64 || question.kind != RecordType::Aaaa.code() {
        return outcome;
    }
    match outcome {
        Outcome::Answer { code: Code::NoError, ref records, .. }
            if records.iter().all(|record| record.kind != RecordType::Aaaa) =>
        {
            let of_ipv4 = place.chase(&Question { kind: RecordType::A.code(), ..question.clone() });
            match of_ipv4 {
                Outcome::Answer { code: Code::NoError, records, .. }
                    if records.iter().any(|record| record.kind == RecordType::A) =>
                {
                    Outcome::Answer { code: Code::NoError, records: records.into_iter().map(synthesized).collect(), soa: None }
                }
                _ => outcome,
            }
        }
        Outcome::Forward { records, name, .. } => Outcome::Forward { records, name, dns64: true },
        other => other,
    }
}

/// An A record as an AAAA record; any other as it is.
pub fn synthesized(record: Record) -> Record {
    let RecordData::V4(address) = record.data else { return record };
    let [a, b, c, d] = address.octets();
    let [p, q, r, s, t, u] = DNS64;
    let made = Ipv6Addr::new(p, q, r, s, t, u, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Record { kind: RecordType::Aaaa, data: RecordData::V6(made), ..record }
}

/// Where a question is asked, and by which rules.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub network: &'a Network,
    /// The asker's VPC; none on the internet.
    pub vpc: Option<&'a Vpc>,
    /// Whether both DNS attributes of the VPC are set, which private zones and names need.
    pub names: bool,
    /// Whether the asker's subnet has DNS64.
    pub dns64: bool,
    pub dice: u64,
}

impl<'a> Place<'a> {
    /// None when nobody answers there.
    pub fn of(network: &'a Network, view: View<'_>, dice: u64) -> Option<Self> {
        let View::Vpc(eni) = view else { return Some(Self { network, vpc: None, names: false, dns64: false, dice }) };
        let vpc: &Vpc = network.get::<Vpc>(&eni.vpc)?;
        let dns64 = network.get::<Subnet>(&eni.subnet).is_some_and(|subnet| subnet.enable_dns64);
        let names = vpc.enable_dns_support && vpc.enable_dns_hostnames;
        vpc.enable_dns_support.then_some(Self { network, vpc: Some(vpc), names, dns64, dice })
    }

    /// Follows canonical names to an end.
    fn chase(&self, question: &Question) -> Outcome {
        let (mut records, mut name) = (Vec::new(), question.name.clone());
        for _ in 0..HOPS {
            let asked = Question { name: name.clone(), kind: question.kind };
            match self.look_up(&asked) {
                None => return Outcome::Forward { records, name, dns64: false },
                Some(Found::Nothing(soa)) => return Outcome::Answer { code: Code::NoError, records, soa },
                Some(Found::NoName(soa)) => return Outcome::Answer { code: Code::NxDomain, records, soa },
                Some(Found::Elsewhere) => break,
                Some(Found::Records(found)) => {
                    let next = match found.as_slice() {
                        [Record { kind: RecordType::Cname, data: RecordData::Name(target), .. }] => {
                            (!asked.wants(RecordType::Cname)).then(|| target.clone())
                        }
                        _ => None,
                    };
                    records.extend(found);
                    match next {
                        Some(next) => name = next,
                        None => return Outcome::Answer { code: Code::NoError, records, soa: None },
                    }
                }
            }
        }
        Outcome::Answer { code: Code::ServFail, records: Vec::new(), soa: None }
    }

    /// What is known of a name; none when nobody knows it.
    fn look_up(&self, question: &Question) -> Option<Found> {
        self.private(question)
            .or_else(|| self.of_aws(question))
            .or_else(|| zones::public(self, question))
            .or_else(|| aws::lab_host(question))
    }

    /// What the VPC's private zones and the private names of its endpoints know.
    fn private(&self, question: &Question) -> Option<Found> {
        let vpc = self.vpc.filter(|_| self.names)?;
        let endpoints = aws::private_endpoints(self.network, vpc.id);
        question.name.ancestors().find_map(|apex| {
            let zone = zones::private_at(self.network, vpc.id, &apex);
            zone.map(|zone| zones::look_up(self, zone, question)).or_else(|| aws::private_name(self, &endpoints, &apex, question))
        })
    }

    /// What AWS's own names say.
    pub fn of_aws(&self, question: &Question) -> Option<Found> {
        instances::look_up(self, question).or_else(|| aws::look_up(self, question))
    }

    /// Turns what is to be answered in a random order.
    pub fn turned<T>(&self, mut items: Vec<T>) -> Vec<T> {
        let count = items.len().max(1);
        items.rotate_left(usize::try_from(self.dice % u64::try_from(count).unwrap_or(1)).unwrap_or(0));
        items
    }

    /// The addresses that a name of AWS has, as far as the question asks for them.
    pub fn addresses(&self, question: &Question, addresses: impl IntoIterator<Item = IpAddr>) -> Found {
        let records = addresses.into_iter().map(|address| address_record(&question.name, address, TTL));
        let records: Vec<Record> = records.filter(|record| question.wants(record.kind)).collect();
        if records.is_empty() { Found::Nothing(None) } else { Found::Records(self.turned(records)) }
    }
}

impl Question {
    /// Whether records of that type are asked for.
    pub fn wants(&self, kind: RecordType) -> bool {
        const ANY: u16 = 255;
        self.kind == kind.code() || self.kind == ANY
    }
}

pub(super) fn address_record(name: &DomainName, address: IpAddr, ttl: u32) -> Record {
    let (kind, data) = match address {
        IpAddr::V4(v4) => (RecordType::A, RecordData::V4(v4)),
        IpAddr::V6(v6) => (RecordType::Aaaa, RecordData::V6(v6)),
    };
    Record { name: name.clone(), kind, ttl, data }
}

#[cfg(test)]
mod tests;
