//! Certificates of ACM: import, and what depends on them. [`facts`] reads what a certificate says.
//! See "Prerequisites for importing ACM certificates" in the ACM User Guide.

mod facts;
mod keys;

use openvpc_model::{Certificate, ClientVpnAuthentication, ClientVpnEndpoint, Network, Tags};

use crate::{ControlError, Tx};

pub use facts::{Facts, count_revoked, read};

/// Most tags of a certificate.
const TAGS: usize = 50;

/// What ImportCertificate is asked for.
#[derive(Clone)]
pub struct ImportCertificate {
    /// The certificate to replace; none for a new one.
    pub arn: Option<String>,
    /// The certificate, in PEM.
    pub body: String,
    /// Its private key, in PEM.
    pub private_key: String,
    /// The certificates that signed it, in PEM.
    pub chain: Option<String>,
    /// Tags of a new one.
    pub tags: Tags,
}

/// Imports a certificate, anew or in the place of one with the same ARN; gives its ARN.
///
/// # Errors
/// `ValidationException` for texts that aren't what they should be or don't belong together,
/// `ResourceNotFoundException`, `LimitExceededException`, `TooManyTagsException`.
pub fn import(tx: &mut Tx, request: ImportCertificate) -> Result<String, ControlError> {
    let facts = facts::read(&request.body)?;
    if facts.not_before > tx.now() || facts.not_after < tx.now() {
        return Err(invalid("The certificate is not valid at this time: it has expired or isn't valid yet."));
    }
    if let Some(chain) = &request.chain {
        facts::check_chain(&request.body, chain)?;
    }
    keys::check(&request.private_key, &request.body)?;
    if let Some(arn) = request.arn {
        if !request.tags.is_empty() {
            return Err(invalid("You cannot use the Tags parameter when you import a certificate in the place of another."));
        }
        let before = facts::read(&find(tx, &arn)?.body)?;
        if before.key_algorithm != facts.key_algorithm && !used_by(tx.network(), &arn).is_empty() {
            return Err(invalid("The new certificate's key algorithm is not that of the certificate in use."));
        }
        let now = tx.now();
        tx.update::<Certificate, _>(&arn, |certificate| {
            certificate.body = request.body;
            certificate.private_key = request.private_key;
            certificate.chain = request.chain;
            certificate.imported_at = now;
        })?;
        return Ok(arn);
    }
    let limit = tx.quotas().certificates;
    if tx.count::<Certificate>() >= limit {
        return Err(ControlError::new("LimitExceededException", format!("You have imported {limit} certificates, the most.")));
    }
    check_tags(&request.tags)?;
    let owner = tx.owner().clone();
    let (partition, region, account) = (owner.region.partition(), &owner.region, owner.account);
    let arn = format!("arn:{partition}:acm:{region}:{account}:certificate/{}", uuid(tx));
    let now = tx.now();
    tx.put(Certificate {
        arn: arn.clone(),
        owner,
        body: request.body,
        private_key: request.private_key,
        chain: request.chain,
        created_at: now,
        imported_at: now,
        tags: request.tags,
    });
    Ok(arn)
}

/// Deletes a certificate that nothing shows.
///
/// # Errors
/// `ResourceNotFoundException`, `ResourceInUseException`.
pub fn delete(tx: &mut Tx, arn: &str) -> Result<(), ControlError> {
    find(tx, arn)?;
    if let Some(user) = used_by(tx.network(), arn).first() {
        let message = format!("Certificate {arn} is in use by {user}.");
        return Err(ControlError::new("ResourceInUseException", message));
    }
    tx.remove::<Certificate>(&arn.to_owned());
    Ok(())
}

/// Adds tags, or overwrites those with the same keys.
///
/// # Errors
/// `ResourceNotFoundException`, `TooManyTagsException`.
pub fn tag(tx: &mut Tx, arn: &str, tags: Tags) -> Result<(), ControlError> {
    find(tx, arn)?;
    tx.update::<Certificate, _>(&arn.to_owned(), |certificate| {
        certificate.tags.extend(tags);
        check_tags(&certificate.tags)
    })?
}

/// Removes tags; one with a value only where it has that value.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn untag(tx: &mut Tx, arn: &str, tags: &[(String, Option<String>)]) -> Result<(), ControlError> {
    find(tx, arn)?;
    tx.update::<Certificate, _>(&arn.to_owned(), |certificate| {
        let goes = |key: &String, value: &String| tags.iter().any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value));
        certificate.tags.retain(|key, value| !goes(key, value));
    })
}

/// The caller's certificate of that name.
///
/// # Errors
/// `ResourceNotFoundException`.
pub fn find(tx: &Tx, arn: &str) -> Result<std::sync::Arc<Certificate>, ControlError> {
    tx.find::<Certificate>(&arn.to_owned())
}

/// The ARNs of what shows or trusts a certificate.
pub fn used_by(network: &Network, arn: &str) -> Vec<String> {
    let trusts = |way: &ClientVpnAuthentication| matches!(way, ClientVpnAuthentication::Certificate { root } if root == arn);
    let uses = |endpoint: &ClientVpnEndpoint| {
        endpoint.deleted_at.is_none()
            && (endpoint.settings.server_certificate == arn || endpoint.authentication.iter().any(trusts))
    };
    let endpoints = network.all::<ClientVpnEndpoint>().filter(|endpoint| uses(endpoint));
    endpoints.map(|endpoint| endpoint.owner.ec2_arn("client-vpn-endpoint", endpoint.id)).collect()
}

/// A version 4 UUID (RFC 9562).
fn uuid(tx: &Tx) -> String {
    let (high, low) = (tx.random(), tx.random());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0xc << 60) | 0x8 << 60;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

fn check_tags(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() <= TAGS {
        return Ok(());
    }
    Err(ControlError::new("TooManyTagsException", format!("A certificate has at most {TAGS} tags.")))
}

fn invalid(message: &str) -> ControlError {
    ControlError::new("ValidationException", message)
}
