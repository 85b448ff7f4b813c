//! The way from the program to user space: a TAP in the fabric.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::layout::Punted;
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::{LinkIndex, Netlink};
use crate::packet_socket::FrameBatch;
use crate::tap;

/// Frames that the program hands up. Super-packets come whole and unfinished checksums stay so.
pub(crate) struct Punt {
    queue: OwnedFd,
    link: LinkIndex,
    netlink: Netlink,
    dropped: u64,
}

impl Punt {
    /// Finds out whether this process may make one.
    pub fn probe() -> Result<(), DatapathError> {
        tap::probe().attempt(|| format!("open {}", tap::DEVICE))
    }

    /// Makes the TAP in the fabric.
    pub fn open(fabric: &NetNs) -> Result<Self, DatapathError> {
        let what = || "make the TAP that leads from the fast path to user space";
        let queue = fabric.within(|| -> io::Result<OwnedFd> {
            let queue = tap::open_here(PUNT_NAME, true)?;
            tap::take_all_offloads(queue.as_fd())?;
            Ok(queue)
        })?;
        let queue = queue.attempt(what)?;
        let mut netlink = Netlink::open(fabric)?;
        let link = netlink.link(PUNT_NAME)?.ok_or_else(|| io::Error::other("it isn't there")).attempt(what)?.index;
        netlink.set_queue_length(link, QUEUE)?;
        netlink.set_up(link)?;
        Ok(Self { queue, link, netlink, dropped: 0 })
    }

    /// The link that frames are sent to.
    pub fn link(&self) -> LinkIndex {
        self.link
    }

    /// Frames that found the queue full since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        let dropped = self.netlink.dropped_frames(self.link).unwrap_or(self.dropped);
        dropped - std::mem::replace(&mut self.dropped, dropped)
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

/// The name of the link in the fabric.
pub(crate) const PUNT_NAME: &str = "punt";

/// Frames that wait for user space at most; those beyond are dropped, which bounds what a flood of misses can hold up.
const QUEUE: u32 = 4096;

const _: () = assert!(size_of::<Punted>() == 16);
