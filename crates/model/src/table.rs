//! A persistent table of one kind of resource, with an index of what its resources name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Bound, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::interface::MacAddress;
use crate::network::Resource;
use crate::{InstanceId, SecurityGroupId, SubnetId, VpcId};

/// A persistent map from key to shared resource, ordered by key; read it as the map that it derefs to.
///
/// It can only be changed through [`Network::insert`](crate::Network::insert) and
/// [`Network::remove`](crate::Network::remove), which keep the index true: at any time it holds exactly the
/// [anchors](Resource::anchors) of the resources that are in the map.
pub struct Table<R: Resource> {
    rows: RedBlackTreeMapSync<R::Key, Arc<R>>,
    /// None sorts before every key, so that a range that starts with it holds all links of an anchor.
    links: RedBlackTreeSetSync<(Anchor, Option<R::Key>)>,
    version: u64,
}

/// Something that resources are found by beside their key, because they name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// Resources in a VPC, or attached to it.
    Vpc(VpcId),
    /// Interfaces in a subnet; the route tables and network ACLs associated with it.
    Subnet(SubnetId),
    /// Interfaces with a security group; the security groups whose rules name it.
    SecurityGroup(SecurityGroupId),
    /// Interfaces in an instance.
    Instance(InstanceId),
    /// The interface with that hardware address.
    Mac(MacAddress),
    /// Interfaces with that private or IPv6 address.
    Address(IpAddr),
    /// Interfaces that a public address stands for.
    PublicAddress(Ipv4Addr),
}

/// Numbers the states of all tables of the process; 0 is for the empty ones.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl<R: Resource> Table<R> {
    /// The resources that name an anchor, in the order of their keys.
    pub fn by(&self, anchor: Anchor) -> impl Iterator<Item = &Arc<R>> {
        let links = self.links.range((Bound::Included((anchor, None)), Bound::Unbounded));
        let keys = links.take_while(move |(found, _)| *found == anchor).filter_map(|(_, key)| key.as_ref());
        keys.filter_map(|key| self.rows.get(key))
    }

    /// Whether two tables are known to hold the same: one is a clone of the other, and neither was changed since.
    pub fn is_same(&self, other: &Self) -> bool {
        self.version == other.version
    }

    pub(crate) fn insert(&mut self, resource: R) {
        let key = resource.key();
        let new = anchors(&resource);
        if let Some(old) = self.rows.get(&key) {
            for anchor in anchors(&**old) {
                if new.binary_search(&anchor).is_err() {
                    self.links.remove_mut(&(anchor, Some(key.clone())));
                }
            }
        }
        for anchor in new {
            let link = (anchor, Some(key.clone()));
            if !self.links.contains(&link) {
                self.links.insert_mut(link);
            }
        }
        self.rows.insert_mut(key, Arc::new(resource));
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&mut self, key: &R::Key) -> bool {
        let Some(old) = self.rows.get(key) else { return false };
        for anchor in anchors(&**old) {
            self.links.remove_mut(&(anchor, Some(key.clone())));
        }
        self.rows.remove_mut(key);
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
        true
    }
}

fn anchors<R: Resource>(resource: &R) -> Vec<Anchor> {
    let mut anchors = Vec::new();
    resource.anchors(&mut |anchor| anchors.push(anchor));
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}

/// What each kind is found by.
pub(crate) mod anchors_of {
    use std::net::IpAddr;

    use super::Anchor;
    use crate::route::TableUser;
    use crate::{EgressOnlyGateway, InternetGateway, NetworkAcl, NetworkInterface, Peer, RouteTable, SecurityGroup, Subnet};

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
    }

    pub(crate) fn subnet(subnet: &Subnet, visit: Visit<'_>) {
        visit(Anchor::Vpc(subnet.vpc));
    }

    pub(crate) fn route_table(table: &RouteTable, visit: Visit<'_>) {
        visit(Anchor::Vpc(table.vpc));
        for association in &table.associations {
            if let TableUser::Subnet(subnet) = association.user {
                visit(Anchor::Subnet(subnet));
            }
        }
    }

    pub(crate) fn nacl(nacl: &NetworkAcl, visit: Visit<'_>) {
        visit(Anchor::Vpc(nacl.vpc));
        nacl.associations.iter().for_each(|association| visit(Anchor::Subnet(association.subnet)));
    }

    pub(crate) fn security_group(group: &SecurityGroup, visit: Visit<'_>) {
        group.vpcs().for_each(|vpc| visit(Anchor::Vpc(vpc)));
        for rule in &group.rules {
            if let Peer::Group { group, .. } = &rule.peer {
                visit(Anchor::SecurityGroup(*group));
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
        Self { rows: RedBlackTreeMapSync::default(), links: RedBlackTreeSetSync::default(), version: 0 }
    }
}

impl<R: Resource> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), links: self.links.clone(), version: self.version }
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
