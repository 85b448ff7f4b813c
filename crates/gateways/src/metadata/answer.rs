//! What a request to the metadata service gets: a function of the network, of who asks, and of the request.

use openvpc_model::{EniId, IamName, InstanceId, Network, UnixMillis};

use super::tokens::{Tokens, holder};
use super::tree::{Found, Subject};

/// What of a request counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    pub method: String,
    /// Percent-encoded, without the query.
    pub path: String,
    /// Whether it came to the IPv6 address.
    pub is_ipv6: bool,
    /// `X-aws-ec2-metadata-token`.
    pub token: Option<String>,
    /// `X-aws-ec2-metadata-token-ttl-seconds`.
    pub ttl: Option<String>,
    /// Whether a proxy passed it on.
    pub was_forwarded: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub outcome: Outcome,
    /// How long the token is good for that was made, or that came with the request.
    pub token_ttl: Option<u32>,
    /// The hop limit of the packets that carry the answer, where it isn't the usual one.
    pub hop_limit: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A text or other bytes.
    Ok { body: Vec<u8>, is_text: bool },
    /// The keys of a role, which have to be made first.
    Credentials(InstanceId, IamName),
    /// A refusal, by its number.
    Refused(u16),
}

impl Answer {
    pub fn refused(status: u16) -> Self {
        Self { outcome: Outcome::Refused(status), token_ttl: None, hop_limit: None }
    }
}

/// Answers a request of whoever has that interface.
pub(super) fn answer(network: &Network, eni: EniId, question: &Question, tokens: &Tokens, now: UnixMillis) -> Answer {
    let Some(subject) = Subject::of(network, eni) else { return Answer::refused(404) };
    let options = subject.options();
    let is_off = options.http_endpoint == "disabled" || question.is_ipv6 && options.http_protocol_ipv6 != "enabled";
    if is_off {
        return Answer::refused(403);
    }
    let Some(path) = parts(&question.path) else { return Answer::refused(400) };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let holder = holder(subject.instance, eni);
    let is_token = path == ["latest", "api", "token"];
    match (question.method.as_str(), is_token) {
        ("PUT", true) => {
            if question.was_forwarded {
                return Answer::refused(403);
            }
            let seconds = question.ttl.as_ref().and_then(|ttl| ttl.parse().ok()).filter(|ttl| TTL.contains(ttl));
            let Some(seconds) = seconds else { return Answer::refused(400) };
            let body = tokens.issue(&holder, seconds, now).into_bytes();
            let hop_limit = Some(options.http_put_response_hop_limit);
            Answer { outcome: Outcome::Ok { body, is_text: true }, token_ttl: Some(seconds), hop_limit }
        }
        ("GET" | "HEAD", false) => {
            let token_ttl = match &question.token {
                Some(token) => match tokens.check(&holder, token, now) {
                    Some(left) => Some(left),
                    // A token that isn't one is refused even where none is needed.
                    None => return Answer::refused(401),
                },
                None if options.http_tokens == "required" => return Answer::refused(401),
                None => None,
            };
            Answer { outcome: look_up(&subject, &path), token_ttl, hop_limit: None }
        }
        _ => Answer::refused(405),
    }
}

fn look_up(subject: &Subject<'_>, path: &[&str]) -> Outcome {
    match (subject.find(path), subject.instance) {
        (Some(Found::Text(text) | Found::Listing(text)), _) => Outcome::Ok { body: text.into_bytes(), is_text: true },
        (Some(Found::Bytes(body)), _) => Outcome::Ok { body, is_text: false },
        (Some(Found::Credentials(role)), Some(instance)) => Outcome::Credentials(instance.id, role),
        (Some(Found::Credentials(_)) | None, _) => Outcome::Refused(404),
    }
}

/// The parts of a path, decoded; slashes beside each other, and one at the end, make no difference.
fn parts(path: &str) -> Option<Vec<String>> {
    path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}

fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(rest.next()?)? * 16 + digit(rest.next()?)?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Seconds that a token may be good for.
const TTL: std::ops::RangeInclusive<u32> = 1..=21_600;

#[cfg(test)]
mod tests;
