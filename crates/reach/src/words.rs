//! Reasons as sentences for a person: what was wrong, where, and what would help.

use openvpc_model::{Direction, Network, Protocol};
use openvpc_pipeline::{Code, Drop, PacketHeader, ResourceId, RuleId, Transport};

/// The sentence for a drop of that packet.
pub(crate) fn reason(network: &Network, drop: &Drop, packet: &PacketHeader) -> String {
    let resource = drop.resource;
    let what = kind(packet);
    let (src, dst) = (packet.src, packet.dst);
    match drop.code {
        Code::AddressNotForwarded => {
            format!("{dst} is a broadcast, multicast, link-local or reserved address, which the VPC router doesn't forward")
        }
        Code::BadStateRoute => {
            format!("the route {} of {resource} is a blackhole: its target is gone or isn't running", rule(drop))
        }
        Code::ConnectionClosed => "the connection was closed before; only a new one (SYN) may use its ports".to_owned(),
        Code::ConntrackFull => format!("the connection-tracking allowance of {resource} is used up"),
        Code::DisconnectedVpcs => "the two VPCs have no connection to each other".to_owned(),
        Code::DnsSupportDisabled => "the VPC's attribute enableDnsSupport is false, so its resolver doesn't answer".to_owned(),
        Code::EniAddressRestriction => format!("{dst} isn't an address of {resource}"),
        Code::EniSgRulesMismatch => match drop.direction {
            Some(Direction::Egress) => format!("no outbound rule of {} allows {what} to {dst}", groups(network, resource)),
            _ => format!("no inbound rule of {} allows {what} from {src}", groups(network, resource)),
        },
        Code::EniSourceDestCheckRestriction => match drop.direction {
            Some(Direction::Egress) => format!("{src} isn't an address of {resource}, whose source/destination check is on"),
            _ => format!("{dst} isn't an address of {resource}, whose source/destination check is on"),
        },
        Code::GatewayRejectsSpoofedTraffic => format!("{resource} doesn't take packets from {src}"),
        Code::EgressOnly => format!("{resource} lets answers in alone, and nothing in the VPC asked {src} for this"),
        Code::HopLimitExceeded => format!("the packet's hop limit is used up at {resource}"),
        Code::IgwDestinationAddressInVpcCidrs => format!("{dst} isn't an address of the VPC of {resource}"),
        Code::IgwDestinationAddressNotInRfc1918Egress => {
            format!("{dst} is a private address (RFC 1918), which {resource} doesn't send to the internet")
        }
        Code::IgwDestinationAddressNotInRfc6598Egress => {
            format!("{dst} is a shared address (RFC 6598), which {resource} doesn't send to the internet")
        }
        Code::IgwPrivateIpAssociationForIngress => format!("no running interface has the public address {dst}"),
        Code::IgwPublicIpAssociationForEgress => {
            format!("{src} has no public IPv4 address, without which {resource} lets nothing out; associate an Elastic IP")
        }
        Code::IgwSourceAddressNotInRfc1918Ingress => {
            format!("{src} is a private address (RFC 1918), which can't come from the internet")
        }
        Code::IgwSourceAddressNotInRfc6598Ingress => {
            format!("{src} is a shared address (RFC 6598), which can't come from the internet")
        }
        Code::IngressRtbNoPublicIp => {
            format!("the interface that the gateway's route table names has no public address ({resource})")
        }
        Code::InstanceNotRunning => format!("{resource} isn't in a running instance"),
        Code::InternetUnreachable => format!("nothing on the internet has the address {dst}"),
        Code::LinkLocalAllowanceExceeded => {
            format!("the network interface sent more packets to {resource} and its like within a second than it may")
        }
        Code::MtuExceeded => format!("the packet is larger than {resource} takes and must not be fragmented"),
        Code::NatFragment => format!("{resource} translates no fragments but those of UDP"),
        Code::NatIdleTimeout => {
            format!("{resource} doesn't know the connection: it was idle for 350 seconds, or its first packet didn't pass here")
        }
        Code::NatNoConnection => format!("{resource} lets answers in alone, and nothing behind it asked {src} for this"),
        Code::NatPortsExhausted => {
            format!(
                "{resource} has no port left for {dst}: each of its addresses takes 55,000 connections to one address and port"
            )
        }
        Code::NgwRequiresSourceInVpc => format!("{src} isn't in the VPC of {resource}, which serves its own VPC alone"),
        Code::NoRouteToDestination => format!("{resource} has no route for {dst}"),
        Code::NotForwarded => {
            format!("the route {} of {resource} names a gateway that this version keeps but moves no packets through", rule(drop))
        }
        Code::ProtocolRestriction => format!("{resource} translates TCP, UDP and ICMP alone, not {what}"),
        Code::RoutingLoop => "the packet went round between middleboxes".to_owned(),
        Code::SgHasNoRules => match drop.direction {
            Some(Direction::Egress) => format!("{} has no outbound rules at all", groups(network, resource)),
            _ => format!("{} has no inbound rules at all", groups(network, resource)),
        },
        Code::SgReferencesNotPreserved => format!(
            "a rule of {resource} names a security group, but the packet doesn't come straight from one of its interfaces"
        ),
        Code::SubnetAclRestriction => {
            let way = if drop.direction == Some(Direction::Egress) {
                format!("outbound rule {} denies {what} to {dst}", rule(drop))
            } else {
                format!("inbound rule {} denies {what} from {src}", rule(drop))
            };
            format!("{way} in {resource}")
        }
        Code::VpcBlockPublicAccessEnabled => {
            format!("Block Public Access keeps {resource} from passing it; exclude the VPC or subnet, or change the mode")
        }
        Code::UnknownDestination => format!("no interface has the address {dst}"),
        Code::VpcLocalRouteCidrRestriction => format!("{dst} isn't in the VPC, so its local route can't take it"),
    }
}

/// The packet in a word or two: `tcp port 22`, `icmp type 8`.
fn kind(packet: &PacketHeader) -> String {
    let protocol = match Protocol::Number(packet.protocol) {
        Protocol::Number(number) if !Protocol::Number(number).has_ports() && !Protocol::Number(number).is_icmp() => {
            format!("protocol {number}")
        }
        known => known.to_string(),
    };
    match packet.transport {
        Transport::Ports { dst, .. } => format!("{protocol} port {dst}"),
        Transport::Icmp { kind, code, .. } => format!("{protocol} type {kind} code {code}"),
        Transport::Opaque | Transport::Fragment => protocol,
    }
}

fn rule(drop: &Drop) -> String {
    drop.rule.map(|rule: RuleId| rule.to_string()).unwrap_or_default()
}

/// A group with its name.
fn groups(network: &Network, resource: ResourceId) -> String {
    match resource {
        ResourceId::SecurityGroup(id) => {
            network.security_groups.get(&id).map_or_else(|| id.to_string(), |group| format!("{id} \"{}\"", group.name))
        }
        ResourceId::Eni(id) => format!("the security groups of {id}"),
        other => other.to_string(),
    }
}
