//! Where a Client VPN endpoint lets a client's packet go: a route and a rule are both needed, and nothing is allowed by
//! default. See "Client VPN authorization rules" in the Client VPN Administrator Guide.

use std::net::IpAddr;

use ipnet::IpNet;
use openvpc_model::{ClientVpnEndpoint, ClientVpnRoute, ClientVpnRule};

/// Why a client's packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The endpoint has no route to the address.
    NoRoute,
    /// No rule names a network with the address.
    NoRule,
    /// This rule and others of the same network decide, and none is for the client.
    OtherGroups(&'a ClientVpnRule),
}

/// The route that a client's packet takes. `groups` are those that the client's user is in.
///
/// The longest prefix decides which rules are looked at, whoever they are for: who may reach everything but isn't named
/// for a network that a rule names can't reach that network.
///
/// # Errors
/// Why the packet is dropped.
pub fn admit<'a>(
    endpoint: &'a ClientVpnEndpoint,
    groups: &[&str],
    destination: IpAddr,
) -> Result<&'a ClientVpnRoute, Refusal<'a>> {
    let longest = |blocks: &mut dyn Iterator<Item = IpNet>| {
        blocks.filter(|block| block.contains(&destination)).map(|block| block.prefix_len()).max()
    };
    let length = longest(&mut endpoint.rules.iter().map(|rule| rule.destination)).ok_or(Refusal::NoRule)?;
    let decides = |rule: &&ClientVpnRule| rule.destination.prefix_len() == length && rule.destination.contains(&destination);
    let is_for_client = |rule: &ClientVpnRule| rule.group.as_deref().is_none_or(|group| groups.contains(&group));
    if !endpoint.rules.iter().filter(decides).any(is_for_client) {
        return Err(endpoint.rules.iter().find(decides).map_or(Refusal::NoRule, Refusal::OtherGroups));
    }
    let length = longest(&mut endpoint.routes.iter().map(|route| route.destination)).ok_or(Refusal::NoRoute)?;
    let leads = |route: &&ClientVpnRoute| route.destination.prefix_len() == length && route.destination.contains(&destination);
    endpoint.routes.iter().find(leads).ok_or(Refusal::NoRoute)
}

/// The networks that a client is told to send through the tunnel: all, or with a split tunnel what there are routes for.
pub fn pushed(endpoint: &ClientVpnEndpoint) -> Vec<IpNet> {
    if !endpoint.settings.split_tunnel {
        let everything = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
        return everything.into_iter().filter(|block| endpoint.traffic_family.has(*block)).collect();
    }
    let mut blocks: Vec<IpNet> = endpoint.routes.iter().map(|route| route.destination).collect();
    blocks.sort();
    blocks.dedup();
    blocks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::{
        ClientVpnEndpointId, ClientVpnFamily, ClientVpnRouteOrigin, ClientVpnSettings, ClientVpnTarget, ClientVpnTransport, Id,
        Owner, SubnetId, Tags, UnixMillis,
    };

    use super::*;

    /// An endpoint with routes to these networks and rules of (network, group); `*` is everybody.
    fn endpoint(routes: &[&str], rules: &[(&str, &str)]) -> ClientVpnEndpoint {
        let route = |block: &&str| ClientVpnRoute {
            destination: block.parse().unwrap(),
            target: ClientVpnTarget::Subnet(SubnetId::from_random(1)),
            origin: ClientVpnRouteOrigin::AddRoute,
            description: String::new(),
        };
        let rule = |(block, group): &(&str, &str)| ClientVpnRule {
            destination: block.parse().unwrap(),
            group: (*group != "*").then(|| (*group).to_owned()),
            description: String::new(),
        };
        ClientVpnEndpoint {
            id: ClientVpnEndpointId::from_random(1),
            owner: Owner { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() },
            settings: ClientVpnSettings {
                description: String::new(),
                server_certificate: String::new(),
                connection_log: None,
                dns_servers: Vec::new(),
                port: 443,
                split_tunnel: false,
                self_service_portal: false,
                connect_handler: None,
                session_timeout_hours: 24,
                disconnect_on_session_timeout: true,
                banner: None,
                route_enforcement: false,
            },
            client_block: Some("172.16.0.0/22".parse().unwrap()),
            authentication: Vec::new(),
            transport: ClientVpnTransport::Udp,
            endpoint_family: ClientVpnFamily::Ipv4,
            traffic_family: ClientVpnFamily::Ipv4,
            vpc: None,
            vpc_is_chosen: false,
            security_groups: Vec::new(),
            associations: Vec::new(),
            routes: routes.iter().map(route).collect(),
            rules: rules.iter().map(rule).collect(),
            revocation_list: None,
            created_at: UnixMillis(0),
            deleted_at: None,
            tags: Tags::new(),
        }
    }

    fn reaches(endpoint: &ClientVpnEndpoint, group: &str, address: &str) -> bool {
        admit(endpoint, &[group], address.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_route_without_a_rule_and_a_rule_without_a_route_lead_nowhere() {
        let routed = endpoint(&["10.0.0.0/16"], &[]);
        assert_eq!(admit(&routed, &[], "10.0.0.5".parse().unwrap()), Err(Refusal::NoRule));
        let ruled = endpoint(&[], &[("10.0.0.0/16", "*")]);
        assert_eq!(admit(&ruled, &[], "10.0.0.5".parse().unwrap()), Err(Refusal::NoRoute));
        let both = endpoint(&["10.0.0.0/16"], &[("10.0.0.0/16", "*")]);
        assert!(reaches(&both, "any", "10.0.0.5") && !reaches(&both, "any", "10.1.0.5"));
    }

    #[test]
    fn who_may_reach_everything_can_t_reach_what_is_named_for_others() {
        let endpoint = endpoint(&["0.0.0.0/0"], &[("10.0.0.0/16", "dev"), ("0.0.0.0/0", "mgr")]);
        assert!(!reaches(&endpoint, "mgr", "10.0.0.5") && reaches(&endpoint, "dev", "10.0.0.5"));
        assert!(reaches(&endpoint, "mgr", "192.0.2.1") && !reaches(&endpoint, "dev", "192.0.2.1"));
        let refused = admit(&endpoint, &["mgr"], "10.0.0.5".parse().unwrap());
        assert_eq!(refused, Err(Refusal::OtherGroups(&endpoint.rules[0])));
    }

    #[test]
    fn one_address_named_for_a_group_is_that_group_s_alone() {
        let endpoint = endpoint(&["10.0.0.0/16"], &[("10.0.0.0/16", "dev"), ("10.0.2.119/32", "mgr")]);
        assert!(!reaches(&endpoint, "dev", "10.0.2.119") && reaches(&endpoint, "dev", "10.0.2.118"));
        assert!(reaches(&endpoint, "mgr", "10.0.2.119") && !reaches(&endpoint, "mgr", "10.0.2.118"));
    }

    #[test]
    fn rules_of_one_network_add_up() {
        let endpoint = endpoint(&["10.0.0.0/16"], &[("10.0.0.0/16", "dev"), ("10.0.0.0/16", "ops")]);
        assert!(reaches(&endpoint, "dev", "10.0.0.5") && reaches(&endpoint, "ops", "10.0.0.5"));
        assert!(!reaches(&endpoint, "mgr", "10.0.0.5"));
    }

    #[test]
    fn the_longest_route_is_taken() {
        let mut endpoint = endpoint(&["0.0.0.0/0", "172.16.0.0/22"], &[("0.0.0.0/0", "*")]);
        endpoint.routes[1].target = ClientVpnTarget::Local;
        let target = |address: &str| admit(&endpoint, &[], address.parse().unwrap()).unwrap().target;
        assert_eq!(target("172.16.0.9"), ClientVpnTarget::Local);
        assert_eq!(target("8.8.8.8"), ClientVpnTarget::Subnet(SubnetId::from_random(1)));
    }

    #[test]
    fn a_split_tunnel_gets_only_the_networks_that_have_routes() {
        let mut endpoint = endpoint(&["10.0.0.0/16", "192.168.0.0/24", "10.0.0.0/16"], &[]);
        let texts = |endpoint: &ClientVpnEndpoint| pushed(endpoint).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&endpoint), ["0.0.0.0/0"]);
        endpoint.settings.split_tunnel = true;
        assert_eq!(texts(&endpoint), ["10.0.0.0/16", "192.168.0.0/24"]);
    }
}
