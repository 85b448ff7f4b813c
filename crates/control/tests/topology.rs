//! Whatever is done to VPCs, subnets, routes and gateways, in whatever order: the parts keep agreeing with one another, a
//! refused action leaves no trace, and what the store holds is what is in force.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use common::{Lab, caller, vpc_request};
use ipnet::{IpNet, Ipv4Net};
use openvpc_control::interfaces::{self, CreateNetworkInterface};
use openvpc_control::routes::{self, Target, User};
use openvpc_control::subnets::{self, CreateSubnet};
use openvpc_control::{ControlError, Tx, internet_gateways, network_acls, regions, vpcs};
use openvpc_model::route::TableUser;
use openvpc_model::table::Quantity;
use openvpc_model::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// Something a caller might do. An index picks among what exists; bytes become addresses.
#[derive(Clone, Debug)]
enum Step {
    CreateVpc { net: u8, ipv6: bool },
    DeleteVpc(Index),
    AddBlock { vpc: Index, net: u8, size: u8 },
    AddIpv6(Index),
    RemoveBlock(Index),
    CreateSubnet { vpc: Index, net: u8, size: u8, ipv6: Option<u8>, ipv4: bool },
    DeleteSubnet(Index),
    DefaultSubnet(usize),
    AddSubnetIpv6 { subnet: Index, net: u8 },
    RemoveSubnetIpv6(Index),
    CreateTable(Index),
    DeleteTable(Index),
    AssociateSubnet { table: Index, subnet: Index },
    AssociateGateway { table: Index, gateway: Index },
    Disassociate(Index),
    ReplaceAssociation { association: Index, table: Index },
    CreateRoute { table: Index, destination: (u8, u8), to: Index },
    ReplaceRoute { table: Index, route: Index, to: Index },
    DeleteRoute { table: Index, route: Index },
    CreateGateway,
    DeleteGateway(Index),
    Attach { gateway: Index, vpc: Index },
    Detach(Index),
    CreateEni(Index),
    DeleteEni(Index),
    CreateNacl(Index),
    ReplaceNacl { association: Index, nacl: Index },
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let index = any::<Index>;
    let net = 0..4u8;
    let size = 14..30u8;
    let step = prop_oneof![
        2 => (net.clone(), any::<bool>()).prop_map(|(net, ipv6)| Step::CreateVpc { net, ipv6 }),
        1 => index().prop_map(Step::DeleteVpc),
        1 => (index(), net.clone(), size.clone()).prop_map(|(vpc, net, size)| Step::AddBlock { vpc, net, size }),
        1 => index().prop_map(Step::AddIpv6),
        1 => index().prop_map(Step::RemoveBlock),
        4 => (index(), 0..16u8, size, prop::option::of(0..4u8), any::<bool>())
            .prop_map(|(vpc, net, size, ipv6, ipv4)| Step::CreateSubnet { vpc, net, size, ipv6, ipv4 }),
        1 => index().prop_map(Step::DeleteSubnet),
        1 => (0..3usize).prop_map(Step::DefaultSubnet),
        1 => (index(), 0..4u8).prop_map(|(subnet, net)| Step::AddSubnetIpv6 { subnet, net }),
        1 => index().prop_map(Step::RemoveSubnetIpv6),
        2 => index().prop_map(Step::CreateTable),
        1 => index().prop_map(Step::DeleteTable),
        3 => (index(), index()).prop_map(|(table, subnet)| Step::AssociateSubnet { table, subnet }),
        2 => (index(), index()).prop_map(|(table, gateway)| Step::AssociateGateway { table, gateway }),
        1 => index().prop_map(Step::Disassociate),
        2 => (index(), index()).prop_map(|(association, table)| Step::ReplaceAssociation { association, table }),
        3 => (index(), (0..24u8, 0..33u8), index())
            .prop_map(|(table, destination, to)| Step::CreateRoute { table, destination, to }),
        2 => (index(), index(), index()).prop_map(|(table, route, to)| Step::ReplaceRoute { table, route, to }),
        1 => (index(), index()).prop_map(|(table, route)| Step::DeleteRoute { table, route }),
        1 => Just(Step::CreateGateway),
        1 => index().prop_map(Step::DeleteGateway),
        2 => (index(), index()).prop_map(|(gateway, vpc)| Step::Attach { gateway, vpc }),
        1 => index().prop_map(Step::Detach),
        2 => index().prop_map(Step::CreateEni),
        1 => index().prop_map(Step::DeleteEni),
        1 => index().prop_map(Step::CreateNacl),
        1 => (index(), index()).prop_map(|(association, nacl)| Step::ReplaceNacl { association, nacl }),
    ];
    prop::collection::vec((any::<bool>(), step), 20..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_agree_after_every_step(steps in steps()) {
        let lab = Lab::with_quotas(&[("vpcs", 4), ("subnets-per-vpc", 6), ("route-tables-per-vpc", 4)]);
        let callers = [lab.caller.clone(), caller("111111111111", "eu-central-1")];
        for (second, step) in steps {
            let who = &callers[usize::from(second)];
            let before = lab.control.view(who).unwrap();
            let outcome = lab.control.transact(who, |tx| act(tx, &step));
            let after = lab.control.snapshot();
            if let Err(error) = &outcome {
                prop_assert!(Arc::ptr_eq(&before, &after), "{step:?} was refused and still changed something");
                prop_assert!(error.code != "InternalError", "{step:?}: {error}");
            }
            if let Err(fault) = agree(&after) {
                return Err(TestCaseError::fail(format!("after {step:?} ({outcome:?}): {fault}")));
            }
        }
    }
}

fn act(tx: &mut Tx, step: &Step) -> Result<(), ControlError> {
    match step {
        Step::CreateVpc { net, ipv6 } => vpcs::create(tx, vpc_request(&format!("10.{net}.0.0/16"), *ipv6)).map(drop),
        Step::DeleteVpc(at) => {
            let id = pick::<Vpc>(tx, at)?.id;
            vpcs::delete(tx, id)
        }
        Step::AddBlock { vpc, net, size } => {
            let id = pick::<Vpc>(tx, vpc)?.id;
            vpcs::associate_ipv4(tx, id, block(*net, 0, *size)).map(drop)
        }
        Step::AddIpv6(at) => {
            let id = pick::<Vpc>(tx, at)?.id;
            vpcs::associate_ipv6(tx, id).map(drop)
        }
        Step::RemoveBlock(at) => {
            let vpcs = tx.owned::<Vpc>();
            let ids = vpcs.flat_map(|vpc| {
                vpc.ipv4_blocks.iter().map(|b| b.association).chain(vpc.ipv6_blocks.iter().map(|b| b.association))
            });
            let id = one_of(ids.collect(), at)?;
            vpcs::disassociate(tx, id).map(drop)
        }
        Step::CreateSubnet { vpc, net, size, ipv6, ipv4 } => {
            let vpc = pick::<Vpc>(tx, vpc)?;
            let request = CreateSubnet {
                vpc: vpc.id,
                zone: None,
                ipv4_block: ipv4.then(|| Ipv4Net::new(vpc.primary_block().network(), *size).unwrap()).map(|b| nth(b, *net)),
                ipv6_block: ipv6.and_then(|net| slice(vpc.ipv6_blocks.first()?.block, net)),
                ipv6_native: !ipv4,
                tags: Tags::new(),
            };
            subnets::create(tx, request).map(drop)
        }
        Step::DeleteSubnet(at) => {
            let id = pick::<Subnet>(tx, at)?.id;
            subnets::delete(tx, id)
        }
        Step::DefaultSubnet(zone) => regions::create_default_subnet(tx, Zone::ALL[*zone], false).map(drop),
        Step::AddSubnetIpv6 { subnet, net } => {
            let subnet = pick::<Subnet>(tx, subnet)?;
            let vpc = tx.find::<Vpc>(&subnet.vpc)?;
            let block = vpc.ipv6_blocks.first().and_then(|b| slice(b.block, *net)).ok_or_else(nothing)?;
            subnets::associate_ipv6(tx, subnet.id, block).map(drop)
        }
        Step::RemoveSubnetIpv6(at) => {
            let ids = tx.owned::<Subnet>().flat_map(|subnet| subnet.ipv6_blocks.iter().map(|b| b.association)).collect();
            subnets::disassociate_ipv6(tx, one_of(ids, at)?).map(drop)
        }
        Step::CreateTable(at) => {
            let id = pick::<Vpc>(tx, at)?.id;
            routes::create_table(tx, id, Tags::new()).map(drop)
        }
        Step::DeleteTable(at) => {
            let id = pick::<RouteTable>(tx, at)?.id;
            routes::delete_table(tx, id)
        }
        Step::AssociateSubnet { table, subnet } => {
            let (table, subnet) = (pick::<RouteTable>(tx, table)?.id, pick::<Subnet>(tx, subnet)?.id);
            routes::associate(tx, table, User::Subnet(subnet)).map(drop)
        }
        Step::AssociateGateway { table, gateway } => {
            let (table, gateway) = (pick::<RouteTable>(tx, table)?.id, pick::<InternetGateway>(tx, gateway)?.id);
            routes::associate(tx, table, User::InternetGateway(gateway)).map(drop)
        }
        Step::Disassociate(at) => {
            let id = one_of(associations(tx), at)?;
            routes::disassociate(tx, id)
        }
        Step::ReplaceAssociation { association, table } => {
            let (association, table) = (one_of(associations(tx), association)?, pick::<RouteTable>(tx, table)?.id);
            routes::replace_association(tx, association, table).map(drop)
        }
        Step::CreateRoute { table, destination: (net, size), to } => {
            let table = pick::<RouteTable>(tx, table)?;
            // Half of the destinations are whole subnets: most others are refused inside a VPC.
            let subnets: Vec<_> = tx.network().subnets_of(table.vpc).filter_map(|subnet| subnet.ipv4_block).collect();
            let destination = match subnets.get(usize::from(*net)) {
                Some(block) => *block,
                None => block(*net, 0, *size),
            };
            let to = target(tx, to)?;
            routes::create(tx, table.id, ipnet::IpNet::V4(destination), to)
        }
        Step::ReplaceRoute { table, route, to } => {
            let table = pick::<RouteTable>(tx, table)?;
            let effective =
                routes::effective(tx.network(), &table).iter().filter_map(|route| route.destination.block()).collect();
            let destination = one_of(effective, route)?;
            let to = target(tx, to)?;
            routes::replace(tx, table.id, destination, to)
        }
        Step::DeleteRoute { table, route } => {
            let table = pick::<RouteTable>(tx, table)?;
            let effective =
                routes::effective(tx.network(), &table).iter().filter_map(|route| route.destination.block()).collect();
            let destination = one_of(effective, route)?;
            routes::delete(tx, table.id, destination)
        }
        Step::CreateGateway => internet_gateways::create(tx, Tags::new()).map(drop),
        Step::DeleteGateway(at) => {
            let id = pick::<InternetGateway>(tx, at)?.id;
            internet_gateways::delete(tx, id)
        }
        Step::Attach { gateway, vpc } => {
            let (gateway, vpc) = (pick::<InternetGateway>(tx, gateway)?.id, pick::<Vpc>(tx, vpc)?.id);
            internet_gateways::attach(tx, gateway, vpc)
        }
        Step::Detach(at) => {
            let gateway = pick::<InternetGateway>(tx, at)?;
            internet_gateways::detach(tx, gateway.id, gateway.vpc.ok_or_else(nothing)?)
        }
        Step::CreateEni(at) => {
            let id = pick::<Subnet>(tx, at)?.id;
            interfaces::create(tx, CreateNetworkInterface::new(id)).map(drop)
        }
        Step::DeleteEni(at) => {
            let id = pick::<NetworkInterface>(tx, at)?.id;
            interfaces::delete(tx, id)
        }
        Step::CreateNacl(at) => {
            let id = pick::<Vpc>(tx, at)?.id;
            network_acls::create(tx, id, Tags::new()).map(drop)
        }
        Step::ReplaceNacl { association, nacl } => {
            let ids = tx.owned::<Subnet>().map(|subnet| subnet.nacl.id).collect();
            let (association, nacl) = (one_of(ids, association)?, pick::<NetworkAcl>(tx, nacl)?.id);
            network_acls::replace_association(tx, association, nacl).map(drop)
        }
    }
}

/// What holds in every network; says what doesn't.
fn agree(network: &Network) -> Result<(), String> {
    let mut ipv6 = HashSet::new();
    for vpc in network.all::<Vpc>() {
        check(!vpc.ipv4_blocks.is_empty(), || format!("{} has no primary block", vpc.id))?;
        check(apart(vpc.ipv4_blocks.iter().map(|b| b.block.into())), || format!("blocks of {} overlap", vpc.id))?;
        check(vpc.ipv6_blocks.iter().all(|b| ipv6.insert(b.block)), || format!("{} shares an IPv6 block", vpc.id))?;
        let subnets: Vec<_> = network.subnets_of(vpc.id).collect();
        let blocks = subnets.iter().flat_map(|subnet| blocks_of(subnet));
        check(apart(blocks), || format!("subnets of {} overlap", vpc.id))?;
        let gateways = network.all::<InternetGateway>().filter(|gateway| gateway.vpc == Some(vpc.id)).count();
        check(gateways <= 1, || format!("{} has {gateways} gateways", vpc.id))?;
        check(network.nacls.contains_key(&vpc.default_nacl), || format!("{} lacks its ACL", vpc.id))?;
        check(network.security_groups.contains_key(&vpc.default_security_group), || format!("{} lacks its group", vpc.id))?;
        let main = network.all::<RouteTable>().filter(|table| table.vpc == vpc.id);
        let main: Vec<_> = main.filter(|t| t.associations.iter().any(|a| a.user == TableUser::Main)).map(|t| t.id).collect();
        check(main == [vpc.main_route_table], || format!("{} has the main tables {main:?}", vpc.id))?;
    }
    for subnet in network.all::<Subnet>() {
        let vpc = network.get::<Vpc>(&subnet.vpc).ok_or_else(|| format!("{} outlived its VPC", subnet.id))?;
        let inside = |block: IpNet| vpc.contains(block.network()) && vpc.contains(block.broadcast());
        check(blocks_of(subnet).all(inside), || format!("{} lies outside its VPC", subnet.id))?;
        check(blocks_of(subnet).next().is_some(), || format!("{} has no addresses", subnet.id))?;
        let nacl = network.nacl_of(subnet).map(|nacl| nacl.vpc);
        check(nacl == Some(subnet.vpc), || format!("{} has an ACL of {nacl:?}", subnet.id))?;
        check(network.users_of(subnet.nacl.nacl).any(|user| user.id == subnet.id), || format!("{} isn't found", subnet.id))?;
    }
    for nacl in network.all::<NetworkAcl>() {
        check(network.vpcs.contains_key(&nacl.vpc), || format!("{} outlived its VPC", nacl.id))?;
    }
    for eni in network.all::<NetworkInterface>() {
        let subnet = network.get::<Subnet>(&eni.subnet).ok_or_else(|| format!("{} outlived its subnet", eni.id))?;
        check(eni.addresses().all(|address| subnet.contains(address)), || format!("{} lies outside its subnet", eni.id))?;
    }
    for subnet in network.all::<Subnet>() {
        let prefixes = |eni: &NetworkInterface| eni.ipv4_prefixes.len() as u64 * 16;
        let used: u64 = network.enis_in(subnet.id).map(|eni| eni.private_addresses.len() as u64 + prefixes(eni)).sum();
        let summed = network.enis.sum(&Quantity::Ipv4AddressesIn(subnet.id));
        check(used == summed, || format!("{} has {used} addresses in use, not {summed}", subnet.id))?;
    }
    let mut users = HashSet::new();
    for table in network.all::<RouteTable>() {
        let vpc = network.get::<Vpc>(&table.vpc).ok_or_else(|| format!("{} outlived its VPC", table.id))?;
        let destinations: HashSet<_> = table.routes.iter().map(|route| route.destination).collect();
        check(destinations.len() == table.routes.len(), || format!("{} has a destination twice", table.id))?;
        let locals = vpc.ipv4_blocks.len() + vpc.ipv6_blocks.len();
        let effective = routes::effective(network, table);
        let local = effective.iter().filter(|route| route.origin == RouteOrigin::CreateRouteTable).count();
        check(local == locals, || format!("{} has {local} local routes for {locals} blocks", table.id))?;
        for association in &table.associations {
            let home = match association.user {
                TableUser::Main => Some(table.vpc),
                TableUser::Subnet(subnet) => network.get::<Subnet>(&subnet).map(|subnet| subnet.vpc),
                TableUser::InternetGateway(gateway) => network.get::<InternetGateway>(&gateway).and_then(|g| g.vpc),
                TableUser::NatGateway(_) | TableUser::VpnGateway(_) => None,
            };
            check(home == Some(table.vpc), || format!("{} is used from elsewhere: {association:?}", table.id))?;
            let is_main = association.user == TableUser::Main;
            check(is_main || users.insert(association.user), || format!("{:?} has two tables", association.user))?;
        }
    }
    Ok(())
}

fn check(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn blocks_of(subnet: &Subnet) -> impl Iterator<Item = IpNet> {
    subnet.ipv4_block.map(IpNet::V4).into_iter().chain(subnet.ipv6_blocks.iter().map(|b| IpNet::V6(b.block)))
}

/// Whether no two of the blocks overlap.
fn apart(blocks: impl Iterator<Item = IpNet>) -> bool {
    let blocks: Vec<IpNet> = blocks.collect();
    let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    blocks.iter().enumerate().all(|(at, a)| blocks[at + 1..].iter().all(|b| !overlap(a, b)))
}

fn associations(tx: &Tx) -> Vec<RouteTableAssociationId> {
    tx.owned::<RouteTable>().flat_map(|table| table.associations.iter().map(|a| a.id)).collect()
}

fn target(tx: &Tx, at: &Index) -> Result<Target, ControlError> {
    let gateways = tx.owned::<InternetGateway>().map(|gateway| Target::InternetGateway(gateway.id));
    let enis = tx.owned::<NetworkInterface>().map(|eni| Target::NetworkInterface(eni.id));
    one_of(gateways.chain(enis).chain([Target::Local]).collect(), at)
}

fn block(net: u8, third: u8, size: u8) -> Ipv4Net {
    Ipv4Net::new([10, net, third, 0].into(), size).unwrap()
}

/// The nth block of that size behind the first.
fn nth(first: Ipv4Net, n: u8) -> Ipv4Net {
    let step = 1u32 << (32 - first.prefix_len());
    Ipv4Net::new((u32::from(first.network()) + step * u32::from(n)).into(), first.prefix_len()).unwrap()
}

fn slice(block: ipnet::Ipv6Net, net: u8) -> Option<ipnet::Ipv6Net> {
    block.subnets(64).unwrap().nth(usize::from(net))
}

fn pick<R: Resource>(tx: &Tx, at: &Index) -> Result<Arc<R>, ControlError> {
    one_of(tx.owned::<R>().cloned().collect(), at)
}

fn one_of<T: Clone>(items: Vec<T>, at: &Index) -> Result<T, ControlError> {
    if items.is_empty() { Err(nothing()) } else { Ok(at.get(&items).clone()) }
}

fn nothing() -> ControlError {
    ControlError::new("Nothing", "there is nothing to do it with")
}
