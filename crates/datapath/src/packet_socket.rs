//! Packet sockets: the engine's view of the host side of an ENI.
//!
//! One socket per link. Every frame comes and goes with a [`VnetHeader`], so a TCP or UDP super-packet of up to 64 KiB
//! passes as one frame and a checksum the sender left to its "hardware" stays unfinished until somebody needs it.
//! Frames that the engine itself sends are not seen again, and frames with a VLAN tag are not seen at all (their tag
//! travels outside the frame, so they would look like untagged ones).

mod batch;

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::LinkIndex;

pub use batch::FrameBatch;

/// What the sender left undone in a frame, and what a super-packet consists of: `struct virtio_net_hdr` of
/// `linux/virtio_net.h`, in the machine's byte order as `packet(7)` exchanges it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VnetHeader {
    /// [`VnetHeader::NEEDS_CHECKSUM`] or [`VnetHeader::CHECKSUM_VALID`], or nothing.
    pub flags: u8,
    /// One of the `GSO_…` constants, with [`VnetHeader::GSO_ECN`] added where the first segment carries CWR.
    pub gso_type: u8,
    /// For a super-packet: the length of all headers together, a hint only.
    pub header_length: u16,
    /// For a super-packet: the payload bytes of each segment but the last.
    pub gso_size: u16,
    /// Where to begin summing, counted from the start of the frame, when the checksum is unfinished.
    pub checksum_start: u16,
    /// Where the checksum goes, counted from `checksum_start`.
    pub checksum_offset: u16,
}

impl VnetHeader {
    /// The checksum field holds only the sum of the pseudo header; whoever needs the rest must add it.
    pub const NEEDS_CHECKSUM: u8 = 1;
    /// The receiver need not verify the checksum.
    pub const CHECKSUM_VALID: u8 = 2;
    /// A single packet.
    pub const GSO_NONE: u8 = 0;
    /// A TCP super-packet over IPv4.
    pub const GSO_TCPV4: u8 = 1;
    /// A TCP super-packet over IPv6.
    pub const GSO_TCPV6: u8 = 4;
    /// Several UDP datagrams of one flow.
    pub const GSO_UDP_L4: u8 = 5;
    /// Added to a TCP type: the first segment carries CWR.
    pub const GSO_ECN: u8 = 0x80;

    /// Whether the frame stands for several packets on the wire.
    pub fn is_super_packet(&self) -> bool {
        self.gso_type & !Self::GSO_ECN != Self::GSO_NONE
    }

    /// Whether the transport checksum is unfinished.
    pub fn needs_checksum(&self) -> bool {
        self.flags & Self::NEEDS_CHECKSUM != 0
    }

    /// The packets that `payload` bytes of transport payload become on the wire.
    pub fn segments(&self, payload: usize) -> usize {
        if self.is_super_packet() && self.gso_size > 0 { payload.div_ceil(usize::from(self.gso_size)).max(1) } else { 1 }
    }
}

/// What became of frames given to [`PacketSocket::send_many`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sent {
    /// Frames the link took.
    pub taken: usize,
    /// Frames the kernel refused: too long for the link, malformed header, link down or buffer full.
    pub refused: usize,
}

/// A raw socket on one link, non-blocking. Readable ([`AsFd`]) when a frame waits.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens a socket on the link with number `link` in `namespace`.
    pub fn open(namespace: &NetNs, link: LinkIndex) -> Result<Self, DatapathError> {
        Self::open_for(libc::ETH_P_ALL as u16, namespace, link)
    }

    /// Opens a socket that only sends.
    pub fn open_to_send(namespace: &NetNs, link: LinkIndex) -> Result<Self, DatapathError> {
        Self::open_for(0, namespace, link)
    }

    fn open_for(protocol: u16, namespace: &NetNs, link: LinkIndex) -> Result<Self, DatapathError> {
        let opened = namespace.within(|| Self::open_here(link, protocol))?;
        opened.attempt(|| format!("open a packet socket on link {}", link.0))
    }

    /// Fills `batch` with the frames that wait, as many as fit, and returns how many there are; 0 when none waits.
    pub fn receive(&self, batch: &mut FrameBatch) -> io::Result<usize> {
        batch.fill(self.socket.as_fd())
    }

    /// Sends one frame.
    pub fn send(&self, header: &VnetHeader, frame: &[u8]) -> io::Result<()> {
        let parts = [header.as_io(), frame_as_io(frame)];
        // SAFETY: both parts point to memory borrowed for the length of the call, which only reads it.
        let written = unsafe { libc::writev(self.socket.as_raw_fd(), parts.as_ptr(), 2) };
        if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends frames in order, several per system call. A frame that is refused does not stop the ones behind it.
    pub fn send_many<'a>(&self, frames: impl IntoIterator<Item = (&'a VnetHeader, &'a [u8])>) -> Sent {
        // Asked again after its end below, so the end must be one.
        let mut frames = frames.into_iter().fuse();
        let mut sent = Sent::default();
        let mut parts = [const { MaybeUninit::<[libc::iovec; 2]>::uninit() }; SEND_AT_ONCE];
        let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; SEND_AT_ONCE];
        loop {
            let mut count = 0;
            for (header, frame) in frames.by_ref().take(SEND_AT_ONCE) {
                let parts = parts[count].write([header.as_io(), frame_as_io(frame)]);
                messages[count].write(message_of(parts));
                count += 1;
            }
            if count == 0 {
                return sent;
            }
            self.send_prepared(&mut messages[..count], &mut sent);
        }
    }

    /// Frames the kernel dropped since the last call because they came faster than they were received.
    pub fn take_overruns(&self) -> io::Result<u32> {
        // SAFETY: `tpacket_stats` is plain numbers, for which zero is a value.
        let mut statistics: libc::tpacket_stats = unsafe { mem::zeroed() };
        let mut length = mem::size_of_val(&statistics) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into `statistics`, both of which live through the call.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(statistics.tp_drops) }
    }

    fn open_here(link: LinkIndex, protocol: u16) -> io::Result<Self> {
        // Protocol 0 receives nothing: frames begin to arrive with the bind below, when every option is in place.
        // SAFETY: no memory is involved.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `socket` was just opened and has no other owner.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let fd = socket.as_fd();
        set_option(fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1)?;
        set_option(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1)?;
        set_option(fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1)?;
        set_buffer(fd, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, RECEIVE_BUFFER)?;
        set_buffer(fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, SEND_BUFFER)?;
        refuse_tagged(fd)?;

        // SAFETY: `sockaddr_ll` is plain numbers, for which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = i32::try_from(link.0).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        // SAFETY: the address and its length describe one `sockaddr_ll` that lives through the call.
        let bound =
            unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), mem::size_of_val(&address) as libc::socklen_t) };
        if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { socket }) }
    }

    fn send_prepared(&self, mut messages: &mut [MaybeUninit<libc::mmsghdr>], sent: &mut Sent) {
        while !messages.is_empty() {
            // SAFETY: every message up to the length passed is initialised by `send_many`, and points to iovecs and
            // frames that are borrowed until it returns.
            let taken = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    messages.as_mut_ptr().cast(),
                    messages.len() as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            // An error is about the first message only; the ones behind it are tried again.
            let done = match taken {
                ..=0 => {
                    sent.refused += 1;
                    1
                }
                taken => {
                    sent.taken += taken as usize;
                    taken as usize
                }
            };
            messages = &mut messages[done..];
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl VnetHeader {
    fn as_io(&self) -> libc::iovec {
        libc::iovec { iov_base: (&raw const *self).cast_mut().cast(), iov_len: mem::size_of::<Self>() }
    }
}

fn frame_as_io(frame: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() }
}

fn message_of(parts: &mut [libc::iovec; 2]) -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is numbers and pointers, for which zero (null) is a value.
    let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
    message.msg_hdr.msg_iov = parts.as_mut_ptr();
    message.msg_hdr.msg_iovlen = parts.len() as _;
    message
}

pub(crate) fn set_option<T>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const *value).cast(), mem::size_of::<T>() as libc::socklen_t)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The forced form goes beyond `net.core.rmem_max`, and is for root of the machine only.
fn set_buffer(socket: BorrowedFd<'_>, forced: i32, plain: i32, bytes: i32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, forced, &bytes).or_else(|_| set_option(socket, libc::SOL_SOCKET, plain, &bytes))
}

/// Attaches a filter that drops frames with a VLAN tag.
fn refuse_tagged(socket: BorrowedFd<'_>) -> io::Result<()> {
    const ACCEPT: u32 = u32::MAX;
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let tag_present = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, tag_present),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, 0),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, ACCEPT),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Frames per `sendmmsg`.
const SEND_AT_ONCE: usize = 32;

/// Room for what arrives while the engine is busy: about 200 super-packets, as the kernel counts double.
const RECEIVE_BUFFER: i32 = 8 << 20;

/// A frame is handed to the other end within the call that sends it, so little ever waits here.
const SEND_BUFFER: i32 = 4 << 20;
