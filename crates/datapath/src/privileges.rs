//! What the daemon needs of the machine, and how it comes by it without being root.
//!
//! Root has everything already. Anybody else becomes root of a new user namespace, with themselves as its only user:
//! there they may make network namespaces, links, packet sockets and mounts, and nothing they could not do before
//! outside. After a crash the next daemon must join the same user namespace, since it owns the instances' namespaces:
//! the fabric's holder keeps it.
//!
//! The daemon stays in the host's own network namespace in both tiers, so that its API is reachable.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use openvpc_model::interface::MacAddress;
use rustix::thread::{CapabilitySet, ThreadNameSpaceType, UnshareFlags};
use thiserror::Error;

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{Netlink, VethSpec};
use crate::packet_socket::PacketSocket;
use crate::sandbox::{Process, Sandbox};

/// By what right the daemon works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// As root of the machine.
    Root,
    /// As root of a user namespace of its own.
    Rootless,
}

impl Standing {
    /// That of this process, once it has acquired what it needs.
    pub fn current() -> Self {
        if is_machine_root() { Self::Root } else { Self::Rootless }
    }
}

/// What of the machine is missing, with the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// Neither root nor able to become root of a user namespace.
    #[error("not root, and this machine gives no usable user namespace ({reason}): run as root, or {remedy}")]
    UserNamespaces {
        /// The setting or the answer of the kernel that says so.
        reason: String,
        /// What to do instead of running as root.
        remedy: String,
    },
    /// A kernel feature is missing.
    #[error("{feature} is missing: {reason}; {remedy}")]
    Feature {
        /// The feature.
        feature: &'static str,
        /// The kernel's answer.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something else failed.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
}

/// Makes sure that this process may do all that a daemon does, if need be by moving it into a user namespace, and that
/// the kernel has what the datapath needs.
///
/// `fabric_dir` and `instances_dir` are the directories of the daemon's fabric and of its instances' state directories:
/// when an earlier daemon left processes there, their user namespace is joined. The program's `main` calls this while
/// the process has one thread.
pub fn acquire(fabric_dir: &Path, instances_dir: &Path) -> Result<Standing, PrivilegeError> {
    if !has_rights()? {
        match left_behind(fabric_dir, instances_dir)? {
            Some(process) => join_user_namespace(&process)?,
            None => enter_user_namespace()?,
        }
    }
    let standing = Standing::current();
    try_features(standing)?;
    Ok(standing)
}

/// Whether this process may already make namespaces and links.
fn has_rights() -> Result<bool, DatapathError> {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW | CapabilitySet::SETPCAP;
    let held = rustix::thread::capabilities(None).attempt(|| "read this process's capabilities")?;
    Ok(held.effective.contains(needed))
}

/// In the machine's own user namespace every id stands for itself.
fn is_machine_root() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Any process that holds the user namespace of an earlier daemon.
fn left_behind(fabric_dir: &Path, instances_dir: &Path) -> Result<Option<Process>, DatapathError> {
    if let Some(holder) = Process::find(fabric_dir)? {
        return Ok(Some(holder));
    }
    Ok(Sandbox::find_all(instances_dir)?.into_iter().next().map(|(_, sandbox)| sandbox.into_process()))
}

fn join_user_namespace(process: &Process) -> Result<(), DatapathError> {
    rustix::thread::move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::USER)
        .attempt(|| format!("join the user namespace of process {}, left by an earlier daemon (of another user?)", process.pid()))
}

fn enter_user_namespace() -> Result<(), PrivilegeError> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: the process keeps its file-descriptor table; with more than one thread the kernel refuses.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }.map_err(|error| refusal(SETTINGS.as_ref(), error.into()))?;
    // Without this the kernel gives no group map to an unprivileged process.
    let maps = [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {uid} 1")), ("gid_map", format!("0 {gid} 1"))];
    for (file, text) in maps {
        fs::write(Path::new("/proc/self").join(file), text).map_err(|error| refusal(SETTINGS.as_ref(), error))?;
    }
    Ok(())
}

/// Explains a refusal by the settings below `settings` (`/proc/sys`) that are known to cause one.
fn refusal(settings: &Path, error: io::Error) -> PrivilegeError {
    let blocking = [
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "15000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    for (name, closed, open) in blocking {
        if fs::read_to_string(settings.join(name)).is_ok_and(|value| value.trim() == closed) {
            let name = name.replace('/', ".");
            return PrivilegeError::UserNamespaces {
                reason: format!("{name} is {closed}"),
                remedy: format!("run `sysctl -w {name}={open}` as root once"),
            };
        }
    }
    PrivilegeError::UserNamespaces { reason: error.to_string(), remedy: "in a container, let it make user namespaces".into() }
}

/// Tries, on throw-away namespaces, what every instance will need.
fn try_features(standing: Standing) -> Result<(), PrivilegeError> {
    let (here, there) = match NetNs::create().and_then(|here| Ok((here, NetNs::create()?))) {
        // Ubuntu lets anybody make a user namespace, but nothing inside it.
        Err(DatapathError::System { source, .. })
            if standing == Standing::Rootless && source.kind() == io::ErrorKind::PermissionDenied =>
        {
            return Err(refusal(SETTINGS.as_ref(), source));
        }
        made => made.map_err(|error| missing("the kernel's network namespaces", error, "use a kernel with CONFIG_NET_NS"))?,
    };
    let spec = VethSpec { wire: "probe", host: &there, host_link: "eth0", host_mac: MacAddress([2, 0, 0, 0, 0, 1]), mtu: 9001 };
    let wire = Netlink::open(&here)
        .and_then(|mut netlink| netlink.add_veth(spec))
        .map_err(|error| missing("the kernel's veth driver", error, "run `modprobe veth` as root once"))?;
    PacketSocket::open(&here, wire)
        .map_err(|error| missing("the kernel's packet sockets", error, "run `modprobe af_packet` as root once"))?;
    Ok(())
}

fn missing(feature: &'static str, error: DatapathError, remedy: &'static str) -> PrivilegeError {
    PrivilegeError::Feature { feature, reason: error.to_string(), remedy }
}

const SETTINGS: &str = "/proc/sys";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_refusal_names_the_setting_that_causes_it_and_the_command_that_changes_it() {
        let settings = tempfile::tempdir().unwrap();
        let refuse = || refusal(settings.path(), io::Error::from_raw_os_error(libc::EPERM)).to_string();
        assert!(refuse().contains("Operation not permitted"), "{}", refuse());
        for dir in ["kernel", "user"] {
            fs::create_dir(settings.path().join(dir)).unwrap();
        }
        fs::write(settings.path().join("user/max_user_namespaces"), "15000\n").unwrap();
        fs::write(settings.path().join("kernel/apparmor_restrict_unprivileged_userns"), "1\n").unwrap();
        assert!(refuse().contains("`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"), "{}", refuse());
        fs::write(settings.path().join("kernel/unprivileged_userns_clone"), "0\n").unwrap();
        assert!(refuse().contains("`sysctl -w kernel.unprivileged_userns_clone=1`"), "{}", refuse());
    }
}
