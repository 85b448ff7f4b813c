//! What a scope asks: every interface and gateway that it speaks of, in pairs, with one packet for each way in which rules
//! tell packets apart.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use openvpc_control::ControlError;
use openvpc_control::access_scopes::{Found, parse_block, parse_ports};
use openvpc_model::access_scope::{ScopeEnd, ScopeHeaders, ScopePath, ScopeResources};
use openvpc_model::{
    AccessScope, EniId, InternetGateway, InternetGatewayId, Network, NetworkInterface, Owner, PrefixList, Protocol, RouteTable,
    RouteTarget, Subnet,
};
use openvpc_pipeline::{HeaderView, HopAction, RuleId, Tables, Transport, compile};
use openvpc_reach::{Destination, Explanation, HopView, Question, Start, explain};

use super::super::insights::outcome::{Component, Outcome};
use super::super::insights::question::{internet_addresses, ports};

/// Most packets that one analysis asks about. The rest of the scope is then unknown, which the analysis says.
const MOST_QUESTIONS: usize = 100_000;
/// Most findings of one analysis.
const MOST_FINDINGS: usize = 2000;
/// The code of a packet that was sent to a gateway and that nothing carries on.
const AT_GATEWAY: &str = "OPENVPC_NOT_FORWARDED";

/// Looks for ways that match a scope and aren't excluded. One way is shown for each pair of ends.
pub(super) fn analyse(network: &Network, scope: &AccessScope) -> Result<Found, ControlError> {
    let mut analyser = Analyser {
        network,
        scope,
        tables: compile(network, None),
        asked: 0,
        enis: BTreeSet::new(),
        findings: Vec::new(),
        internet: internet(network, scope),
    };
    for path in &scope.match_paths {
        analyser.look_for(path)?;
    }
    let warning = analyser.is_exhausted().then(|| {
        format!(
            "The analysis ended after {} questions and {} findings; narrow the scope.",
            analyser.asked,
            analyser.findings.len()
        )
    });
    let analyzed_enis = u32::try_from(analyser.enis.len()).unwrap_or(u32::MAX);
    Ok(Found { findings: analyser.findings, analyzed_enis, warning })
}

struct Analyser<'a> {
    network: &'a Network,
    scope: &'a AccessScope,
    tables: Tables,
    /// How many questions were asked.
    asked: usize,
    /// The interfaces that were asked about.
    enis: BTreeSet<EniId>,
    findings: Vec<serde_json::Value>,
    /// Addresses that stand for the internet.
    internet: Vec<IpAddr>,
}

/// Where a way starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Eni(EniId),
    Internet(InternetGatewayId),
    /// A gateway that routes lead to.
    Gateway(RouteTarget),
}

/// A question, and whether it is answered with yes when a gateway takes the packet.
struct Probe {
    question: Question,
    gateway: Option<IpNet>,
}

impl Analyser<'_> {
    fn look_for(&mut self, path: &ScopePath) -> Result<(), ControlError> {
        let sources = self.ends(path.source.as_ref(), false);
        let destinations = self.ends(path.destination.as_ref(), true);
        for end in sources.iter().chain(&destinations) {
            if let End::Eni(eni) = end {
                self.enis.insert(*eni);
            }
        }
        for source in &sources {
            for destination in &destinations {
                if self.is_exhausted() {
                    return Ok(());
                }
                if let Some(components) = self.first_way(path, *source, *destination) {
                    let finding = serde_json::to_value(components).map_err(ControlError::internal)?;
                    // Two match paths may find the same way.
                    if !self.findings.contains(&finding) {
                        self.findings.push(finding);
                    }
                }
            }
        }
        Ok(())
    }

    /// The first way from one end to the other that matches and isn't excluded.
    fn first_way(&mut self, path: &ScopePath, source: End, destination: End) -> Option<Vec<Component>> {
        for probe in self.probes(path, source, destination) {
            if self.is_exhausted() {
                return None;
            }
            let Ok((from, to)) = probe.question.addresses(self.network) else { continue };
            let sent = HeaderView {
                source: from,
                destination: to,
                protocol: probe.question.protocol,
                transport: Transport::Ports { src: probe.question.source_port, dst: probe.question.port },
            };
            if !self.has_headers(path.source.as_ref(), &sent) {
                continue;
            }
            self.asked += 1;
            let Ok(explanation) = explain(self.network, &self.tables, &probe.question) else { continue };
            let Some(components) = self.way(&probe, &explanation, destination) else { continue };
            let arrived = explanation.forward.hops.last().map_or(sent, |hop| hop.hop.outbound);
            let ends = ((source, &sent), (destination, &arrived));
            let matches = |path: &ScopePath| self.is_way(path, ends, &components);
            if matches(path) && !self.scope.exclude_paths.iter().any(matches) {
                return Some(components);
            }
        }
        None
    }

    /// The components of a way, if the packet gets through.
    fn way(&self, probe: &Probe, explanation: &Explanation, destination: End) -> Option<Vec<Component>> {
        let owner = &self.scope.owner;
        let Some(block) = probe.gateway else {
            return explanation.reachable.then(|| Outcome::of(self.network, owner, &probe.question, explanation).forward);
        };
        let End::Gateway(target) = destination else { return None };
        // It ends where the route to the gateway is taken, whatever becomes of the packet behind it.
        let mut explanation = explanation.clone();
        let hops = &mut explanation.forward.hops;
        let taken = hops.iter().position(|hop| hop.hop.rule == Some(RuleId::Route(block.into())))?;
        let is_denied = |hop: &HopView| hop.hop.action == HopAction::Deny && hop.code != AT_GATEWAY;
        if hops[..=taken].iter().any(is_denied) {
            return None;
        }
        hops.truncate(taken + 1);
        Some(Outcome::up_to_gateway(self.network, owner, &probe.question, &explanation, &target_id(target)))
    }

    fn is_way(&self, path: &ScopePath, (start, end): ((End, &HeaderView), (End, &HeaderView)), components: &[Component]) -> bool {
        let is_end = |wanted: &Option<ScopeEnd>, (end, header): (End, &HeaderView)| {
            let resources = wanted.as_ref().and_then(|wanted| wanted.resources.as_ref());
            resources.is_none_or(|resources| self.is_one_of(resources, end)) && self.has_headers(wanted.as_ref(), header)
        };
        is_end(&path.source, start)
            && is_end(&path.destination, end)
            && path.through.iter().all(|through| components.iter().any(|component| passes(through, component)))
    }

    /// One packet for each way in which rules and the scope tell packets between two ends apart.
    fn probes(&self, path: &ScopePath, source: End, destination: End) -> Vec<Probe> {
        let starts: Vec<Start> = match source {
            End::Eni(eni) => vec![Start::Eni(eni)],
            End::Internet(_) => self.internet.iter().copied().map(Start::Internet).collect(),
            End::Gateway(_) => Vec::new(),
        };
        let destinations: Vec<(Destination, Option<IpNet>)> = match (source, destination) {
            (_, End::Eni(eni)) if End::Eni(eni) != source && self.are_joined(source, destination) => {
                vec![(Destination::Eni(eni), None)]
            }
            (End::Eni(_), End::Internet(_)) if self.are_joined(source, destination) => {
                self.internet.iter().map(|address| (Destination::Address(*address), None)).collect()
            }
            (End::Eni(eni), End::Gateway(target)) => self.routed(eni, target),
            _ => Vec::new(),
        };
        let mut probes = Vec::new();
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let Protocol::Number(protocol) = protocol else { continue };
            let (source_ports, ports) = self.ports(path, protocol);
            for (start, (destination, gateway)) in starts.iter().flat_map(|start| destinations.iter().map(move |d| (start, d))) {
                for (source_port, port) in source_ports.iter().flat_map(|source| ports.iter().map(move |port| (source, port))) {
                    let (start, destination) = (*start, *destination);
                    let question = Question { start, destination, protocol, port: *port, source_port: *source_port };
                    probes.push(Probe { question, gateway: *gateway });
                }
            }
        }
        probes
    }

    /// Source and destination ports that stand for all others: rules and statements only draw lines between ports.
    fn ports(&self, path: &ScopePath, protocol: u8) -> (BTreeSet<u16>, BTreeSet<u16>) {
        let mut sources = BTreeSet::from([Question::DEFAULT_SOURCE_PORT]);
        let mut destinations: BTreeSet<u16> = ports(self.network, protocol).into_iter().collect();
        for headers in std::iter::once(path).chain(&self.scope.exclude_paths).flat_map(headers_of) {
            for (texts, lines) in [(&headers.source_ports, &mut sources), (&headers.destination_ports, &mut destinations)] {
                for (from, to) in texts.iter().filter_map(|text| parse_ports(text)) {
                    lines.insert(from);
                    lines.extend(to.checked_add(1));
                }
            }
        }
        (sources, destinations)
    }

    /// Addresses that an interface's routes send to a gateway, each with its route's destination.
    fn routed(&self, eni: EniId, target: RouteTarget) -> Vec<(Destination, Option<IpNet>)> {
        let subnet = self.network.get::<NetworkInterface>(&eni).and_then(|eni| self.network.get::<Subnet>(&eni.subnet));
        let Some(table) = subnet.and_then(|subnet| self.network.route_table_of(subnet)) else { return Vec::new() };
        let blocks = table.routes.iter().filter(|route| route.target == target).filter_map(|route| route.destination.block());
        let mut addresses = Vec::new();
        for block in blocks {
            let inside = self.internet.iter().copied().filter(|address| block.contains(address));
            let first = block.hosts().next().filter(|address| !address.is_unspecified());
            addresses.extend(inside.chain(first).map(|address| (Destination::Address(address), Some(block))));
        }
        addresses
    }

    /// Whether a way between two ends can be: a gateway is that of its own VPC alone.
    fn are_joined(&self, source: End, destination: End) -> bool {
        let vpc = |end: End| match end {
            End::Eni(eni) => self.network.get::<NetworkInterface>(&eni).map(|eni| eni.vpc),
            End::Internet(id) => self.network.get::<InternetGateway>(&id).and_then(|gateway| gateway.vpc),
            End::Gateway(_) => None,
        };
        match (source, destination) {
            (End::Internet(_), _) | (_, End::Internet(_)) => vpc(source).is_some() && vpc(source) == vpc(destination),
            _ => true,
        }
    }

    /// The ends that a statement speaks of; packets start at interfaces and on the internet alone.
    fn ends(&self, wanted: Option<&ScopeEnd>, is_destination: bool) -> Vec<End> {
        let owner = &self.scope.owner;
        let enis = self.network.owned::<NetworkInterface>(owner).map(|eni| End::Eni(eni.id));
        let gateways = self.network.owned::<InternetGateway>(owner).filter(|gateway| gateway.vpc.is_some());
        let mut ends: Vec<End> = enis.chain(gateways.map(|gateway| End::Internet(gateway.id))).collect();
        if is_destination {
            ends.extend(targets(self.network, owner).into_iter().map(End::Gateway));
        }
        if let Some(resources) = wanted.and_then(|wanted| wanted.resources.as_ref()) {
            ends.retain(|end| self.is_one_of(resources, *end));
        }
        ends
    }

    fn is_one_of(&self, wanted: &ScopeResources, end: End) -> bool {
        let named = |id: &str| wanted.resources.iter().any(|text| text.rsplit('/').next() == Some(id));
        let typed = |name: &str| wanted.types.iter().any(|wanted| wanted == name);
        match end {
            End::Internet(id) => named(&id.to_string()) || typed("AWS::EC2::InternetGateway"),
            End::Gateway(target) => named(&target_id(target)) || target_type(target).is_some_and(typed),
            End::Eni(id) => {
                let Some(eni) = self.network.get::<NetworkInterface>(&id) else { return false };
                let instance = eni.attachment.as_ref().map(|attachment| attachment.instance.to_string());
                named(&id.to_string())
                    || named(&eni.subnet.to_string())
                    || named(&eni.vpc.to_string())
                    || eni.groups.iter().any(|group| named(&group.to_string()))
                    || instance.as_deref().is_some_and(|instance| named(instance) || typed("AWS::EC2::Instance"))
                    || ["NetworkInterface", "SecurityGroup", "Subnet", "VPC"]
                        .iter()
                        .any(|kind| typed(&format!("AWS::EC2::{kind}")))
                    || eni.interface_type == "vpc_endpoint" && typed("AWS::EC2::VPCEndpoint")
            }
        }
    }

    fn has_headers(&self, wanted: Option<&ScopeEnd>, header: &HeaderView) -> bool {
        let Some(wanted) = wanted.and_then(|wanted| wanted.headers.as_ref()) else { return true };
        let protocol = Protocol::Number(header.protocol).to_string();
        let (source_port, port) = match header.transport {
            Transport::Ports { src, dst } => (src, dst),
            _ => (0, 0),
        };
        let in_ranges = |texts: &[String], port: u16| {
            texts.is_empty() || texts.iter().filter_map(|text| parse_ports(text)).any(|(from, to)| (from..=to).contains(&port))
        };
        let in_blocks = |blocks: Option<Vec<IpNet>>, address: IpAddr| {
            blocks.is_none_or(|blocks| blocks.iter().any(|block| block.contains(&address)))
        };
        (wanted.protocols.is_empty() || wanted.protocols.contains(&protocol))
            && in_ranges(&wanted.source_ports, source_port)
            && in_ranges(&wanted.destination_ports, port)
            && in_blocks(blocks(self.network, &wanted.source_addresses, &wanted.source_prefix_lists), header.source)
            && in_blocks(
                blocks(self.network, &wanted.destination_addresses, &wanted.destination_prefix_lists),
                header.destination,
            )
    }

    fn is_exhausted(&self) -> bool {
        self.asked >= MOST_QUESTIONS || self.findings.len() >= MOST_FINDINGS
    }
}

/// Whether a component is one of those that a way is to pass.
fn passes(wanted: &ScopeResources, component: &Component) -> bool {
    let kind = match component.id.split_once('-').map(|(prefix, _)| prefix) {
        Some("eni") => "AWS::EC2::NetworkInterface",
        Some("i") => "AWS::EC2::Instance",
        Some("igw") => "AWS::EC2::InternetGateway",
        Some("nat") => "AWS::EC2::NatGateway",
        Some("pcx") => "AWS::EC2::VPCPeeringConnection",
        Some("sg") => "AWS::EC2::SecurityGroup",
        Some("subnet") => "AWS::EC2::Subnet",
        Some("tgw") => "AWS::EC2::TransitGatewayAttachment",
        Some("vgw") => "AWS::EC2::VPNGateway",
        Some("vpc") => "AWS::EC2::VPC",
        Some("vpce") => "AWS::EC2::VPCEndpoint",
        _ => "",
    };
    let is_it = |text: &String| {
        let id = text.rsplit('/').next();
        id == Some(&component.id) || component.attached_to.is_some() && id == component.attached_to.as_deref()
    };
    wanted.resources.iter().any(is_it) || wanted.types.iter().any(|wanted| wanted == kind)
}

/// The header statements of a path.
fn headers_of(path: &ScopePath) -> impl Iterator<Item = &ScopeHeaders> {
    path.source.iter().chain(&path.destination).filter_map(|end| end.headers.as_ref())
}

/// Blocks by number and by list; none when neither is given. A list that is gone holds nothing.
fn blocks(network: &Network, addresses: &[String], lists: &[String]) -> Option<Vec<IpNet>> {
    if addresses.is_empty() && lists.is_empty() {
        return None;
    }
    let lists = lists.iter().filter_map(|text| network.get::<PrefixList>(&text.parse().ok()?));
    let listed = lists.flat_map(|list| list.entries.iter().map(|entry| entry.cidr));
    Some(addresses.iter().filter_map(|text| parse_block(text)).chain(listed).collect())
}

/// Addresses that stand for the internet: those that rules tell apart, and one of each block that the scope names.
fn internet(network: &Network, scope: &AccessScope) -> Vec<IpAddr> {
    let mut addresses = internet_addresses(network);
    for headers in scope.match_paths.iter().chain(&scope.exclude_paths).flat_map(headers_of) {
        for (texts, lists) in [
            (&headers.source_addresses, &headers.source_prefix_lists),
            (&headers.destination_addresses, &headers.destination_prefix_lists),
        ] {
            let blocks = blocks(network, texts, lists).unwrap_or_default();
            for block in blocks.iter().filter(|block| block.prefix_len() > 0) {
                // Two, since one may be an address of the network's own.
                addresses.extend(block.hosts().next());
                addresses.push(block.broadcast());
            }
        }
    }
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses
}

/// The gateways, other than those to the internet, that an account's routes lead to.
fn targets(network: &Network, owner: &Owner) -> BTreeSet<RouteTarget> {
    let routes = network.owned::<RouteTable>(owner).flat_map(|table| &table.routes);
    routes.map(|route| route.target).filter(|target| target_type(*target).is_some()).collect()
}

fn target_type(target: RouteTarget) -> Option<&'static str> {
    match target {
        RouteTarget::Local | RouteTarget::InternetGateway(_) | RouteTarget::NetworkInterface(_) => None,
        RouteTarget::EgressOnlyGateway(_) => None,
        RouteTarget::NatGateway(_) => Some("AWS::EC2::NatGateway"),
        RouteTarget::Peering(_) => Some("AWS::EC2::VPCPeeringConnection"),
        RouteTarget::TransitGateway(_) => Some("AWS::EC2::TransitGatewayAttachment"),
        RouteTarget::VpnGateway(_) => Some("AWS::EC2::VPNGateway"),
        RouteTarget::Endpoint(_) => Some("AWS::EC2::VPCEndpoint"),
    }
}

fn target_id(target: RouteTarget) -> String {
    match target {
        RouteTarget::Local => "local".to_owned(),
        RouteTarget::InternetGateway(id) => id.to_string(),
        RouteTarget::NetworkInterface(id) => id.to_string(),
        RouteTarget::EgressOnlyGateway(id) => id.to_string(),
        RouteTarget::NatGateway(id) => id.to_string(),
        RouteTarget::Peering(id) => id.to_string(),
        RouteTarget::TransitGateway(id) => id.to_string(),
        RouteTarget::VpnGateway(id) => id.to_string(),
        RouteTarget::Endpoint(id) => id.to_string(),
    }
}
