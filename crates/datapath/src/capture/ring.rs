//! The kernel's ring of blocks of frames (`TPACKET_V3`, see `packet(7)` and `Documentation/networking/packet_mmap.rst`).
//!
//! The kernel fills block after block, each with frames of any length, and hands a block over when it is full or its time
//! is up. Its memory doesn't count against `net.core.rmem_max`, so that who may not raise that has as much room as root.

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Frame;
use crate::packet_socket::set_option;

/// How long frames may lie in a block that isn't full.
pub(super) const HAND_OVER_AFTER: Duration = Duration::from_millis(40);

/// Longer than any frame, so that all lie whole.
const BLOCK: usize = 1 << 20;

/// The most blocks: room for the frames of some tens of milliseconds at tens of gigabits per second.
const BLOCKS: usize = 64;

/// The fewest that are worth while.
const FEWEST_BLOCKS: usize = 4;

/// The mapped ring.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    blocks: usize,
    /// The block that is handed over next.
    next: usize,
    /// For a frame whose VLAN tag travelled outside of it.
    tagged: Vec<u8>,
}

impl Ring {
    /// Gives the socket a ring and maps it. Where memory is short, it is a smaller one.
    pub(super) fn map(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let version = libc::tpacket_versions::TPACKET_V3 as i32;
        set_option(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
        let mut blocks = BLOCKS;
        loop {
            let request = libc::tpacket_req3 {
                tp_block_size: BLOCK as u32,
                tp_block_nr: blocks as u32,
                tp_frame_size: FRAME as u32,
                tp_frame_nr: (BLOCK / FRAME * blocks) as u32,
                tp_retire_blk_tov: HAND_OVER_AFTER.as_millis() as u32,
                tp_sizeof_priv: 0,
                tp_feature_req_word: 0,
            };
            match set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request) {
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && blocks > FEWEST_BLOCKS => blocks /= 2,
                made => break made?,
            }
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), blocks * BLOCK, protection, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
        match NonNull::new(memory.cast::<u8>()) {
            Some(start) if memory != libc::MAP_FAILED => Ok(Self { memory: start, blocks, next: 0, tagged: Vec::new() }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives the frames of the next block to `take` until it breaks off, and the block back to the kernel; none when the
    /// kernel hasn't handed it over.
    pub(super) fn take_block(
        &mut self,
        mut take: impl FnMut(&Frame<'_>) -> io::Result<ControlFlow<()>>,
    ) -> Option<io::Result<ControlFlow<()>>> {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies within the mapping, and the kernel doesn't write to it until it is given back below, when
        // this is no longer used.
        let block = unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(self.next * BLOCK), BLOCK) };
        let mut taken = Ok(ControlFlow::Continue(()));
        for (header, frame) in frames(block) {
            taken = take(&header.frame(frame, &mut self.tagged));
            if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                break;
            }
        }
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.blocks;
        Some(taken)
    }

    /// Whose the next block is.
    fn status(&self) -> &AtomicU32 {
        let header = mem::offset_of!(libc::tpacket_block_desc, hdr);
        let offset = self.next * BLOCK + header + mem::offset_of!(libc::tpacket_hdr_v1, block_status);
        // SAFETY: the word lies within the mapping, aligned since blocks are, and both sides treat it as an atomic.
        unsafe { AtomicU32::from_ptr(self.memory.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and no reference into it outlives it.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK) };
    }
}

/// What the kernel says of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    time: Duration,
    outgoing: bool,
    length: u32,
    /// TPID and TCI of a tag that the kernel took out of the frame.
    tag: Option<[u8; 4]>,
}

impl Header {
    /// The frame as it was on the link, with its VLAN tag in its place, if it has one.
    fn frame<'a>(self, bytes: &'a [u8], tagged: &'a mut Vec<u8>) -> Frame<'a> {
        let Self { time, outgoing, length, tag } = self;
        match (tag, bytes.split_at_checked(TAG_AT)) {
            (Some(tag), Some((addresses, rest))) => {
                tagged.clear();
                tagged.extend_from_slice(addresses);
                tagged.extend_from_slice(&tag);
                tagged.extend_from_slice(rest);
                Frame { time, outgoing, length: length + tag.len() as u32, bytes: tagged }
            }
            _ => Frame { time, outgoing, length, bytes },
        }
    }
}

/// The frames of a block that was handed over, with what the kernel says of each.
fn frames(block: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    use libc::{sockaddr_ll, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};
    let base = mem::offset_of!(libc::tpacket_block_desc, hdr);
    let count = u32_at(block, base + mem::offset_of!(tpacket_hdr_v1, num_pkts));
    let mut place = u32_at(block, base + mem::offset_of!(tpacket_hdr_v1, offset_to_first_pkt)) as usize;
    (0..count).map_while(move |_| {
        let at = place;
        place += u32_at(block, at + mem::offset_of!(tpacket3_hdr, tp_next_offset)) as usize;
        let field = |offset: usize| u32_at(block, at + offset);
        let status = field(mem::offset_of!(tpacket3_hdr, tp_status));
        let start = at + usize::from(u16_at(block, at + mem::offset_of!(tpacket3_hdr, tp_mac)));
        let kept = field(mem::offset_of!(tpacket3_hdr, tp_snaplen)) as usize;
        let vlan = mem::offset_of!(tpacket3_hdr, hv1);
        let tag = (status & libc::TP_STATUS_VLAN_VALID != 0).then(|| {
            let is_known = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
            let stated = u16_at(block, at + vlan + mem::offset_of!(tpacket_hdr_variant1, tp_vlan_tpid));
            let kind = if is_known { stated } else { libc::ETH_P_8021Q as u16 }.to_be_bytes();
            let tag = (field(vlan + mem::offset_of!(tpacket_hdr_variant1, tp_vlan_tci)) as u16).to_be_bytes();
            [kind[0], kind[1], tag[0], tag[1]]
        });
        let address = at + mem::size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
        let header = Header {
            time: Duration::new(
                field(mem::offset_of!(tpacket3_hdr, tp_sec)).into(),
                field(mem::offset_of!(tpacket3_hdr, tp_nsec)),
            ),
            outgoing: block.get(address + mem::offset_of!(sockaddr_ll, sll_pkttype)) == Some(&libc::PACKET_OUTGOING),
            length: field(mem::offset_of!(tpacket3_hdr, tp_len)),
            tag,
        };
        Some((header, block.get(start..start + kept)?))
    })
}

/// Frames that the kernel dropped since the last call.
pub(super) fn take_dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: `tpacket_stats_v3` is plain numbers, for which zero is a value.
    let mut statistics: libc::tpacket_stats_v3 = unsafe { mem::zeroed() };
    let mut length = mem::size_of_val(&statistics) as libc::socklen_t;
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    // SAFETY: the kernel writes at most `length` bytes into `statistics`, both of which live through the call.
    let read = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut statistics).cast(), &raw mut length) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(statistics.tp_drops) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

/// The kernel's unit for a ring; blocks of frames of any length only have to be a multiple of it.
const FRAME: usize = 2048;

/// A VLAN tag stands behind the two hardware addresses.
const TAG_AT: usize = 12;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_tag_that_travelled_outside_is_put_back_behind_the_addresses() {
        let header = Header { time: Duration::ZERO, outgoing: true, length: 60, tag: Some([0x81, 0, 0, 7]) };
        let bytes: Vec<u8> = (0..20).collect();
        let mut tagged = Vec::new();
        let frame = header.frame(&bytes, &mut tagged);
        assert_eq!(frame.length, 64);
        assert_eq!(frame.bytes[..18], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 7, 12, 13]);
    }

    #[test]
    fn a_block_that_says_nonsense_gives_no_frame_beyond_its_end() {
        let mut block = vec![0xff_u8; 4096];
        assert_eq!(frames(&block).count(), 0);
        block.fill(0);
        assert_eq!(frames(&block).count(), 0);
    }
}
