//! Certificate Manager, as far as Client VPN needs it: the API side.

use openvpc_control::certificates::{self, Facts, ImportCertificate};
use openvpc_model::{Certificate, Tags};

use super::list;
use super::prelude::*;
use crate::generated::acm::shapes;

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[
    json_action!(acm::AddTagsToCertificate, add_tags),
    json_action!(acm::DeleteCertificate, delete),
    json_action!(acm::DescribeCertificate, describe),
    json_action!(acm::GetCertificate, get),
    json_action!(acm::ImportCertificate, import),
    json_action!(acm::ListCertificates, list_certificates),
    json_action!(acm::ListTagsForCertificate, list_tags),
    json_action!(acm::RemoveTagsFromCertificate, remove_tags),
];

/// The most certificates of a page.
const PAGE: usize = 1000;
/// The most alternative names in a list of certificates.
const NAMES: usize = 100;

fn import(ctx: &Ctx<'_>, request: shapes::ImportCertificateRequest) -> Result<shapes::ImportCertificateResponse, ApiError> {
    let arn = request.certificate_arn.as_ref().map(|_| checked(&request.certificate_arn)).transpose()?.map(str::to_owned);
    let import = ImportCertificate {
        arn,
        body: pem(request.certificate, "certificate")?,
        private_key: pem(request.private_key, "private key")?,
        chain: request.certificate_chain.map(|chain| pem(Some(chain), "certificate chain")).transpose()?,
        tags: tags(&request.tags)?,
    };
    let arn = ctx.mutate(|tx| certificates::import(tx, import))?;
    Ok(shapes::ImportCertificateResponse { certificate_arn: Some(arn) })
}

fn delete(ctx: &Ctx<'_>, request: shapes::DeleteCertificateRequest) -> Result<json::Empty, ApiError> {
    let arn = checked(&request.certificate_arn)?;
    ctx.mutate(|tx| certificates::delete(tx, arn))?;
    Ok(json::Empty {})
}

fn describe(ctx: &Ctx<'_>, request: shapes::DescribeCertificateRequest) -> Result<shapes::DescribeCertificateResponse, ApiError> {
    let network = ctx.network()?;
    let certificate = find(ctx, &network, &request.certificate_arn)?;
    let facts = certificates::read(&certificate.body)?;
    let usage = |name: &&str| shapes::KeyUsage { name: Some((*name).to_owned()) };
    let extended =
        |(name, oid): &(&str, String)| shapes::ExtendedKeyUsage { name: Some((*name).to_owned()), oid: Some(oid.clone()) };
    let detail = shapes::CertificateDetail {
        certificate_arn: Some(certificate.arn.clone()),
        domain_name: facts.domain.clone(),
        subject_alternative_names: facts.alternative_names.clone(),
        serial: Some(facts.serial.clone()),
        subject: Some(facts.subject.clone()),
        issuer: Some(facts.issuer.clone()),
        created_at: Some(certificate.created_at),
        imported_at: Some(certificate.imported_at),
        status: Some(status(ctx, &facts).to_owned()),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        key_algorithm: Some(wire_algorithm(&facts)),
        signature_algorithm: Some(facts.signature_algorithm.clone()),
        in_use_by: certificates::used_by(&network, &certificate.arn),
        r#type: Some("IMPORTED".to_owned()),
        key_usages: facts.key_usages.iter().map(usage).collect(),
        extended_key_usages: facts.extended_key_usages.iter().map(extended).collect(),
        renewal_eligibility: Some("INELIGIBLE".to_owned()),
        options: Some(shapes::CertificateOptions {
            certificate_transparency_logging_preference: Some("DISABLED".to_owned()),
            export: None,
        }),
        ..Default::default()
    };
    Ok(shapes::DescribeCertificateResponse { certificate: Some(detail) })
}

fn get(ctx: &Ctx<'_>, request: shapes::GetCertificateRequest) -> Result<shapes::GetCertificateResponse, ApiError> {
    let network = ctx.network()?;
    let certificate = find(ctx, &network, &request.certificate_arn)?;
    Ok(shapes::GetCertificateResponse {
        certificate: Some(certificate.body.clone()),
        certificate_chain: certificate.chain.clone(),
    })
}

fn list_certificates(
    ctx: &Ctx<'_>,
    request: shapes::ListCertificatesRequest,
) -> Result<shapes::ListCertificatesResponse, ApiError> {
    let network = ctx.network()?;
    let includes = request.includes.unwrap_or_default();
    let mut found = Vec::new();
    for certificate in network.owned::<Certificate>(ctx.owner()) {
        let facts = certificates::read(&certificate.body)?;
        let summary = summary(ctx, &network, certificate, &facts);
        let is_in = |wanted: &[String], value: &Option<String>| value.as_ref().is_some_and(|value| wanted.contains(value));
        // Without key types AWS lists the two that all of its services took from the start.
        let key_type = match includes.key_types.as_slice() {
            [] => matches!(&*facts.key_algorithm, "RSA_1024" | "RSA_2048"),
            wanted => is_in(wanted, &summary.key_algorithm),
        };
        let has_usages = includes.key_usage.iter().all(|usage| usage == "ANY" || summary.key_usages.contains(usage));
        let extended = &summary.extended_key_usages;
        let has_extended = includes.extended_key_usage.iter().all(|usage| usage == "ANY" || extended.contains(usage));
        let wanted_status = request.certificate_statuses.is_empty() || is_in(&request.certificate_statuses, &summary.status);
        let own = includes.managed_by.is_none() && includes.export_option.as_deref() != Some("ENABLED");
        if key_type && has_usages && has_extended && wanted_status && own {
            found.push(summary);
        }
    }
    match (request.sort_by.as_deref(), request.sort_order.as_deref()) {
        (None, None) => {}
        (Some("CREATED_AT"), Some("ASCENDING")) => found.sort_by_key(|summary| summary.created_at),
        (Some("CREATED_AT"), Some("DESCENDING")) => found.sort_by_key(|summary| std::cmp::Reverse(summary.created_at)),
        _ => return Err(invalid("SortBy and SortOrder go together: CREATED_AT with ASCENDING or DESCENDING.")),
    }
    let codes = ("ValidationException", "ValidationException");
    let (certificate_summary_list, next_token) = list::cut(found, request.max_items, PAGE, request.next_token.as_deref(), codes)?;
    Ok(shapes::ListCertificatesResponse { next_token, certificate_summary_list })
}

fn add_tags(ctx: &Ctx<'_>, request: shapes::AddTagsToCertificateRequest) -> Result<json::Empty, ApiError> {
    let (arn, tags) = (checked(&request.certificate_arn)?, tags(&request.tags)?);
    ctx.mutate(|tx| certificates::tag(tx, arn, tags))?;
    Ok(json::Empty {})
}

fn remove_tags(ctx: &Ctx<'_>, request: shapes::RemoveTagsFromCertificateRequest) -> Result<json::Empty, ApiError> {
    let arn = checked(&request.certificate_arn)?;
    let tags: Vec<_> = request.tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value)).collect();
    ctx.mutate(|tx| certificates::untag(tx, arn, &tags))?;
    Ok(json::Empty {})
}

fn list_tags(
    ctx: &Ctx<'_>,
    request: shapes::ListTagsForCertificateRequest,
) -> Result<shapes::ListTagsForCertificateResponse, ApiError> {
    let network = ctx.network()?;
    let tag = |(key, value): (&String, &String)| shapes::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    let tags = find(ctx, &network, &request.certificate_arn)?.tags.iter().map(tag).collect();
    Ok(shapes::ListTagsForCertificateResponse { tags })
}

fn summary(ctx: &Ctx<'_>, network: &Network, certificate: &Certificate, facts: &Facts) -> shapes::CertificateSummary {
    shapes::CertificateSummary {
        certificate_arn: Some(certificate.arn.clone()),
        domain_name: facts.domain.clone(),
        subject_alternative_name_summaries: facts.alternative_names.iter().take(NAMES).cloned().collect(),
        has_additional_subject_alternative_names: Some(facts.alternative_names.len() > NAMES),
        status: Some(status(ctx, facts).to_owned()),
        r#type: Some("IMPORTED".to_owned()),
        key_algorithm: Some(facts.key_algorithm.clone()),
        key_usages: facts.key_usages.iter().map(|usage| (*usage).to_owned()).collect(),
        extended_key_usages: facts.extended_key_usages.iter().map(|(name, _)| (*name).to_owned()).collect(),
        in_use: Some(!certificates::used_by(network, &certificate.arn).is_empty()),
        renewal_eligibility: Some("INELIGIBLE".to_owned()),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        created_at: Some(certificate.created_at),
        imported_at: Some(certificate.imported_at),
        ..Default::default()
    }
}

fn status(ctx: &Ctx<'_>, facts: &Facts) -> &'static str {
    if facts.not_after < ctx.control().now() { "EXPIRED" } else { "ISSUED" }
}

/// DescribeCertificate writes RSA's name with a dash, unlike the lists.
fn wire_algorithm(facts: &Facts) -> String {
    facts.key_algorithm.replace("RSA_", "RSA-")
}

fn find<'a>(ctx: &Ctx<'_>, network: &'a Network, arn: &Option<String>) -> Result<&'a Certificate, ApiError> {
    let arn = checked(arn)?;
    let found = network.certificates.get(arn).filter(|certificate| certificate.owner == *ctx.owner());
    found
        .map(|certificate| &**certificate)
        .ok_or_else(|| ApiError::new("ResourceNotFoundException", format!("Could not find certificate {arn}.")))
}

/// An ARN of a certificate, of any account and region.
fn checked(arn: &Option<String>) -> Result<&str, ApiError> {
    let arn = arn.as_deref().unwrap_or_default();
    let mut parts = arn.splitn(6, ':');
    let is_certificate = parts.next() == Some("arn")
        && parts.nth(1) == Some("acm")
        && parts.nth(2).is_some_and(|resource| resource.strip_prefix("certificate/").is_some_and(|id| !id.is_empty()));
    if is_certificate {
        Ok(arn)
    } else {
        Err(ApiError::new("InvalidArnException", format!("{arn} is not the ARN of a certificate.")))
    }
}

fn pem(blob: Option<Blob>, what: &str) -> Result<String, ApiError> {
    String::from_utf8(blob.unwrap_or_default().0).map_err(|_| invalid(&format!("The {what} is not in PEM format.")))
}

fn tags(given: &[shapes::Tag]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in given {
        let key = tag.key.clone().unwrap_or_default();
        let value = tag.value.clone().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(ApiError::new("InvalidTagException", format!("The tag '{key}' is not valid.")));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("ValidationException", message)
}

#[cfg(test)]
mod tests;
