//! Whatever is done to groups, interfaces, addresses and instances, in whatever order: the parts keep agreeing with one
//! another, a refused action leaves no trace, and what the store holds is what is in force.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use openvpc_control::addresses::{self, AddressTarget};
use openvpc_control::instances::{self, Observed, RunInstances};
use openvpc_control::interfaces::{self, AssignIpv4, AssignIpv6, CreateNetworkInterface};
use openvpc_control::security_groups::{self, CreateSecurityGroup, PeerSpec, RuleChoice, RuleSpec};
use openvpc_control::{Caller, Control, ControlError, Enforcer, Environment, Quotas, Tx};
use openvpc_model::*;
use openvpc_store::{MemoryStore, Revision, Store, StoreError};
use proptest::prelude::*;
use proptest::sample::Index;

/// Something a caller might do. An index picks among what exists; accounts share the internet, nothing else.
#[derive(Clone, Debug)]
enum Step {
    Run { count: i32, ipv6: bool },
    Start(Index),
    Stop(Index),
    Terminate(Index),
    Report(Index, Observed),
    CreateEni { secondary: usize },
    DeleteEni(Index),
    Attach(Index, Index),
    Detach(Index),
    Assign { to: Index, from: Index },
    AssignIpv6(Index),
    Unassign(Index),
    Allocate,
    Associate { address: Index, eni: Index, secondary: bool, force: bool },
    Disassociate(Index),
    Release(Index),
    CreateGroup,
    DeleteGroup(Index),
    Authorize { group: Index, peer: Index },
    Revoke(Index, Index),
    SetGroups(Index, Index),
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let index = any::<Index>;
    let observed = prop_oneof![
        4 => Just(Observed::Running),
        3 => Just(Observed::Stopped),
        1 => Just(Observed::Exited),
        1 => Just(Observed::Failed("broken".into())),
    ];
    let step = prop_oneof![
        3 => (1..4i32, any::<bool>()).prop_map(|(count, ipv6)| Step::Run { count, ipv6 }),
        1 => index().prop_map(Step::Start),
        1 => index().prop_map(Step::Stop),
        1 => index().prop_map(Step::Terminate),
        3 => (index(), observed).prop_map(|(at, observed)| Step::Report(at, observed)),
        3 => (0..3usize).prop_map(|secondary| Step::CreateEni { secondary }),
        1 => index().prop_map(Step::DeleteEni),
        1 => (index(), index()).prop_map(|(eni, instance)| Step::Attach(eni, instance)),
        1 => index().prop_map(Step::Detach),
        1 => (index(), index()).prop_map(|(to, from)| Step::Assign { to, from }),
        1 => index().prop_map(Step::AssignIpv6),
        1 => index().prop_map(Step::Unassign),
        1 => Just(Step::Allocate),
        3 => (index(), index(), any::<bool>(), any::<bool>())
            .prop_map(|(address, eni, secondary, force)| Step::Associate { address, eni, secondary, force }),
        1 => index().prop_map(Step::Disassociate),
        1 => index().prop_map(Step::Release),
        1 => Just(Step::CreateGroup),
        1 => index().prop_map(Step::DeleteGroup),
        1 => (index(), index()).prop_map(|(group, peer)| Step::Authorize { group, peer }),
        1 => (index(), index()).prop_map(|(group, peer)| Step::Revoke(group, peer)),
        1 => (index(), index()).prop_map(|(eni, group)| Step::SetGroups(eni, group)),
    ];
    prop::collection::vec((any::<bool>(), step), 20..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_agree_after_every_step(steps in steps()) {
        let world = World::new();
        for (second, step) in steps {
            let before = world.control.snapshot();
            let outcome = world.control.transact(&world.callers[usize::from(second)], |tx| act(tx, &step));
            let after = world.control.snapshot();
            if outcome.is_err() {
                prop_assert!(Arc::ptr_eq(&before, &after), "{step:?} was refused and still changed something");
            }
            if let Err(fault) = agree(&after) {
                return Err(TestCaseError::fail(format!("after {step:?} ({outcome:?}): {fault}")));
            }
        }
        let (stored, _) = world.store.lock().unwrap().load().unwrap();
        let network = world.control.snapshot();
        prop_assert!(network.enis == stored.enis && network.elastic_ips == stored.elastic_ips, "interfaces or addresses");
        prop_assert!(network.instances == stored.instances, "instances");
        prop_assert!(network.security_groups == stored.security_groups, "groups");
    }
}

fn act(tx: &mut Tx, step: &Step) -> Result<(), ControlError> {
    match step {
        Step::Run { count, ipv6 } => {
            let mut request = RunInstances { min_count: 1, max_count: *count, image: "ami-1".into(), ..RunInstances::default() };
            request.interface.ipv6_count = ipv6.then_some(1);
            instances::run(tx, &request).map(drop)
        }
        Step::Start(at) => instances::start(tx, &[pick::<Instance>(tx, at)?.id]).map(drop),
        Step::Stop(at) => instances::stop(tx, &[pick::<Instance>(tx, at)?.id]).map(drop),
        Step::Terminate(at) => instances::terminate(tx, &[pick::<Instance>(tx, at)?.id]).map(drop),
        Step::Report(at, observed) => {
            let id = pick::<Instance>(tx, at)?.id;
            instances::report(tx, id, observed.clone())
        }
        Step::CreateEni { secondary } => {
            let subnet = tx.owned::<Subnet>().next().unwrap().id;
            let request = CreateNetworkInterface { secondary_ipv4_count: *secondary, ..CreateNetworkInterface::new(subnet) };
            interfaces::create(tx, request).map(drop)
        }
        Step::DeleteEni(at) => {
            let id = pick::<NetworkInterface>(tx, at)?.id;
            interfaces::delete(tx, id)
        }
        Step::Attach(eni, instance) => {
            let (eni, instance) = (pick::<NetworkInterface>(tx, eni)?.id, pick::<Instance>(tx, instance)?.id);
            let index = tx.network().enis_of(instance).len();
            interfaces::attach(tx, eni, instance, u16::try_from(index).unwrap()).map(drop)
        }
        Step::Detach(at) => {
            let attachment = pick::<NetworkInterface>(tx, at)?.attachment.clone().ok_or_else(nothing)?.id;
            interfaces::detach(tx, attachment)
        }
        Step::Assign { to, from } => {
            let address = pick::<NetworkInterface>(tx, from)?.private_addresses.last().ok_or_else(nothing)?.address;
            let request = AssignIpv4 { addresses: vec![address], allow_reassignment: true, ..AssignIpv4::default() };
            let to = pick::<NetworkInterface>(tx, to)?.id;
            interfaces::assign_ipv4(tx, to, &request).map(drop)
        }
        Step::AssignIpv6(at) => {
            let id = pick::<NetworkInterface>(tx, at)?.id;
            interfaces::assign_ipv6(tx, id, &AssignIpv6 { count: 1, ..AssignIpv6::default() }).map(drop)
        }
        Step::Unassign(at) => {
            let eni = pick::<NetworkInterface>(tx, at)?;
            let address = eni.private_addresses.last().ok_or_else(nothing)?.address;
            interfaces::unassign_ipv4(tx, eni.id, &[address])
        }
        Step::Allocate => addresses::allocate(tx, None, Tags::new()).map(drop),
        Step::Associate { address, eni, secondary, force } => {
            let (address, eni) = (pick::<ElasticIp>(tx, address)?.id, pick::<NetworkInterface>(tx, eni)?);
            let last = eni.private_addresses.last().map(|slot| slot.address).filter(|_| *secondary);
            let target = AddressTarget { instance: None, eni: Some(eni.id), private_address: last, allow_reassociation: *force };
            addresses::associate(tx, address, &target).map(drop)
        }
        Step::Disassociate(at) => {
            let association = pick::<ElasticIp>(tx, at)?.association.clone().ok_or_else(nothing)?.id;
            addresses::disassociate(tx, association)
        }
        Step::Release(at) => {
            let id = pick::<ElasticIp>(tx, at)?.id;
            addresses::release(tx, id)
        }
        Step::CreateGroup => {
            let name = format!("group {}", tx.random());
            let request = CreateSecurityGroup { name, description: "d".into(), vpc: None, tags: Tags::new() };
            security_groups::create(tx, request).map(drop)
        }
        Step::DeleteGroup(at) => {
            let id = pick::<SecurityGroup>(tx, at)?.id;
            security_groups::delete(tx, id)
        }
        Step::Authorize { group, peer } => {
            let rule = rule(tx, peer)?;
            let group = pick::<SecurityGroup>(tx, group)?.id;
            security_groups::authorize(tx, group, Direction::Ingress, &[rule], &Tags::new()).map(drop)
        }
        Step::Revoke(group, peer) => {
            let rule = rule(tx, peer)?;
            let group = pick::<SecurityGroup>(tx, group)?.id;
            security_groups::revoke(tx, group, Direction::Ingress, &RuleChoice::Specs(vec![rule])).map(drop)
        }
        Step::SetGroups(eni, group) => {
            let (eni, group) = (pick::<NetworkInterface>(tx, eni)?.id, pick::<SecurityGroup>(tx, group)?.id);
            interfaces::modify(tx, eni, interfaces::Attribute::Groups(vec![group]))
        }
    }
}

/// What must hold of every network.
fn agree(network: &Network) -> Result<(), String> {
    let mut private = HashSet::new();
    let mut public = HashSet::new();
    let mut macs = HashSet::new();
    let check = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    for eni in network.all::<NetworkInterface>() {
        let id = eni.id;
        let subnet = network.get::<Subnet>(&eni.subnet).ok_or(format!("{id} has no subnet"))?;
        check(macs.insert(eni.mac), format!("{id} shares its MAC"))?;
        check(!eni.private_addresses.is_empty(), format!("{id} has no address"))?;
        for address in eni.addresses() {
            check(private.insert((eni.vpc, address)), format!("{address} of {id} is used twice"))?;
            check(subnet.contains(address) && !subnet.is_reserved(address), format!("{address} of {id} isn't the subnet's"))?;
        }
        for slot in &eni.private_addresses {
            let Some(mapping) = &slot.public else { continue };
            check(public.insert(mapping.address), format!("{} of {id} is used twice", mapping.address))?;
            let eip = network.elastic_ips.values().find(|eip| eip.address == mapping.address);
            let agreed = match (mapping.association, eip.and_then(|eip| eip.association.as_ref())) {
                (Some(here), Some(there)) => (here, id, slot.address) == (there.id, there.eni, there.private_address),
                (None, None) => eip.is_none(),
                _ => false,
            };
            check(agreed, format!("{} of {id} and its allocation disagree", mapping.address))?;
        }
        for group in &eni.groups {
            let vpc = network.get::<SecurityGroup>(group).map(|group| group.vpc);
            check(vpc == Some(eni.vpc), format!("{id} carries {group}, which isn't its VPC's"))?;
        }
        if let Some(attachment) = &eni.attachment {
            let state = network.get::<Instance>(&attachment.instance).map(|instance| instance.state);
            check(state.is_some_and(|state| state != InstanceState::Terminated), format!("{id} is attached to nothing"))?;
        }
    }
    for eip in network.all::<ElasticIp>() {
        if eip.association.is_none() {
            check(public.insert(eip.address), format!("{} is allocated and used elsewhere", eip.address))?;
        } else {
            check(public.contains(&eip.address), format!("{} is associated with nothing", eip.address))?;
        }
    }
    for instance in network.all::<Instance>() {
        let enis = network.enis_of(instance.id);
        let gone = instance.state == InstanceState::Terminated;
        let indexes: Vec<_> = enis.iter().filter_map(|eni| eni.attachment.as_ref()).map(|a| a.device_index).collect();
        check(gone == enis.is_empty() && gone == instance.terminated_at.is_some(), format!("{} is half gone", instance.id))?;
        check(indexes.windows(2).all(|pair| pair[0] < pair[1]), format!("{} has an index twice", instance.id))?;
        let primary = enis.first().is_none_or(|eni| eni.id == instance.primary_eni && indexes[0] == 0);
        check(primary, format!("{} has lost its primary interface", instance.id))?;
        let stopped = instance.state == InstanceState::Stopped;
        let launch = enis.iter().flat_map(|eni| &eni.private_addresses).filter_map(|slot| slot.public.as_ref());
        check(!stopped || launch.into_iter().all(|p| p.association.is_some()), format!("{} kept its address", instance.id))?;
    }
    for group in network.all::<SecurityGroup>() {
        let mut rules = HashSet::new();
        for rule in &group.rules {
            let says = (rule.direction, rule.protocol, rule.ports, &rule.peer);
            check(rules.insert(says), format!("{} says the same twice", group.id))?;
        }
        check(security_groups::stale_rules(network, group).next().is_none(), format!("{} has a stale rule", group.id))?;
    }
    Ok(())
}

fn rule(tx: &Tx, peer: &Index) -> Result<RuleSpec, ControlError> {
    let peer = PeerSpec::Group(pick::<SecurityGroup>(tx, peer)?.id, None);
    Ok(RuleSpec { protocol: Protocol::All, ports: RulePorts::All, peer, description: String::new() })
}

fn pick<R: Resource>(tx: &Tx, at: &Index) -> Result<Arc<R>, ControlError> {
    let all: Vec<_> = tx.owned::<R>().cloned().collect();
    if all.is_empty() { Err(nothing()) } else { Ok(Arc::clone(at.get(&all))) }
}

fn nothing() -> ControlError {
    ControlError::internal("there is nothing to pick")
}

/// Two accounts in one region, with a default VPC of three dual-stack subnets of eleven addresses each.
struct World {
    control: Control,
    store: Arc<Mutex<MemoryStore>>,
    callers: [Caller; 2],
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Mutex::new(MemoryStore::default()));
        let environment = Counted(AtomicU64::new(1));
        let quotas = Quotas { addresses: 3, groups_per_interface: 2, ..Quotas::default() };
        let control =
            Control::open(Box::new(Shared(Arc::clone(&store))), Box::new(NoPackets), Box::new(environment), quotas).unwrap();
        let callers = ["111111111111", "222222222222"]
            .map(|account| Caller { owner: Owner { account: account.parse().unwrap(), region: "us-east-1".parse().unwrap() } });
        for (caller, ipv6) in callers.iter().zip(["2001:db8:1::/64", "2001:db8:2::/64"]) {
            control
                .transact(caller, |tx| {
                    let subnets: Vec<_> = tx.owned::<Subnet>().map(|subnet| subnet.id).collect();
                    for id in subnets {
                        tx.update::<Subnet, _>(&id, |subnet| {
                            subnet.ipv4_block = subnet.ipv4_block.map(|b| ipnet::Ipv4Net::new(b.network(), 28).unwrap());
                            let association = SubnetCidrAssociationId::from_random(u64::from(subnet.zone == Zone::ALL[0]));
                            let block = ipv6.parse().unwrap();
                            subnet.ipv6_blocks = vec![openvpc_model::subnet::SubnetBlock { association, block }];
                        })?;
                    }
                    Ok(())
                })
                .unwrap();
        }
        Self { control, store, callers }
    }
}

struct Shared(Arc<Mutex<MemoryStore>>);

impl Store for Shared {
    fn load(&mut self) -> Result<(Network, Revision), StoreError> {
        self.0.lock().unwrap().load()
    }

    fn revision(&mut self) -> Result<Revision, StoreError> {
        self.0.lock().unwrap().revision()
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        self.0.lock().unwrap().commit(base, changes)
    }
}

struct Counted(AtomicU64);

impl Environment for Counted {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_790_000_042_000)
    }

    fn random(&self) -> u64 {
        // A stride that is prime to 2^64 scatters what is taken modulo a small number.
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

struct NoPackets;

impl Enforcer for NoPackets {
    fn enforce(&self, _network: &Arc<Network>) -> Result<(), String> {
        Ok(())
    }
}
