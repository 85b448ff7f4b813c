//! Links between the fabric and sandboxes, made and changed to fit what is declared.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::EniId;

use super::plan::LinkSetup;
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{Link, LinkIndex, Netlink, RouteSpec, VethSpec};

/// A link whose far end is in a sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct HostLink {
    /// The near end, in the fabric.
    pub(super) wire: LinkIndex,
    /// The far end's number in its namespace.
    inside: LinkIndex,
    /// As it was last set up.
    setup: LinkSetup,
}

impl HostLink {
    /// Makes a link called `wire` into `host` and sets it up. A link of that name that was there, left by a sandbox whose
    /// end the kernel is still tidying up, goes first.
    pub(super) fn make(fabric: &mut Netlink, wire: &str, host: &NetNs, setup: &LinkSetup) -> Result<Self, DatapathError> {
        if let Some(left) = fabric.link(wire)? {
            remove(fabric, left.index)?;
        }
        let spec = VethSpec { wire, host, host_link: &setup.name, host_mac: setup.mac, mtu: setup.mtu };
        let index = fabric.add_veth(spec)?;
        // Nobody else answers for an address and nobody advertises routers: waiting for either would only cost time.
        for setting in ["accept_dad", "accept_ra"] {
            // A kernel without IPv6 has no such settings, and needs none.
            let _ = host.set_sysctl(&format!("net/ipv6/conf/{}/{setting}", setup.name), "0");
        }
        let made = Netlink::open(host).and_then(|mut inside| {
            let link = inside.link(&setup.name)?.map(|link| link.index);
            let link = link.ok_or(rustix::io::Errno::NODEV).attempt(|| format!("find {} inside", setup.name))?;
            inside.set_up(link)?;
            add_addresses(&mut inside, link, setup)?;
            route(&mut inside, link, setup)?;
            // A host that never gets ready still has a link; its first packets may be lost.
            inside.wait_until_ready(link, READY_PATIENCE)?;
            Ok(Self { wire: index, inside: link, setup: setup.clone() })
        });
        if made.is_err() {
            remove(fabric, index)?;
        }
        made
    }

    /// Takes over the link `wire`, if its far end is in `host`, and sets it up again: what was declared while nobody
    /// watched is added, and addresses of the link's own blocks that are no longer declared are removed. Others were
    /// added by root inside, and are not ours.
    pub(super) fn adopt(wire: &Link, host: &NetNs, setup: &LinkSetup) -> Result<Option<Self>, DatapathError> {
        let mut inside = Netlink::open(host)?;
        let far = inside.links()?.into_iter().find(|link| Some(link.index) == wire.peer && link.peer == Some(wire.index));
        let Some(far) = far else { return Ok(None) };
        let present = inside.addresses(far.index)?;
        let is_ours = |address: &IpNet| setup.blocks.iter().any(|block| block.contains(&address.addr()));
        let before = LinkSetup { addresses: present.into_iter().filter(is_ours).collect(), ..setup.clone() };
        let mut link = Self { wire: wire.index, inside: far.index, setup: before };
        link.apply(&mut inside, setup)?;
        Ok(Some(link))
    }

    /// Changes what differs between the last set-up and this one; the link's name and hardware address never do.
    pub(super) fn change(&mut self, host: &NetNs, setup: &LinkSetup) -> Result<(), DatapathError> {
        if self.setup == *setup {
            return Ok(());
        }
        self.apply(&mut Netlink::open(host)?, setup)
    }

    /// Forgets, in the instance, the rules that a secondary link had.
    pub(super) fn withdraw(&self, host: &NetNs) -> Result<(), DatapathError> {
        match self.setup.is_primary() {
            true => Ok(()),
            false => Netlink::open(host)?.forget_table_users(self.setup.table()),
        }
    }

    /// Whether a set-up can be reached by changing this link rather than making another.
    pub(super) fn is_same_link(&self, setup: &LinkSetup) -> bool {
        (&self.setup.name, self.setup.mac) == (&setup.name, setup.mac)
    }

    fn apply(&mut self, inside: &mut Netlink, setup: &LinkSetup) -> Result<(), DatapathError> {
        for address in self.setup.addresses.iter().filter(|address| !setup.addresses.contains(address)) {
            match inside.remove_address(self.inside, *address) {
                Err(error) if !error.is_absent() => return Err(error),
                _ => {}
            }
        }
        add_addresses(inside, self.inside, setup)?;
        route(inside, self.inside, setup)?;
        self.setup = setup.clone();
        Ok(())
    }
}

/// How long the kernel may take to take a new link's addresses in use; milliseconds, on a machine that isn't overloaded.
const READY_PATIENCE: Duration = Duration::from_secs(2);

/// The name of an interface's wire in the fabric: what of its id fits. The part left out is the leading zero and two
/// digits of seventeen.
pub(super) fn wire_name(eni: EniId) -> String {
    let id = eni.to_string();
    let digits = id.trim_start_matches("eni-");
    format!("v{}", &digits[digits.len().saturating_sub(14)..])
}

/// Removes a link of the fabric, and its other end.
pub(super) fn remove(fabric: &mut Netlink, wire: LinkIndex) -> Result<(), DatapathError> {
    match fabric.delete_link(wire) {
        Err(error) if !error.is_absent() => Err(error),
        _ => Ok(()),
    }
}

fn add_addresses(inside: &mut Netlink, link: LinkIndex, setup: &LinkSetup) -> Result<(), DatapathError> {
    for address in &setup.addresses {
        let added = match setup.is_primary() {
            true => inside.add_address(link, *address),
            false => inside.add_address_without_route(link, *address),
        };
        match added {
            Err(error) if !error.is_present() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Routes what leaves by a link. Of several interfaces the primary one has the routes of the main table; a secondary one
/// has a table of its own, for what is sent from its addresses or by sockets bound to it. So no packet leaves by one
/// interface with the address of another, which would be dropped as spoofed. Amazon Linux sets up the like; see
/// "Configure your Amazon Linux instance for multiple network interfaces" in the EC2 User Guide.
fn route(inside: &mut Netlink, link: LinkIndex, setup: &LinkSetup) -> Result<(), DatapathError> {
    let to_gateways = setup.gateways.iter().map(|gateway| RouteSpec {
        destination: match gateway {
            IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
            IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
        },
        gateway: Some(*gateway),
        link,
        source: None,
    });
    if setup.is_primary() {
        return to_gateways.into_iter().try_for_each(|route| inside.set_route(route));
    }
    let table = setup.table();
    for block in &setup.blocks {
        inside.set_route_in(table, RouteSpec { destination: *block, gateway: None, link, source: None })?;
    }
    for route in to_gateways {
        inside.set_route_in(table, route)?;
    }
    let addresses: Vec<_> = setup.addresses.iter().map(IpNet::addr).collect();
    inside.set_table_users(table, &setup.name, &addresses)
}
