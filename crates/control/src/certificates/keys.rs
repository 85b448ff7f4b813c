//! Whether a private key is that of a certificate.

use x509_parser::der_parser::ber::{BerObject, BerObjectContent};
use x509_parser::der_parser::der::parse_der;
use x509_parser::pem::Pem;
use x509_parser::public_key::PublicKey;

use super::{facts, invalid};
use crate::ControlError;

/// Checks that `key` in PEM (PKCS #1, PKCS #8 or SEC 1) is the private half of the certificate's key.
///
/// # Errors
/// `ValidationException`.
pub(super) fn check(key: &str, certificate: &str) -> Result<(), ControlError> {
    let mut blocks = Pem::iter_from_buffer(key.as_bytes()).filter_map(Result::ok);
    // OpenSSL writes the curve's name before the key.
    let block = blocks.find(|block| block.label != "EC PARAMETERS");
    let block = block.ok_or_else(|| invalid("The private key is not in PEM format."))?;
    let public = match &*block.label {
        "RSA PRIVATE KEY" => rsa_modulus(&block.contents),
        "EC PRIVATE KEY" => ec_point(&block.contents),
        "PRIVATE KEY" => pkcs8(&block.contents),
        "ENCRYPTED PRIVATE KEY" => return Err(invalid("The private key is encrypted. Give it without a passphrase.")),
        _ => None,
    };
    let public = public.ok_or_else(|| invalid("The private key is not valid or not supported."))?;
    facts::with_certificate(certificate, |certificate| {
        let matches = match (certificate.public_key().parsed(), &public) {
            (Ok(PublicKey::RSA(rsa)), Public::Rsa(modulus)) => unsigned(rsa.modulus) == unsigned(modulus),
            (Ok(PublicKey::EC(point)), Public::Ec(other)) => other.as_deref().is_none_or(|other| other == point.data()),
            _ => false,
        };
        if matches { Ok(()) } else { Err(invalid("The private key does not match the certificate.")) }
    })
}

/// What of a public key can be read from its private half.
enum Public {
    /// The modulus.
    Rsa(Vec<u8>),
    /// The point, if the private key holds it, which RFC 5915 leaves open.
    Ec(Option<Vec<u8>>),
}

/// `SEQUENCE { version, modulus, … }`
fn rsa_modulus(der: &[u8]) -> Option<Public> {
    let (_, key) = parse_der(der).ok()?;
    let modulus = key.as_sequence().ok()?.get(1)?.as_slice().ok()?;
    Some(Public::Rsa(modulus.to_vec()))
}

/// `SEQUENCE { version, privateKey, [0] parameters, [1] publicKey }`
fn ec_point(der: &[u8]) -> Option<Public> {
    let (_, key) = parse_der(der).ok()?;
    let members = key.as_sequence().ok()?;
    members.get(1)?.as_slice().ok()?;
    let tagged = |member: &&BerObject<'_>| member.header.is_contextspecific() && member.header.tag().0 == 1;
    let point = members.iter().find(tagged).and_then(|member| {
        let BerObjectContent::Unknown(any) = &member.content else { return None };
        let (_, bits) = parse_der(any.data).ok()?;
        match &bits.content {
            BerObjectContent::BitString(_, bits) => Some(bits.data.to_vec()),
            _ => None,
        }
    });
    Some(Public::Ec(point))
}

/// `SEQUENCE { version, SEQUENCE { algorithm, … }, OCTET STRING }`
fn pkcs8(der: &[u8]) -> Option<Public> {
    let (_, key) = parse_der(der).ok()?;
    let [_, algorithm, inner, ..] = key.as_sequence().ok()?.as_slice() else { return None };
    let inner = inner.as_slice().ok()?;
    match &*algorithm.as_sequence().ok()?.first()?.as_oid().ok()?.to_id_string() {
        "1.2.840.113549.1.1.1" => rsa_modulus(inner),
        "1.2.840.10045.2.1" => ec_point(inner),
        _ => None,
    }
}

/// A number without the zeros in front that keep it positive.
fn unsigned(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}
