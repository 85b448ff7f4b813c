//! Requests that were seen before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openvpc_model::UnixMillis;

use super::signature::MAX_SKEW_MS;
use crate::http::Request;

/// Two identical calls that a client makes in the same second carry the same signature. AWS's SDKs give each call and
/// attempt an id of its own; this is for how long, in milliseconds, such ids tell calls apart.
const SAME_SECOND_MS: u64 = 5_000;
/// Signatures that are remembered at most; more than a busy estate makes in the time they are valid.
const MOST: usize = 400_000;

/// Remembers signatures for as long as they are valid.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Generations>);

/// Signatures by the time they were first seen: those of the current period, and those of the one before.
#[derive(Debug, Default)]
struct Generations {
    current: HashMap<String, Sighting>,
    before: HashMap<String, Sighting>,
    began_at: UnixMillis,
}

#[derive(Clone, Debug)]
struct Sighting {
    first: UnixMillis,
    calls: Vec<String>,
}

impl Seen {
    /// Notes a verified request; says whether it was seen before.
    pub fn is_replay(&self, request: &Request, signature: &str, now: UnixMillis) -> bool {
        let call = call_id(request);
        // A panic between the lines below would leave the maps whole.
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now);
        let Generations { current, before, .. } = &mut *generations;
        let Some(sighting) = current.get_mut(signature).or_else(|| before.get_mut(signature)) else {
            current.insert(signature.to_owned(), Sighting { first: now, calls: vec![call] });
            return false;
        };
        let is_another_call = !call.is_empty() && !sighting.calls.contains(&call);
        if is_another_call && now.0 <= sighting.first.0 + SAME_SECOND_MS {
            sighting.calls.push(call);
            return false;
        }
        true
    }
}

impl Generations {
    fn turn(&mut self, now: UnixMillis) {
        // A signature is valid from a quarter of an hour before its date to a quarter after.
        if now.0 >= self.began_at.0 + 2 * MAX_SKEW_MS || self.current.len() >= MOST {
            self.before = std::mem::take(&mut self.current);
            self.began_at = now;
        }
    }
}

/// The id that SDKs give to a call, with the number of the attempt; empty when the client gives none.
fn call_id(request: &Request) -> String {
    let header = |name| request.header(name).unwrap_or_default();
    match header("amz-sdk-invocation-id") {
        "" => String::new(),
        id => format!("{id} {}", header("amz-sdk-request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(call: &str) -> Request {
        let headers = Some(("amz-sdk-invocation-id".to_owned(), call.to_owned())).filter(|_| !call.is_empty());
        Request { headers: headers.into_iter().collect(), ..Request::default() }
    }

    #[test]
    fn the_same_bytes_twice_are_a_replay() {
        for call in ["", "one"] {
            let seen = Seen::default();
            assert!(!seen.is_replay(&request(call), "s", UnixMillis(1_000)));
            assert!(seen.is_replay(&request(call), "s", UnixMillis(1_001)));
            assert!(!seen.is_replay(&request(call), "t", UnixMillis(1_001)));
        }
    }

    #[test]
    fn two_calls_of_an_sdk_in_one_second_are_two_calls() {
        let seen = Seen::default();
        assert!(!seen.is_replay(&request("one"), "s", UnixMillis(1_000)));
        assert!(!seen.is_replay(&request("two"), "s", UnixMillis(1_400)));
        assert!(seen.is_replay(&request("three"), "s", UnixMillis(60_000)));
    }

    #[test]
    fn a_signature_is_remembered_for_as_long_as_it_is_valid() {
        let seen = Seen::default();
        assert!(!seen.is_replay(&request(""), "s", UnixMillis(2 * MAX_SKEW_MS)));
        assert!(seen.is_replay(&request(""), "s", UnixMillis(4 * MAX_SKEW_MS - 1)));
        assert!(seen.is_replay(&request(""), "s", UnixMillis(4 * MAX_SKEW_MS)));
    }
}
