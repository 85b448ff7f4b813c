//! Interfaces as the pipeline sees them.

use std::sync::Arc;

use super::GatewayIndex;
use openvpc_model::{InstanceId, NetworkInterface, SubnetId, Tags, VpcId};

/// Dense index of an interface, stable for the interface's life over recompiles and never reused in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EniIndex(pub u32);

/// Where a frame goes on leaving an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// The VPC's router.
    Router,
    /// Another interface of the same subnet, past the router.
    Eni(EniIndex),
}

/// The MTU inside a VPC, in bytes of IP datagram. See "Network maximum transmission unit (MTU)" in the EC2 User Guide.
pub const MTU: u16 = 9001;

/// What is known of an interface.
#[derive(Clone, Debug, PartialEq)]
pub struct EniEntry {
    /// The interface.
    pub eni: Arc<NetworkInterface>,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The instance it is attached to.
    pub instance: Option<InstanceId>,
    /// Whether that instance is starting or running.
    pub running: bool,
    /// The largest IP datagram it takes, in bytes.
    pub mtu: u16,
    pub(crate) subnet_index: u32,
    /// Dense index of its VPC, stable as that of the interface; see [`Tables::vpc_generation`](super::Tables::vpc_generation).
    pub vpc_index: u32,
    /// The NAT gateway whose interface it is.
    pub nat: Option<GatewayIndex>,
    /// The index of its list of security groups.
    pub(crate) groups: u32,
}

impl EniEntry {
    /// Whether packets find no difference between two entries of an interface.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let place = |entry: &Self| (entry.subnet_index, entry.vpc_index, entry.groups, entry.instance, entry.running, entry.mtu);
        self.nat == other.nat
            && place(self) == place(other)
            && (Arc::ptr_eq(&self.eni, &other.eni) || bare(&self.eni) == bare(&other.eni))
    }
}

/// An interface without what packets never meet. What is added to interfaces one day counts, until it is named here.
fn bare(eni: &NetworkInterface) -> NetworkInterface {
    NetworkInterface {
        description: String::new(),
        associate_public_ip: false,
        // Of an attachment the instance counts, and whether it runs, which the entry holds.
        attachment: None,
        outside: None,
        detached: None,
        tags: Tags::new(),
        ..eni.clone()
    }
}
