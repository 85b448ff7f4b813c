//! Tags on anything. See "Tag your Amazon EC2 resources" in the EC2 User Guide.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use openvpc_model::cidr_reservation::SubnetCidrReservation;
use openvpc_model::public_access::PublicAccessExclusion;
use openvpc_model::{AccessScope, AccessScopeAnalysis, ClientVpnEndpoint};
use openvpc_model::{
    CarrierGateway, DhcpOptions, EgressOnlyGateway, ElasticIp, FlowLog, Id, InsightsAnalysis, InsightsPath, Instance,
    InternetGateway, KeyPair, NatGateway, Network, NetworkAcl, NetworkInterface, Owner, PrefixList, RouteTable, SecurityGroup,
    SecurityGroupRuleId, Subnet, Tags, Vpc,
};
use openvpc_model::{CustomerGateway, VpnConnection, VpnGateway};
use openvpc_model::{EndpointPermission, EndpointService, VpcEndpoint};
use openvpc_model::{
    Peering, PeeringId, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayRouteTable,
};

use crate::{ControlError, Missing, Tx};

/// Most tags of a resource.
pub const LIMIT: usize = 50;

/// A tag as DescribeTags lists it.
#[derive(Clone, Copy)]
pub struct TagOf<'a> {
    /// The resource's id.
    pub resource: &'a dyn fmt::Display,
    /// The resource's type, as in TagSpecifications.
    pub kind: &'static str,
    /// The tag's key.
    pub key: &'a str,
    /// The tag's value.
    pub value: &'a str,
}

/// Where a tag is in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagPlace {
    resource: String,
    key: String,
}

impl TagOf<'_> {
    /// The tag's place in the list of all.
    pub fn place(&self) -> TagPlace {
        TagPlace { resource: self.resource.to_string(), key: self.key.to_owned() }
    }
}

impl fmt::Display for TagPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource, self.key)
    }
}

impl FromStr for TagPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (resource, key) = text.split_once(' ').ok_or("a tag's place is a resource's id, a space and a key")?;
        Ok(Self { resource: resource.to_owned(), key: key.to_owned() })
    }
}

/// Adds tags to resources, or overwrites those with the same keys: CreateTags. All resources or none.
///
/// # Errors
/// `InvalidID` for an id of no taggable kind, the kind's not-found error, `TagLimitExceeded`.
pub fn create(tx: &mut Tx, resources: &[String], tags: &Tags) -> Result<(), ControlError> {
    for id in resources {
        change(tx, id, &mut |present| present.extend(tags.clone()))?;
    }
    Ok(())
}

/// Removes tags: DeleteTags. A key with a value is removed only where it has that value; no keys at all removes all tags.
///
/// # Errors
/// `InvalidID` for an id of no taggable kind, the kind's not-found error.
pub fn delete(tx: &mut Tx, resources: &[String], tags: &[(String, Option<String>)]) -> Result<(), ControlError> {
    let goes = |key: &String, value: &String| {
        tags.is_empty() || tags.iter().any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value))
    };
    for id in resources {
        change(tx, id, &mut |present| present.retain(|key, value| !goes(key, value)))?;
    }
    Ok(())
}

macro_rules! taggable {
    ($($resource:ident: $kind:literal;)*) => {
        /// Changes the tags of the resource with that id, whatever its kind.
        fn change(tx: &mut Tx, id: &str, edit: &mut dyn FnMut(&mut Tags)) -> Result<(), ControlError> {
            $(if let Ok(key) = id.parse::<<$resource as openvpc_model::Resource>::Key>() {
                return tx.update::<$resource, _>(&key, |resource| {
                    edit(&mut resource.tags);
                    check_count(id, &resource.tags)
                })?;
            })*
            if let Some(changed) = shared::change(tx, id, edit) {
                return changed;
            }
            if let Ok(rule) = id.parse::<SecurityGroupRuleId>() {
                return change_rule(tx, rule, edit);
            }
            Err(ControlError::new("InvalidID", format!("The ID '{id}' is not valid")))
        }

        /// The tags of one resource of an account in a region, in the order of their keys.
        pub fn of<'a>(network: &'a Network, owner: &'a Owner, id: &str) -> Vec<TagOf<'a>> {
            $(if let Ok(key) = id.parse::<<$resource as openvpc_model::Resource>::Key>() {
                let found = network.get::<$resource>(&key).filter(|resource| resource.owner == *owner);
                return found.map_or_else(Vec::new, |resource| each($kind, &resource.id, &resource.tags).collect());
            })*
            if let Some((kind, resource, tags)) = shared::find(network, owner, id) {
                return each(kind, resource, tags).collect();
            }
            let mut rules = network.owned::<SecurityGroup>(owner).flat_map(|group| &group.rules);
            let rule = id.parse::<SecurityGroupRuleId>().ok().and_then(|id| rules.find(|rule| rule.id == id));
            rule.map_or_else(Vec::new, |rule| each("security-group-rule", &rule.id, &rule.tags).collect())
        }

        /// The tags of an account in a region, all or those behind a place, by kind of resource, id and key: DescribeTags.
        pub fn all<'a>(
            network: &'a Network,
            owner: &'a Owner,
            behind: Option<&TagPlace>,
        ) -> impl Iterator<Item = TagOf<'a>> + use<'a> {
            let mut kinds = vec![$({
                let table = <$resource as openvpc_model::Resource>::table(network);
                listed($kind, behind, |from| {
                    let rows = from.and_then(|id| table.get(id)).into_iter().chain(table.behind(from));
                    rows.filter(move |resource| resource.owner == *owner).map(|resource| (&resource.id, &resource.tags))
                })
            }),*];
            kinds.extend(shared::all(network, owner, behind));
            let rules = network.owned::<SecurityGroup>(owner).flat_map(|group| &group.rules);
            kinds.push(sorted("security-group-rule", behind, rules.map(|rule| (&rule.id, &rule.tags))));
            kinds.sort_by(|(one, _), (other, _)| one.cmp(other));
            kinds.into_iter().flat_map(|(_, tags)| tags)
        }
    };
}

/// The tags of a resource.
fn each<'a>(kind: &'static str, resource: &'a dyn fmt::Display, tags: &'a Tags) -> impl Iterator<Item = TagOf<'a>> {
    tags.iter().map(move |(key, value)| TagOf { resource, kind, key, value })
}

/// What ids of a kind begin with, and the tags of that kind.
type Listed<'a> = (String, Box<dyn Iterator<Item = TagOf<'a>> + 'a>);

/// The tags of a kind that are behind a place; `from` gives the resources from an id on, or all, in the order of their ids.
fn listed<'a, K: Id, I: Iterator<Item = (&'a K, &'a Tags)> + 'a>(
    kind: &'static str,
    behind: Option<&TagPlace>,
    from: impl FnOnce(Option<&K>) -> I,
) -> Listed<'a> {
    let prefix = format!("{}-", K::PREFIX);
    let start = behind.map(|place| (place.resource.parse::<K>().ok(), place));
    let start = match start {
        Some((Some(id), place)) => Some((id, place.key.clone())),
        // The digits of an id hold no dash.
        Some((None, place)) if place.resource.trim_end_matches(|letter| letter != '-') > &*prefix => {
            return (prefix, Box::new(std::iter::empty()));
        }
        _ => None,
    };
    let resources = from(start.as_ref().map(|(id, _)| id));
    let tags = resources.flat_map(move |(id, tags)| {
        let last = start.as_ref().filter(|(from, _)| from == id).map(|(_, key)| &**key);
        let keys = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        tags.range::<str, _>(keys).map(move |(key, value)| TagOf { resource: id, kind, key, value })
    });
    (prefix, Box::new(tags))
}

/// [`listed`] for resources that come in any order.
fn sorted<'a, K: Id>(
    kind: &'static str,
    behind: Option<&TagPlace>,
    resources: impl Iterator<Item = (&'a K, &'a Tags)>,
) -> Listed<'a> {
    listed(kind, behind, |from| {
        let mut resources: Vec<_> = resources.filter(|(id, _)| from.is_none_or(|from| from <= *id)).collect();
        resources.sort_by_key(|(id, _)| **id);
        resources.into_iter()
    })
}

taggable! {
    AccessScope: "network-insights-access-scope";
    AccessScopeAnalysis: "network-insights-access-scope-analysis";
    ClientVpnEndpoint: "client-vpn-endpoint";
    CustomerGateway: "customer-gateway";
    CarrierGateway: "carrier-gateway";
    DhcpOptions: "dhcp-options";
    EgressOnlyGateway: "egress-only-internet-gateway";
    ElasticIp: "elastic-ip";
    EndpointPermission: "vpc-endpoint-service-permission";
    EndpointService: "vpc-endpoint-service";
    FlowLog: "vpc-flow-log";
    InsightsAnalysis: "network-insights-analysis";
    InsightsPath: "network-insights-path";
    Instance: "instance";
    InternetGateway: "internet-gateway";
    NatGateway: "natgateway";
    NetworkAcl: "network-acl";
    NetworkInterface: "network-interface";
    KeyPair: "key-pair";
    PrefixList: "prefix-list";
    PublicAccessExclusion: "vpc-block-public-access-exclusion";
    RouteTable: "route-table";
    SecurityGroup: "security-group";
    Subnet: "subnet";
    SubnetCidrReservation: "subnet-cidr-reservation";
    TransitGateway: "transit-gateway";
    TransitGatewayRouteTable: "transit-gateway-route-table";
    Vpc: "vpc";
    VpcEndpoint: "vpc-endpoint";
    VpnConnection: "vpn-connection";
    VpnGateway: "vpn-gateway";
}

fn change_rule(tx: &mut Tx, id: SecurityGroupRuleId, edit: &mut dyn FnMut(&mut Tags)) -> Result<(), ControlError> {
    let found = tx.owned::<SecurityGroup>().find(|group| group.rules.iter().any(|rule| rule.id == id)).map(|group| group.id);
    let missing =
        || ControlError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"));
    tx.update::<SecurityGroup, _>(&found.ok_or_else(missing)?, |group| {
        let rule = group.rules.iter_mut().find(|rule| rule.id == id).ok_or_else(missing)?;
        edit(&mut rule.tags);
        check_count(&id.to_string(), &rule.tags)
    })?
}

/// What two accounts or regions see under one id; each has its own tags on it.
mod shared {
    use super::*;

    pub(super) fn change(tx: &mut Tx, id: &str, edit: &mut dyn FnMut(&mut Tags)) -> Option<Result<(), ControlError>> {
        let viewer = tx.owner().clone();
        if let Ok(key) = id.parse::<PeeringId>() {
            return Some(edited::<Peering>(tx, &key, id, |peering| peering.tags_mut(&viewer), edit));
        }
        let key = id.parse::<TransitGatewayAttachmentId>().ok()?;
        Some(edited::<TransitGatewayAttachment>(tx, &key, id, |attachment| attachment.tags_mut(&viewer), edit))
    }

    fn edited<R: Missing>(
        tx: &mut Tx,
        key: &R::Key,
        id: &str,
        tags: impl FnOnce(&mut R) -> Option<&mut Tags>,
        edit: &mut dyn FnMut(&mut Tags),
    ) -> Result<(), ControlError> {
        let mut resource = R::clone(tx.network().get::<R>(key).ok_or_else(|| R::missing(key))?);
        let tags = tags(&mut resource).ok_or_else(|| R::missing(key))?;
        edit(tags);
        check_count(id, tags)?;
        tx.put(resource);
        Ok(())
    }

    pub(super) fn find<'a>(
        network: &'a Network,
        viewer: &Owner,
        id: &str,
    ) -> Option<(&'static str, &'a dyn fmt::Display, &'a Tags)> {
        if let Ok(key) = id.parse::<PeeringId>() {
            let peering = network.get::<Peering>(&key)?;
            return Some((PEERING, &peering.id, peering.tags(viewer)?));
        }
        let attachment = network.get::<TransitGatewayAttachment>(&id.parse().ok()?)?;
        Some((ATTACHMENT, &attachment.id, attachment.tags(viewer)?))
    }

    const PEERING: &str = "vpc-peering-connection";
    const ATTACHMENT: &str = "transit-gateway-attachment";

    pub(super) fn all<'a>(network: &'a Network, viewer: &Owner, behind: Option<&TagPlace>) -> [Listed<'a>; 2] {
        let peerings = network.all::<Peering>().filter_map(|peering| Some((&peering.id, peering.tags(viewer)?)));
        let attachments = network.all::<TransitGatewayAttachment>();
        let attachments = attachments.filter_map(|attachment| Some((&attachment.id, attachment.tags(viewer)?)));
        [sorted(PEERING, behind, peerings), sorted(ATTACHMENT, behind, attachments)]
    }
}

fn check_count(id: &str, tags: &Tags) -> Result<(), ControlError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(ControlError::new("TagLimitExceeded", format!("The maximum number of tags of '{id}' has been reached ({LIMIT}).")))
}
