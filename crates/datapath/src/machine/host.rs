//! The reconciler: what is there, what should be, and the way from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use openvpc_model::dhcp::DhcpSettings;
use openvpc_model::{Anchor, EniId, Instance, InstanceId, InstanceState, Network, NetworkInterface};
use openvpc_pipeline::{EniIndex, Tables};

use super::bind::BindingPlace;
use super::exits::Exits;
use super::internet::{self, Internet};
use super::links::{self, HostLink};
use super::outside::Outside;
use super::plan::{self, InstancePlan, LinkPlan};
use super::services::{self, ServicesLink};
use super::{Config, Machine, Outcome, PATIENCE, Report, is_ending};
use crate::DatapathError;
use crate::backend::Backend;
use crate::error::Attempt;
use crate::kernel;
use crate::namespace::NetNs;
use crate::netlink::{Link, Netlink, Wire};
use crate::sandbox::{self, Fabric, Sandbox, SandboxSpec};

/// Everything of the machine that a reconcile changes.
pub(super) struct Host {
    fabric: Fabric,
    netlink: Netlink,
    exits: Exits,
    internet: Internet,
    services: ServicesLink,
    guests: BTreeMap<InstanceId, Guest>,
    outside: Outside,
    /// Instances that ended by themselves, with the number of the start that ended so.
    exited: BTreeMap<InstanceId, u32>,
    /// What is still to be found out about what was there before this daemon.
    unexplored: bool,
    last: Option<(Network, Arc<Tables>)>,
    /// Instances of which something was reported, or not done, when they were last looked at.
    unsettled: BTreeSet<InstanceId>,
    /// When all instances were last looked at to the end.
    looked_at_all: Option<Instant>,
}

/// A sandbox and its links.
struct Guest {
    sandbox: Sandbox,
    links: BTreeMap<EniId, (EniIndex, HostLink)>,
    /// What it was last told of resolvers; none for one that an earlier daemon left.
    resolv_conf: Option<String>,
}

impl Host {
    pub(super) fn open(config: &Config, backend: &dyn Backend, on_exit: Box<dyn Fn() + Send>) -> Result<Self, DatapathError> {
        let exits = Exits::start(on_exit)?;
        let fabric = Fabric::open(&config.helper, &Machine::fabric_dir(&config.dir))?;
        let opened = Self::open_on(config, backend, &fabric, &exits);
        match opened {
            Ok((netlink, internet, services)) => Ok(Self {
                fabric,
                netlink,
                exits,
                internet,
                services,
                guests: BTreeMap::new(),
                outside: Outside::default(),
                exited: BTreeMap::new(),
                unexplored: true,
                last: None,
                unsettled: BTreeSet::new(),
                looked_at_all: None,
            }),
            Err(error) => {
                // What was found stays for an attempt with better luck; what was made now goes.
                if !fabric.was_adopted() {
                    let _ = fabric.close();
                }
                Err(error)
            }
        }
    }

    fn open_on(
        config: &Config,
        backend: &dyn Backend,
        fabric: &Fabric,
        exits: &Exits,
    ) -> Result<(Netlink, Internet, ServicesLink), DatapathError> {
        let mut netlink = Netlink::open(fabric.net_ns())?;
        exits.watch_links(fabric.net_ns())?;
        backend.open(fabric.net_ns())?;
        let services = ServicesLink::open(backend, fabric.net_ns(), &mut netlink)?;
        let internet = Internet::open(config, backend, fabric.net_ns(), &mut netlink, exits)?;
        Ok((netlink, internet, services))
    }

    pub(super) fn reconcile(
        &mut self,
        config: &Config,
        backend: &dyn Backend,
        network: &Network,
        tables: &Arc<Tables>,
    ) -> Result<Vec<Report>, DatapathError> {
        let concerned = self.concerned(network);
        let older = self.last.as_ref().filter(|_| concerned.is_some()).map(|(network, _)| network);
        let outside_moved = self.outside.note(network, older);
        self.last = Some((network.clone(), Arc::clone(tables)));
        let links_gone = self.exits.take_links_gone() && !self.outside.is_empty();
        if concerned.as_ref().is_some_and(BTreeSet::is_empty) && !outside_moved && !links_gone {
            return Ok(Vec::new());
        }
        // Whatever fails from here on is tried again for all.
        let looked_at_all = self.looked_at_all.take();
        let first = self.unexplored;
        if first {
            self.explore(config, network)?;
            self.unexplored = false;
        }
        // Before instances are looked at, one of which may get an interface that was outside until now.
        self.outside.fit(backend, self.fabric.net_ns(), &mut self.netlink, tables)?;
        self.note_exits(backend, network);
        self.stop_unwanted(backend, network);
        if concerned.is_none() {
            let place = (self.fabric.net_ns(), &mut self.netlink);
            self.internet.mend(config, backend, place, &self.exits, network)?;
        }
        self.forget_state_dirs(config, network)?;

        self.services.mend(backend, self.fabric.net_ns(), &mut self.netlink)?;
        let guest_wires = match &concerned {
            None => self.netlink.links()?,
            Some(concerned) => self.wires_of(network, concerned)?,
        };
        let mut reports = Vec::new();
        let is_concerned = |id: &InstanceId| concerned.as_ref().is_none_or(|concerned| concerned.contains(id));
        self.unsettled.clear();
        for instance in network.all::<Instance>().filter(|instance| is_concerned(&instance.id)) {
            let report = |outcome| Report { instance: instance.id, outcome };
            if !plan::should_run(instance.state) {
                if self.guests.contains_key(&instance.id) {
                    self.unsettled.insert(instance.id);
                } else if is_ending(instance.state) {
                    reports.push(report(Outcome::Stopped));
                }
                continue;
            }
            if self.exited.contains_key(&instance.id) {
                reports.push(report(Outcome::Exited));
                continue;
            }
            match self.see_to(config, backend, network, tables, instance, &guest_wires) {
                Ok(()) if instance.state == InstanceState::Pending => reports.push(report(Outcome::Started)),
                Ok(()) => {}
                Err(error) => reports.push(report(Outcome::Failed(error.to_string()))),
            }
        }
        self.unsettled.extend(reports.iter().map(|report| report.instance));
        self.looked_at_all = if concerned.is_none() { Some(Instant::now()) } else { looked_at_all };
        if first {
            backend.adopted()?;
        }
        Ok(reports)
    }

    /// The instances that something changed for since the last time, or that aren't as they should be; none stands for all,
    /// which are looked at from time to time whatever changed.
    fn concerned(&self, network: &Network) -> Option<BTreeSet<InstanceId>> {
        let (last, _) = self.last.as_ref()?;
        let ended = self.exits.take_ended();
        if ended || self.unexplored || self.looked_at_all.is_none_or(|then| then.elapsed() >= LOOK_AT_ALL_EVERY) {
            return None;
        }
        let mut concerned = self.unsettled.clone();
        concerned.extend(network.instances.changed_since(&last.instances));
        let mut around = Vec::new();
        let mut vpcs = network.vpcs.changed_since(&last.vpcs);
        for id in network.dhcp_options.changed_since(&last.dhcp_options) {
            vpcs.extend(network.vpcs.values().filter(|vpc| vpc.dhcp_options == Some(id)).map(|vpc| vpc.id));
        }
        around.extend(vpcs.into_iter().map(Anchor::Vpc));
        around.extend(network.subnets.changed_since(&last.subnets).into_iter().map(Anchor::Subnet));
        let instance = |eni: &Arc<NetworkInterface>| Some(eni.attachment.as_ref()?.instance);
        concerned.extend(around.into_iter().flat_map(|anchor| network.enis.by(anchor)).filter_map(instance));
        for id in network.enis.changed_since(&last.enis) {
            concerned.extend([&last.enis, &network.enis].into_iter().filter_map(|enis| instance(enis.get(&id)?)));
        }
        Some(concerned)
    }
}

impl Host {
    /// Makes guests of the sandboxes that an earlier daemon left, and removes wires that nobody will take over.
    fn explore(&mut self, config: &Config, network: &Network) -> Result<(), DatapathError> {
        let mut strangers = Vec::new();
        for (name, sandbox) in Sandbox::find_all(&Machine::instances_dir(&config.dir))? {
            match name.parse() {
                Ok(id) => {
                    self.exits.watch(sandbox.process())?;
                    self.guests.insert(id, Guest { sandbox, links: BTreeMap::new(), resolv_conf: None });
                }
                Err(_) if name == internet::NAME && self.internet.sandbox().is_some() => {}
                Err(_) => strangers.push(sandbox),
            }
        }
        stop_all(strangers.iter())?;
        let carries = |id: &InstanceId| network.instances.get(id).is_some_and(|instance| plan::should_run(instance.state));
        let enis = self.guests.keys().filter(|id| carries(id)).flat_map(|id| network.enis_of(*id));
        let mut wanted: BTreeSet<_> = enis.map(|eni| links::wire_name(eni.id)).collect();
        wanted.insert(internet::WIRE.into());
        wanted.insert(kernel::PUNT_NAME.into());
        wanted.insert(services::WIRE.into());
        wanted.extend(self.outside.wires());
        for link in self.netlink.links()?.into_iter().filter(|link| link.name != "lo" && !wanted.contains(&link.name)) {
            links::remove(&mut self.netlink, link.index)?;
        }
        Ok(())
    }

    /// Notices guests that ended by themselves.
    fn note_exits(&mut self, backend: &dyn Backend, network: &Network) {
        let ended: Vec<_> = self.guests.iter().filter(|(_, guest)| !guest.sandbox.is_running()).map(|(id, _)| *id).collect();
        for id in ended {
            if let Some(guest) = self.guests.remove(&id) {
                self.disconnect_all(backend, guest.links);
            }
            if let Some(instance) = network.instances.get(&id) {
                self.exited.insert(id, instance.starts);
            }
        }
        // One that was started since, or is no longer to run, has a clean slate.
        self.exited.retain(|id, starts| {
            let instance = network.instances.get(id);
            instance.is_some_and(|instance| plan::should_run(instance.state) && instance.starts == *starts)
        });
    }

    /// Stops, all at once, the guests that should not run. One that can't be stopped stays a guest, to try again.
    fn stop_unwanted(&mut self, backend: &dyn Backend, network: &Network) {
        let unwanted = |id: &InstanceId| !network.instances.get(id).is_some_and(|instance| plan::should_run(instance.state));
        let stopping: Vec<_> = self.guests.keys().filter(|id| unwanted(id)).copied().collect();
        if let Err(error) = stop_all(stopping.iter().filter_map(|id| Some(&self.guests.get(id)?.sandbox))) {
            tracing::error!(%error, "an instance does not stop");
        }
        for id in stopping {
            if self.guests.get(&id).is_some_and(|guest| !guest.sandbox.is_running())
                && let Some(guest) = self.guests.remove(&id)
            {
                self.disconnect_all(backend, guest.links);
            }
        }
    }

    /// Removes the directories of instances that are terminated or were never heard of.
    fn forget_state_dirs(&self, config: &Config, network: &Network) -> Result<(), DatapathError> {
        let parent = Machine::instances_dir(&config.dir);
        let entries = match fs::read_dir(&parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.attempt(|| format!("list {}", parent.display()))?,
        };
        for entry in entries.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<InstanceId>().ok()) else { continue };
            let kept =
                |instance: &Arc<Instance>| !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown);
            if self.guests.contains_key(&id) || network.instances.get(&id).is_some_and(kept) {
                continue;
            }
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(%error, "can't remove {}", entry.path().display());
            }
        }
        Ok(())
    }

    /// The links of some instances. All links there are would take longer the more instances there are.
    fn wires_of(&mut self, network: &Network, concerned: &BTreeSet<InstanceId>) -> Result<Vec<Link>, DatapathError> {
        let mut enis = BTreeSet::new();
        for id in concerned {
            enis.extend(self.guests.get(id).into_iter().flat_map(|guest| guest.links.keys().copied()));
            enis.extend(network.enis_of(*id).into_iter().map(|eni| eni.id));
        }
        enis.into_iter().filter_map(|eni| self.netlink.link(&links::wire_name(eni)).transpose()).collect()
    }

    fn see_to(
        &mut self,
        config: &Config,
        backend: &dyn Backend,
        network: &Network,
        tables: &Tables,
        instance: &Instance,
        wires: &[Link],
    ) -> Result<(), DatapathError> {
        let plan = plan::instance(network, tables, instance).ok_or_else(|| DatapathError::Sandbox {
            name: instance.id.to_string(),
            reason: "its network interface, subnet or VPC is gone".into(),
        })?;
        match self.guests.remove(&instance.id) {
            Some(mut guest) => {
                // A link that root inside made unusable is no reason to end the instance.
                if let Err(error) = self.fit(backend, &mut guest, &plan, wires) {
                    tracing::warn!(instance = %instance.id, %error, "can't set up the instance's network as declared");
                    self.unsettled.insert(instance.id);
                }
                // As a renewal of the lease would. What root inside wrote meanwhile stays as long as nothing changes.
                let told = guest.resolv_conf.replace(plan.resolv_conf.clone());
                if told.is_some_and(|told| told != plan.resolv_conf)
                    && let Err(error) = sandbox::write_resolv_conf(&config.state_dir(instance.id), &plan.resolv_conf)
                {
                    tracing::warn!(instance = %instance.id, %error, "can't tell the instance of its resolvers");
                }
                self.guests.insert(instance.id, guest);
            }
            None => {
                let guest = self.launch(config, backend, instance, &plan)?;
                self.guests.insert(instance.id, guest);
            }
        }
        Ok(())
    }

    fn launch(
        &mut self,
        config: &Config,
        backend: &dyn Backend,
        instance: &Instance,
        plan: &InstancePlan,
    ) -> Result<Guest, DatapathError> {
        let spec = SandboxSpec {
            name: instance.id.to_string(),
            hostname: plan.hostname.clone(),
            resolv_conf: plan.resolv_conf.clone(),
            hosts: plan.hosts.clone(),
            user_data: instance.user_data.clone().filter(|_| !instance.user_data_ran),
            state_dir: config.state_dir(instance.id),
            hidden: config.hidden.clone(),
        };
        let prepared = sandbox::launch(&config.helper, &spec)?;
        let mut links = BTreeMap::new();
        let connected = prepared.net_ns().and_then(|host| {
            plan.links.iter().try_for_each(|link| {
                links.insert(link.eni, (link.index, self.connect(backend, &host, link)?));
                Ok(())
            })
        });
        let started = connected.and_then(|()| prepared.start()).and_then(|sandbox| {
            self.exits.watch(sandbox.process())?;
            Ok(sandbox)
        });
        match started {
            Ok(sandbox) => Ok(Guest { sandbox, links, resolv_conf: Some(plan.resolv_conf.clone()) }),
            Err(error) => {
                self.disconnect_all(backend, links);
                Err(error)
            }
        }
    }

    /// Changes a guest's links to what they should be.
    fn fit(
        &mut self,
        backend: &dyn Backend,
        guest: &mut Guest,
        plan: &InstancePlan,
        wires: &[Link],
    ) -> Result<(), DatapathError> {
        let wanted = |eni: &EniId, link: &HostLink| {
            let wire = wires.iter().any(|wire| wire.index == link.wire && wire.name == links::wire_name(*eni));
            wire && plan.links.iter().any(|plan| plan.eni == *eni && link.is_same_link(&plan.setup))
        };
        let host = guest.sandbox.net_ns()?;
        let gone: BTreeMap<_, _> = guest.links.extract_if(.., |eni, (_, link)| !wanted(eni, link)).collect();
        gone.values().try_for_each(|(_, link)| link.withdraw(&host))?;
        self.disconnect_all(backend, gone);

        for link in &plan.links {
            match guest.links.get_mut(&link.eni) {
                Some((_, present)) => present.change(&host, &link.setup)?,
                None => {
                    let name = links::wire_name(link.eni);
                    let left = wires.iter().find(|wire| wire.name == name);
                    let adopted = left.map(|wire| HostLink::adopt(wire, &host, &link.setup)).transpose()?.flatten();
                    let present = match adopted {
                        Some(present) => {
                            backend.attach(link.index, self.fabric.net_ns(), Wire::veth(present.wire))?;
                            present
                        }
                        None => self.connect(backend, &host, link)?,
                    };
                    guest.links.insert(link.eni, (link.index, present));
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, backend: &dyn Backend, host: &NetNs, link: &LinkPlan) -> Result<HostLink, DatapathError> {
        let made = HostLink::make(&mut self.netlink, &links::wire_name(link.eni), host, &link.setup)?;
        if let Err(error) = backend.attach(link.index, self.fabric.net_ns(), Wire::veth(made.wire)) {
            links::remove(&mut self.netlink, made.wire)?;
            return Err(error);
        }
        Ok(made)
    }

    /// Disconnects links whatever happens: one that can't be removed has nothing behind it, and goes with the fabric.
    fn disconnect_all(&mut self, backend: &dyn Backend, links: BTreeMap<EniId, (EniIndex, HostLink)>) {
        for (eni, (index, link)) in links {
            let removed = backend.detach(index, link.wire).and_then(|()| links::remove(&mut self.netlink, link.wire));
            if let Err(error) = removed {
                tracing::warn!(%eni, %error, "can't remove a link");
            }
        }
    }

    pub(super) fn reboot(
        &mut self,
        config: &Config,
        backend: &dyn Backend,
        id: InstanceId,
    ) -> Result<Option<Report>, DatapathError> {
        let Some((network, tables)) = self.last.clone() else { return Ok(None) };
        if let Some(guest) = self.guests.get(&id) {
            guest.sandbox.stop(PATIENCE)?;
        }
        if let Some(guest) = self.guests.remove(&id) {
            self.disconnect_all(backend, guest.links);
        }
        self.exited.remove(&id);
        self.unsettled.insert(id);
        let Some(instance) = network.instances.get(&id).filter(|instance| plan::should_run(instance.state)) else {
            return Ok(None);
        };
        let outcome = match self.see_to(config, backend, &network, &tables, instance, &[]) {
            Ok(()) => Outcome::Started,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        Ok(Some(Report { instance: id, outcome }))
    }

    /// Where a link for an interface is to be made that no instance has.
    pub(super) fn binding_place(&self, eni: EniId) -> Option<BindingPlace> {
        let (network, tables) = self.last.as_ref()?;
        let interface = network.enis.get(&eni)?;
        let setup = plan::setup(network, tables, interface, 0)?;
        let (vpc, subnet) = (network.vpcs.get(&interface.vpc)?, network.subnets.get(&interface.subnet)?);
        let resolv_conf = plan::resolv_conf(DhcpSettings::of(network, vpc), subnet.ipv4_block.is_none());
        Some(BindingPlace { fabric: self.fabric.record().clone(), eni, setup, resolv_conf })
    }

    /// Whether there is a link for an interface.
    pub(super) fn has_wire(&mut self, eni: EniId) -> Result<bool, DatapathError> {
        Ok(self.netlink.link(&links::wire_name(eni))?.is_some())
    }

    /// The namespace of the link-local services.
    pub(super) fn services(&self) -> &NetNs {
        self.services.namespace()
    }

    pub(super) fn internet(&self) -> &Internet {
        &self.internet
    }

    pub(super) fn outside(&self) -> &Outside {
        &self.outside
    }

    pub(super) fn close(mut self, config: &Config, backend: &dyn Backend) -> Result<(), DatapathError> {
        let guests = std::mem::take(&mut self.guests);
        let all = guests.values().map(|guest| &guest.sandbox).chain(self.internet.sandbox());
        let stopped = stop_all(all);
        for guest in guests.into_values() {
            self.disconnect_all(backend, guest.links);
        }
        let left = self.internet.close(config, &mut self.netlink);
        self.services.close(&mut self.netlink)?;
        let taken_back = self.outside.close(backend, &mut self.netlink);
        self.fabric.close()?;
        stopped.and(taken_back).and(left)
    }
}

/// Stops sandboxes at the same time; returns the first error after all have been tried.
pub(super) fn stop_all<'a>(sandboxes: impl Iterator<Item = &'a Sandbox>) -> Result<(), DatapathError> {
    thread::scope(|scope| {
        let stopping: Vec<_> = sandboxes.map(|sandbox| scope.spawn(|| sandbox.stop(PATIENCE))).collect();
        let outcomes: Vec<_> = stopping.into_iter().map(|thread| thread.join()).collect();
        outcomes.into_iter().try_for_each(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// How often all instances are looked at, so that what was changed behind our back is found.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(4);
