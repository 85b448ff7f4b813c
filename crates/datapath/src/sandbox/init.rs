//! Process 1 of a sandbox.

use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::UnshareFlags;

use super::console::Console;
use super::control::Control;
use super::detach::{become_resident, leave_standard_files, report_ready};
use super::{SandboxSpec, capabilities, exec, mounts};
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::Netlink;

/// The hidden command that becomes the init.
pub(super) fn sandbox_main() -> ExitCode {
    let namespaces =
        UnshareFlags::NEWNET | UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
    become_resident(namespaces, run)
}

fn run(spec: SandboxSpec, control: &mut Control) -> Result<(), DatapathError> {
    let _ = rustix::thread::set_name(c"openvpc-init");
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    rustix::system::sethostname(spec.hostname.as_bytes()).attempt(|| format!("set the host name {}", spec.hostname))?;
    let mut console = Console::open(&spec.state_dir)?;
    let user_data = UserData::of(&spec)?;
    set_up_network()?;
    let notes = mounts::arrange(&spec)?;
    let mut signals = Signals::take()?;
    capabilities::give_up()?;
    if !report_ready(control)? {
        return Ok(());
    }
    leave_standard_files().attempt(|| "leave the daemon's files")?;

    console.line(&format!("openvpc: {} ({}) starts", spec.name, spec.hostname));
    for note in notes {
        console.line(&format!("openvpc: {note}"));
    }
    let user_data = user_data.and_then(|script| script.run(&mut console));
    serve(&mut console, &mut signals, user_data);
    console.line(&format!("openvpc: {} stops", spec.name));
    end_all(&mut console, &mut signals);
    Ok(())
}

/// Reaps children and keeps the console until told to stop.
fn serve(console: &mut Console, signals: &mut Signals, mut user_data: Option<Child>) {
    loop {
        wait_for_any(console, signals, None);
        console.drain();
        while let Some(signal) = signals.next() {
            if signal != libc::SIGCHLD {
                return;
            }
            if let Some(Ok(Some(status))) = user_data.as_mut().map(Child::try_wait) {
                console.drain();
                console.line(&format!("openvpc: user data finished, {status}"));
                user_data = None;
            }
            reap(user_data.as_ref());
        }
    }
}

/// Asks every process to end. Those that have not when the time is over are killed by the kernel when this one ends.
fn end_all(console: &mut Console, signals: &mut Signals) {
    let deadline = Instant::now() + GRACE;
    // SAFETY: no memory is involved; -1 means every process of this namespace but this one.
    unsafe { libc::kill(-1, libc::SIGTERM) };
    // SAFETY: as above; signal 0 only asks whether there is anybody.
    while unsafe { libc::kill(-1, 0) } == 0 && Instant::now() < deadline {
        wait_for_any(console, signals, Some(Duration::from_millis(10)));
        console.drain();
        while signals.next().is_some() {}
        reap(None);
    }
    console.drain();
}

/// Waits for everything that has ended, but leaves the process whose status somebody wants.
fn reap(wanted: Option<&Child>) {
    loop {
        // SAFETY: `siginfo_t` is plain numbers, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: `info` lives through the call. WNOWAIT looks without taking.
        let looked = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) };
        // SAFETY: for WEXITED the kernel fills in the process number, or leaves it zero when there is none.
        let pid = unsafe { info.si_pid() };
        if looked < 0 || pid == 0 || wanted.is_some_and(|child| child.id() as i32 == pid) {
            return;
        }
        // SAFETY: no status is asked for, so no memory is written.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

fn wait_for_any(console: &Console, signals: &Signals, patience: Option<Duration>) {
    let patience = patience.map(|time| Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() });
    let mut files = [PollFd::new(console.pipe(), PollFlags::IN), PollFd::new(&signals.file, PollFlags::IN)];
    let _ = poll(&mut files, patience.as_ref());
}

/// `lo` up; and IPv6 without router advertisements and without waiting for duplicates on every link to come, as the
/// engine alone says who has which address.
fn set_up_network() -> Result<(), DatapathError> {
    for (name, value) in
        [("accept_ra", "0"), ("autoconf", "0"), ("accept_dad", "0"), ("dad_transmits", "0"), ("addr_gen_mode", "0")]
    {
        match fs::write(format!("/proc/sys/net/ipv6/conf/default/{name}"), value) {
            // Without IPv6 in the kernel there is nothing to set.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            written => written.attempt(|| format!("set {name} of IPv6"))?,
        }
    }
    let mut netlink = Netlink::open(&NetNs::current()?)?;
    if let Some(loopback) = netlink.link("lo")? {
        netlink.set_up(loopback.index)?;
    }
    Ok(())
}

/// A script to run, and the file that remembers that it was.
struct UserData<'a> {
    script: &'a [u8],
    ran: File,
}

impl<'a> UserData<'a> {
    fn of(spec: &'a SandboxSpec) -> Result<Option<Self>, DatapathError> {
        let Some(script) = spec.user_data.as_deref().filter(|text| text.starts_with(b"#!")) else {
            return Ok(None);
        };
        let path = spec.state_dir.join("user-data-ran");
        let ran = File::options().append(true).create(true).open(&path).attempt(|| format!("open {}", path.display()))?;
        let length = ran.metadata().attempt(|| format!("measure {}", path.display()))?.len();
        Ok((length == 0).then_some(Self { script, ran }))
    }

    fn run(mut self, console: &mut Console) -> Option<Child> {
        let started = self.ran.write_all(b"ran\n").and_then(|()| Self::start(self.script));
        match started {
            Ok(child) => Some(child),
            Err(error) => {
                console.line(&format!("openvpc: user data did not run: {error}"));
                None
            }
        }
    }

    fn start(script: &[u8]) -> io::Result<Child> {
        const SCRIPT: &str = "/run/user-data";
        fs::write(SCRIPT, script)?;
        fs::set_permissions(SCRIPT, fs::Permissions::from_mode(0o700))?;
        let console = File::options().write(true).open("/dev/console")?;
        Command::new(SCRIPT)
            .env_clear()
            .envs(exec::base_environment())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()
    }
}

/// The signals that mean something to an init, taken as they come.
struct Signals {
    file: OwnedFd,
}

impl Signals {
    fn take() -> Result<Self, DatapathError> {
        Self::take_them().attempt(|| "take signals")
    }

    fn take_them() -> io::Result<Self> {
        // Those by which the tools of the common inits ask for a halt, a power-off or a reboot.
        let stop = [libc::SIGTERM, libc::SIGINT, libc::SIGPWR, libc::SIGRTMIN() + 3, libc::SIGRTMIN() + 4, libc::SIGRTMIN() + 5];
        // SAFETY: `set` is initialised by sigemptyset before it is read, and lives through the calls.
        let file = unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in stop.into_iter().chain([libc::SIGCHLD]) {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
        };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `file` was just opened and has no other owner.
        Ok(Self { file: unsafe { OwnedFd::from_raw_fd(file) } })
    }

    fn next(&mut self) -> Option<i32> {
        // SAFETY: `signalfd_siginfo` is plain numbers, for which zero is a value.
        let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let size = mem::size_of_val(&info);
        // SAFETY: pointer and length describe `info`.
        let read = unsafe { libc::read(self.file.as_raw_fd(), (&raw mut info).cast(), size) };
        (read == size as isize).then_some(info.ssi_signo as i32)
    }
}

/// How long processes may take to end in order.
const GRACE: Duration = Duration::from_secs(2);
