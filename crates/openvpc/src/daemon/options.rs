//! The arguments of `openvpc up`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use openvpc_control::Quotas;
use openvpc_datapath::machine::{InternetConfig, InternetMode};
use openvpc_gateways::dns::upstream;
use openvpc_model::internet::PublicPools;

use crate::cli::Failure;

/// The arguments of `openvpc up`.
#[derive(Clone, Debug, clap::Args)]
pub struct UpOptions {
    /// The address to serve on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Where state, objects and instances are kept.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How packets are forwarded.
    #[arg(long, value_enum, default_value = "auto")]
    pub datapath: Datapath,
    /// Serve POST /_openvpc/reset, which removes everything.
    #[arg(long)]
    pub allow_reset: bool,
    /// Leave instances running when the daemon ends; the next one adopts them.
    #[arg(long)]
    pub keep_running: bool,
    /// Pass requests for services that openvpc doesn't have on to another emulator.
    #[arg(long, value_name = "URL")]
    pub fallback_endpoint: Option<String>,
    /// Ask this name server for what neither VPCs nor Route 53 know. May be given again. Without, the machine's own are asked
    /// where the internet is a real one, and on the lab internet such names don't exist.
    #[arg(long = "dns-upstream", value_name = "ADDR", value_parser = super::names::upstream)]
    pub dns_upstream: Vec<SocketAddr>,
    /// What lies behind internet gateways: `lab`; `host`: the machine's own network, by one translation; or
    /// `routed=IFACE[,via=GATEWAY]`: an interface, without. The last two need root.
    #[arg(long, default_value = "lab", value_name = "MODE")]
    internet: Internet,
    /// A block of addresses that `routed` gives to instances; once or more, IPv4 or IPv6 (a /56 or larger).
    #[arg(long = "public-pool", value_name = "CIDR")]
    public_pools: Vec<IpNet>,
    /// Change a quota: NAME=N. `openvpc up --quota help` lists the names.
    #[arg(long = "quota", value_name = "NAME=N")]
    quotas: Vec<String>,
}

/// How packets are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Datapath {
    /// The best that this machine gives: as root, else in a user namespace.
    Auto,
    /// In the kernel.
    Kernel,
    /// In user space, without privileges where there are none.
    Rootless,
    /// Not at all: the API and the analysis only.
    None,
}

/// What lies behind the internet gateways, as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Internet(InternetMode);

impl FromStr for Internet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mode, rest) = text.split_once('=').map_or((text, None), |(mode, rest)| (mode, Some(rest)));
        let mode = match (mode, rest) {
            ("lab", None) => InternetMode::Lab,
            ("host", None) => InternetMode::Host,
            ("routed", Some(rest)) => {
                let mut parts = rest.split(',');
                let interface = parts.next().filter(|name| is_interface_name(name));
                let interface = interface.ok_or("routed=IFACE needs the name of an interface")?.to_owned();
                let mut gateways: Vec<IpAddr> = Vec::new();
                for part in parts {
                    let address = part.strip_prefix("via=").and_then(|address| address.parse::<IpAddr>().ok());
                    let address = address.ok_or_else(|| format!("{part:?} isn't via=ADDRESS"))?;
                    if gateways.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
                        return Err("one gateway of each IP version is enough".to_owned());
                    }
                    gateways.push(address);
                }
                InternetMode::Routed { interface, gateways }
            }
            _ => return Err("it is lab, host, or routed=IFACE[,via=GATEWAY]".to_owned()),
        };
        Ok(Self(mode))
    }
}

/// As the kernel has them, and nothing that could mean more than a name elsewhere.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@:".contains(&byte))
}

impl UpOptions {
    /// Who is asked for names that neither VPCs nor Route 53 know.
    pub fn name_servers(&self) -> Vec<SocketAddr> {
        if !self.dns_upstream.is_empty() || self.internet.0 == InternetMode::Lab {
            return self.dns_upstream.clone();
        }
        upstream::servers_of(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// What lies behind the internet gateways, and the blocks of public addresses.
    ///
    /// # Errors
    /// When the two don't fit each other, or a block can't be a pool.
    pub fn internet(&self) -> Result<(InternetConfig, PublicPools), Failure> {
        let mode = self.internet.0.clone();
        let is_routed = matches!(mode, InternetMode::Routed { .. });
        match (is_routed, self.public_pools.is_empty()) {
            (true, true) => {
                return Err(Failure::new(
                    "--internet routed gives instances addresses of yours: name them with --public-pool CIDR",
                ));
            }
            (false, false) => {
                return Err(Failure::new(
                    "--public-pool goes with --internet routed=IFACE; lab and host have pools of documentation addresses",
                ));
            }
            (false, true) => return Ok((InternetConfig { mode, ..InternetConfig::default() }, PublicPools::default())),
            (true, false) => {}
        }
        let mut pools = PublicPools { ipv4: Vec::new(), ipv6: Vec::new() };
        for pool in &self.public_pools {
            let refused = |why: &str| Err(Failure::new(format!("--public-pool {pool}: {why}")));
            let overlaps = |other: &IpNet| other.contains(&pool.network()) || pool.contains(&other.network());
            if self.public_pools.iter().filter(|other| overlaps(other)).count() > 1 {
                return refused("it overlaps another pool");
            }
            match pool {
                IpNet::V4(pool) if pool.prefix_len() < 16 => return refused("at most a /16 of IPv4 is a pool"),
                IpNet::V4(pool) if is_not_public(pool.network()) => {
                    return refused("internet gateways carry no private, shared or link-local addresses");
                }
                IpNet::V4(pool) => pools.ipv4.push(pool.trunc()),
                IpNet::V6(pool) if !(8..=56).contains(&pool.prefix_len()) => {
                    return refused("a VPC takes a /56 of IPv6: name a block of that size or larger");
                }
                IpNet::V6(pool) => pools.ipv6.push(pool.trunc()),
            }
        }
        Ok((InternetConfig { mode, pools: self.public_pools.iter().map(IpNet::trunc).collect() }, pools))
    }

    /// The data directory, or the usual one.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// The quotas with what was asked for changed.
    ///
    /// # Errors
    /// When one isn't of the form NAME=N or has no such name.
    pub fn quotas(&self) -> Result<Quotas, Failure> {
        let mut quotas = Quotas::default();
        for text in &self.quotas {
            let set = text.split_once('=').and_then(|(name, limit)| Some(quotas.set(name, limit.parse().ok()?)));
            if set != Some(true) {
                let known: Vec<_> = quotas.all().iter().map(|(name, limit)| format!("{name}={limit}")).collect();
                return Err(Failure::new(format!("--quota {text}: it must be NAME=N; the quotas are {}", known.join(", "))));
            }
        }
        Ok(quotas)
    }
}

/// What an internet gateway drops, or what no host has. RFC 6598 is the shared space.
fn is_not_public(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_nobodys = address.is_loopback() || address.is_multicast() || address.is_unspecified() || a >= 240;
    address.is_private() || address.is_link_local() || is_shared || is_nobodys
}

/// `/var/lib/openvpc` for root, else below the user's data directory.
pub fn default_data_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/openvpc");
    }
    let base = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("openvpc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internet_that_is_none_is_refused() {
        for text in [
            "",
            "hosts",
            "host=eth0",
            "routed",
            "routed=",
            "routed=a/b",
            "routed=eth0,via=x",
            "routed=eth0,via=192.0.2.1,via=192.0.2.2",
        ] {
            assert!(text.parse::<Internet>().is_err(), "{text:?}");
        }
        let both = "routed=eth0,via=192.0.2.1,via=2001:db8::1".parse::<Internet>();
        assert!(matches!(both, Ok(Internet(InternetMode::Routed { gateways, .. })) if gateways.len() == 2));
    }
}
