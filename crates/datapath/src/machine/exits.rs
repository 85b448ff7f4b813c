//! Learning that a sandbox has ended or a link is gone, without asking again and again.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::LinkWatch;
use crate::sandbox::Process;

/// A thread that waits for processes to end. It ends when this is dropped.
pub(super) struct Exits {
    poll: Arc<OwnedFd>,
    stop: OwnedFd,
    ended: Arc<AtomicBool>,
    links_gone: Arc<AtomicBool>,
    /// Hears of links.
    links: Arc<OnceLock<LinkWatch>>,
    thread: Option<JoinHandle<()>>,
}

impl Exits {
    /// Calls `on_exit` after each end of a process or link that is watched.
    pub(super) fn start(on_exit: Box<dyn Fn() + Send>) -> Result<Self, DatapathError> {
        let what = || "watch over instances";
        let poll = Arc::new(epoll::create(CreateFlags::CLOEXEC).attempt(what)?);
        let stop = eventfd(0, EventfdFlags::CLOEXEC).attempt(what)?;
        epoll::add(&poll, &stop, EventData::new_u64(STOP), EventFlags::IN).attempt(what)?;
        let thread = thread::Builder::new().name("exits".into());
        let (ended, links_gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let links = Arc::new(OnceLock::<LinkWatch>::new());
        let thread = thread.spawn({
            let (poll, ended, links_gone, links) =
                (Arc::clone(&poll), Arc::clone(&ended), Arc::clone(&links_gone), Arc::clone(&links));
            move || {
                wait_for_exits(&poll, &|what| {
                    let moved = match what {
                        LINKS if !links.get().is_some_and(LinkWatch::take_gone) => return,
                        LINKS => &links_gone,
                        _ => &ended,
                    };
                    moved.store(true, Ordering::Release);
                    on_exit();
                });
            }
        });
        Ok(Self { poll, stop, ended, links_gone, links, thread: Some(thread.attempt(what)?) })
    }

    /// Whether a process that is watched has ended since the last call.
    pub(super) fn take_ended(&self) -> bool {
        self.ended.swap(false, Ordering::AcqRel)
    }

    /// Whether a link is gone since the last call.
    pub(super) fn take_links_gone(&self) -> bool {
        self.links_gone.swap(false, Ordering::AcqRel)
    }

    /// Watches the links of a namespace, the first time that this is called.
    pub(super) fn watch_links(&self, namespace: &NetNs) -> Result<(), DatapathError> {
        let watch = LinkWatch::open(namespace)?;
        let watch = self.links.get_or_init(|| watch);
        epoll::add(&self.poll, watch.as_fd(), EventData::new_u64(LINKS), EventFlags::IN).attempt(|| "watch over links")
    }

    /// Watches a process, as long as its handle is there.
    pub(super) fn watch(&self, process: &Process) -> Result<(), DatapathError> {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        epoll::add(&self.poll, process.as_fd(), EventData::new_u64(EXIT), flags).attempt(|| "watch over an instance")
    }
}

impl Drop for Exits {
    fn drop(&mut self) {
        // The eventfd is open and its counter at zero, so the write can't fail.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn wait_for_exits(poll: &OwnedFd, on_exit: &dyn Fn(u64)) {
    let mut events = Vec::with_capacity(16);
    loop {
        events.clear();
        match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => {
                tracing::error!(%error, "can't watch over instances any more; one that ends by itself stays \"running\"");
                return;
            }
        }
        if events.iter().any(|event| event.data.u64() == STOP) {
            return;
        }
        for what in [EXIT, LINKS] {
            if events.iter().any(|event| event.data.u64() == what) {
                on_exit(what);
            }
        }
    }
}

const STOP: u64 = 0;
const EXIT: u64 = 1;
const LINKS: u64 = 2;
