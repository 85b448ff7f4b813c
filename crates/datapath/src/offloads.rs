//! Which work a host may leave to its link.
//!
//! A frame's [`VnetHeader`](crate::packet_socket::VnetHeader) can say that a TCP or UDP checksum is unfinished and that a
//! frame is a TCP or UDP super-packet. It can't say so of SCTP, nor of a packet within a packet; and a VLAN tag that is
//! left to the hardware travels beside the frame. With these offloads off, the host's kernel does that work before the
//! frame leaves. Root inside may switch them on again, and then loses the frames.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

/// Switches off what a packet socket can't express on the link called `link` in `namespace`.
pub(crate) fn limit(namespace: &NetNs, link: &str) -> Result<(), DatapathError> {
    namespace.within(|| limit_here(link))?.attempt(|| format!("switch off offloads of {link}"))
}

fn limit_here(link: &str) -> io::Result<()> {
    let device = Device::open(link)?;
    let names = device.feature_names()?;
    let off = |name: &str| INEXPRESSIBLE.contains(&name) || (name == UDP && !expresses_udp());
    let bits = names.iter().enumerate().filter(|(_, name)| off(name)).map(|(bit, _)| bit);
    device.switch_off(names.len(), bits)
}

/// Packet sockets know UDP super-packets since Linux 6.2.
fn expresses_udp() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(2))
}

/// The kernel's names, as `ethtool -k` shows them.
const INEXPRESSIBLE: [&str; 14] = [
    "tx-checksum-sctp",
    "tx-esp-segmentation",
    "tx-gre-csum-segmentation",
    "tx-gre-segmentation",
    "tx-gso-list",
    "tx-gso-partial",
    "tx-ipxip4-segmentation",
    "tx-ipxip6-segmentation",
    "tx-sctp-segmentation",
    "tx-tunnel-remcsum-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-udp_tnl-segmentation",
    "tx-vlan-hw-insert",
    "tx-vlan-stag-hw-insert",
];

const UDP: &str = "tx-udp-segmentation";

/// A link, for the requests of `linux/ethtool.h`, whose structures are all made of 32-bit words.
struct Device {
    socket: OwnedFd,
    request: libc::ifreq,
}

impl Device {
    const GET_STRINGS: u32 = 0x1b;
    const GET_SET_INFO: u32 = 0x37;
    const SET_FEATURES: u32 = 0x3b;
    const FEATURES: u32 = 4;
    const NAME: usize = 32;

    fn open(link: &str) -> io::Result<Self> {
        // SAFETY: `ifreq` is numbers and pointers, for which zero (null) is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if link.len() >= request.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (slot, byte) in request.ifr_name.iter_mut().zip(link.bytes()) {
            *slot = byte as libc::c_char;
        }
        // SAFETY: no memory is involved.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `socket` was just opened and has no other owner.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        Ok(Self { socket, request })
    }

    fn feature_names(&self) -> io::Result<Vec<String>> {
        let mut info = [Self::GET_SET_INFO, 0, 1 << Self::FEATURES, 0, 0];
        self.exchange(&mut info)?;
        let count = info[4] as usize;
        let mut strings = vec![0; 3 + count * Self::NAME / 4];
        strings[..3].copy_from_slice(&[Self::GET_STRINGS, Self::FEATURES, info[4]]);
        self.exchange(&mut strings)?;
        let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        Ok(bytes.chunks(Self::NAME).map(text).collect())
    }

    fn switch_off(&self, count: usize, bits: impl Iterator<Item = usize>) -> io::Result<()> {
        let blocks = count.div_ceil(32);
        // Two words per block of 32 features: which are meant, and (all zero) which of them shall be on.
        let mut features = vec![0; 2 + blocks * 2];
        features[..2].copy_from_slice(&[Self::SET_FEATURES, blocks as u32]);
        for bit in bits {
            features[2 + bit / 32 * 2] |= 1 << (bit % 32);
        }
        self.exchange(&mut features)
    }

    /// `words` begins with a command and is as long as the kernel's structure for that command, with what its counts
    /// announce.
    fn exchange(&self, words: &mut [u32]) -> io::Result<()> {
        let mut request = self.request;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        // SAFETY: the request points to `words`, which is borrowed exclusively; the kernel reads and writes no more than
        // the structure of the command, whose size the callers above keep to.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
