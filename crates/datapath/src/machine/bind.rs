//! Binding an interface to a virtual machine or a container, from the process that wants it bound.
//!
//! The wire is made by the caller, with the caller's rights: who may not enter the fabric, or the container's namespace,
//! can't bind anything to it. The daemon only connects the wire once it is there.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use ipnet::IpNet;
use openvpc_model::EniId;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::links::{self, HostLink};
use super::plan::LinkSetup;
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::Netlink;
use crate::sandbox::{ExecError, ProcessRecord, enter_network};
use crate::tap;

/// Where an interface's wire is to be made, and how its far end is to be set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BindingPlace {
    pub(super) fabric: ProcessRecord,
    pub(super) eni: EniId,
    pub(super) setup: LinkSetup,
    /// What the VPC's DHCP option set says of names.
    pub(super) resolv_conf: String,
}

/// Why an interface could not be bound.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BindError(String);

/// The descriptor by which a command has its TAP.
pub const TAP_DESCRIPTOR: i32 = 3;

impl BindingPlace {
    /// Makes the TAP that is the interface's wire, which lasts as long as its queue. The calling process must have one
    /// thread only.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make_tap(&self) -> Result<OwnedFd, BindError> {
        let made = in_fabric(&self.fabric, |fabric| {
            let name = links::wire_name(self.eni);
            let queue = tap::open_here(&name, false).attempt(|| format!("make the TAP {name} by {}", tap::DEVICE))?;
            let mut netlink = Netlink::open(fabric)?;
            let link = netlink.link(&name)?.ok_or(rustix::io::Errno::NODEV).attempt(|| format!("find the TAP {name}"))?;
            netlink.set_up_tap(link.index, self.setup.mtu)?;
            Ok(Some(queue))
        })?;
        made.ok_or_else(|| BindError("the TAP was made, but didn't come".to_owned()))
    }

    /// Makes the veth that is the interface's wire, with its far end called `name` in the namespace `host`, addressed as
    /// declared. The calling process must have one thread only.
    ///
    /// # Errors
    /// When the kernel refuses. Nothing remains then.
    pub fn make_veth(&self, host: &NetNs, name: &str) -> Result<(), BindError> {
        let setup = LinkSetup { name: name.to_owned(), ..self.setup.clone() };
        in_fabric(&self.fabric, |fabric| {
            HostLink::make(&mut Netlink::open(fabric)?, &links::wire_name(self.eni), host, &setup)?;
            Ok(None)
        })
        .map(drop)
        .map_err(|error| match is_root() {
            true => error,
            // The kernel says no more than that it isn't permitted.
            false => BindError(format!(
                "{error} (without root, only network namespaces of the daemon's own user namespace can be given a link)"
            )),
        })
    }

    /// Removes the interface's wire again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<(), BindError> {
        in_fabric(&self.fabric, |fabric| {
            let mut netlink = Netlink::open(fabric)?;
            if let Some(wire) = netlink.link(&links::wire_name(self.eni))? {
                links::remove(&mut netlink, wire.index)?;
            }
            Ok(None)
        })
        .map(drop)
    }

    /// What a virtual machine must be told to use the interface as declared, as environment variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        let setup = &self.setup;
        let mut variables = vec![
            ("OPENVPC_TAP_FD", TAP_DESCRIPTOR.to_string()),
            ("OPENVPC_ENI", self.eni.to_string()),
            ("OPENVPC_MAC", setup.mac.to_string()),
            ("OPENVPC_MTU", setup.mtu.to_string()),
            ("OPENVPC_ADDRESSES", setup.addresses.iter().map(IpNet::to_string).collect::<Vec<_>>().join(" ")),
        ];
        for (ipv4, name) in [(true, "OPENVPC_ADDRESS"), (false, "OPENVPC_IPV6_ADDRESS")] {
            let first = setup.addresses.iter().find(|address| address.addr().is_ipv4() == ipv4);
            variables.extend(first.map(|address| (name, address.to_string())));
        }
        for (ipv4, name) in [(true, "OPENVPC_GATEWAY"), (false, "OPENVPC_IPV6_GATEWAY")] {
            let first = setup.gateways.iter().find(|gateway| IpAddr::is_ipv4(gateway) == ipv4);
            variables.extend(first.map(|gateway| (name, gateway.to_string())));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Words of the lines of the VPC's `resolv.conf` that begin with `keyword`: `nameserver` or `search`.
    pub fn names(&self, keyword: &str) -> Vec<String> {
        let lines = self.resolv_conf.lines().filter_map(|line| line.strip_prefix(keyword)?.strip_prefix(' '));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    }

    /// Becomes a command that has the TAP's queue as its descriptor [`TAP_DESCRIPTOR`]. Returns only when it can't be run,
    /// with the reason; the TAP is gone then.
    pub fn become_command(&self, queue: OwnedFd, command: &[OsString]) -> io::Error {
        let [program, arguments @ ..] = command else {
            return io::Error::from_raw_os_error(libc::ENOENT);
        };
        // SAFETY: the number is no descriptor that any value of this process owns, or it is the queue itself.
        let there = match queue.as_raw_fd() {
            TAP_DESCRIPTOR => rustix::io::fcntl_setfd(&queue, rustix::io::FdFlags::empty()).map_err(io::Error::from),
            other => match unsafe { libc::dup2(other, TAP_DESCRIPTOR) } {
                0.. => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        };
        match there {
            Ok(()) => Command::new(program).args(arguments).envs(self.environment()).exec(),
            Err(error) => error,
        }
    }
}

/// Runs `work` in the fabric, in a process of its own: entering it may mean to enter a user namespace, from which there is
/// no way back.
fn in_fabric(
    fabric: &ProcessRecord,
    work: impl FnOnce(&NetNs) -> Result<Option<OwnedFd>, DatapathError>,
) -> Result<Option<OwnedFd>, BindError> {
    let failed = |error: io::Error| BindError(format!("could not start a process: {error}"));
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(|error| failed(error.into()))?;
    // SAFETY: this process has one thread, so the child may go on as the parent would have.
    match unsafe { libc::fork() } {
        0 => {
            let outcome = catch_unwind(AssertUnwindSafe(|| enter(fabric).and_then(|namespace| Ok(work(&namespace)?))));
            let outcome = outcome.unwrap_or_else(|_| Err(BindError("it panicked".to_owned())));
            let told = tell(&theirs, outcome);
            // SAFETY: no memory is involved.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        child if child > 0 => {
            drop(theirs);
            let outcome = hear(&ours);
            let mut status = 0;
            // SAFETY: `status` lives through the call. An error could only be that there is nothing to wait for.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            outcome
        }
        _ => Err(failed(io::Error::last_os_error())),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn enter(fabric: &ProcessRecord) -> Result<NetNs, BindError> {
    match enter_network(fabric) {
        Ok(_) => Ok(NetNs::current()?),
        Err(ExecError::NotRunning) => Err(BindError("the daemon has ended".to_owned())),
        Err(ExecError::NotPermitted) => {
            Err(BindError("the daemon is another user's; run this as that user, or as root".to_owned()))
        }
        Err(error) => Err(BindError(error.to_string())),
    }
}

/// Sends an outcome: the text of an error, or one that is empty, and the descriptor if there is one.
fn tell(to: &OwnedFd, outcome: Result<Option<OwnedFd>, BindError>) -> rustix::io::Result<()> {
    let (text, descriptor) = match outcome {
        Ok(descriptor) => (String::from("+"), descriptor),
        Err(error) => (error.to_string(), None),
    };
    let descriptors: Vec<_> = descriptor.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    sendmsg(to, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

fn hear(from: &OwnedFd) -> Result<Option<OwnedFd>, BindError> {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut text)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let length = received.map_err(|error| BindError(format!("could not hear from a process: {error}")))?.bytes;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptor = descriptors.flatten().next();
    match &text[..length] {
        b"+" => Ok(descriptor),
        b"" => Err(BindError("the process that was to make the link ended without a word".to_owned())),
        error => Err(BindError(String::from_utf8_lossy(error).into_owned())),
    }
}

impl From<DatapathError> for BindError {
    fn from(error: DatapathError) -> Self {
        Self(error.to_string())
    }
}
