//! One record, and how each of its fields is written.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::{AccountId, Direction, EniId, InstanceId, NetworkInterface, Region, SubnetId, TrafficType, VpcId};

use openvpc_pipeline::verdict::RejectReason;

use crate::field::Field;
use crate::format::Format;
use crate::service_prefixes::ServicePrefixes;

/// What an interface saw in one aggregation interval: one flow, or that there was none, or that some were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The interface, as it was at that time.
    pub interface: Arc<Interface>,
    /// Unix seconds: the first packet, or the begin of the interval.
    pub start: u64,
    /// Unix seconds: the last packet, or the last second of the interval; never before `start`.
    pub end: u64,
    /// What was seen.
    pub status: Status,
}

/// The field `log-status`, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// One flow.
    Ok(Flow, Totals),
    /// No traffic in the interval.
    NoData,
    /// Flows of the interval were lost.
    SkipData,
}

/// What makes two packets of an interface the same flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Relative to the interface.
    pub direction: Direction,
    /// Whether security groups and network ACLs let it pass.
    pub accepted: bool,
    /// Source as in the packet.
    pub source: IpAddr,
    /// Destination as in the packet.
    pub destination: IpAddr,
    /// 0 for protocols without ports.
    pub source_port: u16,
    /// 0 for protocols without ports.
    pub destination_port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Who refused it, where that isn't a security group or network ACL.
    pub reason: Option<RejectReason>,
}

/// The sums of a flow over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// IP datagrams.
    pub packets: u64,
    /// Sum of their lengths.
    pub bytes: u64,
    /// FIN 1, SYN 2, RST 4, SYN-ACK 18, added up.
    pub tcp_flags: u8,
    /// The way out of the VPC's router; egress only.
    pub traffic_path: Option<u8>,
}

/// What records say about the interface itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's id.
    pub id: EniId,
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The zone's id, such as `euc1-az2`.
    pub zone_id: String,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The instance it is in; none for interfaces that services made.
    pub instance: Option<InstanceId>,
    /// The address that stands for the interface in `srcaddr` and `dstaddr`.
    pub primary_ipv4: Option<Ipv4Addr>,
    /// What a service made it for, as the field `interface-type` says it.
    pub kind: Option<&'static str>,
}

impl Record {
    /// Whether a flow log of that type keeps the record. NODATA and SKIPDATA belong to every type.
    pub fn matches(&self, traffic_type: TrafficType) -> bool {
        match (&self.status, traffic_type) {
            (Status::Ok(flow, _), TrafficType::Accept) => flow.accepted,
            (Status::Ok(flow, _), TrafficType::Reject) => !flow.accepted,
            _ => true,
        }
    }

    /// The record as a line of text, without a line end.
    pub fn line<'a>(&'a self, format: &'a Format, services: &'a ServicePrefixes) -> impl Display + 'a {
        Line { record: self, format, services }
    }

    /// A field's value; none where AWS writes `-`.
    pub fn value<'a>(&'a self, field: Field, format: &Format, services: &'a ServicePrefixes) -> Option<Value<'a>> {
        match field {
            Field::Version => return Some(Value::Number(format.version().into())),
            Field::Start => return Some(Value::Number(self.start)),
            Field::End => return Some(Value::Number(self.end)),
            Field::LogStatus => return Some(Value::Text(self.status.as_str())),
            _ => {}
        }
        match &self.status {
            Status::Ok(flow, totals) => self.interface.value(field).or_else(|| self.flow_value(flow, totals, field, services)),
            Status::NoData | Status::SkipData => self.interface.value(field),
        }
    }

    /// The interface stands for itself with its primary private IPv4 address, whatever the header says
    /// ("Flow log record examples", traffic through secondary addresses and NAT gateways).
    fn own_side(&self, in_packet: IpAddr) -> IpAddr {
        match (in_packet, self.interface.primary_ipv4) {
            (IpAddr::V4(_), Some(primary)) => IpAddr::V4(primary),
            _ => in_packet,
        }
    }

    fn flow_value<'a>(&self, flow: &Flow, totals: &Totals, field: Field, services: &'a ServicePrefixes) -> Option<Value<'a>> {
        let value = match field {
            Field::Srcaddr if flow.direction == Direction::Egress => Value::Address(self.own_side(flow.source)),
            Field::Dstaddr if flow.direction == Direction::Ingress => Value::Address(self.own_side(flow.destination)),
            Field::Srcaddr | Field::PktSrcaddr => Value::Address(flow.source),
            Field::Dstaddr | Field::PktDstaddr => Value::Address(flow.destination),
            Field::Srcport => Value::Number(flow.source_port.into()),
            Field::Dstport => Value::Number(flow.destination_port.into()),
            Field::Protocol => Value::Number(flow.protocol.into()),
            Field::Packets => Value::Number(totals.packets),
            // AWS counts no bytes of what Block Public Access refuses.
            Field::Bytes if flow.reason == Some(RejectReason::BlockPublicAccess) => return None,
            Field::Bytes => Value::Number(totals.bytes),
            Field::RejectReason => match flow.reason? {
                RejectReason::BlockPublicAccess => Value::Text("BPA"),
            },
            Field::Action => Value::Text(if flow.accepted { "ACCEPT" } else { "REJECT" }),
            Field::TcpFlags => Value::Number(totals.tcp_flags.into()),
            Field::Type => Value::Text(if flow.source.is_ipv4() { "IPv4" } else { "IPv6" }),
            Field::PktSrcAwsService => Value::Text(services.service_of(flow.source)?),
            Field::PktDstAwsService => Value::Text(services.service_of(flow.destination)?),
            Field::FlowDirection => Value::Text(match flow.direction {
                Direction::Ingress => "ingress",
                Direction::Egress => "egress",
            }),
            Field::TrafficPath => Value::Number(totals.traffic_path?.into()),
            _ => return None,
        };
        Some(value)
    }
}

impl Status {
    /// AWS's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok(..) => "OK",
            Self::NoData => "NODATA",
            Self::SkipData => "SKIPDATA",
        }
    }
}

impl Interface {
    /// What records say about an interface.
    pub fn new(eni: &NetworkInterface) -> Self {
        Self {
            id: eni.id,
            account: eni.owner.account,
            region: eni.owner.region.clone(),
            zone_id: eni.zone.id(&eni.owner.region),
            vpc: eni.vpc,
            subnet: eni.subnet,
            instance: eni.attachment.as_ref().filter(|_| !eni.requester_managed).map(|a| a.instance),
            primary_ipv4: eni.primary_ipv4(),
            kind: (eni.interface_type == "natGateway").then_some("nat_gateway"),
        }
    }

    fn value(&self, field: Field) -> Option<Value<'_>> {
        let value = match field {
            Field::AccountId => Value::Account(self.account),
            Field::InterfaceId => Value::Eni(self.id),
            Field::VpcId => Value::Vpc(self.vpc),
            Field::SubnetId => Value::Subnet(self.subnet),
            Field::InstanceId => Value::Instance(self.instance?),
            Field::Region => Value::Text(self.region.as_str()),
            Field::AzId => Value::Text(&self.zone_id),
            Field::InterfaceType => Value::Text(self.kind?),
            _ => return None,
        };
        Some(value)
    }
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value<'a> {
    Account(AccountId),
    Address(IpAddr),
    Eni(EniId),
    Instance(InstanceId),
    Number(u64),
    Subnet(SubnetId),
    Text(&'a str),
    Vpc(VpcId),
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Eni(id) => id.fmt(f),
            Self::Instance(id) => id.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Subnet(id) => id.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Vpc(id) => id.fmt(f),
        }
    }
}

struct Line<'a> {
    record: &'a Record,
    format: &'a Format,
    services: &'a ServicePrefixes,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, field) in self.format.fields().iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            match self.record.value(*field, self.format, self.services) {
                Some(value) => value.fmt(f)?,
                None => f.write_str("-")?,
            }
        }
        Ok(())
    }
}
