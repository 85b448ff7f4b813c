//! How an endpoint behaves: from and to the wire.

use std::str::FromStr;

use openvpc_model::{ClientVpnAuthentication, ClientVpnSettings, ConnectionLog};

use super::super::prelude::*;

/// The behaviour that CreateClientVpnEndpoint asks for.
pub(super) fn on_create(request: &shapes::CreateClientVpnEndpointRequest) -> Result<ClientVpnSettings, ApiError> {
    Ok(ClientVpnSettings {
        description: request.description.clone().unwrap_or_default(),
        server_certificate: ids::required(&request.server_certificate_arn, "ServerCertificateArn")?.to_owned(),
        connection_log: match &request.connection_log_options {
            Some(options) => connection_log(options)?,
            None => return Err(ApiError::missing("ConnectionLogOptions")),
        },
        dns_servers: dns_servers(&request.dns_servers)?,
        port: request.vpn_port.map_or(Ok(443), port)?,
        split_tunnel: request.split_tunnel.unwrap_or(false),
        self_service_portal: request.self_service_portal.as_deref().map_or(Ok(true), portal)?,
        connect_handler: request.client_connect_options.as_ref().map_or(Ok(None), connect_handler)?,
        session_timeout_hours: request.session_timeout_hours.map_or(Ok(24), hours)?,
        disconnect_on_session_timeout: request.disconnect_on_session_timeout.unwrap_or(true),
        banner: request.client_login_banner_options.as_ref().map_or(Ok(None), banner)?,
        route_enforcement: request.client_route_enforcement_options.as_ref().and_then(|o| o.enforced).unwrap_or(false),
    })
}

/// The changes that ModifyClientVpnEndpoint asks for.
pub(super) fn on_modify(
    request: shapes::ModifyClientVpnEndpointRequest,
) -> Result<impl FnOnce(&mut ClientVpnSettings), ApiError> {
    let log = request.connection_log_options.as_ref().map(connection_log).transpose()?;
    let servers = match &request.dns_servers {
        None => None,
        Some(options) if options.enabled == Some(false) => Some(Vec::new()),
        Some(options) => Some(dns_servers(&options.custom_dns_servers)?),
    };
    let vpn_port = request.vpn_port.map(port).transpose()?;
    let self_service = request.self_service_portal.as_deref().map(portal).transpose()?;
    let handler = request.client_connect_options.as_ref().map(connect_handler).transpose()?;
    let timeout = request.session_timeout_hours.map(hours).transpose()?;
    let text = request.client_login_banner_options.as_ref().map(banner).transpose()?;
    let enforced = request.client_route_enforcement_options.as_ref().and_then(|options| options.enforced);
    Ok(move |settings: &mut ClientVpnSettings| {
        replace(&mut settings.server_certificate, request.server_certificate_arn);
        replace(&mut settings.connection_log, log);
        replace(&mut settings.dns_servers, servers);
        replace(&mut settings.port, vpn_port);
        replace(&mut settings.description, request.description);
        replace(&mut settings.split_tunnel, request.split_tunnel);
        replace(&mut settings.self_service_portal, self_service);
        replace(&mut settings.connect_handler, handler);
        replace(&mut settings.session_timeout_hours, timeout);
        replace(&mut settings.disconnect_on_session_timeout, request.disconnect_on_session_timeout);
        replace(&mut settings.banner, text);
        replace(&mut settings.route_enforcement, enforced);
    })
}

/// A way for clients to prove who they are, with the options that belong to its type.
pub(super) fn authentication(request: &shapes::ClientVpnAuthenticationRequest) -> Result<ClientVpnAuthentication, ApiError> {
    match ids::required(&request.r#type, "Authentication.Type")? {
        "certificate-authentication" => {
            let options = request.mutual_authentication.clone().unwrap_or_default();
            let root = ids::required(&options.client_root_certificate_chain_arn, "ClientRootCertificateChainArn")?.to_owned();
            Ok(ClientVpnAuthentication::Certificate { root })
        }
        "directory-service-authentication" => {
            let options = request.active_directory.clone().unwrap_or_default();
            Ok(ClientVpnAuthentication::Directory { directory: ids::required(&options.directory_id, "DirectoryId")?.to_owned() })
        }
        "federated-authentication" => {
            let options = request.federated_authentication.clone().unwrap_or_default();
            Ok(ClientVpnAuthentication::Federated {
                provider: ids::required(&options.saml_provider_arn, "SAMLProviderArn")?.to_owned(),
                self_service_provider: options.self_service_saml_provider_arn.filter(|arn| !arn.is_empty()),
            })
        }
        other => Err(invalid(other, "Authentication.Type", "a documented authentication type")),
    }
}

pub(super) fn authentication_shape(way: &ClientVpnAuthentication) -> shapes::ClientVpnAuthentication {
    let mut shape = shapes::ClientVpnAuthentication::default();
    let kind = match way {
        ClientVpnAuthentication::Certificate { root } => {
            let root = Some(root.clone());
            shape.mutual_authentication = Some(shapes::CertificateAuthentication { client_root_certificate_chain: root });
            "certificate-authentication"
        }
        ClientVpnAuthentication::Directory { directory } => {
            let directory_id = Some(directory.clone());
            shape.active_directory = Some(shapes::DirectoryServiceAuthentication { directory_id });
            "directory-service-authentication"
        }
        ClientVpnAuthentication::Federated { provider, self_service_provider } => {
            shape.federated_authentication = Some(shapes::FederatedAuthentication {
                saml_provider_arn: Some(provider.clone()),
                self_service_saml_provider_arn: self_service_provider.clone(),
            });
            "federated-authentication"
        }
    };
    shape.r#type = Some(kind.to_owned());
    shape
}

/// Endpoints lead into VPCs here; those of a transit gateway come when it forwards.
pub(super) fn refuse_transit_gateway(
    configuration: &Option<shapes::TransitGatewayConfigurationInputStructure>,
) -> Result<(), ApiError> {
    match configuration {
        None => Ok(()),
        Some(_) => Err(ApiError::unsupported("TransitGatewayConfiguration is not available here; associate subnets of a VPC.")),
    }
}

/// A value of a parameter, such as a block.
pub(super) fn parse<T: FromStr>(text: &str, parameter: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid.")))
}

pub(super) fn invalid(value: &str, parameter: &str, allowed: &str) -> ApiError {
    ApiError::invalid_value(format!("Value ({value}) for parameter {parameter} is invalid. Use {allowed}."))
}

fn connection_log(options: &shapes::ConnectionLogOptions) -> Result<Option<ConnectionLog>, ApiError> {
    if options.enabled != Some(true) {
        return Ok(None);
    }
    Ok(Some(ConnectionLog {
        group: ids::required(&options.cloudwatch_log_group, "CloudwatchLogGroup")?.to_owned(),
        stream: options.cloudwatch_log_stream.clone().filter(|stream| !stream.is_empty()),
    }))
}

fn connect_handler(options: &shapes::ClientConnectOptions) -> Result<Option<String>, ApiError> {
    if options.enabled != Some(true) {
        return Ok(None);
    }
    Ok(Some(ids::required(&options.lambda_function_arn, "LambdaFunctionArn")?.to_owned()))
}

fn banner(options: &shapes::ClientLoginBannerOptions) -> Result<Option<String>, ApiError> {
    if options.enabled != Some(true) {
        return Ok(None);
    }
    Ok(Some(ids::required(&options.banner_text, "BannerText")?.to_owned()))
}

fn dns_servers(servers: &[String]) -> Result<Vec<std::net::IpAddr>, ApiError> {
    servers.iter().map(|server| parse(server, "DnsServers")).collect()
}

fn portal(text: &str) -> Result<bool, ApiError> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => Err(invalid(other, "SelfServicePortal", "enabled or disabled")),
    }
}

fn port(number: i32) -> Result<u16, ApiError> {
    u16::try_from(number).map_err(|_| invalid(&number.to_string(), "VpnPort", "443 or 1194"))
}

fn hours(number: i32) -> Result<u8, ApiError> {
    u8::try_from(number).map_err(|_| invalid(&number.to_string(), "SessionTimeoutHours", "8, 10, 12 or 24"))
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
