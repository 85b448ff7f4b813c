//! Who may call: the rule of which signatures count, and the answers to those that don't.

use openvpc_control::{Caller, Control, access_keys};
use openvpc_model::{AccessKey, AccountId, Owner, Region};

use super::Credential;
use super::replay::Seen;
use super::signature::{self, Fault};
use crate::error::ApiError;
use crate::http::Request;
use crate::query::Node;
use crate::table::Protocol;

/// Lets requests in. On a loopback address any well-formed signature will do until somebody registers a key; from then
/// on, and on any other address from the start, only what a registered key signed.
#[derive(Debug)]
pub struct Gate {
    default_account: AccountId,
    always_verifies: bool,
    seen: Seen,
}

/// A request's maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The account and region that the request is for.
    pub caller: Caller,
    /// The access key that it names.
    pub access_key: String,
}

impl Gate {
    /// A gate that takes callers without an account of their own for `default_account`; `always_verifies` says that the
    /// address isn't a loopback one.
    pub fn new(default_account: AccountId, always_verifies: bool) -> Self {
        Self { default_account, always_verifies, seen: Seen::default() }
    }

    /// Whether only requests of registered keys are let in.
    pub fn verifies(&self, control: &Control) -> bool {
        self.always_verifies || access_keys::are_registered(&control.snapshot())
    }

    /// Lets a request in, or says in the words of its protocol why not.
    ///
    /// # Errors
    /// `MissingAuthenticationToken`, `IncompleteSignature`, `AuthFailure`, `SignatureDoesNotMatch`, `RequestExpired`, or
    /// what the other protocols call these.
    pub fn admit(&self, control: &Control, request: &Request, protocol: Protocol) -> Result<Admitted, ApiError> {
        let query = Node::parse(request.query.as_bytes())?;
        let credential = Credential::of(request, &query)?.ok_or_else(|| refuse(protocol, Refusal::Unsigned))?;
        let network = control.snapshot();
        let key = network.get::<AccessKey>(&credential.access_key);
        if self.verifies(control) {
            let key = key.ok_or_else(|| refuse(protocol, Refusal::UnknownKey))?;
            self.verify(control, request, &query, &credential, key).map_err(|refusal| refuse(protocol, refusal))?;
        }
        let numbered = || credential.access_key.parse().unwrap_or(self.default_account);
        let account = key.map_or_else(numbered, |key| key.owner.account);
        let owner = Owner { account, region: home(credential.region) };
        Ok(Admitted { caller: Caller { owner }, access_key: credential.access_key })
    }

    fn verify(
        &self,
        control: &Control,
        request: &Request,
        query: &Node,
        credential: &Credential,
        key: &AccessKey,
    ) -> Result<(), Refusal> {
        let now = control.now();
        if let Some(session) = &key.session {
            let token = request.header("x-amz-security-token").or(query.value("X-Amz-Security-Token"));
            if token != Some(session.token.reveal()) {
                return Err(Refusal::UnknownKey);
            }
            if session.expires_at <= now {
                return Err(Refusal::SessionOver);
            }
        }
        signature::verify(request, credential, key.secret.reveal(), now).map_err(Refusal::Signature)?;
        if self.seen.is_replay(request, &credential.signature, now) {
            return Err(Refusal::Replay);
        }
        Ok(())
    }
}

/// Why a request isn't let in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Unsigned,
    UnknownKey,
    SessionOver,
    Signature(Fault),
    Replay,
}

/// The words of "Common errors" in the API references: EC2 has codes of its own, and so have the protocols of JSON.
fn refuse(protocol: Protocol, refusal: Refusal) -> ApiError {
    let (ec2, query, json, message) = match refusal {
        Refusal::Unsigned => (
            "MissingAuthenticationToken",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token; sign it with an access key".to_owned(),
        ),
        Refusal::UnknownKey => (
            "AuthFailure",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "AWS was not able to validate the provided access credentials; `openvpc keys list` shows the registered ones"
                .to_owned(),
        ),
        Refusal::SessionOver => (
            "RequestExpired",
            "ExpiredToken",
            "ExpiredTokenException",
            "The security token included in the request is expired".to_owned(),
        ),
        Refusal::Signature(Fault::Date(message)) => {
            ("IncompleteSignature", "IncompleteSignature", "IncompleteSignatureException", message)
        }
        Refusal::Signature(Fault::Expired(message)) => ("RequestExpired", "RequestExpired", "InvalidSignatureException", message),
        Refusal::Signature(Fault::Mismatch) => (
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
             and signing method."
                .to_owned(),
        ),
        Refusal::Replay => (
            "RequestExpired",
            "RequestExpired",
            "InvalidSignatureException",
            "Request has expired: it was received before; sign each request anew".to_owned(),
        ),
    };
    let code = match protocol {
        Protocol::Ec2 => ec2,
        Protocol::Query | Protocol::RestXml => query,
        Protocol::Json => json,
    };
    ApiError::new(code, message)
}

/// The names under which partitions sign for services without a region.
fn home(region: Region) -> Region {
    if region.as_str() == "aws-global" { "us-east-1".parse().unwrap_or(region) } else { region }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::UnixMillis;

    use super::*;
    use crate::testing::{NOW, control, owner};

    const SECRET: &str = "a secret that is long";

    struct Lab {
        control: Control,
        gate: Gate,
        key: String,
    }

    impl Lab {
        fn new() -> Self {
            let control = control();
            let account = "111122223333".parse().unwrap();
            let caller = Caller { owner: owner("123456789012") };
            let key = control.transact(&caller, |tx| access_keys::add(tx, account, None, Some(SECRET))).unwrap();
            Self { control, gate: Gate::new("123456789012".parse().unwrap(), false), key: key.id }
        }

        fn signed(&self, secret: &str, at: UnixMillis) -> Request {
            let mut request = Request {
                method: "POST".into(),
                path: "/".into(),
                headers: vec![("Host".into(), "localhost".into())],
                body: b"Action=DescribeVpcs&Version=2016-11-15".to_vec(),
                ..Request::default()
            };
            let headers = signature::sign(&request, &self.key, secret, "eu-central-1/ec2", at);
            request.headers.extend(headers);
            request
        }

        fn code(&self, request: &Request, protocol: Protocol) -> String {
            self.gate.admit(&self.control, request, protocol).unwrap_err().code.into_owned()
        }
    }

    #[test]
    fn a_registered_key_acts_for_its_account_in_the_region_of_the_signature() {
        let lab = Lab::new();
        let admitted = lab.gate.admit(&lab.control, &lab.signed(SECRET, NOW), Protocol::Ec2).unwrap();
        assert_eq!(admitted.caller.owner.account.to_string(), "111122223333");
        assert_eq!(admitted.caller.owner.region.as_str(), "eu-central-1");
    }

    #[test]
    fn once_a_key_is_registered_nothing_else_is_let_in() {
        let lab = Lab::new();
        let good = lab.signed(SECRET, NOW);
        let mut unsigned = good.clone();
        unsigned.headers.truncate(1);
        let mut unknown = good.clone();
        unknown.headers.last_mut().unwrap().1 = unknown.headers.last().unwrap().1.replace(&lab.key, "111122223333");
        let mut changed = good.clone();
        changed.body.extend(b"&MaxResults=5");
        let late = lab.signed(SECRET, UnixMillis(NOW.0 - 16 * 60 * 1000));
        let early = lab.signed(SECRET, UnixMillis(NOW.0 + 16 * 60 * 1000));
        let wrong = lab.signed("another secret", NOW);
        for (request, ec2, query, json) in [
            (&unsigned, "MissingAuthenticationToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
            (&unknown, "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"),
            (&changed, "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
            (&wrong, "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
            (&late, "RequestExpired", "RequestExpired", "InvalidSignatureException"),
            (&early, "RequestExpired", "RequestExpired", "InvalidSignatureException"),
        ] {
            assert_eq!(lab.code(request, Protocol::Ec2), ec2);
            assert_eq!(lab.code(request, Protocol::Query), query);
            assert_eq!(lab.code(request, Protocol::Json), json);
        }
        assert!(lab.gate.admit(&lab.control, &good, Protocol::Ec2).is_ok());
        assert_eq!(lab.code(&good, Protocol::Ec2), "RequestExpired", "a replay");
    }

    #[test]
    fn a_revoked_key_signs_nothing_any_more() {
        let lab = Lab::new();
        let caller = Caller { owner: owner("123456789012") };
        let other = lab.control.transact(&caller, |tx| access_keys::add(tx, "111122223333".parse().unwrap(), None, None));
        lab.control.transact(&caller, |tx| access_keys::revoke(tx, &lab.key)).unwrap();
        assert_eq!(lab.code(&lab.signed(SECRET, NOW), Protocol::Ec2), "AuthFailure");
        assert!(!format!("{:?}", other.unwrap()).contains("reveal"), "secrets aren't shown");
    }

    #[test]
    fn an_address_that_isn_t_loopback_needs_registered_keys_from_the_start() {
        let control = control();
        let request = crate::testing::signed("123456789012", "us-east-1", "ec2", "");
        let open = Gate::new("123456789012".parse().unwrap(), false);
        assert!(open.admit(&control, &request, Protocol::Ec2).is_ok());
        let closed = Gate::new("123456789012".parse().unwrap(), true);
        assert_eq!(closed.admit(&control, &request, Protocol::Ec2).unwrap_err().code, "AuthFailure");
    }

    #[test]
    fn a_temporary_key_needs_its_token_and_ends() {
        let lab = Lab::new();
        let caller = Caller { owner: owner("123456789012") };
        let account = "444455556666".parse().unwrap();
        let start = |seconds| {
            let made = |tx: &mut openvpc_control::Tx<'_>| {
                Ok(access_keys::start_session(tx, account, "assumed-role/r/s".into(), "AROA:s".into(), seconds))
            };
            lab.control.transact(&caller, made).unwrap()
        };
        let request = |key: &AccessKey, token: &str| {
            let mut request = Request {
                method: "POST".into(),
                path: "/".into(),
                headers: vec![("Host".into(), "h".into()), ("X-Amz-Security-Token".into(), token.to_owned())],
                ..Request::default()
            };
            request.headers.extend(signature::sign(&request, &key.id, key.secret.reveal(), "us-east-1/ec2", NOW));
            request
        };
        let key = start(900);
        let token = key.session.as_ref().unwrap().token.reveal().to_owned();
        let admitted = lab.gate.admit(&lab.control, &request(&key, &token), Protocol::Ec2).unwrap();
        assert_eq!(admitted.caller.owner.account, account);
        assert_eq!(lab.code(&request(&key, "x"), Protocol::Query), "InvalidClientTokenId");
        let over = start(0);
        let token = over.session.as_ref().unwrap().token.reveal().to_owned();
        assert_eq!(lab.code(&request(&over, &token), Protocol::Query), "ExpiredToken");
    }
}
