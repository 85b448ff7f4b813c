//! The way from the program to user space: a TAP in the fabric.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::layout::Punted;
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{LinkIndex, Netlink};
use crate::packet_socket::FrameBatch;

/// Frames that the program hands up. Super-packets come whole and unfinished checksums stay so.
pub(crate) struct Punt {
    queue: OwnedFd,
    link: LinkIndex,
}

impl Punt {
    /// Finds out whether this process may make one.
    pub fn probe() -> Result<(), DatapathError> {
        open_device().map(drop).attempt(|| format!("open {DEVICE}"))
    }

    /// Makes the TAP in the fabric.
    pub fn open(fabric: &NetNs) -> Result<Self, DatapathError> {
        let what = || "make the TAP that leads from the fast path to user space";
        let queue = fabric.within(|| -> io::Result<OwnedFd> {
            let queue = open_device()?;
            // SAFETY: `ifreq` is plain octets and numbers, for which zero is a value.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (place, octet) in request.ifr_name.iter_mut().zip(PUNT_NAME.bytes()) {
                *place = octet as libc::c_char;
            }
            request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
            // SAFETY: the kernel reads and writes one `ifreq`, which lives through the call.
            if unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } < 0 {
                return Err(io::Error::last_os_error());
            }
            let offloads = [ALL_OFFLOADS | libc::TUN_F_USO4 | libc::TUN_F_USO6, ALL_OFFLOADS, 0];
            // Older kernels know fewer; what isn't taken, the kernel does itself before the frame comes.
            // SAFETY: the argument is a number.
            let set = |flags: libc::c_uint| unsafe {
                libc::ioctl(queue.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) == 0
            };
            match offloads.into_iter().any(set) {
                true => Ok(queue),
                false => Err(io::Error::last_os_error()),
            }
        })?;
        let queue = queue.attempt(what)?;
        let mut netlink = Netlink::open(fabric)?;
        let link = netlink.link(PUNT_NAME)?.ok_or_else(|| io::Error::other("it isn't there")).attempt(what)?.index;
        netlink.set_queue_length(link, QUEUE)?;
        netlink.set_up(link)?;
        Ok(Self { queue, link })
    }

    /// The link that frames are sent to.
    pub fn link(&self) -> LinkIndex {
        self.link
    }

    /// Fills `batch` with the frames that wait; for each, the link it came from is [`FrameBatch::origin`].
    pub fn receive(&self, batch: &mut FrameBatch) -> io::Result<usize> {
        batch.fill_from_tap(self.queue.as_fd())
    }
}

impl AsFd for Punt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

fn open_device() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}

const DEVICE: &str = "/dev/net/tun";

/// The name of the link in the fabric.
pub(crate) const PUNT_NAME: &str = "punt";
const ALL_OFFLOADS: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;

/// Frames that wait for user space at most; those beyond are dropped, which bounds what a flood of misses can hold up.
const QUEUE: u32 = 4096;

const _: () = assert!(size_of::<Punted>() == 16);
