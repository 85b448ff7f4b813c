//! A path as questions that the pipeline can walk.
//!
//! A path may leave the port, or the internet's side, open: is there *any* packet that gets through? Rules only draw lines
//! between ports and between addresses, so one port and one address of each part between the lines stand for all others.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use openvpc_model::{EniId, InsightsPath, Instance, InstanceId, InternetGatewayId, Network, Peer, Protocol, RulePorts};
use openvpc_pipeline::{Tables, compile};
use openvpc_reach::{Destination, Explanation, Question, Start, explain};

use super::outcome::{Outcome, Reason};

/// The lab internet's host: what "the internet" is when a path names no address on it.
const INTERNET_HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10));
/// Most questions that stand for one path.
const MOST_QUESTIONS: usize = 4096;

/// Answers a path.
pub(super) fn analyse(network: &Network, path: &InsightsPath, filter_in_arns: &[String]) -> Outcome {
    match first_reachable(network, path) {
        Ok((question, explanation)) => {
            let mut outcome = Outcome::of(network, &path.owner, &question, &explanation);
            let missing = filter_in_arns.iter().find(|arn| {
                let id = arn.rsplit('/').next().unwrap_or(arn);
                !outcome.forward.iter().any(|component| component.id == id)
            });
            if let Some(missing) = missing
                && outcome.found
            {
                outcome.found = false;
                outcome.reasons =
                    vec![Reason::new("COMPONENT_FILTER_RESTRICTION", missing.rsplit('/').next().unwrap_or(missing))];
                outcome.forward.clear();
                outcome.back.clear();
            }
            outcome
        }
        Err(failure) => Outcome { failure: Some(failure), ..Outcome::default() },
    }
}

/// The first question of a path that is answered with yes, else the first one.
fn first_reachable(network: &Network, path: &InsightsPath) -> Result<(Question, Explanation), String> {
    let tables = compile(network, None);
    let mut first = None;
    for question in questions(network, path)? {
        let explanation = ask(network, &tables, &question)?;
        if explanation.reachable {
            return Ok((question, explanation));
        }
        first.get_or_insert((question, explanation));
    }
    first.ok_or_else(|| "the path asks nothing".to_owned())
}

fn ask(network: &Network, tables: &Tables, question: &Question) -> Result<Explanation, String> {
    explain(network, tables, question).map_err(|error| error.to_string())
}

fn questions(network: &Network, path: &InsightsPath) -> Result<Vec<Question>, String> {
    let filter = |name: &str| {
        let at = |place: &str| path.filters[place][name].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        at("FilterAtSource").or_else(|| at("FilterAtDestination"))
    };
    let source_ip = path.source_ip.as_deref().and_then(|text| text.parse().ok()).or_else(|| filter("SourceAddress"));
    let destination_ip =
        path.destination_ip.as_deref().and_then(|text| text.parse().ok()).or_else(|| filter("DestinationAddress"));
    let protocol = match Protocol::parse(&path.protocol) {
        Some(Protocol::Number(number)) => number,
        _ => return Err(format!("{} is no protocol that a path can have", path.protocol)),
    };
    let starts = match place(network, &path.source)? {
        Place::Eni(eni) => vec![Start::Eni(eni)],
        Place::Internet => match source_ip {
            Some(address) => vec![Start::Internet(address)],
            None => internet_addresses(network).into_iter().map(Start::Internet).collect(),
        },
    };
    let destinations = match (destination_ip, path.destination.as_deref()) {
        (Some(address), _) => vec![Destination::Address(address)],
        (None, Some(text)) => match place(network, text)? {
            Place::Eni(eni) => vec![Destination::Eni(eni)],
            Place::Internet => internet_addresses(network).into_iter().map(Destination::Address).collect(),
        },
        (None, None) => return Err("the path names no destination".to_owned()),
    };
    let port_of = |name: &str| {
        let at = |place: &str| path.filters[place][name]["FromPort"].as_u64().and_then(|port| u16::try_from(port).ok());
        at("FilterAtSource").or_else(|| at("FilterAtDestination"))
    };
    let ports = match path.destination_port.or_else(|| port_of("DestinationPortRange")) {
        Some(port) => vec![port],
        None => ports(network, protocol),
    };
    let source_port = port_of("SourcePortRange").unwrap_or(Question::DEFAULT_SOURCE_PORT);
    let mut questions = Vec::new();
    for start in &starts {
        for destination in &destinations {
            for port in &ports {
                questions.push(Question { start: *start, destination: *destination, protocol, port: *port, source_port });
            }
        }
    }
    questions.truncate(MOST_QUESTIONS);
    Ok(questions)
}

/// What a source or destination is.
enum Place {
    Eni(EniId),
    Internet,
}

fn place(network: &Network, text: &str) -> Result<Place, String> {
    if let Ok(eni) = text.parse::<EniId>() {
        return Ok(Place::Eni(eni));
    }
    if let Ok(instance) = text.parse::<InstanceId>() {
        let instance = network.get::<Instance>(&instance).ok_or_else(|| format!("{text} does not exist any more"))?;
        return Ok(Place::Eni(instance.primary_eni));
    }
    match text.parse::<InternetGatewayId>() {
        Ok(_) => Ok(Place::Internet),
        Err(_) => Err(format!("{text} is no place where packets start or end")),
    }
}

/// One port of every range that rules of the protocol tell apart.
pub(in crate::actions) fn ports(network: &Network, protocol: u8) -> Vec<u16> {
    let matters = |candidate: &Protocol| matches!(candidate, Protocol::All) || *candidate == Protocol::Number(protocol);
    let groups = network.security_groups.values().flat_map(|group| &group.rules).map(|rule| (rule.protocol, rule.ports));
    let nacls = network.nacls.values().flat_map(|nacl| &nacl.entries).map(|entry| (entry.protocol, entry.ports));
    let mut ports = BTreeSet::from([0]);
    for (candidate, range) in groups.chain(nacls) {
        if let RulePorts::Range(range) = range
            && matters(&candidate)
        {
            ports.insert(range.from);
            ports.extend(range.to.checked_add(1));
        }
    }
    ports.into_iter().collect()
}

/// One address on the internet of every block that rules tell apart; the lab's host first.
pub(in crate::actions) fn internet_addresses(network: &Network) -> Vec<IpAddr> {
    let groups = network.security_groups.values().flat_map(|group| &group.rules).filter_map(|rule| match rule.peer {
        Peer::Ipv4(block) => Some(block),
        _ => None,
    });
    let nacls = network.nacls.values().flat_map(|nacl| &nacl.entries).filter_map(|entry| match entry.block {
        IpNet::V4(block) => Some(block),
        IpNet::V6(_) => None,
    });
    let blocks: BTreeSet<Ipv4Net> = groups.chain(nacls).collect();
    let public = |address: &Ipv4Addr| {
        !address.is_private() && !address.is_unspecified() && !address.is_loopback() && !address.is_link_local()
    };
    let others = blocks.iter().filter_map(|block| block.hosts().next()).filter(public).map(IpAddr::V4);
    std::iter::once(INTERNET_HOST).chain(others).collect()
}
