//! Network namespaces, held by a file descriptor.
//!
//! A namespace lives as long as something refers to it: a process inside, a socket, or an open descriptor such as the
//! one in [`NetNs`]. Nothing is bind-mounted, so nothing is left behind when the last holder is gone; what must outlive
//! the daemon is held by a process (see [`crate::sandbox`]) and found again by [`NetNs::of_process`].

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs, thread};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::DatapathError;
use crate::error::Attempt;

/// A network namespace. Clones are the same namespace; it exists at least as long as one of them.
#[derive(Clone)]
pub struct NetNs {
    file: Arc<OwnedFd>,
}

impl NetNs {
    /// A new, empty namespace: only `lo`, and that down.
    pub fn create() -> Result<Self, DatapathError> {
        on_a_thread(|| {
            // SAFETY: only the network namespace of this fresh thread changes; it shares no file-descriptor table or
            // memory assumption that another namespace would break, and ends right after.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.attempt(|| "create a network namespace")?;
            Self::current()
        })?
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, DatapathError> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// The namespace that process `pid` is in.
    pub fn of_process(pid: i32) -> Result<Self, DatapathError> {
        Self::open(Path::new(&format!("/proc/{pid}/ns/net")))
    }

    /// The namespace that `path` stands for: a link below `/proc/PID/ns`, or a bind mount of one.
    pub fn open(path: &Path) -> Result<Self, DatapathError> {
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open the network namespace {}", path.display()))?;
        Ok(Self { file: Arc::new(file) })
    }

    /// Runs `work` inside the namespace and returns what it returns.
    ///
    /// Sockets opened by `work` stay in the namespace wherever they are used later: this is how a listener or a packet
    /// socket inside an instance is made by the daemon outside. A panic of `work` goes on in the caller.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, DatapathError> {
        let enter = |namespace: &Self| {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .attempt(|| format!("enter {namespace:?}"))
        };
        let own = Self::current()?;
        // Who may enter its own namespace can come back to it. Without privileges, the way out of it is a way without return.
        if enter(&own).is_err() {
            return on_a_thread(|| enter(self).map(|()| work()))?;
        }
        enter(self)?;
        let outcome = panic::catch_unwind(AssertUnwindSafe(work));
        if enter(&own).is_err() {
            // It was allowed a moment ago. What this thread did from here on would be done in another's network.
            std::process::abort();
        }
        Ok(outcome.unwrap_or_else(|cause| panic::resume_unwind(cause)))
    }

    /// Writes a setting of this namespace, named as a path below `/proc/sys`, for example
    /// `net/ipv6/conf/eth0/accept_ra`.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<(), DatapathError> {
        self.within(|| fs::write(Path::new("/proc/sys").join(name), value).attempt(|| format!("set {name} to {value}")))?
    }

    /// The kernel's number of this namespace, the same for every handle to it while it exists.
    pub fn identity(&self) -> Result<u64, DatapathError> {
        Ok(rustix::fs::fstat(self.file.as_fd()).attempt(|| "identify a network namespace")?.st_ino)
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for NetNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.identity() {
            Ok(inode) => write!(f, "net:[{inode}]"),
            Err(_) => write!(f, "net:[fd {}]", self.file.as_raw_fd()),
        }
    }
}

/// A namespace belongs to a thread, so changing it on a thread that ends right after leaves no trace in the process.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, DatapathError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("netns".into()).spawn_scoped(scope, work).attempt(|| "start a thread")?;
        worker.join().or_else(|cause| panic::resume_unwind(cause))
    })
}
