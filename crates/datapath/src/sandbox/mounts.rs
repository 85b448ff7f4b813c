//! What the file system looks like inside: the host's root, with the places that belong to one machine replaced.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, mount_remount, move_mount, open_tree,
};

use super::{PROGRAM, SandboxSpec, console};
use crate::DatapathError;
use crate::error::Attempt;

/// Arranges the mounts of the calling process, which has a mount and a PID namespace of its own. Returns what could not
/// be had and can be done without, for the console.
pub(super) fn arrange(spec: &SandboxSpec) -> Result<Vec<String>, DatapathError> {
    let mut notes = Vec::new();
    // Unmounts on the host must reach inside, or a file system once seen here stays busy; nothing must get out.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .attempt(|| "separate the mounts from the host's")?;
    // Everything that is to be seen elsewhere is picked up before anything is covered.
    let state = |name: &str| Tree::of(&spec.state_dir.join(name));
    let (tmp, run) = (state("tmp")?, state("run")?);
    let etc = ["hostname", "hosts", "resolv.conf"].map(|name| (name, state(&format!("etc/{name}"))));
    let console = state(console::PIPE)?;
    let devices = Devices::pick_up()?;
    // By its name: what /proc/self/exe leads to is a mount of the host's namespace, which can't be picked up here.
    let program = std::env::current_exe().attempt(|| "find this program").and_then(|path| Tree::of(&path));

    mount_proc()?;
    mount_sys(&mut notes)?;
    tmp.put(Path::new("/tmp"))?;
    run.put(Path::new("/run"))?;
    make_dir_all("/run/lock", 0o1777)?;
    // It may lie where the sandbox can't see, as below /tmp; it may also be gone since an upgrade.
    match program {
        Ok(program) => {
            make_target(Path::new(PROGRAM)).attempt(|| format!("make {PROGRAM}"))?;
            program.put(Path::new(PROGRAM))?;
        }
        Err(error) => notes.push(format!("{PROGRAM} is missing: {error}")),
    }
    devices.put_down(console)?;
    for (name, file) in etc {
        let target = Path::new("/etc").join(name);
        match make_target(&target) {
            Ok(()) => file?.put(&target)?,
            Err(error) => notes.push(format!("{} is the host's: {error}", target.display())),
        }
    }
    for dir in &spec.hidden {
        cover(dir)?;
    }
    Ok(notes)
}

/// A file or directory with what is mounted at it, detached from where it was.
struct Tree {
    source: PathBuf,
    tree: OwnedFd,
}

impl Tree {
    fn of(source: &Path) -> Result<Self, DatapathError> {
        let tree = open_tree(CWD, source, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
            .attempt(|| format!("pick up {}", source.display()))?;
        Ok(Self { source: source.to_owned(), tree })
    }

    fn put(self, target: &Path) -> Result<(), DatapathError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        move_mount(&self.tree, "", CWD, target, flags)
            .attempt(|| format!("put {} at {}", self.source.display(), target.display()))
    }
}

/// `/proc` of the new PID namespace, in which only the settings of the own network can be changed.
fn mount_proc() -> Result<(), DatapathError> {
    let proc = Path::new("/proc");
    mount("proc", proc, "proc", SAFE, None).attempt(|| "mount /proc (in a container, its /proc must not be masked)")?;
    let net = Tree::of(Path::new("/proc/sys/net"))?;
    for name in ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound"] {
        make_read_only(&proc.join(name))?;
    }
    net.put(Path::new("/proc/sys/net"))?;
    for name in ["kcore", "keys", "timer_list", "kmsg"] {
        let path = proc.join(name);
        if path.exists() {
            Tree::of(Path::new("/dev/null"))?.put(&path)?;
        }
    }
    Ok(())
}

/// `/sys` as the new network namespace shows it. Where the kernel refuses one, an empty one: the host's would show the
/// host's links.
fn mount_sys(notes: &mut Vec<String>) -> Result<(), DatapathError> {
    let flags = SAFE | MountFlags::RDONLY;
    if let Err(error) = mount("sysfs", "/sys", "sysfs", flags, None) {
        notes.push(format!("/sys is empty: {}", io::Error::from(error)));
        mount("tmpfs", "/sys", "tmpfs", flags, None).attempt(|| "cover /sys")?;
    }
    Ok(())
}

/// The few device files that programs need; none of them is a piece of the machine.
struct Devices {
    files: Vec<(&'static str, Tree)>,
}

impl Devices {
    const NAMES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun"];

    fn pick_up() -> Result<Self, DatapathError> {
        let dev = Path::new("/dev");
        let present = Self::NAMES.into_iter().filter(|name| dev.join(name).exists());
        let files = present.map(|name| Ok((name, Tree::of(&dev.join(name))?))).collect::<Result<_, DatapathError>>()?;
        Ok(Self { files })
    }

    fn put_down(self, console: Tree) -> Result<(), DatapathError> {
        let dev = Path::new("/dev");
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", dev, "tmpfs", flags, Some(c"mode=755,size=64k")).attempt(|| "mount /dev")?;
        for (name, file) in self.files.into_iter().chain([("console", console)]) {
            let target = dev.join(name);
            make_target(&target).attempt(|| format!("make {}", target.display()))?;
            file.put(&target)?;
        }
        make_dir_all("/dev/pts", 0o755)?;
        mount(
            "devpts",
            "/dev/pts",
            "devpts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            Some(c"newinstance,ptmxmode=0666,mode=620"),
        )
        .attempt(|| "mount /dev/pts")?;
        make_dir_all("/dev/shm", 0o1777)?;
        mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=1777"))
            .attempt(|| "mount /dev/shm")?;
        for (name, target) in [
            ("ptmx", "pts/ptmx"),
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            symlink(target, dev.join(name)).attempt(|| format!("make /dev/{name}"))?;
        }
        Ok(())
    }
}

/// Covers a directory with an empty one that nothing can be written to.
fn cover(dir: &Path) -> Result<(), DatapathError> {
    if !dir.is_dir() {
        return Ok(());
    }
    mount("tmpfs", dir, "tmpfs", SAFE | MountFlags::RDONLY, Some(c"mode=555,size=4k"))
        .attempt(|| format!("cover {}", dir.display()))
}

fn make_read_only(path: &Path) -> Result<(), DatapathError> {
    if !path.exists() {
        return Ok(());
    }
    Tree::of(path)?.put(path)?;
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | SAFE, c"")
        .attempt(|| format!("make {} read-only", path.display()))
}

/// Makes sure there is a file at the end of `path`. A link may lead into a private directory that is still empty, as
/// `/etc/resolv.conf` often does; on the host's own file system nothing is made.
fn make_target(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut end = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&end) {
            Ok(link) => end = without_dots(&end.parent().unwrap_or(Path::new("/")).join(link)),
            Err(_) => break,
        }
    }
    if !["/run", "/tmp", "/dev", "/var/run"].iter().any(|private| end.starts_with(private)) {
        return Err(io::ErrorKind::NotFound.into());
    }
    if let Some(parent) = end.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(&end).map(drop)
}

/// Resolves `..` by the text alone, which is what it means in the links that distributions install in `/etc`.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn make_dir_all(path: &str, mode: u32) -> Result<(), DatapathError> {
    fs::create_dir_all(path)
        .and_then(|()| Ok(rustix::fs::chmod(path, rustix::fs::Mode::from(mode))?))
        .attempt(|| format!("make {path}"))
}

const SAFE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// As the kernel limits it.
const MAX_LINKS: usize = 40;
