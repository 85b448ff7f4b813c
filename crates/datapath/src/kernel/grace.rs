//! Knowing that no processor is still in the middle of a packet that it began before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::DatapathError;
use crate::error::Attempt;

/// Grace periods, waited for on a thread of its own, since one takes milliseconds. It ends when this is dropped.
pub(super) struct Grace {
    begin: Sender<u64>,
    begun: u64,
    over: Arc<AtomicU64>,
}

impl Grace {
    pub fn start() -> Result<Self, DatapathError> {
        let (begin, begun) = mpsc::channel();
        let over = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&over);
        let wait = move || {
            for number in begun {
                wait_for_processors();
                told.store(number, Ordering::Release);
            }
        };
        thread::Builder::new().name("grace".into()).spawn(wait).attempt(|| "start a thread")?;
        Ok(Self { begin, begun: 0, over })
    }

    /// The number of a period that begins now or later: what is done before this call is seen by every packet that begins
    /// after the period is over.
    pub fn next(&self) -> u64 {
        self.begun + 1
    }

    /// Begins the next period, unless one is running.
    pub fn begin(&mut self) {
        if self.is_over(self.begun) && self.begin.send(self.begun + 1).is_ok() {
            self.begun += 1;
        }
    }

    /// Whether that period is over.
    pub fn is_over(&self, number: u64) -> bool {
        self.over.load(Ordering::Acquire) >= number
    }
}

/// Returns when every packet that a program had begun is done with.
fn wait_for_processors() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: no memory is involved. This command waits for an RCU grace period, and programs run inside RCU readers.
    let waited = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if waited != 0 {
        // A kernel with processors that take no interrupts refuses; a packet never takes this long.
        thread::sleep(std::time::Duration::from_secs(1));
    }
}
