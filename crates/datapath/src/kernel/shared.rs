//! Arrays of the kernel as memory: what the program counts is read, and what it goes by is written, without a system call.

use std::io;
use std::mem::{align_of, size_of};
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::DatapathError;
use crate::error::Attempt;

/// Types that another processor may write to at any time, and of which any bit pattern is a value.
///
/// # Safety
/// All fields are atomics or cells, or never written by anybody; there is no padding that matters.
pub(super) unsafe trait SharedWithKernel {}

// SAFETY: atomics, and a cell whose one writer is the daemon.
unsafe impl SharedWithKernel for super::layout::Slot {}
// SAFETY: atomics only.
unsafe impl SharedWithKernel for super::layout::SharedConnection {}
// SAFETY: atomics, and padding that nobody reads.
unsafe impl SharedWithKernel for super::layout::Settings {}
// SAFETY: an atomic.
unsafe impl SharedWithKernel for std::sync::atomic::AtomicU64 {}

/// A whole array, mapped for as long as this lives.
pub(super) struct SharedArray<T> {
    start: NonNull<T>,
    length: usize,
}

impl<T: SharedWithKernel> SharedArray<T> {
    /// Maps the array of `length` elements behind `map`, which has the flag `BPF_F_MMAPABLE` and elements like `T`.
    pub fn map(map: BorrowedFd<'_>, length: usize) -> Result<Self, DatapathError> {
        const { assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() <= 4096) };
        // SAFETY: a new mapping at a place that the kernel chooses; no memory in use is touched.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length * size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(start.cast::<T>()).filter(|_| start != libc::MAP_FAILED) {
            Some(start) => Ok(Self { start, length }),
            None => Err(io::Error::last_os_error()).attempt(|| "map an array of the fast path"),
        }
    }
}

impl<T> Deref for SharedArray<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping has `length` elements, begins on a page and lives as long as `self`; `T` is made for being
        // written by others ([`SharedWithKernel`] is required to make one of these).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T> Drop for SharedArray<T> {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length * size_of::<T>()) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl<T: SharedWithKernel> Send for SharedArray<T> {}
