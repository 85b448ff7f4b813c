//! The program and its maps in the kernel: loaded, pinned, attached to links.

use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use aya::maps::{HashMap, Map, MapData};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::TcAttachOptions;
use aya::programs::{LinkOrder, Program, SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};

use super::connections;
use super::layout::{Flow4, Flow6, FlowId, LAYOUT, PortBudget, Settings, SharedConnection, Slot};
use super::punt::Punt;
use super::shared::SharedArray;
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::netlink::LinkIndex;

/// The program, ready to be attached.
pub(crate) struct FastProgram {
    loaded: Mutex<Ebpf>,
    pins: PathBuf,
}

/// Its maps.
pub(crate) struct FastMaps {
    flows4: HashMap<MapData, Flow4, u32>,
    flows6: HashMap<MapData, Flow6, u32>,
    ports: HashMap<MapData, u32, PortBudget>,
    pub(super) slots: SharedArray<Slot>,
    pub(super) connections: SharedArray<SharedConnection>,
    pub(super) generations: SharedArray<AtomicU64>,
    pub(super) settings: SharedArray<Settings>,
    /// Whether they were pinned by an earlier daemon, with what it had learnt.
    pub(super) adopted: bool,
}

/// Loads the program for the daemon with that directory, or takes over what an earlier one pinned.
///
/// # Errors
/// When the machine lacks something, or the kernel refuses it; nothing remains then.
pub(crate) fn load(dir: &Path) -> Result<(FastProgram, FastMaps), DatapathError> {
    if KernelVersion::current().is_ok_and(|running| running < KernelVersion::new(6, 6, 0)) {
        let reason = io::Error::other("it has no tcx, which came with Linux 6.6");
        return Err(reason).attempt(|| "use this kernel's BPF");
    }
    Punt::probe()?;
    if !is_mounted() {
        rustix::mount::mount("bpf", ROOT, "bpf", rustix::mount::MountFlags::empty(), None)
            .attempt(|| format!("mount the BPF file system at {ROOT}"))?;
    }
    let pins = place_of(dir).join(format!("layout-{LAYOUT}"));
    let adopted = pins.join("slots").exists();
    fs::create_dir_all(&pins).attempt(|| format!("make {}", pins.display()))?;
    let loaded = load_at(&pins, connections(), adopted);
    if loaded.is_err() && !adopted {
        let _ = fs::remove_dir_all(&pins);
    }
    loaded
}

/// Removes what a daemon with that directory pinned; programs and maps go when the last link that uses them does.
///
/// # Errors
/// When something is there that can't be removed.
pub(crate) fn unpin_all(dir: &Path) -> Result<(), DatapathError> {
    let pins = place_of(dir);
    if !is_mounted() || !pins.exists() {
        return Ok(());
    }
    fs::remove_dir_all(&pins).attempt(|| format!("remove {}", pins.display()))?;
    // The directory of all daemons goes with the last of them.
    let _ = pins.parent().map(fs::remove_dir);
    Ok(())
}

fn is_mounted() -> bool {
    const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
    rustix::fs::statfs(ROOT).is_ok_and(|found| found.f_type as u64 == BPF_FS_MAGIC)
}

fn place_of(dir: &Path) -> PathBuf {
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = foldhash::fast::FixedState::default().hash_one(dir.as_os_str().as_encoded_bytes());
    Path::new(ROOT).join("openvpc").join(format!("{name:016x}"))
}

const ROOT: &str = "/sys/fs/bpf";

fn load_at(pins: &Path, connections: u32, adopted: bool) -> Result<(FastProgram, FastMaps), DatapathError> {
    let mut loader = EbpfLoader::new();
    for name in MAPS {
        loader.map_pin_path(name, pins.join(name));
    }
    for (name, entries) in
        [("flows4", connections * 2), ("flows6", connections * 2), ("slots", connections * 2), ("connections", connections)]
    {
        loader.map_max_entries(name, entries);
    }
    let mut loaded = loader.load(PROGRAM).map_err(other).attempt(|| "load the fast path's maps")?;
    classifier(&mut loaded)?.load().map_err(other).attempt(|| "load the fast path's program")?;
    let maps = maps(&mut loaded, adopted)?;
    Ok((FastProgram { loaded: Mutex::new(loaded), pins: pins.to_owned() }, maps))
}

/// Takes the maps out, when the program is loaded, which names them by their descriptors.
fn maps(loaded: &mut Ebpf, adopted: bool) -> Result<FastMaps, DatapathError> {
    let mut take =
        |name: &str| loaded.take_map(name).ok_or_else(|| io::Error::other(format!("the object file holds no map {name}")));
    let what = || "open the fast path's maps";
    let (flows4, flows6) = (take("flows4").attempt(what)?, take("flows6").attempt(what)?);
    let ports = take("ports").attempt(what)?;
    Ok(FastMaps {
        flows4: HashMap::try_from(flows4).map_err(other).attempt(what)?,
        flows6: HashMap::try_from(flows6).map_err(other).attempt(what)?,
        ports: HashMap::try_from(ports).map_err(other).attempt(what)?,
        slots: shared(&take("slots").attempt(what)?)?,
        connections: shared(&take("connections").attempt(what)?)?,
        generations: shared(&take("generations").attempt(what)?)?,
        settings: shared(&take("config").attempt(what)?)?,
        adopted,
    })
}

fn shared<T: super::shared::SharedWithKernel>(map: &Map) -> Result<SharedArray<T>, DatapathError> {
    let Map::Array(data) = map else {
        return Err(io::Error::other("it is no array")).attempt(|| "map an array of the fast path");
    };
    let length = data.info().map_err(other).attempt(|| "measure an array of the fast path")?.max_entries();
    SharedArray::map(data.fd().as_fd(), length as usize)
}

impl FastProgram {
    /// Puts the program in front of a link of the fabric, in place of the one that an earlier daemon put there.
    pub fn attach(&self, fabric: &NetNs, link: LinkIndex) -> Result<(), DatapathError> {
        let pin = self.pin_of(link);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let program = classifier(&mut loaded)?;
        fabric.within(|| -> Result<(), DatapathError> {
            let what = || format!("attach the fast path to link {}", link.0);
            if let Ok(old) = PinnedLink::from_pin(&pin) {
                let old = FdLink::from(old).try_into().map_err(other).attempt(what)?;
                if program.attach_to_link(old).is_ok() {
                    return Ok(());
                }
                // Of a link that had that number before.
                fs::remove_file(&pin).attempt(what)?;
            }
            let name = rustix::net::netdevice::index_to_name(
                rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).attempt(what)?,
                link.0,
            )
            .attempt(what)?;
            let options = TcAttachOptions::TcxOrder(LinkOrder::default());
            let id = program.attach_with_options(&name, TcAttachType::Ingress, options).map_err(other).attempt(what)?;
            let made: FdLink = program.take_link(id).map_err(other).attempt(what)?.try_into().map_err(other).attempt(what)?;
            made.pin(&pin).map_err(other).attempt(what)?;
            Ok(())
        })?
    }

    /// Takes the program away from a link: none of its frames passes any more.
    pub fn detach(&self, link: LinkIndex) {
        // The only reason to fail is that it isn't there.
        let _ = fs::remove_file(self.pin_of(link));
    }

    /// Runs the program on a frame of the loopback link that nobody sends, and returns what it says.
    #[cfg(test)]
    pub fn run(&self, frame: &[u8]) -> u32 {
        use aya::programs::{TestRun, TestRunOptions};

        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
        classifier(&mut loaded)
            .and_then(|program| program.test_run(options).map_err(other).attempt(|| "try it"))
            .map_or_else(|error| panic!("the program can't be tried: {error}"), |result| result.return_value)
    }

    fn pin_of(&self, link: LinkIndex) -> PathBuf {
        self.pins.join(format!("link-{}", link.0))
    }
}

impl FastMaps {
    /// Has the program find slot `number` for a flow.
    pub fn insert(&mut self, flow: &FlowId, number: u32) -> Result<(), DatapathError> {
        let inserted = match flow {
            FlowId::V4(flow) => self.flows4.insert(flow, number, 0),
            FlowId::V6(flow) => self.flows6.insert(flow, number, 0),
        };
        inserted.map_err(other).attempt(|| "remember a flow")
    }

    /// Has the program forget a flow.
    pub fn remove(&mut self, flow: &FlowId) {
        // It can only fail when the flow isn't there.
        let _ = match flow {
            FlowId::V4(flow) => self.flows4.remove(flow),
            FlowId::V6(flow) => self.flows6.remove(flow),
        };
    }

    /// All flows that the program knows, with their slots.
    pub fn flows(&self) -> Vec<(FlowId, u32)> {
        let flows4 = self.flows4.iter().flatten().map(|(flow, number)| (FlowId::V4(flow), number));
        flows4.chain(self.flows6.iter().flatten().map(|(flow, number)| (FlowId::V6(flow), number))).collect()
    }

    /// Gives a link its budget of misses, without which none of its misses comes up.
    pub fn set_port(&mut self, link: u32, budget: PortBudget) -> Result<(), DatapathError> {
        self.ports.insert(link, budget, 0).map_err(other).attempt(|| format!("give link {link} a budget"))
    }

    /// The budget of a link, and what it used of it.
    pub fn port(&self, link: u32) -> PortBudget {
        self.ports.get(&link, 0).unwrap_or_default()
    }

    /// Forgets a link.
    pub fn remove_port(&mut self, link: u32) {
        let _ = self.ports.remove(&link);
    }
}

fn classifier(loaded: &mut Ebpf) -> Result<&mut SchedClassifier, DatapathError> {
    match loaded.program_mut("fastpath") {
        Some(Program::SchedClassifier(program)) => Ok(program),
        _ => Err(io::Error::other("the object file holds no such program")).attempt(|| "load the fast path's program"),
    }
}

fn other(error: impl std::error::Error) -> io::Error {
    // The outermost error of aya says only what was attempted; the last one is the kernel's.
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    io::Error::other(text)
}

/// Compiled from `bpf/fastpath.c` by `cargo xtask bpf`.
static PROGRAM: &[u8] = aya::include_bytes_aligned!("../../bpf/fastpath.o");

const MAPS: [&str; 7] = ["flows4", "flows6", "slots", "connections", "generations", "ports", "config"];
