//! The servers that are compared: a release build of openvpc, and moto_server from a pinned version.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::project_root;

/// The version of moto that figures are compared with.
pub const MOTO: &str = "5.2.5";

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that ends when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of its process until it said that it is ready, or answered.
    pub took: Duration,
    /// Whether it has to take instances and links back before it ends.
    forwards: bool,
}

impl Server {
    /// Starts openvpc, without packets, on a data directory.
    pub fn openvpc(binary: &Path, data_dir: &Path) -> Result<Self, String> {
        let mut command = Command::new(binary);
        command.args(["up", "--datapath", "none"]);
        let quotas = ["vpcs=10000000", "subnets-per-vpc=100000", "security-groups=100000", "interfaces=10000000"];
        Self::up(command, data_dir, &quotas)
    }

    /// Starts openvpc with packets, and with the highest priority, as the load has it. What it says goes to a file.
    pub fn openvpc_forwarding(binary: &Path, data_dir: &Path, datapath: &str, quotas: &[&str]) -> Result<Self, String> {
        let log = std::fs::File::create(data_dir.join("daemon.log")).map_err(|error| error.to_string())?;
        let mut command = Command::new("nice");
        command.arg("--adjustment=-20").arg(binary).args(["up", "--datapath", datapath]).stderr(log);
        let server = Self::up(command, &data_dir.join("data"), quotas);
        let mut server = server.map_err(|error| {
            let said = std::fs::read_to_string(data_dir.join("daemon.log")).unwrap_or_default();
            format!("{error}: {}", said.lines().last().unwrap_or_default())
        })?;
        server.forwards = true;
        Ok(server)
    }

    fn up(mut command: Command, data_dir: &Path, quotas: &[&str]) -> Result<Self, String> {
        let start = Instant::now();
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        for quota in quotas {
            command.args(["--quota", quota]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("openvpc: {error}"))?;
        let stdout = child.stdout.take().ok_or("openvpc has no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        let took = start.elapsed();
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        let address = address.ok_or("openvpc did not start")?;
        Ok(Self { child, address, took, forwards: false })
    }

    /// Starts moto_server, which is installed first where it isn't there.
    pub fn moto() -> Result<Self, String> {
        let program = moto_server()?;
        let port = free_port()?;
        let start = Instant::now();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("AWS_ACCESS_KEY_ID", "123456789012")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("moto_server: {error}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { child, address, took: Duration::ZERO, forwards: false };
        while std::net::TcpStream::connect(address).is_err() {
            if start.elapsed() > Duration::from_secs(60) {
                return Err("moto_server did not start within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server.took = start.elapsed();
        Ok(server)
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it took so far, its own and the kernel's on its behalf.
    pub fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may hold blanks: the 14th and 15th field of all, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let (true, Some(pid)) = (self.forwards, rustix::process::Pid::from_raw(self.child.id().cast_signed())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let asked = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds openvpc with optimisations.
pub fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--package", "openvpc"]).current_dir(project_root());
    let status = command.status().map_err(|error| format!("cargo can't be run: {error}"))?;
    if !status.success() {
        return Err("openvpc can't be built".into());
    }
    Ok(target().join("release").join("openvpc"))
}

/// Where what is built goes.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project_root().join("target"), PathBuf::from)
}

/// The program in the project's Python environment.
fn moto_server() -> Result<PathBuf, String> {
    let environment = project_root().join("target").join("venv");
    let program = environment.join("bin").join("moto_server");
    if program.exists() {
        return Ok(program);
    }
    let run = |command: &mut Command| match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("moto_server can't be installed here".to_owned()),
        Err(error) => Err(format!("moto_server can't be installed here: {error}")),
    };
    if !environment.join("bin").join("pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let package = format!("moto[ec2,server]=={MOTO}");
    run(Command::new(environment.join("bin").join("pip")).args(["install", "--quiet", &package]))?;
    Ok(program)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
