//! What clients are told (an OpenVPN configuration) and what the endpoint is told (revoked certificates).
//! See "Export the Client VPN client configuration file" in the Client VPN Administrator Guide.

use std::fmt::Write;

use openvpc_model::{Certificate, ClientVpnAuthentication, ClientVpnEndpoint, ClientVpnEndpointId, Network};

use super::live;
use crate::{ControlError, Tx, certificates};

/// The endpoint's name. Clients put a random label in front, so that all names below it are its.
pub fn dns_name(endpoint: &ClientVpnEndpoint) -> String {
    let region = &endpoint.owner.region;
    let suffix = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{}.prod.clientvpn.{region}.{suffix}", endpoint.id)
}

/// The configuration that clients start from. Those with a certificate add it and its key.
///
/// # Errors
/// `InternalError` when the server's certificate is gone, which [`certificates::delete`] prevents.
pub fn client_configuration(network: &Network, endpoint: &ClientVpnEndpoint) -> Result<String, ControlError> {
    let shown = network.get::<Certificate>(&endpoint.settings.server_certificate);
    let shown = shown.ok_or_else(|| ControlError::internal("the endpoint's server certificate is gone"))?;
    let domain = certificates::read(&shown.body)?.domain.unwrap_or_default();
    // A certificate that was imported without a chain is its own authority.
    let authority = shown.chain.as_deref().unwrap_or(&shown.body).trim();
    let transport = endpoint.transport.as_str();
    let mut text = format!("client\ndev tun\nproto {transport}\n");
    // Writing to a String can't fail.
    let _ = writeln!(text, "remote {} {}", dns_name(endpoint), endpoint.settings.port);
    text.push_str("remote-random-hostname\nresolv-retry infinite\nnobind\nremote-cert-tls server\ncipher AES-256-GCM\nverb 3\n");
    let _ = write!(text, "\n<ca>\n{authority}\n</ca>\n\n");
    for way in &endpoint.authentication {
        match way {
            ClientVpnAuthentication::Certificate { .. } => {}
            ClientVpnAuthentication::Directory { .. } => text.push_str("auth-user-pass\n"),
            ClientVpnAuthentication::Federated { .. } => text.push_str("auth-federate\nauth-retry interact\nauth-nocache\n"),
        }
    }
    let _ = write!(text, "reneg-sec 0\n\nverify-x509-name {domain} name\n");
    Ok(text)
}

/// Takes a list of client certificates that are valid no more, in the place of the one before.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidParameterValue` for a text that is no list in PEM or an endpoint that
/// asks for no certificates, `ClientVpnCertificateRevocationListLimitExceeded`.
pub fn import_revocation_list(tx: &mut Tx, id: ClientVpnEndpointId, list: &str) -> Result<(), ControlError> {
    let endpoint = live(tx, id)?;
    if !endpoint.authentication.iter().any(|way| matches!(way, ClientVpnAuthentication::Certificate { .. })) {
        let message = format!("The Client VPN endpoint {id} doesn't authenticate clients by certificates.");
        return Err(ControlError::invalid_value(message));
    }
    let limit = tx.quotas().revoked_client_certificates;
    if certificates::count_revoked(list)? > limit {
        let message = format!("The list holds more than {limit} certificates.");
        return Err(ControlError::new("ClientVpnCertificateRevocationListLimitExceeded", message));
    }
    tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.revocation_list = Some(list.to_owned()))
}
