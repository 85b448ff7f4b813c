//! What lies behind the internet gateways: the lab internet, one sandbox that is the whole of it, or the machine's own network.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use openvpc_model::Network;
use openvpc_model::interface::MacAddress;
use openvpc_model::internet::{AMAZON_IPV6, PUBLIC_IPV4};
use serde::{Deserialize, Serialize};

use super::exits::Exits;
use super::links::{self, HostLink};
use super::own_network::{self, OwnNetwork};
use super::plan::LinkSetup;
use super::{Config, Machine, firewall};
use crate::DatapathError;
use crate::backend::Backend;
use crate::engine::Uplink;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{Netlink, PairSpec, RouteSpec};
use crate::privileges::Standing;
use crate::sandbox::{self, Sandbox, SandboxSpec};

/// What lies behind the internet gateways, and which addresses are public ones.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InternetConfig {
    /// What lies behind the internet gateways.
    pub mode: InternetMode,
    /// The blocks that public addresses of instances come from.
    pub pools: Vec<IpNet>,
}

/// What lies behind the internet gateways.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InternetMode {
    /// The networks that the machine itself reaches, by one translation to the machine's own addresses.
    Host,
    /// A host of documentation ranges.
    Lab,
    /// An interface of the machine, without translation.
    Routed {
        /// Its name.
        interface: String,
        /// The next hops, one of each IP version at most; the machine's own routes decide where none is named.
        gateways: Vec<IpAddr>,
    },
}

/// How the internet is connected, for `openvpc status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InternetState {
    /// `host`, `lab` or `routed`.
    pub mode: &'static str,
    /// The interface that packets leave by as they are.
    pub interface: Option<String>,
    /// The blocks that public addresses come from.
    pub public_pools: Vec<IpNet>,
    /// The link in the machine's own network by which the machine reaches public addresses.
    pub link: Option<String>,
    /// What of it isn't as it should be, in a sentence.
    pub note: Option<String>,
}

impl Default for InternetConfig {
    fn default() -> Self {
        Self { mode: InternetMode::Lab, pools: vec![IpNet::V4(PUBLIC_IPV4), IpNet::V6(AMAZON_IPV6)] }
    }
}

impl InternetConfig {
    /// The interface of the mode `routed`.
    pub(super) fn routed_interface(&self) -> Option<&str> {
        match &self.mode {
            InternetMode::Routed { interface, .. } => Some(interface),
            InternetMode::Host | InternetMode::Lab => None,
        }
    }
}

/// What lies behind the internet gateways, connected.
pub(super) enum Internet {
    Lab(LabInternet),
    Real(RealInternet),
}

impl Internet {
    /// Connects it, or finds it as an earlier daemon left it.
    pub(super) fn open(
        config: &Config,
        backend: &dyn Backend,
        fabric: &NetNs,
        netlink: &mut Netlink,
        exits: &Exits,
    ) -> Result<Self, DatapathError> {
        if config.internet.mode != InternetMode::Lab {
            return RealInternet::open(config, backend, fabric, netlink).map(Self::Real);
        }
        let lab = LabInternet::open(config, backend, fabric, netlink)?;
        match exits.watch(lab.sandbox.process()) {
            Ok(()) => Ok(Self::Lab(lab)),
            Err(error) => {
                lab.sandbox.stop(super::PATIENCE)?;
                Err(error)
            }
        }
    }

    /// Makes again what is gone, and fits what the network asks for.
    pub(super) fn mend(
        &mut self,
        config: &Config,
        backend: &dyn Backend,
        (fabric, netlink): (&NetNs, &mut Netlink),
        exits: &Exits,
        network: &Network,
    ) -> Result<(), DatapathError> {
        match self {
            Self::Lab(lab) if !lab.sandbox.is_running() => {
                tracing::warn!("the lab internet ended and is started again");
                *self = Self::open(config, backend, fabric, netlink, exits)?;
            }
            Self::Lab(lab) => lab.mend(config),
            Self::Real(real) => {
                if netlink.link(WIRE)?.is_none_or(|wire| wire.index != real.link.wire) {
                    tracing::warn!("the link to the machine's network is gone and is made again");
                    *real = RealInternet::open(config, backend, fabric, netlink)?;
                }
                if let Err(error) = real.fit(config, Some(network)) {
                    tracing::warn!(%error, "can't set up the machine's network");
                    real.note = Some(error.to_string());
                }
            }
        }
        Ok(())
    }

    /// The lab's host.
    pub(super) fn sandbox(&self) -> Option<&Sandbox> {
        match self {
            Self::Lab(lab) => Some(&lab.sandbox),
            Self::Real(_) => None,
        }
    }

    pub(super) fn state(&self, config: &Config) -> InternetState {
        let (mode, link, note) = match self {
            Self::Lab(LabInternet { machine: Ok(link), .. }) => ("lab", Some(link.clone()), None),
            Self::Lab(LabInternet { machine: Err(why), .. }) => ("lab", None, Some(why.clone())),
            Self::Real(real) => {
                let mode = if config.internet.mode == InternetMode::Host { "host" } else { "routed" };
                (mode, Some(real.own.link.clone()), real.note.clone())
            }
        };
        let interface = config.internet.routed_interface().map(str::to_owned);
        InternetState { mode, interface, public_pools: config.internet.pools.clone(), link, note }
    }

    /// Removes its link, and what was done for it in the machine's network. The sandbox has been stopped before.
    pub(super) fn close(self, config: &Config, netlink: &mut Netlink) -> Result<(), DatapathError> {
        let wire = match &self {
            Self::Lab(lab) => lab.link.wire,
            Self::Real(real) => real.link.wire,
        };
        let undone = tidy(&config.dir);
        links::remove(netlink, wire).and(undone)
    }
}

/// Puts the machine's own network back as it was before a daemon on that directory, dead or alive.
pub(super) fn tidy(dir: &std::path::Path) -> Result<(), DatapathError> {
    match Standing::current() {
        Standing::Root => OwnNetwork::of(dir)?.undo(),
        Standing::Rootless => Ok(()),
    }
}

/// The name of the lab's sandbox and of its state directory.
pub(super) const NAME: &str = "internet";

/// The name of the wire in the fabric.
pub(super) const WIRE: &str = "uplink";

/// The lab internet's host.
pub(super) struct LabInternet {
    pub(super) sandbox: Sandbox,
    pub(super) link: HostLink,
    /// The name of the link to the machine itself, or why there is none.
    machine: Result<String, String>,
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
                return Ok(Self { machine: connect_machine(config, &sandbox), sandbox, link });
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
            Ok(sandbox) => Ok(Self { machine: connect_machine(config, &sandbox), sandbox, link }),
            Err(error) => {
                links::remove(netlink, link.wire)?;
                Err(error)
            }
        }
    }

    /// Connects the machine where that had no success, once what was in the way may be gone.
    fn mend(&mut self, config: &Config) {
        if self.machine.is_err() {
            self.machine = connect_machine(config, &self.sandbox);
        }
    }
}

/// Makes the machine itself a host of the lab internet, so that it reaches public addresses of instances. It is a
/// convenience: without it everything else works.
fn connect_machine(config: &Config, lab: &Sandbox) -> Result<String, String> {
    if Standing::current() == Standing::Rootless {
        return Err("without root, public addresses are reached by `openvpc exec internet`, and not from this machine".to_owned());
    }
    let connected = OwnNetwork::of(&config.dir).and_then(|own| {
        let mut netlink = Netlink::open(&own.namespace)?;
        let is_ours = netlink.link(&own.link)?.is_some();
        for pool in &config.internet.pools {
            if !is_ours && netlink.has_route(*pool)? {
                return Err(taken(*pool));
            }
        }
        connect_anew(config, &own, &mut netlink, lab)
    });
    connected.map_err(|error| format!("public addresses are not reachable from this machine: {error}"))
}

fn connect_anew(config: &Config, own: &OwnNetwork, netlink: &mut Netlink, lab: &Sandbox) -> Result<String, DatapathError> {
    own.undo()?;
    let inside = lab.net_ns()?;
    let connected = connect_to_lab(config, own, netlink, &inside);
    if connected.is_err() {
        // What came first says why.
        let _ = own.undo();
    }
    connected.map(|()| own.link.clone())
}

fn connect_to_lab(config: &Config, own: &OwnNetwork, netlink: &mut Netlink, lab: &NetNs) -> Result<(), DatapathError> {
    let spec = PairSpec { name: &own.link, other: lab, other_name: MACHINE_LINK, other_mac: MACHINE_SIDE, mtu: MTU };
    firewall::load(lab, &firewall::of_lab(MACHINE_LINK, &own.addresses()))?;
    netlink.add_pair(&spec)?;
    let link_of = |netlink: &mut Netlink, name: &str| {
        netlink.link(name)?.map(|link| link.index).ok_or(rustix::io::Errno::NODEV).attempt(|| format!("find the link {name}"))
    };
    let mut inside = Netlink::open(lab)?;
    let far = link_of(&mut inside, MACHINE_LINK)?;
    for setting in ["accept_dad", "accept_ra"] {
        // A kernel without IPv6 has no such settings, and needs none.
        let _ = lab.set_sysctl(&format!("net/ipv6/conf/{MACHINE_LINK}/{setting}"), "0");
        let _ = own.namespace.set_sysctl(&format!("net/ipv6/conf/{}/{setting}", own.link), "0");
    }
    inside.set_up(far)?;
    // The namespace is the lab's own; which packets pass is for its firewall to say.
    for name in ["net/ipv4/conf/eth0/forwarding", "net/ipv4/conf/machine/forwarding", "net/ipv6/conf/all/forwarding"] {
        let _ = lab.set_sysctl(name, "1");
    }
    for address in own.addresses() {
        inside.set_route(RouteSpec { destination: address, gateway: None, link: far, source: None })?;
    }
    let near = link_of(netlink, &own.link)?;
    own.namespace.set_sysctl(&format!("net/ipv4/conf/{}/forwarding", own.link), "0")?;
    netlink.set_up(near)?;
    for address in own.addresses() {
        netlink.add_address(near, address)?;
    }
    own.route(netlink, near, (HOST_IPV4, MACHINE_SIDE.link_local()), &config.internet.pools)
}

/// That somebody else has the route to a block.
fn taken(pool: IpNet) -> DatapathError {
    DatapathError::System {
        action: format!("route {pool} to the VPCs"),
        source: std::io::Error::other("this machine has such a route already, of another daemon or of its own network"),
    }
}

/// The link into the machine's own network, in the modes `host` and `routed`.
pub(super) struct RealInternet {
    link: HostLink,
    own: OwnNetwork,
    note: Option<String>,
}

impl RealInternet {
    fn open(config: &Config, backend: &dyn Backend, fabric: &NetNs, netlink: &mut Netlink) -> Result<Self, DatapathError> {
        // An earlier daemon may have had a lab internet.
        if let Some(lab) = Sandbox::find(&Machine::instances_dir(&config.dir).join(NAME))? {
            lab.stop(super::PATIENCE)?;
        }
        let own = OwnNetwork::of(&config.dir)?;
        let setup = LinkSetup { name: own.link.clone(), addresses: own.addresses(), gateways: Vec::new(), ..setup() };
        let found = match netlink.link(WIRE)? {
            Some(wire) if own.was_made_for(&config.internet) => HostLink::adopt(&wire, &own.namespace, &setup)?,
            _ => None,
        };
        let adopted = found.is_some();
        let opened = (|| {
            let link = match found {
                Some(link) => link,
                None => {
                    own.undo()?;
                    own.begin(&config.internet)?;
                    HostLink::make(netlink, WIRE, &own.namespace, &setup)?
                }
            };
            // Nobody on the link is to find a shorter way.
            own.namespace.set_sysctl(&format!("net/ipv4/conf/{}/send_redirects", own.link), "0")?;
            let mut real = Self { link, own, note: None };
            real.fit(config, None)?;
            if !adopted {
                real.route(config)?;
            }
            backend.attach_internet(uplink(), fabric, real.link.wire)?;
            Ok(real)
        })();
        if opened.is_err() && !adopted {
            // What came first says why.
            let _ = tidy(&config.dir);
        }
        opened
    }

    /// Lets packets through between the link and the machine's interfaces.
    fn fit(&mut self, config: &Config, network: Option<&Network>) -> Result<(), DatapathError> {
        let mut netlink = Netlink::open(&self.own.namespace)?;
        let interfaces = match &config.internet.mode {
            InternetMode::Routed { interface, .. } => {
                let found = netlink.link(interface)?.ok_or(rustix::io::Errno::NODEV);
                let found = found.attempt(|| format!("find the interface {interface} that --internet names"))?;
                self.note = self.own.forward(&config.internet, &BTreeSet::from([interface.clone()]))?;
                return self.own.answer(&mut netlink, (interface, found.index), &config.internet.pools, network);
            }
            InternetMode::Host | InternetMode::Lab => netlink.default_links()?,
        };
        let links = netlink.links()?;
        let names = links.into_iter().filter(|link| interfaces.contains(&link.index)).map(|link| link.name);
        self.note = self.own.forward(&config.internet, &names.collect())?;
        Ok(())
    }

    fn route(&self, config: &Config) -> Result<(), DatapathError> {
        let mut netlink = Netlink::open(&self.own.namespace)?;
        let near = netlink.link(&self.own.link)?.ok_or(rustix::io::Errno::NODEV);
        let near = near.attempt(|| format!("find the link {}", self.own.link))?.index;
        for pool in &config.internet.pools {
            if netlink.has_route(*pool)? {
                return Err(taken(*pool));
            }
        }
        self.own.route(&mut netlink, near, (ROUTER_IPV4, ROUTER.link_local()), &config.internet.pools)?;
        let InternetMode::Routed { interface, gateways } = &config.internet.mode else { return Ok(()) };
        if gateways.is_empty() {
            return Ok(());
        }
        let outside = netlink.link(interface)?.ok_or(rustix::io::Errno::NODEV);
        let outside = outside.attempt(|| format!("find the interface {interface} that --internet names"))?.index;
        let table = own_network::table(&self.own.link);
        for gateway in gateways {
            let destination = own_network::default_of(*gateway);
            netlink.add_route_in(table, RouteSpec { destination, gateway: Some(*gateway), link: outside, source: None })?;
        }
        netlink.route_what_enters(&self.own.link, table)
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

/// The lab's end of its link to the machine, which has no IPv4 address of its own.
const MACHINE_LINK: &str = "machine";
const MACHINE_SIDE: MacAddress = MacAddress([0x02, 0, 198, 51, 100, 11]);

/// The internet's, and an internet gateway's.
const MTU: u32 = 1500;

const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n198.51.100.10 internet\n2001:db8:ffff::10 internet\n";
