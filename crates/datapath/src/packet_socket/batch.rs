use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use super::VnetHeader;
use crate::kernel::Punted;

/// Room for a number of frames of any size, filled by [`super::PacketSocket::receive`] again and again.
///
/// One batch serves all sockets of a thread: frames are looked at, changed and sent on from where they lie.
pub struct FrameBatch {
    slots: Slots,
    messages: Vec<libc::mmsghdr>,
    filled: Vec<Filled>,
    unusable: u64,
}

#[derive(Clone, Copy)]
struct Filled {
    slot: u32,
    length: u32,
    /// The link that a frame from the punt came from.
    origin: u32,
}

impl FrameBatch {
    /// The largest frame: a super-packet of 64 KiB over IPv6, with its Ethernet header and some room.
    pub const FRAME: usize = 65_536 + 128;

    /// Room for `capacity` frames, at least one.
    pub fn new(capacity: usize) -> Self {
        let slots = Slots::new(capacity.max(1));
        Self { messages: slots.messages(), filled: Vec::with_capacity(capacity), slots, unusable: 0 }
    }

    /// The frames received, in order of arrival, open to change.
    pub fn frames_mut(&mut self) -> impl ExactSizeIterator<Item = (&mut VnetHeader, &mut [u8])> {
        let slots = &self.slots;
        self.filled.iter().map(|frame| {
            // SAFETY: each slot occurs at most once in `filled`, so no two items alias, and the batch is borrowed
            // exclusively; `length` was checked against the slot by `fill`.
            unsafe { (slots.header_mut(frame.slot), slots.frame_mut(frame.slot, frame.length)) }
        })
    }

    /// Frame `index` of those received, open to change.
    pub fn frame_mut(&mut self, index: usize) -> Option<(&mut VnetHeader, &mut [u8])> {
        let frame = *self.filled.get(index)?;
        // SAFETY: the batch is borrowed exclusively; `length` was checked against the slot by `fill`.
        Some(unsafe { (self.slots.header_mut(frame.slot), self.slots.frame_mut(frame.slot, frame.length)) })
    }

    /// Frame `index` of those received.
    pub fn frame(&self, index: usize) -> Option<(&VnetHeader, &[u8])> {
        let frame = *self.filled.get(index)?;
        // SAFETY: the batch is borrowed, and a shared borrow hands out shared references only.
        Some(unsafe { (&*self.slots.header_mut(frame.slot), &*self.slots.frame_mut(frame.slot, frame.length)) })
    }

    /// How many frames were received.
    pub fn len(&self) -> usize {
        self.filled.len()
    }

    /// Whether no frame was received.
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// How often a frame was thrown away since the batch was made because it was longer than [`Self::FRAME`], or carried
    /// an offload that the header can't express. Only a sender who raised its own limits makes such frames.
    pub fn unusable(&self) -> u64 {
        self.unusable
    }

    /// The link that frame `index` came from, for those that the fast path handed up.
    pub(crate) fn origin(&self, index: usize) -> Option<u32> {
        Some(self.filled.get(index)?.origin)
    }

    /// Fills the batch with frames that wait in the queue of the fast path's TAP, each behind a [`Punted`].
    pub(crate) fn fill_from_tap(&mut self, queue: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled.clear();
        for slot in 0..self.messages.len() as u32 {
            let mut punted = Punted::default();
            // SAFETY: the batch is borrowed exclusively, and the length is that of a whole slot.
            let (header, frame) = unsafe { (self.slots.header_mut(slot), self.slots.frame_mut(slot, Self::FRAME as u32)) };
            let parts = [
                libc::iovec { iov_base: (&raw mut *header).cast(), iov_len: mem::size_of::<VnetHeader>() },
                libc::iovec { iov_base: (&raw mut punted).cast(), iov_len: mem::size_of::<Punted>() },
                libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() },
            ];
            // SAFETY: the parts describe memory that is borrowed exclusively for the length of the call, and of which any
            // octets are values.
            let length = unsafe { libc::readv(queue.as_raw_fd(), parts.as_ptr(), 3) };
            if length < 0 {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EINTR) => break,
                    // The kernel has thrown away a frame that the header can't express.
                    Some(libc::EINVAL) => {
                        self.unusable += 1;
                        continue;
                    }
                    _ => return Err(error),
                }
            }
            let before = mem::size_of::<VnetHeader>() + mem::size_of::<Punted>();
            let length = (length as usize).saturating_sub(before);
            if header.needs_checksum() {
                header.checksum_start = header.checksum_start.saturating_sub(mem::size_of::<Punted>() as u16);
            }
            header.header_length = header.header_length.saturating_sub(mem::size_of::<Punted>() as u16);
            self.filled.push(Filled { slot, length: length as u32, origin: punted.port });
        }
        Ok(self.filled.len())
    }

    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled.clear();
        let received = self.receive_messages(socket)?;
        for (slot, message) in self.messages[..received].iter().enumerate() {
            let length = (message.msg_len as usize).saturating_sub(mem::size_of::<VnetHeader>());
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 || length > Self::FRAME {
                self.unusable += 1;
                continue;
            }
            self.filled.push(Filled { slot: slot as u32, length: length as u32, origin: 0 });
        }
        Ok(self.filled.len())
    }

    fn receive_messages(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for _ in 0..self.messages.len() {
            // SAFETY: the messages point to the iovecs and slots of this batch, which is borrowed exclusively, and their
            // lengths are those of the slots.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.messages.as_mut_ptr(),
                    self.messages.len() as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            if received >= 0 {
                return Ok(received as usize);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => return Ok(0),
                // The kernel has thrown away a frame that the header can't express; the next may be a better one.
                Some(libc::EINVAL) => self.unusable += 1,
                _ => return Err(error),
            }
        }
        // Other links want their turn; the socket stays readable.
        Ok(0)
    }
}

// SAFETY: the raw pointers in `messages` and `slots` point only to memory the batch owns, which moves with it.
unsafe impl Send for FrameBatch {}

/// The memory of a batch. It is reached through raw pointers only, since the kernel's message headers keep pointers
/// into it from one call to the next.
struct Slots {
    headers: NonNull<[VnetHeader]>,
    parts: NonNull<[[libc::iovec; 2]]>,
    frames: NonNull<[u8]>,
}

impl Slots {
    /// Slots that lie a multiple of 64 KiB apart would share cache sets; this distance spreads them.
    const STRIDE: usize = FrameBatch::FRAME + 64;

    fn new(capacity: usize) -> Self {
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self {
            headers: NonNull::from(Box::leak(vec![VnetHeader::default(); capacity].into_boxed_slice())),
            parts: NonNull::from(Box::leak(vec![[empty; 2]; capacity].into_boxed_slice())),
            frames: NonNull::from(Box::leak(vec![0; capacity * Self::STRIDE].into_boxed_slice())),
        }
    }

    fn messages(&self) -> Vec<libc::mmsghdr> {
        (0..self.headers.len())
            .map(|slot| {
                // SAFETY: `slot` is below the number of headers and of iovec pairs, and `slot * STRIDE` below the
                // length of the frames; nothing else refers to this memory yet.
                unsafe {
                    let header: *mut VnetHeader = self.headers.cast::<VnetHeader>().as_ptr().add(slot);
                    let frame: *mut u8 = self.frames.cast::<u8>().as_ptr().add(slot * Self::STRIDE);
                    let parts = self.parts.cast::<[libc::iovec; 2]>().as_ptr().add(slot);
                    parts.write([
                        libc::iovec { iov_base: header.cast(), iov_len: mem::size_of::<VnetHeader>() },
                        libc::iovec { iov_base: frame.cast(), iov_len: FrameBatch::FRAME },
                    ]);
                    let mut message: libc::mmsghdr = mem::zeroed();
                    message.msg_hdr.msg_iov = parts.cast();
                    message.msg_hdr.msg_iovlen = 2;
                    message
                }
            })
            .collect()
    }

    /// # Safety
    /// `slot` is below the capacity, and nothing else refers to its header while the result lives.
    #[expect(clippy::mut_from_ref, reason = "memory behind a raw pointer; the caller keeps the borrow rules")]
    unsafe fn header_mut(&self, slot: u32) -> &mut VnetHeader {
        // SAFETY: as the caller promises.
        unsafe { &mut *self.headers.cast::<VnetHeader>().as_ptr().add(slot as usize) }
    }

    /// # Safety
    /// `slot` is below the capacity, `length` at most [`FrameBatch::FRAME`], and nothing else refers to the slot's
    /// frame while the result lives.
    #[expect(clippy::mut_from_ref, reason = "memory behind a raw pointer; the caller keeps the borrow rules")]
    unsafe fn frame_mut(&self, slot: u32, length: u32) -> &mut [u8] {
        // SAFETY: as the caller promises.
        unsafe {
            let start = self.frames.cast::<u8>().as_ptr().add(slot as usize * Self::STRIDE);
            std::slice::from_raw_parts_mut(start, length as usize)
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the three boxes were leaked by `new`, are freed here only, and no reference into them outlives the
        // batch that owns the slots.
        unsafe {
            drop(Box::from_raw(self.headers.as_ptr()));
            drop(Box::from_raw(self.parts.as_ptr()));
            drop(Box::from_raw(self.frames.as_ptr()));
        }
    }
}
