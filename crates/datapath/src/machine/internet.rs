//! The lab internet: one sandbox that is the whole of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use openvpc_model::interface::MacAddress;

use super::links::{self, HostLink};
use super::plan::LinkSetup;
use super::{Config, Machine};
use crate::DatapathError;
use crate::backend::Backend;
use crate::engine::Uplink;
use crate::namespace::NetNs;
use crate::netlink::Netlink;
use crate::sandbox::{self, Sandbox, SandboxSpec};

/// The name of its sandbox and of its state directory.
pub(super) const NAME: &str = "internet";

/// The name of its wire in the fabric.
pub(super) const WIRE: &str = "uplink";

/// The lab internet's host.
pub(super) struct LabInternet {
    pub(super) sandbox: Sandbox,
    pub(super) link: HostLink,
}

impl LabInternet {
    /// The host that runs, or a new one; its link is connected to the backend.
    pub(super) fn open(
        config: &Config,
        backend: &dyn Backend,
        fabric: &NetNs,
        netlink: &mut Netlink,
    ) -> Result<Self, DatapathError> {
        let state_dir = Machine::instances_dir(&config.dir).join(NAME);
        if let Some(sandbox) = Sandbox::find(&state_dir)? {
            if let Some(wire) = netlink.link(WIRE)?
                && let Some(link) = HostLink::adopt(&wire, &sandbox.net_ns()?, &setup())?
            {
                backend.attach_internet(uplink(), fabric, link.wire)?;
                return Ok(Self { sandbox, link });
            }
            // A host without its link is of no use, and nothing in it can't be made anew.
            sandbox.stop(super::PATIENCE)?;
        }
        let prepared = sandbox::launch(
            &config.helper,
            &SandboxSpec {
                name: NAME.into(),
                hostname: NAME.into(),
                resolv_conf: format!("nameserver {HOST_IPV4}\nnameserver {HOST_IPV6}\n"),
                hosts: HOSTS.into(),
                user_data: None,
                state_dir,
                hidden: config.hidden.clone(),
            },
        )?;
        let link = HostLink::make(netlink, WIRE, &prepared.net_ns()?, &setup())?;
        match backend.attach_internet(uplink(), fabric, link.wire).and_then(|()| prepared.start()) {
            Ok(sandbox) => Ok(Self { sandbox, link }),
            Err(error) => {
                links::remove(netlink, link.wire)?;
                Err(error)
            }
        }
    }
}

/// The addresses that the design fixes for the lab internet.
fn setup() -> LinkSetup {
    LinkSetup {
        name: "eth0".into(),
        mac: HOST,
        mtu: MTU,
        addresses: vec![net(HOST_IPV4.into(), 24), net(HOST_IPV6.into(), 64)],
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

const ROUTER_IPV4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const ROUTER_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
const HOST_IPV4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const HOST_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x10);

/// 02 and 00 in front of the IPv4 addresses.
const ROUTER: MacAddress = MacAddress([0x02, 0, 198, 51, 100, 1]);
const HOST: MacAddress = MacAddress([0x02, 0, 198, 51, 100, 10]);

/// The internet's, and an internet gateway's.
const MTU: u32 = 1500;

const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n198.51.100.10 internet\n2001:db8:ffff::10 internet\n";
