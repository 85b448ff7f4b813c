//! The namespace in which the link-local services listen.
//!
//! It holds a link and the daemon's sockets, and no process: when the daemon ends, however it does, nothing remains of it.
//! The next daemon makes another; instances notice no more than that nobody answered for a while. Instances reach it
//! through the engine alone, and nobody reaches anything from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use openvpc_model::Service;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::RESOLVER_IN_VPC;

use super::links::{self, HostLink};
use super::plan::LinkSetup;
use crate::DatapathError;
use crate::backend::Backend;
use crate::engine::Uplink;
use crate::namespace::NetNs;
use crate::netlink::Netlink;

/// The name of its wire in the fabric.
pub(super) const WIRE: &str = "services";

/// The namespace and its link.
pub(super) struct ServicesLink {
    namespace: NetNs,
    link: HostLink,
}

impl ServicesLink {
    /// A new namespace, whose link is connected to the backend.
    pub(super) fn open(backend: &dyn Backend, fabric: &NetNs, netlink: &mut Netlink) -> Result<Self, DatapathError> {
        let namespace = NetNs::create()?;
        let link = connect(&namespace, backend, fabric, netlink)?;
        Ok(Self { namespace, link })
    }

    /// Makes the link again if it isn't among the fabric's any more. Listeners go on.
    pub(super) fn mend(&mut self, backend: &dyn Backend, fabric: &NetNs, netlink: &mut Netlink) -> Result<(), DatapathError> {
        if netlink.link(WIRE)?.is_none_or(|wire| wire.index != self.link.wire) {
            tracing::warn!("the link of the link-local services is gone and is made again");
            self.link = connect(&self.namespace, backend, fabric, netlink)?;
        }
        Ok(())
    }

    pub(super) fn namespace(&self) -> &NetNs {
        &self.namespace
    }

    pub(super) fn close(self, netlink: &mut Netlink) -> Result<(), DatapathError> {
        links::remove(netlink, self.link.wire)
    }
}

fn connect(namespace: &NetNs, backend: &dyn Backend, fabric: &NetNs, netlink: &mut Netlink) -> Result<HostLink, DatapathError> {
    let link = HostLink::make(netlink, WIRE, namespace, &setup())?;
    if let Err(error) = backend.attach_services(uplink(), fabric, link.wire) {
        links::remove(netlink, link.wire)?;
        return Err(error);
    }
    Ok(link)
}

fn setup() -> LinkSetup {
    let ipv4 = Service::ALL.map(Service::ipv4).into_iter().chain([RESOLVER_IN_VPC]);
    let addresses = ipv4.map(|address| net(address.into(), 16));
    LinkSetup {
        name: "eth0".into(),
        mac: HOST,
        mtu: MTU,
        addresses: addresses.chain(Service::ALL.map(|service| net(service.ipv6().into(), 32))).collect(),
        blocks: Vec::new(),
        gateways: vec![ROUTER_IPV4.into(), ROUTER_IPV6.into()],
        device_index: 0,
    }
}

fn uplink() -> Uplink {
    Uplink { mac: ROUTER, addresses: vec![ROUTER_IPV4.into(), ROUTER_IPV6.into()], next_hop: HOST }
}

fn net(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new_assert(address, prefix)
}

/// Addresses of the engine on this link, which no service has.
const ROUTER_IPV4: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
const ROUTER_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 1);

/// 02 and 00 in front of IPv4 addresses.
const ROUTER: MacAddress = MacAddress([0x02, 0, 169, 254, 0, 1]);
const HOST: MacAddress = MacAddress([0x02, 0, 169, 254, 169, 254]);

/// As inside a VPC.
const MTU: u32 = 9001;
