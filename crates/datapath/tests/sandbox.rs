//! Sandboxes from the outside, as the daemon and the command line use them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{HELPER, eventually, is_mounted_below, privileged};
use openvpc_datapath::netlink::{Netlink, VethSpec};
use openvpc_datapath::sandbox::{self, Fabric, Helper, Sandbox, SandboxSpec};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn exec_returns_the_exit_status_of_the_command() {
    privileged("exec_returns_the_exit_status_of_the_command", || {
        let lab = Lab::running();
        assert_eq!(lab.exec(&["true"]).status.code(), Some(0));
        assert_eq!(lab.exec(&["sh", "-c", "exit 7"]).status.code(), Some(7));
        assert_eq!(lab.exec(&["sh", "-c", "kill -9 $$"]).status.code(), Some(128 + 9));
        let absent = lab.exec(&["no-such-command"]);
        assert_eq!(absent.status.code(), Some(127));
        assert!(text(&absent.stderr).contains("no-such-command: command not found"), "{absent:?}");
        assert_eq!(lab.exec(&["/etc/hostname"]).status.code(), Some(126));
        lab.sandbox().stop(PATIENCE).unwrap();
        let stopped = lab.exec(&["true"]);
        assert_eq!(stopped.status.code(), Some(125));
        assert!(text(&stopped.stderr).contains("not running"), "{stopped:?}");
    });
}

#[test]
fn exec_keeps_stdin_stdout_and_stderr_apart() {
    privileged("exec_keeps_stdin_stdout_and_stderr_apart", || {
        let lab = Lab::running();
        let mut child = lab
            .command(&["sh", "-c", "cat; echo complaint >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let question = vec![b'q'; 1 << 20];
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&question).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert_eq!(output.stdout.len(), 1 << 20);
        assert_eq!(text(&output.stderr), "complaint\n");
    });
}

#[test]
fn exec_takes_an_argument_list_of_100_kilobytes() {
    privileged("exec_takes_an_argument_list_of_100_kilobytes", || {
        let lab = Lab::running();
        let long = "x".repeat(100 << 10);
        assert_eq!(lab.stdout(&["sh", "-c", "echo ${#1}", "sh", &long]), format!("{}\n", long.len()));
        let many: Vec<_> = std::iter::repeat_n("argument", 12_000).collect();
        let all = [&["sh", "-c", "echo $#", "sh"], &many[..]].concat();
        assert_eq!(lab.stdout(&all), "12000\n");
    });
}

#[test]
fn a_child_that_left_the_session_lives_on_under_the_init() {
    privileged("a_child_that_left_the_session_lives_on_under_the_init", || {
        let lab = Lab::running();
        let pid = lab.stdout(&["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]);
        eventually("the child is the init's", || lab.stdout(&["cat", &format!("/proc/{}/stat", pid.trim())]).contains(" S 1 "));
    });
}

#[test]
fn a_signal_to_exec_reaches_the_command() {
    privileged("a_signal_to_exec_reaches_the_command", || {
        let lab = Lab::running();
        let script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
        let mut child = lab.command(&["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(&mut stdout, &mut ready).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_eq!(std::io::read_to_string(stdout).unwrap(), "caught\n");
    });
}

#[test]
fn a_command_whose_caller_is_killed_gets_a_hangup() {
    privileged("a_command_whose_caller_is_killed_gets_a_hangup", || {
        let lab = Lab::running();
        let script = "trap 'echo hung up > /tmp/told; exit' HUP; echo ready; while :; do sleep 0.01; done";
        let mut child = lab.command(&["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut [0; 6]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        eventually("the command was told", || lab.exec(&["cat", "/tmp/told"]).stdout == b"hung up\n");
    });
}

#[test]
fn user_data_runs_once_and_writes_to_the_console() {
    privileged("user_data_runs_once_and_writes_to_the_console", || {
        let mut lab = Lab::new();
        lab.spec.user_data =
            Some(b"#!/bin/sh\necho ran >> /tmp/count\necho hello from $(hostname)\necho trouble >&2\nexit 4\n".to_vec());
        let console = |lab: &Lab| text(&Sandbox::console_output(&lab.spec.state_dir).unwrap());
        lab.start();
        eventually("user data has finished", || console(&lab).contains("user data finished, exit status: 4"));
        assert!(console(&lab).contains("hello from ip-10-0-0-1\n"), "{}", console(&lab));
        assert!(console(&lab).contains("trouble\n"), "{}", console(&lab));

        lab.sandbox().stop(PATIENCE).unwrap();
        lab.start();
        lab.exec(&["sh", "-c", "echo second start > /dev/console"]);
        eventually("the console has the line", || console(&lab).contains("second start"));
        assert_eq!(lab.stdout(&["cat", "/tmp/count"]), "ran\n", "/tmp stays, and user data ran once");
        assert_eq!(console(&lab).matches("i-1 (ip-10-0-0-1) starts").count(), 2, "{}", console(&lab));
    });
}

#[test]
fn user_data_that_is_no_script_is_left_alone() {
    privileged("user_data_that_is_no_script_is_left_alone", || {
        let mut lab = Lab::new();
        lab.spec.user_data = Some(b"#cloud-config\nruncmd: []\n".to_vec());
        lab.start();
        assert_eq!(lab.exec(&["test", "-e", "/run/user-data"]).status.code(), Some(1));
    });
}

#[test]
fn the_console_keeps_its_last_64_kilobytes() {
    privileged("the_console_keeps_its_last_64_kilobytes", || {
        let lab = Lab::running();
        let output = lab.exec(&["sh", "-c", "seq 1 200000 > /dev/console; echo the end > /dev/console"]);
        assert!(output.status.success(), "{output:?}");
        let console = || Sandbox::console_output(&lab.spec.state_dir).unwrap();
        eventually("all has arrived", || text(&console()).ends_with("199999\n200000\nthe end\n"));
        assert_eq!(console().len(), 64 << 10);
        assert!(fs::metadata(lab.spec.state_dir.join("console.log")).unwrap().len() < 1 << 20);
    });
}

#[test]
fn root_inside_sees_and_changes_nothing_that_is_not_its_own() {
    privileged("root_inside_sees_and_changes_nothing_that_is_not_its_own", || {
        let lab = Lab::running();
        fs::write(lab.dir.path().join("secret"), "of the daemon").unwrap();
        let dir = lab.dir.path().to_str().unwrap();
        let inside = |script: &str| text(&lab.exec(&["sh", "-c", script]).stdout);

        assert_eq!(inside(&format!("ls -A {dir}")), "", "the daemon's directory is covered");
        assert_eq!(inside(&format!("umount {dir} 2>/dev/null; touch {dir}/x 2>/dev/null; ls -A {dir}")), "");
        let mine = std::process::id();
        let processes = inside("ls /proc | grep -c '^[0-9]'");
        assert!(processes.trim().parse::<u32>().unwrap() < 8, "{processes} processes");
        assert_eq!(inside(&format!("test -e /proc/{mine}/exe && readlink /proc/{mine}/exe")), "");
        assert_eq!(inside("cat /proc/1/comm"), "openvpc-init\n");
        assert_eq!(inside("ls /sys/class/net"), "lo\n");

        for (action, script) in [
            ("mount", "mount -t tmpfs none /mnt"),
            ("set the clock", "date -s 2001-01-01"),
            ("change the machine", "echo 1 > /proc/sys/kernel/panic"),
            ("press sysrq", "echo h > /proc/sysrq-trigger"),
            ("make a device", "mknod /tmp/disk b 254 0"),
            ("remount /proc/sys", "mount -o remount,rw /proc/sys"),
            ("rename the machine's init namespace", "nsenter -t 1 -n true && false"),
        ] {
            assert_ne!(lab.exec(&["sh", "-c", script]).status.code(), Some(0), "root inside could {action}");
        }
    });
}

#[test]
fn root_inside_owns_its_network_and_its_files() {
    privileged("root_inside_owns_its_network_and_its_files", || {
        let lab = Lab::running();
        for script in [
            "echo 1 > /proc/sys/net/ipv4/ip_forward && test $(cat /proc/sys/net/ipv4/ip_forward) = 1",
            "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768)'",
            "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)'",
            "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 80))'",
            "python3 -c 'import multiprocessing; multiprocessing.Lock()'",
            "test $(id -u) = 0",
            "test $(hostname) = ip-10-0-0-1",
            "grep -q 10.0.0.2 /etc/resolv.conf && grep -q localhost /etc/hosts && test $(cat /etc/hostname) = ip-10-0-0-1",
            "echo 10.9.9.9 friend >> /etc/hosts",
            "echo x > /tmp/x && mkdir -p /run/my && test -d /run/lock",
            "echo x > /dev/null && head -c 8 /dev/urandom > /dev/zero && test -c /dev/tty && test -d /dev/pts",
            "python3 -c 'import os; os.openpty()'",
            "test $PWD = / && test -n \"$HOME\" && test $USER = root",
        ] {
            let output = lab.exec(&["sh", "-c", script]);
            assert!(output.status.success(), "{script}: {output:?}");
        }
    });
}

#[test]
fn stop_leaves_no_process_mount_link_or_namespace() {
    privileged("stop_leaves_no_process_mount_link_or_namespace", || {
        let lab = Lab::new();
        let fabric = lab.fabric();
        let prepared = sandbox::launch(&Helper::at(HELPER), &lab.spec).unwrap();
        let namespace = prepared.net_ns().unwrap();
        let identity = namespace.identity().unwrap();
        let wire = Netlink::open(fabric.net_ns())
            .unwrap()
            .add_veth(VethSpec {
                wire: "v1",
                host: &namespace,
                host_link: "eth0",
                host_mac: "02:00:00:00:00:01".parse().unwrap(),
                mtu: 9001,
            })
            .unwrap();
        let mut inside = Netlink::open(&namespace).unwrap();
        let eth0 = inside.link("eth0").unwrap().unwrap();
        inside.set_up(eth0.index).unwrap();
        inside.add_address(eth0.index, "10.0.0.5/24".parse().unwrap()).unwrap();
        drop((inside, namespace));
        let sandbox = prepared.start().unwrap();

        assert_eq!(lab.stdout(&["cat", "/sys/class/net/eth0/address"]), "02:00:00:00:00:01\n");
        lab.stdout(&["sh", "-c", "trap '' TERM; setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &"]);
        let record = sandbox.process().record().clone();
        assert!(processes_in(identity) >= 3);
        sandbox.stop(PATIENCE).unwrap();

        assert!(record.open().unwrap().is_none());
        assert!(Sandbox::find(&lab.spec.state_dir).unwrap().is_none());
        assert_eq!(processes_in(identity), 0);
        assert!(!is_mounted_below(lab.dir.path()));
        eventually("the kernel has taken the link away", || {
            Netlink::open(fabric.net_ns()).unwrap().link("v1").unwrap().is_none_or(|link| link.index != wire)
        });
        fabric.close().unwrap();
    });
}

#[test]
fn a_sandbox_that_was_never_told_to_go_on_vanishes() {
    privileged("a_sandbox_that_was_never_told_to_go_on_vanishes", || {
        let lab = Lab::new();
        let prepared = sandbox::launch(&Helper::at(HELPER), &lab.spec).unwrap();
        let identity = prepared.net_ns().unwrap().identity().unwrap();
        drop(prepared);
        assert!(Sandbox::find(&lab.spec.state_dir).unwrap().is_none());
        eventually("no process is left", || processes_in(identity) == 0);
    });
}

#[test]
fn a_poweroff_from_inside_ends_the_sandbox() {
    privileged("a_poweroff_from_inside_ends_the_sandbox", || {
        let lab = Lab::running();
        let sandbox = lab.sandbox();
        lab.exec(&["sh", "-c", "kill -TERM 1"]);
        assert!(sandbox.process().wait(PATIENCE));
        assert!(Sandbox::find(&lab.spec.state_dir).unwrap().is_none());
    });
}

#[test]
fn a_failed_start_says_why_and_leaves_nothing() {
    privileged("a_failed_start_says_why_and_leaves_nothing", || {
        let mut lab = Lab::new();
        lab.spec.hostname = "h".repeat(65);
        let error = sandbox::launch(&Helper::at(HELPER), &lab.spec).err().unwrap().to_string();
        assert!(error.contains("i-1") && error.contains("host name"), "{error}");
        let error = sandbox::launch(&Helper::at("/no/such/program"), &lab.spec).err().unwrap().to_string();
        assert!(error.contains("/no/such/program"), "{error}");
        assert!(Sandbox::find_all(lab.dir.path()).unwrap().is_empty());
    });
}

/// A data directory outside of `/tmp`, with the state directory of one instance.
struct Lab {
    dir: TempDir,
    spec: SandboxSpec,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let spec = SandboxSpec {
            name: "i-1".into(),
            hostname: "ip-10-0-0-1".into(),
            resolv_conf: "nameserver 10.0.0.2\n".into(),
            hosts: "127.0.0.1 localhost\n".into(),
            user_data: None,
            state_dir: dir.path().join("i-1"),
            hidden: vec![dir.path().to_owned()],
        };
        Self { dir, spec }
    }

    fn running() -> Self {
        let lab = Self::new();
        lab.start();
        lab
    }

    fn start(&self) {
        sandbox::launch(&Helper::at(HELPER), &self.spec).unwrap().start().unwrap();
    }

    fn fabric(&self) -> Fabric {
        Fabric::open(&Helper::at(HELPER), &self.dir.path().join("fabric")).unwrap()
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::find(&self.spec.state_dir).unwrap().expect("it runs")
    }

    fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(HELPER);
        command.arg("exec").arg(&self.spec.state_dir).args(argv);
        command
    }

    fn exec(&self, argv: &[&str]) -> Output {
        self.command(argv).output().unwrap()
    }

    fn stdout(&self, argv: &[&str]) -> String {
        let output = self.exec(argv);
        assert!(output.status.success(), "{argv:.200?}: {output:?}");
        text(&output.stdout)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, sandbox) in Sandbox::find_all(self.dir.path()).unwrap() {
            sandbox.stop(PATIENCE).unwrap();
        }
        Fabric::close_left_behind(&self.dir.path().join("fabric")).unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How many processes of the machine are in a network namespace.
fn processes_in(identity: u64) -> usize {
    let name = PathBuf::from(format!("net:[{identity}]"));
    let numbers = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    numbers.filter(|process: &PathBuf| fs::read_link(process.join("ns/net")).is_ok_and(|link: PathBuf| link == *name)).count()
}
