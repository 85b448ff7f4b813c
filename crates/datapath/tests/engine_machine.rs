//! The machine is made to fit a network, whatever it looked like before.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;
mod engine_common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{HELPER, privileged};
use engine_common::traffic::{Rig, config, eventually, on_each_backend, pings};
use engine_common::{Group, Lab, Legs, ip, ipv4, ipv6};
use openvpc_datapath::backend::BackendKind;
use openvpc_datapath::machine::{Machine, MachineConfig, Outcome, Report};
use openvpc_datapath::netlink::Netlink;
use openvpc_datapath::sandbox::{Helper, Sandbox};
use openvpc_model::{DhcpOptions, Instance, InstanceState, NetworkInterface, Owner, PrivateAddress, Tags, Vpc};
use openvpc_pipeline::testing::Host;
use tempfile::TempDir;

/// Runs a command in an instance and returns what it prints.
fn exec(dir: &Path, name: &str, command: &str) -> String {
    let state_dir = Machine::instances_dir(dir).join(name);
    let output = Command::new(HELPER).arg("exec").arg(state_dir).args(["sh", "-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn exec_in(rig: &Rig, host: Host, command: &str) -> String {
    exec(rig.dir.path(), &host.instance.to_string(), command)
}

fn set_state(lab: &mut Lab, host: Host, state: InstanceState) {
    lab.world.set_state(host, state);
}

fn report(host: Host, outcome: Outcome) -> Report {
    Report { instance: host.instance, outcome }
}

#[test]
fn an_instance_finds_its_network_as_declared() {
    privileged("an_instance_finds_its_network_as_declared", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            let second = PrivateAddress { address: ipv4(1, 40), public: None };
            lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.private_addresses.push(second));
            let options = DhcpOptions {
                id: lab.world.id(),
                owner: Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() },
                options: vec![
                    ("domain-name".into(), vec!["eu-central-1.compute.internal".into()]),
                    ("domain-name-servers".into(), vec!["AmazonProvidedDNS".into(), "192.0.2.53".into()]),
                ],
                tags: Tags::new(),
            };
            let vpc = *lab.world.network().vpcs.keys().next().unwrap();
            lab.world.edit::<Vpc>(vpc, |vpc| vpc.dhcp_options = Some(options.id));
            lab.world.add(options);
            let rig = Rig::start(kind, &mut lab);

            let mut inside = Netlink::open(&rig.ns(a)).unwrap();
            let eth0 = inside.link("eth0").unwrap().unwrap();
            let eni = lab.world.network().enis[&a.eni].clone();
            assert_eq!((eth0.mac, eth0.mtu, eth0.up), (Some(eni.mac), 9001, true));
            let addresses = inside.addresses(eth0.index).unwrap();
            for declared in ["10.0.1.4/24", "10.0.1.40/24", "2001:db8:1:1::4/64"] {
                assert!(addresses.contains(&declared.parse().unwrap()), "{declared} in {addresses:?}");
            }
            assert_eq!(addresses.len(), 4, "these, and the link-local one: {addresses:?}");

            assert_eq!(exec_in(&rig, a, "hostname"), "ip-10-0-1-4\n");
            let resolver = exec_in(&rig, a, "cat /etc/resolv.conf");
            assert!(resolver.ends_with("search eu-central-1.compute.internal\nnameserver 10.0.0.2\nnameserver 192.0.2.53\n"));
            let hosts = exec_in(&rig, a, "cat /etc/hosts");
            assert!(hosts.contains("10.0.1.4 ip-10-0-1-4.eu-central-1.compute.internal ip-10-0-1-4\n"), "{hosts}");
            // The kernel's choice of source shows that the routes are there, and which address is the primary one.
            for (to, source) in [
                ("198.51.100.10:9", ip("10.0.1.4")),
                ("10.0.2.6:9", ip("10.0.1.4")),
                ("[2001:db8:ffff::10]:9", ipv6(1, 4).into()),
            ] {
                let any = if source.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = rig.ns(a).within(|| std::net::UdpSocket::bind(any).unwrap()).unwrap();
                socket.connect(to).unwrap();
                assert_eq!(socket.local_addr().unwrap().ip(), source, "to {to}");
            }
        });
    });
}

#[test]
fn addresses_change_by_difference_and_roots_own_stay() {
    privileged("addresses_change_by_difference_and_roots_own_stay", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, b) = (lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Open));
            let rig = Rig::start(kind, &mut lab);
            let addresses = |rig: &Rig| {
                let mut inside = Netlink::open(&rig.ns(a)).unwrap();
                let eth0 = inside.link("eth0").unwrap().unwrap().index;
                inside.addresses(eth0).unwrap().into_iter().map(|net| net.to_string()).collect::<Vec<_>>()
            };
            exec_in(&rig, a, "ip addr add 192.168.7.7/24 dev eth0");
            let second = PrivateAddress { address: ipv4(1, 40), public: None };
            lab.world.edit::<NetworkInterface>(a.eni, |eni| {
                eni.private_addresses.push(second);
                eni.ipv6_addresses = vec![ipv6(1, 0x41)];
            });
            rig.reconcile(&mut lab);
            let now = addresses(&rig);
            for (address, there) in [
                ("10.0.1.4/24", true),
                ("10.0.1.40/24", true),
                ("2001:db8:1:1::41/64", true),
                ("2001:db8:1:1::4/64", false),
                ("192.168.7.7/24", true),
            ] {
                assert_eq!(now.iter().any(|seen| seen == address), there, "{address} in {now:?}");
            }
            assert!(pings(&rig.ns(b), ipv4(1, 40).into()));
            assert!(pings(&rig.ns(b), ipv6(1, 0x41).into()));

            lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.private_addresses.truncate(1));
            rig.reconcile(&mut lab);
            assert!(!addresses(&rig).contains(&"10.0.1.40/24".into()));
            assert!(pings(&rig.ns(b), ipv4(1, 4).into()));
        });
    });
}

#[test]
fn interfaces_come_and_go_at_run_time() {
    privileged("interfaces_come_and_go_at_run_time", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, b) = (lab.instance(1, 4, Group::Open), lab.instance(2, 6, Group::Open));
            let rig = Rig::start(kind, &mut lab);
            let names = |rig: &Rig| {
                let links = Netlink::open(&rig.ns(a)).unwrap().links().unwrap();
                links.into_iter().map(|link| link.name).filter(|name| name != "lo").collect::<Vec<_>>()
            };
            assert_eq!(names(&rig), ["eth0"]);
            let eni = lab.second_eni(a.instance, 2, 7);
            rig.reconcile(&mut lab);
            assert_eq!(names(&rig), ["eth0", "eth1"]);
            assert!(pings(&rig.ns(b), ipv4(2, 7).into()), "the answer leaves by the interface that was asked");
            assert!(pings(&rig.ns(b), ipv4(1, 4).into()));
            let rules = exec_in(&rig, a, "ip rule");
            assert!(rules.contains("from 10.0.2.7 lookup 101") && rules.contains("oif eth1 lookup 101"), "{rules}");
            lab.world.edit::<NetworkInterface>(eni, |eni| eni.attachment = None);
            rig.reconcile(&mut lab);
            assert_eq!(names(&rig), ["eth0"]);
            assert!(!exec_in(&rig, a, "ip rule").contains("101"));

            // Root inside throws its interface away; that isn't a change, so it is found when all instances are looked at.
            exec_in(&rig, a, "ip link del eth0");
            assert_eq!(names(&rig), [""; 0]);
            eventually("a new interface is made", || {
                rig.reconcile(&mut lab);
                names(&rig) == ["eth0"]
            });
            assert!(pings(&rig.ns(b), ipv4(1, 4).into()));
        });
    });
}

#[test]
fn instances_start_stop_and_are_gone_when_terminated() {
    privileged("instances_start_stop_and_are_gone_when_terminated", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            set_state(&mut lab, a, InstanceState::Pending);
            lab.world
                .edit::<Instance>(a.instance, |instance| instance.user_data = Some(b"#!/bin/sh\necho first start\n".to_vec()));
            let rig = Rig::start(kind, &mut lab);
            assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Started)], "told until the state has moved");
            set_state(&mut lab, a, InstanceState::Running);
            assert_eq!(rig.reconcile(&mut lab), []);
            let console = || String::from_utf8(rig.machine().console_output(a.instance).unwrap()).unwrap();
            eventually("user data has run", || console().contains("first start\n"));
            exec_in(&rig, a, "touch /tmp/kept");

            set_state(&mut lab, a, InstanceState::Stopping);
            assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Stopped)]);
            assert!(rig.machine().exec_target(a.instance).is_none());
            set_state(&mut lab, a, InstanceState::Stopped);
            assert_eq!(rig.reconcile(&mut lab), []);

            set_state(&mut lab, a, InstanceState::Pending);
            lab.world.edit::<Instance>(a.instance, |instance| instance.starts += 1);
            assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Started)]);
            assert_eq!(exec_in(&rig, a, "ls /tmp"), "kept\n");
            assert_eq!(console().matches("first start\n").count(), 1, "once in its life");

            let before = rig.machine().exec_target(a.instance).unwrap();
            assert_eq!(rig.machine().reboot(a.instance).unwrap(), Some(report(a, Outcome::Started)));
            assert_ne!(rig.machine().exec_target(a.instance).unwrap(), before);
            assert_eq!(exec_in(&rig, a, "ls /tmp"), "kept\n");

            set_state(&mut lab, a, InstanceState::ShuttingDown);
            assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Stopped)]);
            set_state(&mut lab, a, InstanceState::Terminated);
            assert_eq!(rig.reconcile(&mut lab), []);
            assert!(!Machine::instances_dir(rig.dir.path()).join(a.instance.to_string()).exists());
        });
    });
}

#[test]
fn an_instance_that_ends_by_itself_is_reported_and_left_alone_until_started_again() {
    privileged("an_instance_that_ends_by_itself_is_reported_and_left_alone_until_started_again", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            let dir = TempDir::new().unwrap();
            let exits = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&exits);
            let on_exit = Box::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            let (machine, sink) =
                Machine::start(MachineConfig { on_exit, ..config(kind, &dir) }, lab.compile(), Legs::default()).unwrap();
            let rig = Rig { machine: Some(machine), sink, dir };
            rig.reconcile(&mut lab);

            let init = rig.machine().exec_target(a.instance).unwrap();
            let killed = Command::new("kill").args(["-KILL", &init.pid.to_string()]).status().unwrap();
            assert!(killed.success());
            eventually("the exit is noticed", || exits.load(Ordering::SeqCst) > 0);
            for _ in 0..2 {
                assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Exited)]);
            }
            set_state(&mut lab, a, InstanceState::Stopped);
            assert_eq!(rig.reconcile(&mut lab), []);
            set_state(&mut lab, a, InstanceState::Pending);
            lab.world.edit::<Instance>(a.instance, |instance| instance.starts += 1);
            assert_eq!(rig.reconcile(&mut lab), [report(a, Outcome::Started)]);
        });
    });
}

#[test]
fn the_next_daemon_takes_over_instances_with_their_connections() {
    privileged("the_next_daemon_takes_over_instances_with_their_connections", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, b, gone) =
                (lab.instance(1, 4, Group::Open), lab.instance(2, 6, Group::Open), lab.instance(1, 8, Group::Open));
            lab.world.public(a.eni, "10.0.1.4", "203.0.113.7");
            let first = Rig::start(kind, &mut lab);
            let targets = [a, b].map(|host| first.machine().exec_target(host.instance).unwrap());
            let internet = first.machine().internet().unwrap().0;
            let listener = first.ns(b).within(|| TcpListener::bind("10.0.2.6:80").unwrap()).unwrap();
            let mut stream = first.ns(a).within(|| TcpStream::connect("10.0.2.6:80").unwrap()).unwrap();
            let (mut accepted, _) = listener.accept().unwrap();
            let index = lab.world.index(gone.eni);
            assert!(first.counters().enis.iter().any(|(eni, _)| *eni == index));
            let dir = first.abandon();

            // One is terminated, and one gets an address, in what the next daemon reads from its store.
            set_state(&mut lab, gone, InstanceState::Terminated);
            let second = PrivateAddress { address: ipv4(1, 40), public: None };
            lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.private_addresses.push(second));
            let rig = Rig::start_in(kind, &mut lab, dir);
            assert_eq!([a, b].map(|host| rig.machine().exec_target(host.instance).unwrap()), targets);
            assert_eq!(rig.machine().internet().unwrap().0, internet);
            stream.write_all(b"still there?").unwrap();
            let mut received = [0; 12];
            accepted.read_exact(&mut received).unwrap();
            assert_eq!(&received, b"still there?");
            assert!(pings(&rig.ns(b), ipv4(1, 40).into()));
            assert!(pings(&rig.internet(), ip("203.0.113.7")));
            assert!(!Machine::instances_dir(rig.dir.path()).join(gone.instance.to_string()).exists());
            assert_eq!(rig.counters().enis.len(), 2);
        });
    });
}

/// The processes that mention the directory in their arguments or mounts.
fn traces_of(dir: &Path) -> Vec<String> {
    let mut traces = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        let path = dir.to_str().unwrap();
        if command.contains(path) || mounts.contains(path) {
            traces.push(format!("{name}: {}", command.replace('\0', " ")));
        }
    }
    traces
}

#[test]
fn shutdown_and_cleanup_leave_nothing_running() {
    privileged("shutdown_and_cleanup_leave_nothing_running", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            let mut rig = Rig::start(kind, &mut lab);
            exec_in(&rig, a, "setsid sleep 1000 >/dev/null 2>&1 &");
            assert!(!traces_of(rig.dir.path()).is_empty());
            rig.machine.take().unwrap().shutdown(false).unwrap();
            assert_eq!(traces_of(rig.dir.path()), [""; 0]);

            // The instance comes back at the next start on that directory, and can be swept away without one.
            let dir = std::mem::replace(&mut rig.dir, TempDir::new().unwrap());
            let dir = Rig::start_in(kind, &mut lab, dir).abandon();
            assert!(Sandbox::find(&Machine::instances_dir(dir.path()).join(a.instance.to_string())).unwrap().is_some());
            Machine::cleanup(dir.path()).unwrap();
            Machine::cleanup(dir.path()).unwrap();
            assert_eq!(traces_of(dir.path()), [""; 0]);
        });
    });
}

#[test]
fn a_failed_start_is_one_line_and_leaves_nothing() {
    privileged("a_failed_start_is_one_line_and_leaves_nothing", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            let dir = TempDir::new().unwrap();
            let nowhere = MachineConfig { helper: Helper::at("/nowhere/openvpc"), ..config(kind, &dir) };
            let Err(error) = Machine::start(nowhere, lab.compile(), Legs::default()) else { panic!("it started") };
            let text = error.to_string();
            assert!(text.contains("/nowhere/openvpc") && !text.contains('\n'), "{text}");
            assert_eq!(traces_of(dir.path()), [""; 0]);

            // An instance that can't be started is a report; the others are not touched by it.
            fs::create_dir_all(Machine::instances_dir(dir.path())).unwrap();
            fs::write(Machine::instances_dir(dir.path()).join(a.instance.to_string()), "a file is in the way").unwrap();
            let b = lab.instance(1, 5, Group::Open);
            for host in [a, b] {
                set_state(&mut lab, host, InstanceState::Pending);
            }
            let rig = Rig::start_in(kind, &mut lab, dir);
            let reports = rig.reconcile(&mut lab);
            assert_eq!(reports[1], report(b, Outcome::Started));
            let Report { outcome: Outcome::Failed(reason), .. } = &reports[0] else { panic!("{reports:?}") };
            assert!(!reason.contains('\n'), "{reason}");
            fs::remove_file(Machine::instances_dir(rig.dir.path()).join(a.instance.to_string())).unwrap();
            assert_eq!(rig.reconcile(&mut lab)[0], report(a, Outcome::Started));
        });
    });
}

#[test]
fn without_packets_instances_count_as_running() {
    let mut lab = Lab::new();
    let (a, b) = (lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Open));
    set_state(&mut lab, a, InstanceState::Pending);
    set_state(&mut lab, b, InstanceState::ShuttingDown);
    let dir = TempDir::new().unwrap();
    let none = MachineConfig { backend: BackendKind::None, helper: Helper::at("/nowhere"), ..config(BackendKind::None, &dir) };
    let (machine, sink) = Machine::start(none, lab.compile(), Legs::default()).unwrap();
    let tables = lab.compile();
    let reports = machine.reconcile(lab.world.network(), &tables).unwrap();
    assert_eq!(reports, [report(a, Outcome::Started), report(b, Outcome::Stopped)]);
    assert_eq!(sink.with(|legs, tables, _| (legs.seen.len(), tables.enis().count())).unwrap(), (0, 2));
    assert!(machine.exec_target(a.instance).is_none() && machine.internet().is_none());
    machine.shutdown(false).unwrap();
    assert!(sink.with(|_, _, _| ()).is_err(), "the sink ends with the machine");
}
