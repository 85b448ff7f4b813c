//! What a certificate and a revocation list say.

use openvpc_model::UnixMillis;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::invalid;
use crate::ControlError;

/// What a certificate says, in ACM's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The common name, or the first alternative name.
    pub domain: Option<String>,
    /// The alternative names; the domain itself when there are none.
    pub alternative_names: Vec<String>,
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's common name, or its whole distinguished name.
    pub issuer: String,
    /// The serial number, as octets in hexadecimal with colons.
    pub serial: String,
    /// From when it is valid.
    pub not_before: UnixMillis,
    /// Until when it is valid.
    pub not_after: UnixMillis,
    /// `RSA_2048`, `EC_prime256v1`, …
    pub key_algorithm: String,
    /// `SHA256WITHRSA`, …
    pub signature_algorithm: String,
    /// `DIGITAL_SIGNATURE`, …; empty when the certificate doesn't say.
    pub key_usages: Vec<&'static str>,
    /// Name and number of each extended use.
    pub extended_key_usages: Vec<(&'static str, String)>,
}

/// Reads one certificate in PEM.
///
/// # Errors
/// `ValidationException`.
pub fn read(pem: &str) -> Result<Facts, ControlError> {
    with_certificate(pem, |certificate| {
        let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned);
        let mut alternative_names = alternative_names(certificate);
        let domain = common_name.or_else(|| alternative_names.first().cloned());
        if alternative_names.is_empty() {
            alternative_names.extend(domain.clone());
        }
        let issuer = certificate.issuer().iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned);
        Ok(Facts {
            domain,
            alternative_names,
            subject: certificate.subject().to_string(),
            issuer: issuer.unwrap_or_else(|| certificate.issuer().to_string()),
            serial: certificate.raw_serial_as_string(),
            not_before: millis(certificate.validity().not_before),
            not_after: millis(certificate.validity().not_after),
            key_algorithm: key_algorithm(certificate.public_key())?,
            signature_algorithm: signature_algorithm(&certificate.signature_algorithm.algorithm.to_id_string())?.to_owned(),
            key_usages: key_usages(certificate),
            extended_key_usages: extended_key_usages(certificate),
        })
    })
}

/// Checks that the chain leads on from the certificate: each one's issuer is the next one's subject. Signatures are
/// checked by who connects.
pub(super) fn check_chain(body: &str, chain: &str) -> Result<(), ControlError> {
    let mut issuer = with_certificate(body, |certificate| Ok(certificate.issuer().as_raw().to_vec()))?;
    let blocks = blocks(chain, "CERTIFICATE", "certificate chain")?;
    if blocks.is_empty() {
        return Err(invalid("The certificate chain is not in PEM format: it holds no certificate."));
    }
    for block in blocks {
        let (_, next) = X509Certificate::from_der(&block.contents)
            .map_err(|_| invalid("The certificate chain holds something that is no X.509 certificate."))?;
        if next.subject().as_raw() != issuer {
            return Err(invalid("Could not validate the certificate with the certificate chain."));
        }
        issuer = next.issuer().as_raw().to_vec();
    }
    Ok(())
}

/// How many certificates a revocation list in PEM names.
///
/// # Errors
/// `InvalidParameterValue` for a text that is no such list.
pub fn count_revoked(pem: &str) -> Result<usize, ControlError> {
    let no_list = |reason: &str| {
        ControlError::invalid_value(format!("The certificate revocation list is not valid: {reason}. Give one list in PEM."))
    };
    let blocks = blocks(pem, "X509 CRL", "certificate revocation list").map_err(|error| no_list(&error.message))?;
    let [block] = blocks.as_slice() else { return Err(no_list("it doesn't hold exactly one X509 CRL block")) };
    let (rest, list) =
        CertificateRevocationList::from_der(&block.contents).map_err(|_| no_list("the block isn't an X.509 list"))?;
    if !rest.is_empty() {
        return Err(no_list("something follows the list in its block"));
    }
    Ok(list.iter_revoked_certificates().count())
}

/// Looks at the one certificate in a text.
pub(super) fn with_certificate<T>(
    pem: &str,
    look: impl FnOnce(&X509Certificate<'_>) -> Result<T, ControlError>,
) -> Result<T, ControlError> {
    let blocks = blocks(pem, "CERTIFICATE", "certificate")?;
    let block = match blocks.as_slice() {
        [block] => block,
        [] => return Err(invalid("The certificate is not in PEM format.")),
        _ => {
            return Err(invalid(
                "The certificate field contains more than one certificate. You can specify only one certificate in this field.",
            ));
        }
    };
    let (rest, certificate) =
        X509Certificate::from_der(&block.contents).map_err(|_| invalid("The certificate is not a valid X.509 certificate."))?;
    if !rest.is_empty() {
        return Err(invalid("The certificate is not a valid X.509 certificate: something follows it."));
    }
    look(&certificate)
}

/// The PEM blocks of a text, all of one kind.
pub(super) fn blocks(text: &str, label: &str, what: &str) -> Result<Vec<Pem>, ControlError> {
    let mut blocks = Vec::new();
    for block in Pem::iter_from_buffer(text.as_bytes()) {
        let block = block.map_err(|_| invalid(&format!("The {what} is not in PEM format.")))?;
        if block.label != label {
            return Err(invalid(&format!("The {what} holds a block that is no {label}: {}.", block.label)));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn key_algorithm(key: &SubjectPublicKeyInfo<'_>) -> Result<String, ControlError> {
    let unsupported = || invalid("The certificate's key algorithm is not supported: use RSA or a NIST elliptic curve.");
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let bits = rsa.key_size();
            if (1024..=4096).contains(&bits) { Ok(format!("RSA_{bits}")) } else { Err(unsupported()) }
        }
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            let curve = match &*curve.ok_or_else(unsupported)?.to_id_string() {
                "1.2.840.10045.3.1.7" => "EC_prime256v1",
                "1.3.132.0.34" => "EC_secp384r1",
                "1.3.132.0.35" => "EC_secp521r1",
                _ => return Err(unsupported()),
            };
            Ok(curve.to_owned())
        }
        _ => Err(unsupported()),
    }
}

fn signature_algorithm(oid: &str) -> Result<&'static str, ControlError> {
    Ok(match oid {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.2.840.10045.4.3.4" => "SHA512WITHECDSA",
        _ => return Err(invalid("The certificate's signature algorithm is not supported.")),
    })
}

fn key_usages(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let Ok(Some(extension)) = certificate.key_usage() else { return Vec::new() };
    let usage = extension.value;
    let all = [
        (usage.digital_signature(), "DIGITAL_SIGNATURE"),
        (usage.non_repudiation(), "NON_REPUDIATION"),
        (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
        (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
        (usage.key_agreement(), "KEY_AGREEMENT"),
        (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (usage.crl_sign(), "CRL_SIGNING"),
        (usage.encipher_only(), "ENCIPHER_ONLY"),
        (usage.decipher_only(), "DECIPHER_ONLY"),
    ];
    all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
}

fn extended_key_usages(certificate: &X509Certificate<'_>) -> Vec<(&'static str, String)> {
    let Ok(Some(extension)) = certificate.extended_key_usage() else { return Vec::new() };
    let usage = extension.value;
    let all = [
        (usage.any, "ANY", "2.5.29.37.0"),
        (usage.server_auth, "TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "TLS_WEB_CLIENT_AUTHENTICATION", "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "CODE_SIGNING", "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "EMAIL_PROTECTION", "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "TIME_STAMPING", "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "OCSP_SIGNING", "1.3.6.1.5.5.7.3.9"),
    ];
    let known = all.into_iter().filter(|(set, ..)| *set).map(|(_, name, oid)| (name, oid.to_owned()));
    known.chain(usage.other.iter().map(|oid| ("CUSTOM", oid.to_id_string()))).collect()
}

/// Times before 1970 are taken for its begin.
fn millis(time: ASN1Time) -> UnixMillis {
    UnixMillis(u64::try_from(time.timestamp()).unwrap_or_default().saturating_mul(1000))
}
