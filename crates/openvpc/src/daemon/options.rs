//! The arguments of `openvpc up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use openvpc_control::Quotas;

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
    /// Ask this name server for what neither VPCs nor Route 53 know. May be given again; without, such names don't exist.
    #[arg(long = "dns-upstream", value_name = "ADDR", value_parser = super::names::upstream)]
    pub dns_upstream: Vec<SocketAddr>,
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

impl UpOptions {
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

/// `/var/lib/openvpc` for root, else below the user's data directory.
pub fn default_data_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/openvpc");
    }
    let base = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("openvpc")
}
