//! TAPs: links whose other end is a file descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

/// Finds out whether this process may make TAPs.
///
/// # Errors
/// The kernel's answer, when it may not.
pub(crate) fn probe() -> io::Result<()> {
    open_device(OFlags::empty()).map(drop)
}

/// Makes the TAP called `name` in the namespace of the calling thread, or takes one over that nobody has; gives its queue,
/// on which each frame follows a [`VnetHeader`](crate::packet_socket::VnetHeader). The TAP lasts as long as its queue, unless
/// it was made to stay by somebody else.
///
/// # Errors
/// When there is no TAP driver, no right to use it, or another link of that name.
pub fn open_here(name: &str, non_blocking: bool) -> io::Result<OwnedFd> {
    let queue = open_device(if non_blocking { OFlags::NONBLOCK } else { OFlags::empty() })?;
    // SAFETY: `ifreq` is plain octets and numbers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (place, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = octet as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: the kernel reads and writes one `ifreq`, which lives through the call.
    match unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } {
        0.. => Ok(queue),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Says that whoever reads the queue takes super-packets and unfinished checksums; before, it gets neither.
///
/// # Errors
/// The kernel's answer.
pub fn take_all_offloads(queue: BorrowedFd<'_>) -> io::Result<()> {
    let offloads = [ALL_OFFLOADS | libc::TUN_F_USO4 | libc::TUN_F_USO6, ALL_OFFLOADS, 0];
    // Older kernels know fewer; what isn't taken, the kernel does itself before the frame comes.
    // SAFETY: the argument is a number.
    let set =
        |flags: libc::c_uint| unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) == 0 };
    match offloads.into_iter().any(set) {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// The queue that this process was started with as that descriptor.
///
/// # Errors
/// When there is no such descriptor.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    match unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) } {
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        copy @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(copy) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Copies what comes out of one queue into the other, as it is, until one of the TAPs is gone.
///
/// # Errors
/// Why it ended.
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> io::Error {
    let mut frame = vec![0; LONGEST_FRAME];
    loop {
        let length = match rustix::io::read(from.as_fd(), &mut *frame) {
            Ok(length) => length,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return error.into(),
        };
        match rustix::io::write(to.as_fd(), &frame[..length]) {
            // What a link refuses, as when it is down, is lost like a frame on a wire.
            Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::IO | rustix::io::Errno::INVAL) => {}
            Err(error) => return error.into(),
        }
    }
}

fn open_device(flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC | flags, Mode::empty())?)
}

/// The driver.
pub(crate) const DEVICE: &str = "/dev/net/tun";

const ALL_OFFLOADS: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;

/// A super-packet with its headers.
const LONGEST_FRAME: usize = (1 << 16) + 256;
