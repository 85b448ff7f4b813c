//! The port that leads to the internet.

use std::net::IpAddr;

use openvpc_model::interface::MacAddress;

/// What the engine is on the link to the internet: a router that hosts there have their default route to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uplink {
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its addresses; it answers ARP and neighbour solicitations for them, and for the link-local address made from
    /// `mac`, and for nothing else. It doesn't answer pings, as routers of the internet often don't.
    pub addresses: Vec<IpAddr>,
    /// The hardware address that everything bound for the internet is sent to.
    pub next_hop: MacAddress,
}

impl Uplink {
    /// Whether the address is the router's own.
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || address == self.mac.link_local()
    }
}
