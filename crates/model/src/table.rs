//! A persistent table of one kind of resource, with an index of what its resources name and a memory of what was written
//! lately.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Bound, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use rpds::{ListSync, RedBlackTreeMapSync};

use crate::interface::MacAddress;
use crate::network::Resource;
use crate::{InstanceId, NaclId, NetworkInterface, Owner, PrefixListId, SecurityGroupId, SubnetId, VpcId};

/// A persistent map from key to shared resource, ordered by key; read it as the map that it derefs to.
///
/// It can only be changed through [`Network::insert`](crate::Network::insert) and
/// [`Network::remove`](crate::Network::remove), which keep the index true: at any time it holds exactly the
/// [anchors](Resource::anchors) of the resources that are in the map.
pub struct Table<R: Resource> {
    rows: RedBlackTreeMapSync<R::Key, Arc<R>>,
    /// What names an anchor. None sorts before every key, so that a range that starts with it holds all links of an anchor.
    links: RedBlackTreeMapSync<(Anchor, Option<R::Key>), ()>,
    /// What the resources add up to.
    sums: RedBlackTreeMapSync<Quantity, u64>,
    version: u64,
    /// The last writes, newest first. When there are [`MEMORY`], they become the earlier ones and these are forgotten.
    recent: ListSync<Write<R::Key>>,
    earlier: ListSync<Write<R::Key>>,
}

/// A row was inserted, replaced or removed.
struct Write<Key> {
    key: Key,
    /// The version before.
    before: u64,
}

/// How many writes at least are told apart without looking at all rows.
const MEMORY: usize = 1024;

/// Something that resources are found by beside their key, because they name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// Resources in a VPC, or attached to it.
    Vpc(VpcId),
    /// Interfaces in a subnet; the route tables associated with it.
    Subnet(SubnetId),
    /// The subnets that use a network ACL.
    NetworkAcl(NaclId),
    /// Interfaces with a security group; the security groups whose rules name it.
    SecurityGroup(SecurityGroupId),
    /// Interfaces in an instance.
    Instance(InstanceId),
    /// The interface with that hardware address.
    Mac(MacAddress),
    /// Interfaces with that private or IPv6 address.
    Address(IpAddr),
    /// Interfaces that a public address stands for; the Elastic IP that it is.
    PublicAddress(Ipv4Addr),
    /// Interfaces that a prefix was delegated to.
    Prefix(IpNet),
    /// The route tables with a route, and the security groups with a rule, for that prefix list.
    PrefixList(PrefixListId),
    /// Hosted zones whose name has that [hash](crate::DomainName::hash64).
    Domain(u64),
}

/// Something that resources are added up by, as quotas and answers need it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// The resources of an owner.
    OwnedBy(Owner),
    /// The private IPv4 addresses that interfaces have in a subnet, those of delegated prefixes included.
    Ipv4AddressesIn(SubnetId),
}

/// Numbers the states of all tables of the process; 0 is for the empty ones.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl<R: Resource> Table<R> {
    /// The resources that name an anchor, in the order of their keys.
    pub fn by(&self, anchor: Anchor) -> impl Iterator<Item = &Arc<R>> {
        self.named(self.links_behind(anchor, None))
    }

    /// How many resources name an anchor.
    pub fn count_by(&self, anchor: Anchor) -> usize {
        self.links_behind(anchor, None).count()
    }

    /// How much of a quantity there is.
    pub fn sum(&self, quantity: &Quantity) -> u64 {
        self.sums.get(quantity).copied().unwrap_or(0)
    }

    /// All resources, or those behind a key, in the order of their keys.
    pub fn behind<'a>(&'a self, key: Option<&R::Key>) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        self.rows.range((key.cloned().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).map(|(_, resource)| resource)
    }

    /// The resources that a test passes, in the order of their keys. Another thread looks at those behind a key in the
    /// middle; each thread makes a test of its own.
    pub fn passing<'a, T: FnMut(&'a Arc<R>) -> bool>(&'a self, middle: &R::Key, test: impl Fn() -> T + Sync) -> Vec<&'a Arc<R>> {
        let half = |keys: (Bound<&R::Key>, Bound<&R::Key>)| -> Vec<&'a Arc<R>> {
            let mut test = test();
            self.rows.range((keys.0.cloned(), keys.1.cloned())).map(|(_, row)| row).filter(|row| test(row)).collect()
        };
        std::thread::scope(|scope| {
            let behind = scope.spawn(|| half((Bound::Excluded(middle), Bound::Unbounded)));
            let mut found = half((Bound::Unbounded, Bound::Included(middle)));
            match behind.join() {
                Ok(behind) => found.extend(behind),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            found
        })
    }

    /// The resources that name one or more of some anchors, all or those behind a key, in the order of their keys.
    pub fn by_any<'a>(&'a self, anchors: &[Anchor], key: Option<&R::Key>) -> Box<dyn Iterator<Item = &'a Arc<R>> + 'a> {
        if let [anchor] = anchors {
            return Box::new(self.named(self.links_behind(*anchor, key)));
        }
        let mut keys: Vec<_> = anchors.iter().flat_map(|anchor| self.links_behind(*anchor, key)).collect();
        keys.sort_unstable();
        keys.dedup();
        Box::new(self.named(keys.into_iter()))
    }

    fn named<'a>(&'a self, keys: impl Iterator<Item = &'a R::Key>) -> impl Iterator<Item = &'a Arc<R>> {
        keys.filter_map(|key| self.rows.get(key))
    }

    fn links_behind<'a>(&'a self, anchor: Anchor, key: Option<&R::Key>) -> impl Iterator<Item = &'a R::Key> + use<'a, R> {
        let links = self.links.range((Bound::Excluded((anchor, key.cloned())), Bound::Unbounded));
        let links = links.take_while(move |((found, _), _)| *found == anchor);
        links.filter_map(|((_, key), ())| key.as_ref())
    }

    /// Whether two tables are known to hold the same: one is a clone of the other, and neither was changed since.
    pub fn is_same(&self, other: &Self) -> bool {
        self.version == other.version
    }

    /// The keys of the rows that were inserted, replaced or removed since an older state of the table, each once, in order.
    /// A row that is as it was may be among them.
    ///
    /// Takes the time of the writes since, up to about a thousand; from then on, and for a table that isn't an older state
    /// of this one, that of comparing all rows.
    pub fn changed_since(&self, older: &Self) -> Vec<R::Key> {
        if self.is_same(older) {
            return Vec::new();
        }
        let mut keys = Vec::new();
        for write in self.recent.iter().chain(self.earlier.iter()) {
            keys.push(write.key.clone());
            if write.before == older.version {
                keys.sort_unstable();
                keys.dedup();
                return keys;
            }
        }
        self.compared_with(older)
    }

    fn compared_with(&self, other: &Self) -> Vec<R::Key> {
        let mut keys = Vec::new();
        let (mut ours, mut theirs) = (self.rows.iter().peekable(), other.rows.iter().peekable());
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return keys,
            };
            let own = if order.is_le() { ours.next() } else { None };
            let their = if order.is_ge() { theirs.next() } else { None };
            match (own, their) {
                (Some((_, a)), Some((_, b))) if Arc::ptr_eq(a, b) => {}
                (Some((key, _)), _) | (None, Some((key, _))) => keys.push(key.clone()),
                (None, None) => {}
            }
        }
    }

    pub(crate) fn insert(&mut self, resource: R) {
        let key = resource.key();
        let now = anchors(&resource);
        let old = self.rows.get(&key).map(Arc::clone);
        let before = old.as_ref().map_or_else(Vec::new, |old| anchors(&**old));
        for anchor in before.iter().filter(|anchor| now.binary_search(anchor).is_err()) {
            self.links.remove_mut(&(*anchor, Some(key.clone())));
        }
        for anchor in now.iter().filter(|anchor| before.binary_search(anchor).is_err()) {
            self.links.insert_mut((*anchor, Some(key.clone())), ());
        }
        let (more, less) = (quantities(&resource), old.as_ref().map_or_else(Vec::new, |old| quantities(&**old)));
        if more != less {
            less.into_iter().for_each(|(quantity, amount)| self.set_sum(&quantity, self.sum(&quantity) - amount));
            more.into_iter().for_each(|(quantity, amount)| self.set_sum(&quantity, self.sum(&quantity) + amount));
        }
        self.rows.insert_mut(key.clone(), Arc::new(resource));
        self.note(key);
    }

    pub(crate) fn remove(&mut self, key: &R::Key) -> bool {
        let Some(old) = self.rows.get(key).map(Arc::clone) else { return false };
        for anchor in anchors(&*old) {
            self.links.remove_mut(&(anchor, Some(key.clone())));
        }
        quantities(&*old).into_iter().for_each(|(quantity, amount)| self.set_sum(&quantity, self.sum(&quantity) - amount));
        self.rows.remove_mut(key);
        self.note(key.clone());
        true
    }

    fn set_sum(&mut self, quantity: &Quantity, sum: u64) {
        if sum == 0 {
            self.sums.remove_mut(quantity);
        } else {
            self.sums.insert_mut(quantity.clone(), sum);
        }
    }

    fn note(&mut self, key: R::Key) {
        if self.recent.len() == MEMORY {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.push_front_mut(Write { key, before: self.version });
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
    }
}

fn anchors<R: Resource>(resource: &R) -> Vec<Anchor> {
    let mut anchors = Vec::new();
    resource.anchors(&mut |anchor| anchors.push(anchor));
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}

/// What a resource adds to quantities.
fn quantities<R: Resource>(resource: &R) -> Vec<(Quantity, u64)> {
    let mut quantities = vec![(Quantity::OwnedBy(resource.owner().clone()), 1)];
    resource.quantities(&mut |quantity, amount| quantities.push((quantity, amount)));
    quantities
}

/// What interfaces add to quantities beside themselves.
pub(crate) fn quantities_of_eni(eni: &NetworkInterface, visit: &mut dyn FnMut(Quantity, u64)) {
    let of_prefix = |prefix: &ipnet::Ipv4Net| 1_u64 << (32 - prefix.prefix_len());
    let addresses = eni.private_addresses.len() as u64 + eni.ipv4_prefixes.iter().map(of_prefix).sum::<u64>();
    visit(Quantity::Ipv4AddressesIn(eni.subnet), addresses);
}

/// What each kind is found by.
pub(crate) mod anchors_of {
    use std::net::IpAddr;

    use super::Anchor;
    use crate::route::TableUser;
    use crate::{
        EgressOnlyGateway, ElasticIp, InternetGateway, NetworkAcl, NetworkInterface, Peer, RouteDestination, RouteTable,
        SecurityGroup, Subnet,
    };

    type Visit<'a> = &'a mut dyn FnMut(Anchor);

    pub(crate) fn eni(eni: &NetworkInterface, visit: Visit<'_>) {
        visit(Anchor::Vpc(eni.vpc));
        visit(Anchor::Subnet(eni.subnet));
        visit(Anchor::Mac(eni.mac));
        eni.groups.iter().for_each(|group| visit(Anchor::SecurityGroup(*group)));
        if let Some(attachment) = &eni.attachment {
            visit(Anchor::Instance(attachment.instance));
        }
        for slot in &eni.private_addresses {
            visit(Anchor::Address(IpAddr::V4(slot.address)));
            if let Some(public) = &slot.public {
                visit(Anchor::PublicAddress(public.address));
            }
        }
        eni.ipv6_addresses.iter().for_each(|address| visit(Anchor::Address(IpAddr::V6(*address))));
        eni.prefixes().for_each(|prefix| visit(Anchor::Prefix(prefix)));
    }

    pub(crate) fn elastic_ip(elastic_ip: &ElasticIp, visit: Visit<'_>) {
        visit(Anchor::PublicAddress(elastic_ip.address));
    }

    pub(crate) fn subnet(subnet: &Subnet, visit: Visit<'_>) {
        visit(Anchor::Vpc(subnet.vpc));
        visit(Anchor::NetworkAcl(subnet.nacl.nacl));
    }

    pub(crate) fn route_table(table: &RouteTable, visit: Visit<'_>) {
        visit(Anchor::Vpc(table.vpc));
        for association in &table.associations {
            if let TableUser::Subnet(subnet) = association.user {
                visit(Anchor::Subnet(subnet));
            }
        }
        for route in &table.routes {
            if let RouteDestination::PrefixList(list) = route.destination {
                visit(Anchor::PrefixList(list));
            }
        }
    }

    pub(crate) fn nacl(nacl: &NetworkAcl, visit: Visit<'_>) {
        visit(Anchor::Vpc(nacl.vpc));
    }

    pub(crate) fn security_group(group: &SecurityGroup, visit: Visit<'_>) {
        group.vpcs().for_each(|vpc| visit(Anchor::Vpc(vpc)));
        for rule in &group.rules {
            match &rule.peer {
                Peer::Group { group, .. } => visit(Anchor::SecurityGroup(*group)),
                Peer::PrefixList(list) => visit(Anchor::PrefixList(*list)),
                Peer::Ipv4(_) | Peer::Ipv6(_) => {}
            }
        }
    }

    pub(crate) fn egress_only_gateway(gateway: &EgressOnlyGateway, visit: Visit<'_>) {
        visit(Anchor::Vpc(gateway.vpc));
    }

    pub(crate) fn internet_gateway(gateway: &InternetGateway, visit: Visit<'_>) {
        gateway.vpc.into_iter().for_each(|vpc| visit(Anchor::Vpc(vpc)));
    }
}

impl<R: Resource> Deref for Table<R> {
    type Target = RedBlackTreeMapSync<R::Key, Arc<R>>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<R: Resource> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: RedBlackTreeMapSync::default(),
            links: RedBlackTreeMapSync::default(),
            sums: RedBlackTreeMapSync::default(),
            version: 0,
            recent: ListSync::default(),
            earlier: ListSync::default(),
        }
    }
}

impl<R: Resource> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self {
            rows: self.rows.clone(),
            links: self.links.clone(),
            sums: self.sums.clone(),
            version: self.version,
            recent: self.recent.clone(),
            earlier: self.earlier.clone(),
        }
    }
}

impl<R: Resource + fmt::Debug> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rows.values()).finish()
    }
}

impl<R: Resource + PartialEq> PartialEq for Table<R> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.rows == other.rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::{Id, InternetGateway, InternetGatewayId, Network, Owner, Tags};

    fn id(n: u64) -> InternetGatewayId {
        InternetGatewayId::from_random(n)
    }

    fn write(network: &mut Network, n: u64) {
        let owner = Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() };
        network.insert(InternetGateway { id: id(n), owner, vpc: None, tags: Tags::new() });
    }

    #[test]
    fn a_table_tells_what_was_written_since_any_older_state() {
        let mut network = Network::default();
        let empty = network.clone();
        (0..10).for_each(|n| write(&mut network, n));
        let ten = network.clone();
        write(&mut network, 3);
        write(&mut network, 3);
        network.remove::<InternetGateway>(&id(5));
        let since = |older: &Network| network.internet_gateways.changed_since(&older.internet_gateways);
        assert_eq!(since(&network.clone()), []);
        let mut expected = vec![id(3), id(5)];
        expected.sort_unstable();
        assert_eq!(since(&ten), expected);
        assert_eq!(since(&empty).len(), 10);
        assert_eq!(empty.internet_gateways.changed_since(&network.internet_gateways).len(), 9, "not an older state");
    }

    #[test]
    fn states_too_old_to_be_remembered_are_compared() {
        let mut network = Network::default();
        (0..50).for_each(|n| write(&mut network, n));
        let old = network.clone();
        for _ in 0..3 * MEMORY {
            write(&mut network, 7);
        }
        network.remove::<InternetGateway>(&id(8));
        write(&mut network, 50);
        let mut expected = vec![id(7), id(8), id(50)];
        expected.sort_unstable();
        assert_eq!(network.internet_gateways.changed_since(&old.internet_gateways), expected);
    }

    #[test]
    fn what_names_an_anchor_is_found_from_a_key_on_and_as_it_was_written_last() {
        let mut network = Network::default();
        let vpc = |n: u64| VpcId::from_random(n);
        (0..10).for_each(|n| write(&mut network, n));
        for n in 0..10 {
            let mut gateway = InternetGateway::clone(&network.internet_gateways[&id(n)]);
            gateway.vpc = Some(vpc(n % 3));
            network.insert(gateway.clone());
            gateway.tags.insert("n".to_owned(), n.to_string());
            network.insert(gateway);
        }
        let table = &network.internet_gateways;
        let any = |vpcs: &[u64], behind: Option<u64>| {
            let anchors: Vec<_> = vpcs.iter().map(|n| Anchor::Vpc(vpc(*n))).collect();
            let found = table.by_any(&anchors, behind.map(id).as_ref());
            found.map(|gateway| gateway.tags["n"].parse::<u64>().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(any(&[0], None), [0, 3, 6, 9]);
        assert_eq!(any(&[0], Some(3)), [6, 9]);
        assert_eq!(any(&[0], Some(4)), [6, 9], "also behind one that isn't there");
        assert_eq!(any(&[2, 0, 2], Some(2)), [3, 5, 6, 8, 9]);
        assert_eq!((any(&[7], None), any(&[], None)), (vec![], vec![]));
        assert_eq!(table.by(Anchor::Vpc(vpc(1))).count(), 3);
        assert_eq!(table.behind(Some(&id(7))).map(|gateway| gateway.id).collect::<Vec<_>>(), [id(8), id(9)]);
    }

    proptest! {
        #[test]
        fn nothing_that_differs_is_left_out(writes in prop::collection::vec((0..20_u64, any::<bool>()), 0..40), from in 0..40_usize) {
            let mut network = Network::default();
            let mut states = vec![network.clone()];
            for (n, removes) in writes {
                if removes {
                    network.remove::<InternetGateway>(&id(n));
                } else {
                    write(&mut network, n);
                }
                states.push(network.clone());
            }
            let table = &network.internet_gateways;
            let owner = Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() };
            prop_assert_eq!(table.sum(&Quantity::OwnedBy(owner)), table.size() as u64);
            let is_even = |gateway: &Arc<InternetGateway>| (0..20).step_by(2).any(|n| gateway.id == id(n));
            let found = table.passing(&id(from as u64 % 20), || is_even);
            prop_assert_eq!(found, table.values().filter(|gateway| is_even(gateway)).collect::<Vec<_>>());
            let older = &states[from % states.len()].internet_gateways;
            let said = network.internet_gateways.changed_since(older);
            for n in 0..20 {
                let same = match (older.get(&id(n)), network.internet_gateways.get(&id(n))) {
                    (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                    (None, None) => true,
                    _ => false,
                };
                prop_assert!(same || said.contains(&id(n)));
            }
        }
    }
}
