//! Tags on anything. See "Tag your Amazon EC2 resources" in the EC2 User Guide.

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagOf {
    /// The resource's id.
    pub resource: String,
    /// The resource's type, as in TagSpecifications.
    pub kind: &'static str,
    /// The tag's key.
    pub key: String,
    /// The tag's value.
    pub value: String,
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

        /// All tags of an account in a region: DescribeTags.
        pub fn all(network: &Network, owner: &Owner) -> Vec<TagOf> {
            let mut all = Vec::new();
            $(for resource in network.owned::<$resource>(owner) {
                push(&mut all, resource.id, $kind, &resource.tags);
            })*
            shared::all(network, owner, &mut all);
            for rule in network.owned::<SecurityGroup>(owner).flat_map(|group| &group.rules) {
                push(&mut all, rule.id, "security-group-rule", &rule.tags);
            }
            all
        }
    };
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

    pub(super) fn all(network: &Network, viewer: &Owner, all: &mut Vec<TagOf>) {
        for peering in network.all::<Peering>() {
            peering.tags(viewer).into_iter().for_each(|tags| push(all, peering.id, "vpc-peering-connection", tags));
        }
        for attachment in network.all::<TransitGatewayAttachment>() {
            let tags = attachment.tags(viewer);
            tags.into_iter().for_each(|tags| push(all, attachment.id, "transit-gateway-attachment", tags));
        }
    }
}

fn check_count(id: &str, tags: &Tags) -> Result<(), ControlError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(ControlError::new("TagLimitExceeded", format!("The maximum number of tags of '{id}' has been reached ({LIMIT}).")))
}

fn push(all: &mut Vec<TagOf>, resource: impl Id, kind: &'static str, tags: &Tags) {
    let resource = resource.to_string();
    let tag =
        |(key, value): (&String, &String)| TagOf { resource: resource.clone(), kind, key: key.clone(), value: value.clone() };
    all.extend(tags.iter().map(tag));
}
