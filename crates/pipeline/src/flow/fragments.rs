//! Which ports the fragments of a datagram belong to.
//!
//! AWS doesn't say how filters judge fragments behind the first, which carry no ports. Here they are judged as the first
//! one was: by its ports, for as long as these are remembered. A fragment that comes before its first, or after the ports
//! were forgotten, passes rules for all ports only.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::time::Nanos;
use crate::wire::Transport;

/// A table of fixed size; when two datagrams want the same place, the later one has it.
///
/// It takes its memory when the first fragment ever comes.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    places: Vec<Option<Remembered>>,
    hasher: RandomState,
}

/// What the fragments of one datagram share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DatagramKey {
    /// The interface that sends it; none for the internet.
    pub from: Option<u32>,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub id: u32,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    key: DatagramKey,
    transport: Transport,
    expires: Nanos,
}

impl Fragments {
    /// Remembers what the first fragment says.
    pub fn remember(&mut self, key: DatagramKey, transport: Transport, now: Nanos) {
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let place = self.place(&key);
        self.places[place] = Some(Remembered { key, transport, expires: now.after_seconds(TIMEOUT) });
    }

    /// What the first fragment said.
    pub fn recall(&self, key: &DatagramKey, now: Nanos) -> Option<Transport> {
        let remembered = (*self.places.get(self.place(key))?)?;
        (remembered.key == *key && remembered.expires > now).then_some(remembered.transport)
    }

    fn place(&self, key: &DatagramKey) -> usize {
        self.hasher.hash_one(key) as usize % PLACES
    }
}

/// How many datagrams in fragments can be on their way at once.
const PLACES: usize = 4096;
/// How long receivers wait for missing fragments, in seconds (Linux's default).
const TIMEOUT: u32 = 30;
