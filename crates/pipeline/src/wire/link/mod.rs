//! The link layer as far as a router needs it: Ethernet, ARP and IPv6 neighbour discovery.

mod arp;
mod ethernet;
mod neighbor;

pub use arp::Arp;
pub use ethernet::{ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, is_group};
pub use neighbor::{NeighborDiscovery, neighbor_advertisement};
