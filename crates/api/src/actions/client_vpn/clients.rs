//! What clients of a Client VPN endpoint start from, and their connections.

use openvpc_control::client_vpn;
use openvpc_model::ClientVpnConnectionId;

use super::super::prelude::*;
use super::{endpoint_id, live};

pub(super) fn export_configuration(
    ctx: &Ctx<'_>,
    request: shapes::ExportClientVpnClientConfigurationRequest,
) -> Result<shapes::ExportClientVpnClientConfigurationResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let client_configuration = Some(client_vpn::client_configuration(&network, &endpoint)?);
    Ok(shapes::ExportClientVpnClientConfigurationResult { client_configuration })
}

pub(super) fn import_revocation_list(
    ctx: &Ctx<'_>,
    request: shapes::ImportClientVpnClientCertificateRevocationListRequest,
) -> Result<shapes::ImportClientVpnClientCertificateRevocationListResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let list = ids::required(&request.certificate_revocation_list, "CertificateRevocationList")?;
    ctx.mutate(|tx| client_vpn::import_revocation_list(tx, id, list))?;
    Ok(shapes::ImportClientVpnClientCertificateRevocationListResult { r#return: Some(true) })
}

pub(super) fn export_revocation_list(
    ctx: &Ctx<'_>,
    request: shapes::ExportClientVpnClientCertificateRevocationListRequest,
) -> Result<shapes::ExportClientVpnClientCertificateRevocationListResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let active = || shapes::ClientCertificateRevocationListStatus { code: Some("active".to_owned()), message: None };
    Ok(shapes::ExportClientVpnClientCertificateRevocationListResult {
        status: endpoint.revocation_list.as_ref().map(|_| active()),
        certificate_revocation_list: endpoint.revocation_list.clone(),
    })
}

/// No client can connect as long as openvpc runs no OpenVPN: the list is empty.
pub(super) fn describe_connections(
    ctx: &Ctx<'_>,
    request: shapes::DescribeClientVpnConnectionsRequest,
) -> Result<shapes::DescribeClientVpnConnectionsResult, ApiError> {
    let network = ctx.network()?;
    live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let connections = filters::select(Vec::new(), &request.filters, &FIELDS)?;
    let (connections, next_token) =
        page::cut(&request, false, connections, |connection: &shapes::ClientVpnConnection| connection.connection_id.as_deref())?;
    Ok(shapes::DescribeClientVpnConnectionsResult { connections, next_token })
}

pub(super) fn terminate_connections(
    ctx: &Ctx<'_>,
    request: shapes::TerminateClientVpnConnectionsRequest,
) -> Result<shapes::TerminateClientVpnConnectionsResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(&request.connection_id), given(&request.username)) {
        (None, None) => Err(ApiError::missing("ConnectionId")),
        (Some(_), Some(_)) => Err(ApiError::invalid_combination("ConnectionId can't be used with Username.")),
        (Some(connection), None) => {
            ids::parse::<ClientVpnConnectionId>(&connection)?;
            let message = format!("The connection '{connection}' to {} does not exist", endpoint.id);
            Err(ApiError::new("InvalidClientVpnConnection.IdNotFound", message))
        }
        (None, Some(user)) => {
            let message = format!("The user '{user}' has no connection to {}", endpoint.id);
            Err(ApiError::new("InvalidClientVpnConnection.UserNotFound", message))
        }
    }
}

static FIELDS: Fields<shapes::ClientVpnConnection> = Fields {
    tags: None,
    fields: &[
        ("connection-id", |connection, m| m.offer(&connection.connection_id)),
        ("username", |connection, m| m.offer(&connection.username)),
    ],
};
