//! What doesn't change, or isn't Direct Connect's: locations, letters of authorization, routers, tags, virtual gateways.

use openvpc_control::direct_connect::{MACSEC_SPEEDS, PORT_SPEEDS, interfaces as virtual_interfaces, locations};
use openvpc_model::direct_connect::VirtualInterfaceKind;
use openvpc_model::{VirtualInterface, VpnGateway};

use super::interfaces::{interface_id, missing};
use super::view::tag_shapes;
use super::*;

pub(super) fn describe_locations(ctx: &Ctx<'_>, _request: json::Empty) -> Result<shapes::Locations, ApiError> {
    let region = ctx.owner().region.as_str();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let shape = |(code, name): (&str, &str)| shapes::Location {
        location_code: Some(code.to_owned()),
        location_name: Some(name.to_owned()),
        region: Some(region.to_owned()),
        available_port_speeds: words(PORT_SPEEDS),
        available_providers: words(&["Equinix, Inc.", "Lumen", "Megaport"]),
        available_mac_sec_port_speeds: words(MACSEC_SPEEDS),
    };
    Ok(shapes::Locations { locations: locations(region).into_iter().map(shape).collect() })
}

pub(super) fn describe_virtual_gateways(ctx: &Ctx<'_>, _request: json::Empty) -> Result<shapes::VirtualGateways, ApiError> {
    let network = ctx.network()?;
    let gateways = network.owned::<VpnGateway>(ctx.owner()).filter(|gateway| gateway.deleted_at.is_none());
    let shape = |gateway: &std::sync::Arc<VpnGateway>| shapes::VirtualGateway {
        virtual_gateway_id: Some(gateway.id.to_string()),
        virtual_gateway_state: Some("available".to_owned()),
    };
    Ok(shapes::VirtualGateways { virtual_gateways: gateways.map(shape).collect() })
}

pub(super) fn describe_customer_metadata(
    _ctx: &Ctx<'_>,
    _request: json::Empty,
) -> Result<shapes::DescribeCustomerMetadataResponse, ApiError> {
    Ok(shapes::DescribeCustomerMetadataResponse { agreements: Vec::new(), nni_partner_type: Some("nonPartner".to_owned()) })
}

/// Interconnects are for AWS's partners; nobody has one here.
pub(super) fn describe_interconnects(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInterconnectsRequest,
) -> Result<shapes::Interconnects, ApiError> {
    ctx.network()?;
    match request.interconnect_id {
        None => Ok(shapes::Interconnects::default()),
        Some(id) => Err(refused(format!("Could not find Interconnect with ID {id}"))),
    }
}

pub(super) fn describe_loa(ctx: &Ctx<'_>, request: shapes::DescribeLoaRequest) -> Result<shapes::Loa, ApiError> {
    letter(ctx, required(&request.connection_id)?, &request.loa_content_type)
}

pub(super) fn describe_connection_loa(
    ctx: &Ctx<'_>,
    request: shapes::DescribeConnectionLoaRequest,
) -> Result<shapes::DescribeConnectionLoaResponse, ApiError> {
    let loa = letter(ctx, required(&request.connection_id)?, &request.loa_content_type)?;
    Ok(shapes::DescribeConnectionLoaResponse { loa: Some(loa) })
}

pub(super) fn describe_router_configuration(
    ctx: &Ctx<'_>,
    request: shapes::DescribeRouterConfigurationRequest,
) -> Result<shapes::DescribeRouterConfigurationResponse, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    let network = ctx.network()?;
    let interface = virtual_interfaces::visible(&network, ctx.owner()).find(|interface| interface.id == id);
    let interface = interface.filter(|interface| interface.deleted_at.is_none()).ok_or_else(|| missing(&id))?;
    let router = match request.router_type_identifier.as_deref().filter(|router| !router.is_empty()) {
        None => &ROUTERS[0],
        Some(name) => ROUTERS
            .iter()
            .find(|router| router.identifier == name)
            .ok_or_else(|| refused(format!("Router type {name} is not valid.")))?,
    };
    let lines = match router.vendor {
        "Juniper Networks, Inc." => juniper(&network, interface),
        _ => cisco(&network, interface),
    };
    Ok(shapes::DescribeRouterConfigurationResponse {
        customer_router_config: Some(lines.join("\n") + "\n"),
        router: Some(shapes::RouterType {
            vendor: Some(router.vendor.to_owned()),
            platform: Some(router.platform.to_owned()),
            software: Some(router.software.to_owned()),
            xslt_template_name: Some(router.template.to_owned()),
            xslt_template_name_for_mac_sec: Some(String::new()),
            router_type_identifier: Some(router.identifier.to_owned()),
        }),
        virtual_interface_id: Some(interface.id.to_string()),
        virtual_interface_name: Some(interface.name.clone()),
    })
}

pub(super) fn describe_tags(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTagsRequest,
) -> Result<shapes::DescribeTagsResponse, ApiError> {
    let network = ctx.network()?;
    let of = |arn: &String| {
        let tags = tags::of(&network, ctx.owner(), arn)?;
        Ok::<_, ApiError>(shapes::ResourceTag { resource_arn: Some(arn.clone()), tags: tag_shapes(&tags) })
    };
    Ok(shapes::DescribeTagsResponse { resource_tags: request.resource_arns.iter().map(of).collect::<Result<_, _>>()? })
}

pub(super) fn tag_resource(ctx: &Ctx<'_>, request: shapes::TagResourceRequest) -> Result<shapes::TagResourceResponse, ApiError> {
    let added = new_tags(&request.tags)?;
    ctx.mutate(|tx| tags::change(tx, request.resource_arn.as_deref().unwrap_or_default(), |tags| tags.extend(added)))?;
    Ok(shapes::TagResourceResponse {})
}

pub(super) fn untag_resource(
    ctx: &Ctx<'_>,
    request: shapes::UntagResourceRequest,
) -> Result<shapes::UntagResourceResponse, ApiError> {
    let arn = request.resource_arn.as_deref().unwrap_or_default();
    ctx.mutate(|tx| tags::change(tx, arn, |tags| tags.retain(|key, _| !request.tag_keys.contains(key))))?;
    Ok(shapes::UntagResourceResponse {})
}

/// A kind of router that configurations are made for.
struct Router {
    identifier: &'static str,
    vendor: &'static str,
    platform: &'static str,
    software: &'static str,
    template: &'static str,
}

const ROUTERS: &[Router] = &[
    Router {
        identifier: "CiscoSystemsInc-2900SeriesRouters-IOS124",
        vendor: "Cisco Systems, Inc.",
        platform: "2900 Series Routers",
        software: "IOS 12.4+",
        template: "customer-router-cisco-generic.xslt",
    },
    Router {
        identifier: "JuniperNetworksInc-MXSeriesRouters-JunOS95",
        vendor: "Juniper Networks, Inc.",
        platform: "MX Series Routers",
        software: "JunOS 9.5+",
        template: "customer-router-juniper-generic.xslt",
    },
];

fn cisco(network: &Network, interface: &VirtualInterface) -> Vec<String> {
    let vlan = interface.vlan;
    let mut lines = vec![
        format!("! {} ({})", interface.id, interface.name),
        format!("interface GigabitEthernet0/1.{vlan}"),
        format!(" description \"Direct Connect to your Amazon VPC or AWS Cloud\"\n encapsulation dot1Q {vlan}"),
    ];
    if let VirtualInterfaceKind::Private { mtu, .. } | VirtualInterfaceKind::Transit { mtu, .. } = interface.kind {
        lines.push(format!(" mtu {mtu}"));
    }
    for peer in &interface.peers {
        let own = peer.customer_address;
        lines.push(match own {
            ipnet::IpNet::V4(v4) => format!(" ip address {} {}", v4.addr(), v4.netmask()),
            ipnet::IpNet::V6(v6) => format!(" ipv6 address {v6}"),
        });
    }
    let amazon = virtual_interfaces::amazon_asn(network, interface).unwrap_or_default();
    for peer in &interface.peers {
        let (neighbour, key) = (peer.amazon_address.addr(), peer.auth_key.secret());
        lines.push(format!("router bgp {}", peer.asn));
        lines.push(format!(" neighbor {neighbour} remote-as {amazon}\n neighbor {neighbour} password {key}"));
        lines.push(format!(" neighbor {neighbour} timers 30 90"));
    }
    lines
}

fn juniper(network: &Network, interface: &VirtualInterface) -> Vec<String> {
    let vlan = interface.vlan;
    let mut lines = vec![
        format!("# {} ({})", interface.id, interface.name),
        format!("set interfaces ge-0/0/1 vlan-tagging\nset interfaces ge-0/0/1 unit {vlan} vlan-id {vlan}"),
    ];
    let amazon = virtual_interfaces::amazon_asn(network, interface).unwrap_or_default();
    for peer in &interface.peers {
        let family = if peer.amazon_address.addr().is_ipv6() { "inet6" } else { "inet" };
        let group = format!("set protocols bgp group ebgp-{family}");
        lines.push(format!("set interfaces ge-0/0/1 unit {vlan} family {family} address {}", peer.customer_address));
        lines.push(format!("{group} type external\n{group} local-as {}\n{group} peer-as {amazon}", peer.asn));
        lines.push(format!("{group} hold-time 90\n{group} authentication-key \"{}\"", peer.auth_key.secret()));
        lines.push(format!("{group} neighbor {}", peer.amazon_address.addr()));
    }
    lines
}

fn letter(ctx: &Ctx<'_>, text: &str, content_type: &Option<String>) -> Result<shapes::Loa, ApiError> {
    if let Some(other) = content_type.as_deref().filter(|kind| !matches!(*kind, "" | "application/pdf")) {
        return Err(refused(format!("LOA content type {other} is not valid: use application/pdf.")));
    }
    let network = ctx.network()?;
    let (id, location) = match port(text)? {
        Port::Connection(id) => {
            let found = network.get::<DirectConnectConnection>(&id).filter(|c| c.owner == *ctx.owner() && c.deleted_at.is_none());
            (id.to_string(), found.ok_or_else(|| missing_connection(&id))?.location.clone())
        }
        Port::Lag(id) => {
            let found = network.get::<Lag>(&id).filter(|lag| lag.owner == *ctx.owner() && lag.deleted_at.is_none());
            (id.to_string(), found.ok_or_else(|| <Lag as openvpc_control::Missing>::missing(&id))?.location.clone())
        }
    };
    let pdf = pdf(&format!("LOA-CFA for {id} at {location}: no cable needed, the port is a virtual one."));
    Ok(shapes::Loa { loa_content: Some(Blob(pdf)), loa_content_type: Some("application/pdf".to_owned()) })
}

/// A PDF of one line. Ids and location codes hold no character that a PDF string wants escaped.
fn pdf(line: &str) -> Vec<u8> {
    let text = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let (mut file, mut places) = ("%PDF-1.4\n".to_owned(), Vec::new());
    for (number, object) in (1..).zip(&objects) {
        places.push(file.len());
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table = file.len();
    file.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for place in places {
        file.push_str(&format!("{place:010} 00000 n \n"));
    }
    file.push_str(&format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1));
    file.into_bytes()
}
