//! A tap on a link inside a sandbox: every frame that the instance sends and receives, from the process that wants them.
//!
//! The tap is at the instance's end of the link, because that is the one place that all frames pass on every datapath: the
//! kernel path redirects frames past the host's end. It sees what the instance sent, whatever became of it, and what
//! reached the instance. It only watches: frames go their way whether or not anybody takes them here.

mod ring;

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netdevice;

use self::ring::Ring;
use crate::DatapathError;
use crate::error::Attempt;
use crate::packet_socket::set_option;
use crate::sandbox::{ExecError, Process, ProcessRecord, enter_network};

/// A frame that passed the link.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When, since 1970.
    pub time: Duration,
    /// Whether the instance sent it; else it received it.
    pub outgoing: bool,
    /// Its length, whatever of it was kept.
    pub length: u32,
    /// As much of it as was asked for, from the Ethernet header on. A super-packet is one frame, and what the sender left
    /// to its "hardware", such as a checksum, is not done.
    pub bytes: &'a [u8],
}

/// Where frames go.
pub trait Taker {
    /// Takes a frame and says whether it wants more.
    ///
    /// # Errors
    /// Those of what it writes to; they end the capture.
    fn take(&mut self, frame: &Frame<'_>) -> io::Result<ControlFlow<()>>;

    /// Called when no frame waits: time to show what was held back.
    ///
    /// # Errors
    /// As for [`Self::take`].
    fn pause(&mut self) -> io::Result<()>;
}

/// Why a capture ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The link was taken from the instance.
    Detached,
    /// Who takes the frames wants no more.
    Enough,
    /// This process was told to end.
    Interrupted,
    /// The instance ended.
    InstanceEnded,
    /// The time was up.
    TimeUp,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    // Unmapped before the socket is closed, as fields are dropped in order.
    ring: Ring,
    socket: OwnedFd,
    signals: OwnedFd,
    instance: Process,
    link: u32,
}

impl Capture {
    /// Moves this process into the network of the sandbox whose init is `target`, and begins to capture there on the link of
    /// that name. Of each frame at most `snaplen` bytes are kept.
    ///
    /// The calling process must have one thread only. SIGINT, SIGTERM and SIGHUP no longer end it: they end the capture.
    ///
    /// # Errors
    /// When the sandbox can't be entered, has no such link, or the kernel refuses.
    pub fn start(target: &ProcessRecord, link: &str, snaplen: u32) -> Result<Self, ExecError> {
        let instance = enter_network(target)?;
        let what = || format!("capture on {link}");
        let signals = take_signals().attempt(what)?;
        // Protocol 0 receives nothing: frames begin to arrive with the bind below, when every option is in place.
        // SAFETY: no memory is involved.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error()).attempt(what)?;
        }
        // SAFETY: `socket` was just opened and has no other owner.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let link = find(&socket, link)?;
        keep_at_most(socket.as_fd(), snaplen).attempt(what)?;
        let ring = Ring::map(socket.as_fd()).attempt(what)?;
        bind(socket.as_fd(), link).attempt(what)?;
        Ok(Self { ring, socket, signals, instance, link })
    }

    /// Gives every frame to `taker` until it wants no more, `patience` is over, the instance or its link is gone, or this
    /// process is told to end. Frames that passed before the end are all given.
    ///
    /// # Errors
    /// Those of the taker.
    pub fn run(&mut self, patience: Option<Duration>, taker: &mut impl Taker) -> io::Result<End> {
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        loop {
            if self.drain(taker)?.is_break() {
                return Ok(End::Enough);
            }
            taker.pause()?;
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let Some(end) = self.wait(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY)))?.or_else(|| {
                let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                is_over.then_some(End::TimeUp)
            }) else {
                continue;
            };
            return self.finish(end, taker);
        }
    }

    /// Frames that were lost since the last call because they came faster than they were taken.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub fn take_dropped(&self) -> io::Result<u64> {
        ring::take_dropped(self.socket.as_fd()).map(u64::from)
    }

    /// Waits until a frame is there or something else happened; says what ends the capture, if anything does.
    fn wait(&self, patience: Duration) -> io::Result<Option<End>> {
        let mut watched = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.instance, PollFlags::IN),
        ];
        let patience = Timespec { tv_sec: patience.as_secs() as _, tv_nsec: patience.subsec_nanos().into() };
        let ready = match poll(&mut watched, Some(&patience)) {
            Err(Errno::INTR) => return Ok(None),
            ready => ready?,
        };
        let happened = |index: usize| !watched[index].revents().is_empty();
        if happened(1) {
            return Ok(Some(End::Interrupted));
        }
        if happened(2) {
            return Ok(Some(End::InstanceEnded));
        }
        // A link that is set down makes an error too, and may be set up again.
        let is_failed = watched[0].revents().contains(PollFlags::ERR);
        if is_failed {
            rustix::net::sockopt::socket_error(&self.socket)?.ok();
        }
        if (is_failed || ready == 0) && netdevice::index_to_name(&self.socket, self.link).is_err() {
            // The links of an instance that ends go a moment before it does.
            let ended = self.instance.wait(LOOK_EVERY);
            return Ok(Some(if ended { End::InstanceEnded } else { End::Detached }));
        }
        Ok(None)
    }

    /// Takes no new frame and gives what came before.
    fn finish(&mut self, end: End, taker: &mut impl Taker) -> io::Result<End> {
        keep_at_most(self.socket.as_fd(), 0)?;
        // What came last lies in a block that the kernel hands over when its time is up.
        let handed_over = Instant::now() + 3 * ring::HAND_OVER_AFTER;
        loop {
            if self.drain(taker)?.is_break() {
                break;
            }
            if Instant::now() >= handed_over {
                break;
            }
            thread::sleep(ring::HAND_OVER_AFTER / 4);
        }
        taker.pause()?;
        Ok(end)
    }

    fn drain(&mut self, taker: &mut impl Taker) -> io::Result<ControlFlow<()>> {
        while let Some(taken) = self.ring.take_block(|frame| taker.take(frame)) {
            if taken?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The number of the link. One that was just declared may take a moment to appear.
fn find(socket: &OwnedFd, link: &str) -> Result<u32, DatapathError> {
    let deadline = Instant::now() + APPEARS_WITHIN;
    loop {
        match netdevice::name_to_index(socket, link) {
            Err(Errno::NODEV) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            found => return found.attempt(|| format!("find the link {link} inside")),
        }
    }
}

/// From now on the signals that end a program wait to be read here.
fn take_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is read, and lives through the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            libc::sigaddset(&raw mut set, signal);
        }
        let file = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        let file = OwnedFd::from_raw_fd(file);
        match libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(file),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Has the kernel keep that much of each frame; frames of which nothing is kept don't arrive.
fn keep_at_most(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    let mut program = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: bytes }];
    let program = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn bind(socket: BorrowedFd<'_>, link: u32) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is plain numbers, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = i32::try_from(link).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address and its length describe one `sockaddr_ll` that lives through the call.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How often it is looked whether the link is still there.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long a link may take to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(3);
