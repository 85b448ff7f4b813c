//! Interfaces as the pipeline sees them.

use std::sync::Arc;

use openvpc_model::{InstanceId, NetworkInterface, Subnet, VpcId};

use super::SecurityGroups;

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
#[derive(Clone, Debug)]
pub struct EniEntry {
    /// The interface.
    pub eni: Arc<NetworkInterface>,
    /// Its subnet.
    pub subnet: Arc<Subnet>,
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
    pub(crate) groups: Arc<SecurityGroups>,
}

impl EniEntry {
    /// Whether two entries were made of the same sources.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.eni, &other.eni)
            && Arc::ptr_eq(&self.subnet, &other.subnet)
            && Arc::ptr_eq(&self.groups, &other.groups)
            && self.instance == other.instance
            && self.running == other.running
            && self.subnet_index == other.subnet_index
            && self.vpc_index == other.vpc_index
    }
}
