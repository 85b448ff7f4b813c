//! The outcome of an analysis: as it is stored, and as AWS shows it.

use openvpc_model::rules::{PortRange, RulePorts};
use openvpc_model::{
    Direction, NaclAction, Network, NetworkAcl, NetworkInterface, Owner, Peer, Protocol, RouteOrigin, RouteState, RouteTarget,
    SecurityGroupRule,
};
use openvpc_pipeline::wire::Transport;
use openvpc_pipeline::{HeaderView, ResourceId, RuleId};
use openvpc_reach::{Blocker, Explanation, HopView, Question, Start, Way};
use serde::{Deserialize, Serialize};

use super::kind_of;
use crate::shapes;

/// What came of an analysis.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::actions) struct Outcome {
    pub(super) found: bool,
    pub(super) failure: Option<String>,
    pub(in crate::actions) forward: Vec<Component>,
    pub(super) back: Vec<Component>,
    pub(super) reasons: Vec<Reason>,
}

/// One thing on the path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::actions) struct Component {
    pub(super) sequence: i32,
    pub(in crate::actions) id: String,
    arn: String,
    inbound: Option<Header>,
    outbound: Option<Header>,
    rule: Option<Rule>,
    subnet: Option<String>,
    vpc: Option<String>,
    pub(in crate::actions) attached_to: Option<String>,
}

/// A packet's header, one packet's worth of each range.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Header {
    source: String,
    destination: String,
    protocol: u8,
    ports: Option<(u16, u16)>,
}

/// The rule that decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Rule {
    Acl {
        cidr: String,
        egress: bool,
        ports: Option<(u16, u16)>,
        protocol: String,
        allow: bool,
        number: u16,
    },
    Group {
        cidr: Option<String>,
        group: Option<String>,
        prefix_list: Option<String>,
        egress: bool,
        ports: Option<(u16, u16)>,
        protocol: String,
    },
    Route {
        destination: String,
        #[serde(flatten)]
        target: Target,
        origin: String,
        state: String,
    },
}

/// Where a route leads, in the member of its kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Target {
    gateway: Option<String>,
    interface: Option<String>,
    nat_gateway: Option<String>,
    egress_only_gateway: Option<String>,
    peering: Option<String>,
    transit_gateway: Option<String>,
}

impl From<RouteTarget> for Target {
    fn from(target: RouteTarget) -> Self {
        let mut named = Self::default();
        match target {
            RouteTarget::Local => named.gateway = Some("local".to_owned()),
            RouteTarget::InternetGateway(id) => named.gateway = Some(id.to_string()),
            RouteTarget::VpnGateway(id) => named.gateway = Some(id.to_string()),
            RouteTarget::Endpoint(id) => named.gateway = Some(id.to_string()),
            RouteTarget::NetworkInterface(id) => named.interface = Some(id.to_string()),
            RouteTarget::NatGateway(id) => named.nat_gateway = Some(id.to_string()),
            RouteTarget::EgressOnlyGateway(id) => named.egress_only_gateway = Some(id.to_string()),
            RouteTarget::Peering(id) => named.peering = Some(id.to_string()),
            RouteTarget::TransitGateway(id) => named.transit_gateway = Some(id.to_string()),
        }
        named
    }
}

/// Why there is no path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reason {
    code: String,
    component: String,
    arn: String,
    direction: Option<String>,
    rule: Option<Rule>,
}

impl Reason {
    /// A reason of that code about a component.
    pub(super) fn new(code: &str, component: &str) -> Self {
        Self { code: code.to_owned(), component: component.to_owned(), ..Self::default() }
    }

    fn of(network: &Network, owner: &Owner, blocker: &Blocker) -> Self {
        Self {
            code: blocker.code.to_owned(),
            component: blocker.resource_id.clone(),
            arn: owner.ec2_arn(kind_of(&blocker.resource_id), &blocker.resource_id),
            direction: (!blocker.direction.is_empty()).then(|| blocker.direction.to_owned()),
            rule: rule(network, blocker.resource, blocker.rule_id, blocker.direction),
        }
    }
}

impl Outcome {
    /// The outcome that an explanation is.
    pub(in crate::actions) fn of(network: &Network, owner: &Owner, question: &Question, explanation: &Explanation) -> Self {
        let blockers = if explanation.forward.reachable { &explanation.back.blockers } else { &explanation.forward.blockers };
        let starts_at = match question.start {
            Start::Eni(eni) => Some(eni.to_string()),
            Start::Internet(_) => None,
        };
        let way = |way: &Way, first: Option<&String>| {
            if explanation.reachable { components(network, owner, way, first) } else { Vec::new() }
        };
        Self {
            found: explanation.reachable,
            failure: None,
            forward: way(&explanation.forward, starts_at.as_ref()),
            back: way(&explanation.back, None),
            reasons: blockers.iter().map(|blocker| Reason::of(network, owner, blocker)).collect(),
        }
    }

    /// The components of a way that ends in a gateway.
    pub(in crate::actions) fn up_to_gateway(
        network: &Network,
        owner: &Owner,
        question: &Question,
        explanation: &Explanation,
        gateway: &str,
    ) -> Vec<Component> {
        let starts_at = match question.start {
            Start::Eni(eni) => Some(eni.to_string()),
            Start::Internet(_) => None,
        };
        let mut components = components(network, owner, &explanation.forward, starts_at.as_ref());
        let sequence = components.last().map_or(0, |last| last.sequence) + 1;
        let arn = owner.ec2_arn(kind_of(gateway), gateway);
        components.push(Component { sequence, id: gateway.to_owned(), arn, ..Component::default() });
        components
    }
}

/// The components of one direction, numbered from 1. A path that starts or ends at an interface starts or ends in its
/// instance.
fn components(network: &Network, owner: &Owner, way: &Way, first: Option<&String>) -> Vec<Component> {
    let mut components: Vec<_> = way.hops.iter().map(|hop| component(network, hop)).collect();
    if let Some(id) = first {
        components.insert(0, Component { id: id.clone(), ..Component::default() });
    }
    components.dedup_by(|later, earlier| later.id == earlier.id && later.rule.is_none() && earlier.rule.is_none());
    if let Some(instance) = components.first().and_then(|first| instance_of(network, &first.id)) {
        components.insert(0, Component { id: instance, ..Component::default() });
    }
    if let Some(instance) = components.last().and_then(|last| instance_of(network, &last.id)) {
        components.push(Component { id: instance, ..Component::default() });
    }
    for (component, sequence) in components.iter_mut().zip(1..) {
        component.sequence = sequence;
        component.arn = owner.ec2_arn(kind_of(&component.id), &component.id);
        component.attached_to = instance_of(network, &component.id);
        if let Some(eni) = component.id.parse().ok().and_then(|id| network.get::<NetworkInterface>(&id)) {
            component.subnet = Some(eni.subnet.to_string());
            component.vpc = Some(eni.vpc.to_string());
        }
    }
    components
}

/// The instance that carries an interface.
fn instance_of(network: &Network, id: &str) -> Option<String> {
    let eni = network.get::<NetworkInterface>(&id.parse().ok()?)?;
    eni.attachment.as_ref().map(|attachment| attachment.instance.to_string())
}

fn component(network: &Network, hop: &HopView) -> Component {
    Component {
        id: hop.resource_id.clone(),
        inbound: Some(header(&hop.hop.inbound)),
        outbound: Some(header(&hop.hop.outbound)),
        rule: rule(network, hop.hop.resource, hop.hop.rule, hop.direction),
        ..Component::default()
    }
}

fn header(view: &HeaderView) -> Header {
    let ports = match view.transport {
        Transport::Ports { src, dst } => Some((src, dst)),
        Transport::Icmp { .. } | Transport::Opaque | Transport::Fragment => None,
    };
    let block = |address: std::net::IpAddr| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
    Header { source: block(view.source), destination: block(view.destination), protocol: view.protocol, ports }
}

/// The rule with its particulars, as the network has it.
fn rule(network: &Network, resource: ResourceId, rule: Option<RuleId>, direction: &str) -> Option<Rule> {
    match (resource, rule?) {
        (ResourceId::Nacl(id), RuleId::NaclEntry(number)) => {
            let egress = direction == Direction::Egress.as_str();
            let entries = &network.get::<NetworkAcl>(&id)?.entries;
            let entry = entries.iter().find(|entry| entry.number == number && (entry.direction == Direction::Egress) == egress);
            Some(match entry {
                Some(entry) => Rule::Acl {
                    cidr: entry.block.to_string(),
                    egress,
                    ports: ports(entry.ports),
                    protocol: protocol(entry.protocol),
                    allow: entry.action == NaclAction::Allow,
                    number,
                },
                None => Rule::Acl {
                    cidr: if number == NetworkAcl::DENY_IPV6 { "::/0" } else { "0.0.0.0/0" }.to_owned(),
                    egress,
                    ports: None,
                    protocol: "all".to_owned(),
                    allow: false,
                    number,
                },
            })
        }
        (_, RuleId::SecurityGroupRule(id)) => {
            let rules = network.security_groups.values().flat_map(|group| &group.rules);
            rules.into_iter().find(|rule| rule.id == id).map(group_rule)
        }
        (ResourceId::RouteTable(table), RuleId::Route(destination)) => {
            let table = network.route_tables.get(&table)?;
            let route = table.routes.iter().find(|route| route.destination == destination);
            let target = route.map_or(RouteTarget::Local, |route| route.target);
            let state = match network.route_state(table.vpc, target) {
                RouteState::Active => "active",
                RouteState::Blackhole => "blackhole",
            };
            let origin = match route.map(|route| route.origin) {
                None | Some(RouteOrigin::CreateRouteTable) => "createroutetable",
                Some(RouteOrigin::CreateRoute) => "createroute",
                Some(RouteOrigin::EnableVgwRoutePropagation) => "enablevgwroutepropagation",
            };
            Some(Rule::Route {
                destination: destination.to_string(),
                target: target.into(),
                origin: origin.to_owned(),
                state: state.to_owned(),
            })
        }
        _ => None,
    }
}

fn group_rule(rule: &SecurityGroupRule) -> Rule {
    let (cidr, group, prefix_list) = match &rule.peer {
        Peer::Ipv4(block) => (Some(block.to_string()), None, None),
        Peer::Ipv6(block) => (Some(block.to_string()), None, None),
        Peer::Group { group, .. } => (None, Some(group.to_string()), None),
        Peer::PrefixList(list) => (None, None, Some(list.to_string())),
    };
    let egress = rule.direction == Direction::Egress;
    Rule::Group { cidr, group, prefix_list, egress, ports: ports(rule.ports), protocol: protocol(rule.protocol) }
}

fn ports(ports: RulePorts) -> Option<(u16, u16)> {
    match ports {
        RulePorts::Range(PortRange { from, to }) => Some((from, to)),
        RulePorts::All | RulePorts::Icmp(_) => None,
    }
}

fn protocol(protocol: Protocol) -> String {
    if protocol == Protocol::All { "all".to_owned() } else { protocol.to_string() }
}

/// A component as AWS shows it.
pub(in crate::actions) fn component_shape(component: &Component) -> shapes::PathComponent {
    let mut shape = shapes::PathComponent {
        sequence_number: Some(component.sequence),
        component: Some(named(&component.id, &component.arn)),
        attached_to: component.attached_to.as_deref().map(|id| named(id, "")),
        subnet: component.subnet.as_deref().map(|id| named(id, "")),
        vpc: component.vpc.as_deref().map(|id| named(id, "")),
        inbound_header: component.inbound.as_ref().map(header_shape),
        outbound_header: component.outbound.as_ref().map(header_shape),
        ..Default::default()
    };
    match &component.rule {
        Some(Rule::Acl { .. }) => shape.acl_rule = component.rule.as_ref().and_then(acl_rule),
        Some(Rule::Group { .. }) => shape.security_group_rule = component.rule.as_ref().and_then(security_group_rule),
        Some(Rule::Route { .. }) => shape.route_table_route = component.rule.as_ref().and_then(route),
        None => {}
    }
    shape
}

/// A reason as AWS shows it: the component in the member of its kind.
pub(super) fn explanation_shape(reason: &Reason) -> shapes::Explanation {
    let component = Some(named(&reason.component, &reason.arn));
    let mut shape = shapes::Explanation {
        explanation_code: Some(reason.code.clone()),
        direction: reason.direction.clone(),
        acl_rule: reason.rule.as_ref().and_then(acl_rule),
        security_group_rule: reason.rule.as_ref().and_then(security_group_rule),
        route_table_route: reason.rule.as_ref().and_then(route),
        ..Default::default()
    };
    match kind_of(&reason.component) {
        "network-acl" => shape.acl = component,
        "network-interface" => shape.network_interface = component,
        "internet-gateway" => shape.internet_gateway = component,
        "route-table" => shape.route_table = component,
        "security-group" => {
            shape.security_groups = component.clone().into_iter().collect();
            shape.security_group = component;
        }
        "subnet" => shape.subnet = component,
        "vpc" => shape.vpc = component,
        _ => shape.component = component,
    }
    shape
}

fn named(id: &str, arn: &str) -> shapes::AnalysisComponent {
    let arn = (!arn.is_empty()).then(|| arn.to_owned());
    shapes::AnalysisComponent { id: Some(id.to_owned()), arn, name: None }
}

fn header_shape(header: &Header) -> shapes::AnalysisPacketHeader {
    let one = |port: u16| vec![port_range((port, port))];
    shapes::AnalysisPacketHeader {
        source_addresses: vec![header.source.clone()],
        destination_addresses: vec![header.destination.clone()],
        source_port_ranges: header.ports.map(|(source, _)| one(source)).unwrap_or_default(),
        destination_port_ranges: header.ports.map(|(_, destination)| one(destination)).unwrap_or_default(),
        protocol: Some(header.protocol.to_string()),
    }
}

fn acl_rule(rule: &Rule) -> Option<shapes::AnalysisAclRule> {
    let Rule::Acl { cidr, egress, ports, protocol, allow, number } = rule else {
        return None;
    };
    Some(shapes::AnalysisAclRule {
        cidr: Some(cidr.clone()),
        egress: Some(*egress),
        port_range: ports.map(port_range),
        protocol: Some(protocol.clone()),
        rule_action: Some(if *allow { "allow" } else { "deny" }.to_owned()),
        rule_number: Some(i32::from(*number)),
    })
}

fn security_group_rule(rule: &Rule) -> Option<shapes::AnalysisSecurityGroupRule> {
    let Rule::Group { cidr, group, prefix_list, egress, ports, protocol } = rule else {
        return None;
    };
    Some(shapes::AnalysisSecurityGroupRule {
        cidr: cidr.clone(),
        direction: Some(if *egress { "egress" } else { "ingress" }.to_owned()),
        security_group_id: group.clone(),
        port_range: ports.map(port_range),
        prefix_list_id: prefix_list.clone(),
        protocol: Some(protocol.clone()),
    })
}

fn route(rule: &Rule) -> Option<shapes::AnalysisRouteTableRoute> {
    let Rule::Route { destination, target, origin, state } = rule else {
        return None;
    };
    let list = destination.starts_with("pl-");
    Some(shapes::AnalysisRouteTableRoute {
        destination_cidr: (!list).then(|| destination.clone()),
        destination_prefix_list_id: list.then(|| destination.clone()),
        egress_only_internet_gateway_id: target.egress_only_gateway.clone(),
        gateway_id: target.gateway.clone(),
        nat_gateway_id: target.nat_gateway.clone(),
        network_interface_id: target.interface.clone(),
        origin: Some(origin.clone()),
        state: Some(state.clone()),
        transit_gateway_id: target.transit_gateway.clone(),
        vpc_peering_connection_id: target.peering.clone(),
        ..Default::default()
    })
}

fn port_range((from, to): (u16, u16)) -> shapes::PortRange {
    shapes::PortRange { from: Some(i32::from(from)), to: Some(i32::from(to)) }
}
