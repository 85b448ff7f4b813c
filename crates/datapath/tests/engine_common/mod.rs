//! A small network for the engine's tests: a VPC with an internet gateway and two dual-stack subnets.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod memory;
pub mod traffic;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::interface::{Attachment, MacAddress};
use openvpc_model::nacl::Direction;
use openvpc_model::route::RouteTarget;
use openvpc_model::{EniId, InstanceId, NetworkInterface, SecurityGroupId, SubnetId, UnixMillis};
use openvpc_pipeline::testing::{Host, World};
use openvpc_pipeline::verdict::{FlowSink, Leg, LegCounts};
use openvpc_pipeline::{EniIndex, Tables};

/// `10.0.0.0/16` and `2001:db8:1::/56` with an internet gateway; subnets 1 and 2 are `10.0.N.0/24` and
/// `2001:db8:1:N::/64`.
pub struct Lab {
    pub world: World,
    pub subnets: [SubnetId; 2],
    pub open: SecurityGroupId,
    pub closed: SecurityGroupId,
}

/// Who may talk to an interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Everybody, and it to everybody.
    Open,
    /// Nobody, and it to nobody.
    Closed,
}

impl Lab {
    pub fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        world.add_block(vpc, "2001:db8:1::/56");
        let subnets = [1, 2].map(|number| world.subnet(vpc, &format!("10.0.{number}.0/24 2001:db8:1:{number}::/64")));
        let gateway = RouteTarget::InternetGateway(world.gateway(vpc));
        let table = world.main_table(vpc);
        for destination in ["0.0.0.0/0", "::/0"] {
            world.route(table, destination, gateway);
        }
        let (open, closed) = (world.open_group(vpc), world.group(vpc, &[]));
        Self { world, subnets, open, closed }
    }

    /// Adds a running instance with one interface, `10.0.SUBNET.HOST` and `2001:db8:1:SUBNET::HOST`.
    pub fn instance(&mut self, subnet: u8, host: u8, group: Group) -> Host {
        let group = self.group(group);
        let addresses = format!("{} {}", ipv4(subnet, host), ipv6(subnet, host));
        let made = self.world.host(self.subnets[usize::from(subnet) - 1], &addresses, &[group]);
        self.world.edit::<NetworkInterface>(made.eni, |eni| eni.mac = mac(subnet, host));
        made
    }

    /// Adds an interface to an instance that has one.
    pub fn second_eni(&mut self, instance: InstanceId, subnet: u8, host: u8) -> EniId {
        let addresses = ipv4(subnet, host).to_string();
        let eni = self.world.eni(self.subnets[usize::from(subnet) - 1], &addresses, &[self.open]);
        let id = self.world.id();
        self.world.edit::<NetworkInterface>(eni, |eni| {
            eni.mac = mac(subnet, host);
            eni.attachment =
                Some(Attachment { id, instance, device_index: 1, delete_on_termination: true, attached_at: UnixMillis(1) });
        });
        eni
    }

    pub fn set_group(&mut self, host: Host, group: Group) {
        let group = self.group(group);
        self.world.edit::<NetworkInterface>(host.eni, |eni| eni.groups = vec![group]);
    }

    /// The network compiled as it is.
    pub fn compile(&mut self) -> Arc<Tables> {
        Arc::new(self.world.tables().clone())
    }

    fn group(&self, group: Group) -> SecurityGroupId {
        match group {
            Group::Open => self.open,
            Group::Closed => self.closed,
        }
    }
}

/// Adds up legs.
#[derive(Default)]
pub struct Legs {
    pub seen: Vec<(Leg, LegCounts)>,
}

impl FlowSink for Legs {
    fn record(&mut self, _: &Tables, leg: &Leg, counts: LegCounts, _: UnixMillis) {
        self.seen.push((*leg, counts));
    }
}

impl Legs {
    /// Packets and bytes of an interface in a direction.
    pub fn sum(&self, eni: EniIndex, direction: Direction) -> (u64, u64) {
        let of = self.seen.iter().filter(|(leg, _)| (leg.eni, leg.direction) == (eni, direction));
        of.fold((0, 0), |(packets, bytes), (_, counts)| (packets + counts.packets, bytes + counts.bytes))
    }
}

pub fn ipv4(subnet: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, subnet, host)
}

pub fn ipv6(subnet: u8, host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, subnet.into(), 0, 0, 0, host.into())
}

pub fn mac(subnet: u8, host: u8) -> MacAddress {
    MacAddress([2, 0xaa, 0, 0, subnet, host])
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
