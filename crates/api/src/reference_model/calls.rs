//! Each kind of call: its parameters, what speaks against it, and what it changes when nothing does.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::Value;

use super::model::{
    Acl, Address, Endpoint, Eni, Group, Id, InternetGateway, List, Model, Nat, Peering, PeeringState, Subnet, Table, Target, Vpc,
    Who,
};
use super::{CALLERS, Step, described};
use crate::Api;

#[expect(non_snake_case, reason = "the functions are named as the calls")]
mod verb;

macro_rules! verbs {
    ($($verb:ident)*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Verb { $($verb),* }
        pub(super) const VERBS: &[Verb] = &[$(Verb::$verb),*];
        impl Model {
            /// The call that a step makes of the state there is.
            pub(super) fn call(&self, step: &Step) -> Call {
                match step.verb { $(Verb::$verb => verb::$verb(self, step)),* }
            }
        }
    };
}

verbs! {
    CreateVpc DeleteVpc AssociateVpcCidrBlock DisassociateVpcCidrBlock CreateSubnet DeleteSubnet
    CreateRouteTable DeleteRouteTable AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation
    CreateRoute ReplaceRoute DeleteRoute
    CreateInternetGateway DeleteInternetGateway AttachInternetGateway DetachInternetGateway
    CreateEgressOnlyInternetGateway DeleteEgressOnlyInternetGateway
    AllocateAddress ReleaseAddress AssociateAddress DisassociateAddress
    CreateNetworkInterface DeleteNetworkInterface AssignPrivateIpAddresses
    CreateNatGateway DeleteNatGateway
    CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress
    CreateNetworkAcl DeleteNetworkAcl CreateNetworkAclEntry DeleteNetworkAclEntry ReplaceNetworkAclAssociation
    CreateManagedPrefixList ModifyManagedPrefixList DeleteManagedPrefixList
    CreateVpcPeeringConnection AcceptVpcPeeringConnection RejectVpcPeeringConnection DeleteVpcPeeringConnection
    CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints
    CreateTags DeleteTags
}

/// What the success of a call changes, by its answer and what the API shows then.
type Change = Box<dyn FnOnce(&mut Model, &Value, &Api)>;

/// A call and what the model has to say about it.
pub(super) struct Call {
    pub(super) action: &'static str,
    pub(super) parameters: Vec<(&'static str, String)>,
    /// When there are any, the call must fail with one of these codes.
    pub(super) must: Vec<&'static str>,
    /// Codes that the rules leave open.
    pub(super) may: Vec<&'static str>,
    /// What success changes.
    pub(super) then: Change,
}

impl Call {
    fn new(action: &'static str, parameters: Vec<(&'static str, String)>) -> Self {
        Self { action, parameters, must: Vec::new(), may: Vec::new(), then: Box::new(|_, _, _| {}) }
    }

    fn refused_if(mut self, wrong: bool, codes: &[&'static str]) -> Self {
        if wrong {
            self.must.extend(codes);
        }
        self
    }

    fn perhaps_refused_if(mut self, unclear: bool, codes: &[&'static str]) -> Self {
        if unclear {
            self.may.extend(codes);
        }
        self
    }

    fn then(mut self, change: impl FnOnce(&mut Model, &Value, &Api) + 'static) -> Self {
        self.then = Box::new(change);
        self
    }

    /// Whether the answer lists failures instead of being one.
    pub(super) fn lists_failures(&self) -> bool {
        self.action == "DeleteVpcEndpoints"
    }
}

const VPC: &[&str] = &["InvalidVpcID.NotFound"];
const SUBNET: &[&str] = &["InvalidSubnetID.NotFound"];
const TABLE: &[&str] = &["InvalidRouteTableID.NotFound"];
const IGW: &[&str] = &["InvalidInternetGatewayID.NotFound"];
const ENI: &[&str] = &["InvalidNetworkInterfaceID.NotFound"];
const EIP: &[&str] = &["InvalidAllocationID.NotFound"];
const NAT: &[&str] = &["NatGatewayNotFound"];
const GROUP: &[&str] = &["InvalidGroup.NotFound"];
const ACL: &[&str] = &["InvalidNetworkAclID.NotFound"];
const LIST: &[&str] = &["InvalidPrefixListID.NotFound"];
const PEERING: &[&str] = &["InvalidVpcPeeringConnectionID.NotFound"];
const ASSOCIATION: &[&str] = &["InvalidAssociationID.NotFound"];
const DEPENDENCY: &[&str] = &["DependencyViolation"];
/// The rules don't name the code for things of different VPCs.
const ELSEWHERE: &[&str] = &["InvalidParameterValue", "InvalidParameterCombination", "InvalidParameter"];
const MANAGED: &[&str] = &["OperationNotPermitted", "AuthFailure", "InvalidIPAddress.InUse", "InvalidNetworkInterface.InUse"];
/// A block that doesn't go with what the VPC or its peers have; nor here.
const CONFLICT: &[&str] = &["CidrConflict", "InvalidVpc.Range", "OperationNotPermitted", "InvalidParameterValue"];

const BLOCKS: &[&str] =
    &["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "172.16.0.0/16", "10.0.0.0/15", "192.0.2.0/29", "10.0.128.0/17"];
const MORE_BLOCKS: &[&str] = &[
    "100.64.0.0/16",
    "10.2.0.0/16",
    "10.0.128.0/17",
    "192.168.0.0/16",
    "100.65.0.0/24",
    "10.1.0.0/24",
    "172.31.0.0/16",
    "198.51.100.0/24",
    "10.3.0.0/15",
];
const DESTINATIONS: &[&str] = &["0.0.0.0/0", "10.9.0.0/16", "198.51.100.0/24", "203.0.113.7/32"];
const SOURCES: &[&str] = &["192.0.2.0/24", "198.51.100.0/24", "0.0.0.0/0"];

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn texts(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// One of the things there are: mostly the caller's own, and one that nobody has when there is none.
fn pick<T>(things: &BTreeMap<Id, T>, at: usize, own: impl Fn(&T) -> bool, nobodys: &str) -> Id {
    let mine: Vec<&Id> = things.iter().filter(|(_, thing)| own(thing)).map(|(id, _)| id).collect();
    let any: Vec<&Id> = things.keys().collect();
    let from = if at % 9 == 8 || mine.is_empty() { any } else { mine };
    if from.is_empty() { format!("{nobodys}-0123456789abcdef0") } else { from[at / 9 % from.len()].clone() }
}

/// The table of association restrictions in the networking sheet.
fn restricted(present: &[Ipv4Net], new: Ipv4Net) -> bool {
    let within = |block: &Ipv4Net, range: &str| net(range).contains(block);
    let private = |block: &Ipv4Net| {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"].iter().any(|range| within(block, range))
    };
    let has_private = present.iter().any(private);
    present.iter().any(|block| {
        let row: &[&str] = if within(block, "10.0.0.0/15") {
            &["172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16", "10.0.0.0/16"]
        } else if within(block, "10.0.0.0/8") {
            &["172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"]
        } else if within(block, "172.16.0.0/12") {
            &["10.0.0.0/8", "192.168.0.0/16", "172.31.0.0/16", "198.19.0.0/16"]
        } else if !has_private {
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"]
        } else {
            &[]
        };
        row.iter().any(|range| within(&new, range))
    })
}
