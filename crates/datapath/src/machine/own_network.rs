//! The machine's own network, as far as openvpc puts something there: a link to the VPCs, routes to their public addresses,
//! and in the modes `host` and `routed` firewall rules and forwarding.
//!
//! What outlives the link is written down before it is changed ([`Record`]), so that whoever tidies up, this daemon, the
//! next one or `openvpc cleanup`, finds how it was. A setting that somebody else changed since is left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use foldhash::fast::FixedState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::{Network, NetworkInterface};
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

use super::InternetConfig;
use super::firewall::{self, Firewall};
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{LinkIndex, Netlink, RouteSpec};

/// The machine's addresses on the link; the lab internet has them in its block.
pub(super) const MACHINE_IPV4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
pub(super) const MACHINE_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x20);

/// The machine's own network.
pub(super) struct OwnNetwork {
    pub(super) namespace: NetNs,
    /// The name of the link, and of the firewall's table.
    pub(super) link: String,
    record: PathBuf,
}

/// What was changed, and how it was before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    /// The kernel's number of the namespace.
    namespace: u64,
    internet: InternetConfig,
    settings: BTreeMap<String, Setting>,
}

/// A setting of the kernel below `/proc/sys`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Setting {
    before: String,
    ours: String,
}

impl OwnNetwork {
    /// That of the calling thread, for the daemon whose machine directory that is.
    pub(super) fn of(dir: &Path) -> Result<Self, DatapathError> {
        let digest = FixedState::default().hash_one(dir.as_os_str().as_encoded_bytes()) as u32;
        let link = format!("{}{digest:08x}", firewall::PREFIX);
        Ok(Self { namespace: NetNs::current()?, link, record: dir.join("own-network.json") })
    }

    /// The machine's addresses on the link: both, or without IPv6 that one.
    pub(super) fn addresses(&self) -> Vec<IpNet> {
        let ipv4 = IpNet::new_assert(MACHINE_IPV4.into(), 32);
        let ipv6 = self.has_ipv6().then(|| IpNet::new_assert(MACHINE_IPV6.into(), 128));
        std::iter::once(ipv4).chain(ipv6).collect()
    }

    /// Adds routes to blocks by a router on the link of that number. None is replaced: the error says that there is one.
    pub(super) fn route(
        &self,
        netlink: &mut Netlink,
        link: LinkIndex,
        routers: (Ipv4Addr, Ipv6Addr),
        blocks: &[IpNet],
    ) -> Result<(), DatapathError> {
        let on_link = RouteSpec {
            destination: IpNet::new_assert(routers.0.into(), 32),
            gateway: None,
            link,
            source: Some(MACHINE_IPV4.into()),
        };
        netlink.set_route(on_link)?;
        let has_ipv6 = self.has_ipv6();
        for block in blocks.iter().filter(|block| has_ipv6 || matches!(block, IpNet::V4(_))) {
            let (gateway, source): (IpAddr, IpAddr) = match block {
                IpNet::V4(_) => (routers.0.into(), MACHINE_IPV4.into()),
                IpNet::V6(_) => (routers.1.into(), MACHINE_IPV6.into()),
            };
            netlink.add_route(RouteSpec { destination: *block, gateway: Some(gateway), link, source: Some(source) })?;
        }
        Ok(())
    }

    /// Whether what an earlier daemon made is what this one would make.
    pub(super) fn was_made_for(&self, internet: &InternetConfig) -> bool {
        let Ok(namespace) = self.namespace.identity() else { return false };
        self.recorded().is_some_and(|record| record.internet == *internet && record.namespace == namespace)
    }

    /// Writes down that something is about to be made.
    pub(super) fn begin(&self, internet: &InternetConfig) -> Result<(), DatapathError> {
        if self.was_made_for(internet) {
            return Ok(());
        }
        self.write(&Record { namespace: self.namespace.identity()?, internet: internet.clone(), settings: BTreeMap::new() })
    }

    /// Lets packets that come in by these interfaces be forwarded, and puts the firewall in force that keeps what wasn't
    /// forwarded before from being so now. What can't be had is said.
    pub(super) fn forward(
        &self,
        internet: &InternetConfig,
        interfaces: &BTreeSet<String>,
    ) -> Result<Option<String>, DatapathError> {
        let all_ipv4 = self.is_on("net/ipv4/conf/all/forwarding");
        let all_ipv6 = self.is_on("net/ipv6/conf/all/forwarding");
        let single_ipv6 = self.read(&format!("net/ipv6/conf/{}/force_forwarding", self.link)).is_some();
        let names: [fn(&str) -> String; 2] = [
            |interface| format!("net/ipv4/conf/{interface}/forwarding"),
            |interface| format!("net/ipv6/conf/{interface}/force_forwarding"),
        ];
        let wanted = [!all_ipv4, !all_ipv6 && single_ipv6];
        let record = self.recorded();
        let mut opened: [BTreeSet<String>; 2] = Default::default();
        for ((opened, name), _) in opened.iter_mut().zip(names).zip(wanted).filter(|(_, wanted)| *wanted) {
            let is_ours = |name: &String| record.as_ref().is_some_and(|record| record.settings.contains_key(name));
            opened.extend(
                interfaces.iter().filter(|interface| !self.is_on(&name(interface)) || is_ours(&name(interface))).cloned(),
            );
        }
        let only = internet.routed_interface();
        let firewall = Firewall { link: &self.link, pools: &internet.pools, only, opened: opened.clone() };
        firewall::load(&self.namespace, &firewall.script())?;
        for (interfaces, name) in opened.iter().zip(names) {
            interfaces.iter().try_for_each(|interface| self.change(&name(interface), "1"))?;
        }
        for (name, wanted) in names.iter().zip(wanted) {
            if wanted {
                self.namespace.set_sysctl(&name(&self.link), "1")?;
            }
        }
        let blocked = self.has_ipv6() && !all_ipv6 && !single_ipv6;
        Ok(blocked.then(|| {
            "IPv6 isn't forwarded: before Linux 6.17 there is one switch for all interfaces, which also stops them from taking \
             router advertisements; turn it on yourself with `sysctl -w net.ipv6.conf.all.forwarding=1`"
                .to_owned()
        }))
    }

    /// Answers, on an interface whose own block has the pool in it, for the addresses of the pool: those of IPv4 all, those
    /// of IPv6 that somebody has.
    pub(super) fn answer(
        &self,
        netlink: &mut Netlink,
        (name, interface): (&str, LinkIndex),
        pools: &[IpNet],
        network: Option<&Network>,
    ) -> Result<(), DatapathError> {
        let own = netlink.addresses(interface)?;
        let is_in_pool = |address: &IpAddr| pools.iter().any(|pool| pool.contains(address));
        if let Some(address) = own.iter().map(IpNet::addr).find(is_in_pool) {
            return Err(DatapathError::System {
                action: format!("give the addresses of {name} to instances"),
                source: io::Error::other(format!("the pool holds the machine's own address {address}")),
            });
        }
        let is_on_link = |pool: &&IpNet| own.iter().any(|block| block.contains(*pool));
        let pools: Vec<_> = pools.iter().filter(is_on_link).collect();
        if pools.is_empty() {
            return Ok(());
        }
        let mut wanted: BTreeSet<IpAddr> =
            pools.iter().filter(|pool| pool.addr().is_ipv4()).flat_map(|pool| pool.hosts()).collect();
        if pools.iter().any(|pool| pool.addr().is_ipv6()) {
            // Forwarding of the one interface makes it a router, which answers for others, and takes no advertisements but so.
            if self.read(&format!("net/ipv6/conf/{name}/accept_ra")).as_deref() == Some("1") {
                self.change(&format!("net/ipv6/conf/{name}/accept_ra"), "2")?;
            }
            for setting in ["forwarding", "proxy_ndp"] {
                self.change(&format!("net/ipv6/conf/{name}/{setting}"), "1")?;
            }
            let all = network.into_iter().flat_map(|network| network.all::<NetworkInterface>());
            let addresses = all.flat_map(|eni| eni.ipv6_addresses.iter().map(|address| IpAddr::V6(*address)));
            wanted.extend(addresses.filter(|address| pools.iter().any(|pool| pool.contains(address))));
        }
        let present = netlink.proxies(interface)?;
        for address in wanted.difference(&present) {
            netlink.add_proxy(interface, *address)?;
        }
        let gone = present.difference(&wanted).filter(|address| pools.iter().any(|pool| pool.contains(*address)));
        gone.into_iter().try_for_each(|address| netlink.remove_proxy(interface, *address))
    }

    /// Removes everything and puts back what was changed.
    pub(super) fn undo(&self) -> Result<(), DatapathError> {
        let mut netlink = Netlink::open(&self.namespace)?;
        if let Some(link) = netlink.link(&self.link)? {
            super::links::remove(&mut netlink, link.index)?;
        }
        let Some(record) = self.recorded() else { return Ok(()) };
        if record.namespace != self.namespace.identity()? {
            tracing::warn!("what an earlier daemon changed in another network namespace is left as it is");
            return self.forget();
        }
        for (name, setting) in &record.settings {
            // Whoever turned forwarding on for all interfaces since then wants this one too.
            let wanted_now =
                name.ends_with("/forwarding") && self.is_on("net/ipv4/conf/all/forwarding") && name.contains("/ipv4/");
            if !wanted_now && self.read(name).as_ref() == Some(&setting.ours) {
                self.namespace.set_sysctl(name, &setting.before)?;
            }
        }
        netlink.forget_rules_of(&self.link)?;
        netlink.forget_routes_of(table(&self.link))?;
        if let Some(interface) = record.internet.routed_interface()
            && let Some(interface) = netlink.link(interface)?
        {
            let ours = |address: &IpAddr| record.internet.pools.iter().any(|pool| pool.contains(address));
            for address in netlink.proxies(interface.index)?.into_iter().filter(ours) {
                netlink.remove_proxy(interface.index, address)?;
            }
        }
        firewall::remove(&self.namespace, &self.link)?;
        self.forget()
    }

    /// Whether the machine speaks IPv6 on new links.
    pub(super) fn has_ipv6(&self) -> bool {
        ["all", "default"].iter().all(|of| self.read(&format!("net/ipv6/conf/{of}/disable_ipv6")).as_deref() == Some("0"))
    }

    fn is_on(&self, name: &str) -> bool {
        self.read(name).as_deref() == Some("1")
    }

    fn read(&self, name: &str) -> Option<String> {
        let text = self.namespace.within(|| fs::read_to_string(Path::new("/proc/sys").join(name))).ok()?.ok()?;
        Some(text.trim().to_owned())
    }

    /// Changes a setting, after how it was is written down.
    fn change(&self, name: &str, value: &str) -> Result<(), DatapathError> {
        let Some(before) = self.read(name).filter(|before| before != value) else { return Ok(()) };
        if let Some(mut record) = self.recorded() {
            let setting = Setting { before, ours: value.to_owned() };
            if !record.settings.contains_key(name) {
                record.settings.insert(name.to_owned(), setting);
                self.write(&record)?;
            }
        }
        self.namespace.set_sysctl(name, value)
    }

    fn recorded(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(&self.record).ok()?).ok()
    }

    fn write(&self, record: &Record) -> Result<(), DatapathError> {
        let what = || format!("write {}", self.record.display());
        let text = serde_json::to_vec(record).map_err(io::Error::from).attempt(what)?;
        let fresh = self.record.with_extension("new");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.record)).attempt(what)
    }

    fn forget(&self) -> Result<(), DatapathError> {
        match fs::remove_file(&self.record) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).attempt(|| format!("remove {}", self.record.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The number of the routing table for what comes in by a link, made of the digits in the link's name.
pub(super) fn table(link: &str) -> u32 {
    let digits = link.trim_start_matches(firewall::PREFIX);
    // The kernel's own tables, and those that people name, are below.
    u32::from_str_radix(digits, 16).unwrap_or_default() | 0x8000_0000
}

/// The default destination of a next hop's family.
pub(super) fn default_of(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
    }
}
