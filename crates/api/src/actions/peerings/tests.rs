#![allow(clippy::unwrap_used, reason = "tests")]
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::Api;
use crate::testing::{api, api_with_clock};

const ALICE: (&str, &str) = ("111111111111", "us-east-1");
const ALICE_WEST: (&str, &str) = ("111111111111", "us-west-2");
const BOB: (&str, &str) = ("222222222222", "us-east-1");
const BOB_WEST: (&str, &str) = ("222222222222", "us-west-2");
const CAROL: (&str, &str) = ("333333333333", "us-east-1");
const HOUR: u64 = 60 * 60 * 1000;

type Caller = (&'static str, &'static str);

fn vpc(api: &Api, caller: Caller, block: &str) -> String {
    let answer = api.call_as(caller, "CreateVpc", &[("CidrBlock", block)]).unwrap();
    answer["Vpc"]["VpcId"].as_str().unwrap().to_owned()
}

/// Asks for a connection; gives the answer's item.
fn ask(api: &Api, caller: Caller, vpc: &str, peer: Caller, peer_vpc: &str) -> Value {
    let parameters = [("VpcId", vpc), ("PeerVpcId", peer_vpc), ("PeerOwnerId", peer.0), ("PeerRegion", peer.1)];
    api.call_as(caller, "CreateVpcPeeringConnection", &parameters).unwrap()["VpcPeeringConnection"].clone()
}

fn id(peering: &Value) -> String {
    peering["VpcPeeringConnectionId"].as_str().unwrap().to_owned()
}

fn described(api: &Api, caller: Caller, id: &str) -> Value {
    let answer = api.call_as(caller, "DescribeVpcPeeringConnections", &[("VpcPeeringConnectionId.1", id)]).unwrap();
    answer["VpcPeeringConnections"][0].clone()
}

fn state(api: &Api, caller: Caller, id: &str) -> String {
    described(api, caller, id)["Status"]["Code"].as_str().unwrap().to_owned()
}

fn try_do(api: &Api, caller: Caller, verb: &str, id: &str) -> String {
    let done = api.call_as(caller, &format!("{verb}VpcPeeringConnection"), &[("VpcPeeringConnectionId", id)]);
    done.map_or_else(|error| error.code.into_owned(), |_| "done".to_owned())
}

/// An active connection between 10.0.0.0/16 and 10.1.0.0/16 of two callers: their VPCs and its id.
fn active(api: &Api, one: Caller, other: Caller) -> (String, String, String) {
    let (a, b) = (vpc(api, one, "10.0.0.0/16"), vpc(api, other, "10.1.0.0/16"));
    let id = id(&ask(api, one, &a, other, &b));
    assert_eq!(try_do(api, other, "Accept", &id), "done");
    (a, b, id)
}

#[test]
fn a_request_waits_until_the_accepter_accepts_it() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, BOB, "10.1.0.0/16"));
    let asked = ask(&api, ALICE, &a, BOB, &b);
    assert_eq!(asked["Status"], json!({"Code": "initiating-request", "Message": "Initiating Request to 222222222222"}));
    let id = id(&asked);
    let waiting = described(&api, ALICE, &id);
    assert_eq!(waiting["Status"], json!({"Code": "pending-acceptance", "Message": "Pending Acceptance by 222222222222"}));
    assert_eq!(waiting["ExpirationTime"], "2026-09-28T14:14:02.000Z");
    assert_eq!(waiting["RequesterVpcInfo"]["CidrBlock"], "10.0.0.0/16");
    assert_eq!(waiting["AccepterVpcInfo"]["CidrBlock"], Value::Null);
    assert_eq!(try_do(&api, ALICE, "Accept", &id), "OperationNotPermitted");
    assert_eq!(try_do(&api, ALICE, "Reject", &id), "OperationNotPermitted");
    assert_eq!(try_do(&api, BOB, "Delete", &id), "OperationNotPermitted");
    assert_eq!(try_do(&api, CAROL, "Accept", &id), "InvalidVpcPeeringConnectionID.NotFound");
    let accepted = api.call_as(BOB, "AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &id)]).unwrap();
    assert_eq!(accepted["VpcPeeringConnection"]["Status"], json!({"Code": "active", "Message": "Active"}));
    let options = json!({
        "AllowDnsResolutionFromRemoteVpc": false,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
    });
    for caller in [ALICE, BOB] {
        let seen = described(&api, caller, &id);
        assert_eq!(seen["Status"]["Code"], "active");
        assert_eq!(
            seen["AccepterVpcInfo"],
            json!({
                "VpcId": b, "OwnerId": "222222222222", "Region": "us-east-1", "CidrBlock": "10.1.0.0/16",
                "CidrBlockSet": [{"CidrBlock": "10.1.0.0/16"}], "Ipv6CidrBlockSet": [], "PeeringOptions": options,
            })
        );
        assert_eq!(seen["RequesterVpcInfo"]["VpcId"], a);
        assert_eq!(seen["ExpirationTime"], Value::Null);
    }
    assert_eq!(try_do(&api, BOB, "Accept", &id), "InvalidStateTransition");
    assert_eq!(try_do(&api, BOB, "Reject", &id), "InvalidStateTransition");
}

#[test]
fn an_overlap_of_any_block_fails_without_an_error() {
    let api = api();
    let small = vpc(&api, ALICE, "10.1.0.0/16");
    api.call_as(ALICE, "AssociateVpcCidrBlock", &[("VpcId", &small), ("CidrBlock", "10.2.0.0/24")]).unwrap();
    let large = vpc(&api, ALICE, "10.2.0.0/16");
    let failed = ask(&api, ALICE, &large, ALICE, &small);
    let message = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range";
    assert_eq!(failed["Status"], json!({"Code": "failed", "Message": message}));
    let failed = id(&failed);
    for verb in ["Accept", "Reject", "Delete"] {
        assert_eq!(try_do(&api, ALICE, verb, &failed), "InvalidStateTransition", "{verb}");
    }
    // A VPC that isn't there fails for another's account, and is an error in one's own.
    let unknown = "vpc-0123456789abcdef0";
    assert_eq!(ask(&api, ALICE, &large, BOB, unknown)["Status"]["Code"], "failed");
    let parameters = [("VpcId", &*large), ("PeerVpcId", unknown)];
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &parameters), "InvalidVpcID.NotFound");
    let parameters = [("VpcId", unknown), ("PeerVpcId", &*large)];
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &parameters), "InvalidVpcID.NotFound");
}

#[test]
fn an_overlap_that_came_later_fails_the_acceptance() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.2.0.0/16"), vpc(&api, BOB, "10.1.0.0/16"));
    let id = id(&ask(&api, ALICE, &a, BOB, &b));
    // The requester may add nothing while it waits; the accepter may, at its own risk.
    let add = |caller, vpc: &str, block: &str| {
        let done = api.call_as(caller, "AssociateVpcCidrBlock", &[("VpcId", vpc), ("CidrBlock", block)]);
        done.map_or_else(|error| error.code.into_owned(), |_| "done".to_owned())
    };
    assert_eq!(add(ALICE, &a, "10.3.0.0/16"), "OperationNotPermitted");
    let ipv6 = [("VpcId", &*a), ("AmazonProvidedIpv6CidrBlock", "true")];
    assert_eq!(api.code_as(ALICE, "AssociateVpcCidrBlock", &ipv6), "OperationNotPermitted");
    assert_eq!(add(BOB, &b, "10.2.5.0/24"), "done");
    let accepted = api.call_as(BOB, "AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &id)]).unwrap();
    assert_eq!(accepted["VpcPeeringConnection"]["Status"]["Code"], "failed");
    assert_eq!(state(&api, ALICE, &id), "failed");
    assert_eq!(add(ALICE, &a, "10.3.0.0/16"), "done");
}

#[test]
fn peered_vpcs_take_no_blocks_that_overlap() {
    let api = api();
    let (a, _, id) = active(&api, ALICE, BOB);
    let add = |block: &str| api.call_as(ALICE, "AssociateVpcCidrBlock", &[("VpcId", &a), ("CidrBlock", block)]);
    assert_eq!(add("10.1.7.0/24").unwrap_err().code, "CidrConflict");
    add("10.2.0.0/16").unwrap();
    assert_eq!(
        described(&api, BOB, &id)["RequesterVpcInfo"]["CidrBlockSet"],
        json!([{"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "10.2.0.0/16"}])
    );
    api.call_as(ALICE, "AssociateVpcCidrBlock", &[("VpcId", &a), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    let blocks = &described(&api, BOB, &id)["RequesterVpcInfo"]["Ipv6CidrBlockSet"];
    assert!(blocks[0]["Ipv6CidrBlock"].as_str().unwrap().ends_with("/56"), "{blocks}");
}

#[test]
fn two_vpcs_have_one_connection() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, ALICE, "10.1.0.0/16"));
    let first = id(&ask(&api, ALICE, &a, ALICE, &b));
    assert_eq!(id(&ask(&api, ALICE, &a, ALICE, &b)), first);
    let there = [("VpcId", &*a), ("PeerVpcId", &*b)];
    let back = [("VpcId", &*b), ("PeerVpcId", &*a)];
    let itself = [("VpcId", &*b), ("PeerVpcId", &*b)];
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &back), "VpcPeeringConnectionAlreadyExists");
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &itself), "InvalidParameterValue");
    assert_eq!(try_do(&api, ALICE, "Accept", &first), "done");
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &there), "VpcPeeringConnectionAlreadyExists");
    assert_eq!(try_do(&api, ALICE, "Delete", &first), "done");
    assert_eq!(try_do(&api, ALICE, "Delete", &first), "InvalidStateTransition");
    assert_ne!(id(&ask(&api, ALICE, &a, ALICE, &b)), first);
}

#[test]
fn a_connection_between_regions_is_accepted_in_the_accepter_s() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, ALICE_WEST, "10.1.0.0/16"));
    let id = id(&ask(&api, ALICE, &a, ALICE_WEST, &b));
    assert_eq!(state(&api, ALICE, &id), "pending-acceptance");
    assert_eq!(state(&api, ALICE_WEST, &id), "pending-acceptance");
    assert_eq!(try_do(&api, ALICE, "Accept", &id), "OperationNotPermitted");
    assert_eq!(try_do(&api, ALICE, "Reject", &id), "OperationNotPermitted");
    assert_eq!(try_do(&api, ALICE_WEST, "Accept", &id), "done");
    let seen = described(&api, ALICE, &id);
    assert_eq!(seen["AccepterVpcInfo"]["Region"], "us-west-2");
    assert_eq!(seen["RequesterVpcInfo"]["Region"], "us-east-1");
    assert_eq!(described(&api, ALICE_WEST, &id), seen);
    // Another region of the same account has no part in it.
    let elsewhere = ("111111111111", "eu-central-1");
    assert_eq!(try_do(&api, elsewhere, "Delete", &id), "InvalidVpcPeeringConnectionID.NotFound");
    assert_eq!(try_do(&api, ALICE_WEST, "Delete", &id), "done");
    assert_eq!(state(&api, ALICE, &id), "deleted");
}

#[test]
fn an_unanswered_request_expires_after_a_week() {
    let (api, clock) = api_with_clock();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, BOB, "10.1.0.0/16"));
    let id = id(&ask(&api, ALICE, &a, BOB, &b));
    clock.fetch_add(168 * HOUR - 1, Ordering::Relaxed);
    assert_eq!(state(&api, BOB, &id), "pending-acceptance");
    clock.fetch_add(1, Ordering::Relaxed);
    for caller in [ALICE, BOB] {
        assert_eq!(state(&api, caller, &id), "expired");
    }
    for verb in ["Accept", "Reject"] {
        assert_eq!(try_do(&api, BOB, verb, &id), "InvalidStateTransition", "{verb}");
    }
    assert_eq!(try_do(&api, ALICE, "Delete", &id), "InvalidStateTransition");
    // What nobody sees any more is forgotten, and not before.
    let forget = || {
        let owner = openvpc_model::Owner { account: ALICE.0.parse().unwrap(), region: ALICE.1.parse().unwrap() };
        api.control
            .transact(&openvpc_control::Caller { owner }, |tx| {
                openvpc_control::retention::prune(tx);
                Ok(())
            })
            .unwrap();
        api.control.snapshot().peerings.size()
    };
    assert_eq!(forget(), 1);
    clock.fetch_add(48 * HOUR, Ordering::Relaxed);
    assert_eq!(try_do(&api, ALICE, "Accept", &id), "InvalidVpcPeeringConnectionID.NotFound");
    assert_eq!(forget(), 0);
}

#[test]
fn an_ended_connection_is_shown_to_each_side_for_its_time() {
    // How it ends, and for how many hours requester and accepter see it.
    type End = fn(&Api) -> String;
    let rejected: End = |api| {
        let (a, b) = (vpc(api, ALICE, "10.0.0.0/16"), vpc(api, BOB, "10.1.0.0/16"));
        let id = id(&ask(api, ALICE, &a, BOB, &b));
        assert_eq!(try_do(api, BOB, "Reject", &id), "done");
        assert_eq!(state(api, ALICE, &id), "rejected");
        assert_eq!(try_do(api, BOB, "Accept", &id), "InvalidStateTransition");
        id
    };
    let failed: End = |api| {
        let (a, b) = (vpc(api, ALICE, "10.0.0.0/16"), vpc(api, BOB, "10.0.0.0/16"));
        id(&ask(api, ALICE, &a, BOB, &b))
    };
    let deleted_by_requester: End = |api| {
        let (_, _, id) = active(api, ALICE, BOB);
        assert_eq!(try_do(api, ALICE, "Delete", &id), "done");
        assert_eq!(described(api, BOB, &id)["Status"], json!({"Code": "deleted", "Message": "Deleted by 111111111111"}));
        assert_eq!(described(api, BOB, &id)["RequesterVpcInfo"]["CidrBlock"], "10.0.0.0/16");
        id
    };
    let deleted_by_accepter: End = |api| {
        let (_, _, id) = active(api, ALICE, BOB);
        assert_eq!(try_do(api, BOB, "Delete", &id), "done");
        id
    };
    for (name, end, requester, accepter) in [
        ("rejected", rejected, 48, 2),
        ("failed", failed, 2, 0),
        ("deleted by the requester", deleted_by_requester, 2, 48),
        ("deleted by the accepter", deleted_by_accepter, 48, 2),
    ] {
        let (api, clock) = api_with_clock();
        let id = end(&api);
        let ended = clock.load(Ordering::Relaxed);
        let sees = |caller: Caller| {
            let all = api.call_as(caller, "DescribeVpcPeeringConnections", &[]).unwrap();
            all["VpcPeeringConnections"].as_array().unwrap().iter().any(|item| item["VpcPeeringConnectionId"] == *id)
        };
        for (caller, hours) in [(ALICE, requester), (BOB, accepter)] {
            if hours > 0 {
                clock.store(ended + hours * HOUR - 1, Ordering::Relaxed);
                assert!(sees(caller), "{name}: {caller:?} before");
            }
            clock.store(ended + hours * HOUR, Ordering::Relaxed);
            assert!(!sees(caller), "{name}: {caller:?} after");
        }
    }
}

#[test]
fn options_are_each_side_s_own_and_need_names_on_both() {
    let api = api();
    let (a, b, id) = active(&api, ALICE, BOB);
    let set = |caller, side: &str| {
        let name = format!("{side}PeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc");
        let parameters = [("VpcPeeringConnectionId", &*id), (&*name, "true")];
        api.call_as(caller, "ModifyVpcPeeringConnectionOptions", &parameters).map_err(|error| error.code)
    };
    assert_eq!(set(ALICE, "Requester").unwrap_err(), "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled");
    for (caller, vpc) in [(ALICE, &a), (BOB, &b)] {
        api.call_as(caller, "ModifyVpcAttribute", &[("VpcId", vpc), ("EnableDnsHostnames.Value", "true")]).unwrap();
    }
    assert_eq!(set(ALICE, "Accepter").unwrap_err(), "OperationNotPermitted");
    let done = set(ALICE, "Requester").unwrap();
    assert_eq!(done["RequesterPeeringConnectionOptions"]["AllowDnsResolutionFromRemoteVpc"], true);
    assert_eq!(done["AccepterPeeringConnectionOptions"], Value::Null);
    let seen = described(&api, BOB, &id);
    assert_eq!(seen["RequesterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"], true);
    assert_eq!(seen["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"], false);
    set(BOB, "Accepter").unwrap();
    let code = |parameters: &[(&str, &str)]| api.code_as(ALICE, "ModifyVpcPeeringConnectionOptions", parameters);
    assert_eq!(code(&[("VpcPeeringConnectionId", &id)]), "InvalidParameterCombination");
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[("VpcPeeringConnectionId", "pcx-0123456789abcdef0")]), "InvalidVpcPeeringConnectionID.NotFound");
    assert_eq!(try_do(&api, ALICE, "Delete", &id), "done");
    assert_eq!(set(ALICE, "Requester").unwrap_err(), "OperationNotPermitted");
}

#[test]
fn options_of_a_connection_that_isn_t_active_can_t_be_set() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, ALICE, "10.1.0.0/16"));
    let id = id(&ask(&api, ALICE, &a, ALICE, &b));
    let parameters =
        [("VpcPeeringConnectionId", &*id), ("RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc", "false")];
    assert_eq!(api.code_as(ALICE, "ModifyVpcPeeringConnectionOptions", &parameters), "OperationNotPermitted");
}

#[test]
fn routes_to_a_connection_are_blackholes_until_it_is_active_and_after_its_end() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, BOB, "10.1.0.0/16"));
    let id = id(&ask(&api, ALICE, &a, BOB, &b));
    let table = |caller, vpc: &str| {
        let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)];
        api.call_as(caller, "DescribeRouteTables", &of_vpc).unwrap()["RouteTables"][0].clone()
    };
    let rtb = table(ALICE, &a)["RouteTableId"].as_str().unwrap().to_owned();
    let route = |destination: &str, id: &str| {
        let parameters = [("RouteTableId", &*rtb), ("DestinationCidrBlock", destination), ("VpcPeeringConnectionId", id)];
        api.call_as(ALICE, "CreateRoute", &parameters).map_err(|error| error.code)
    };
    route("10.1.0.0/16", &id).unwrap();
    let state = || {
        let routes = table(ALICE, &a)["Routes"].clone();
        routes.as_array().unwrap().iter().find(|r| r["VpcPeeringConnectionId"] == *id).unwrap()["State"].clone()
    };
    assert_eq!(state(), "blackhole");
    assert_eq!(try_do(&api, BOB, "Accept", &id), "done");
    assert_eq!(state(), "active");
    assert_eq!(try_do(&api, BOB, "Delete", &id), "done");
    assert_eq!(state(), "blackhole");
    assert_eq!(route("10.2.0.0/16", &id).unwrap_err(), "InvalidVpcPeeringConnectionID.NotFound");
    assert_eq!(route("10.2.0.0/16", "pcx-0123456789abcdef0").unwrap_err(), "InvalidVpcPeeringConnectionID.NotFound");
    let other = vpc(&api, ALICE, "10.7.0.0/16");
    let elsewhere = vpc(&api, ALICE, "10.8.0.0/16");
    let foreign = self::id(&ask(&api, ALICE, &other, ALICE, &elsewhere));
    assert_eq!(route("10.2.0.0/16", &foreign).unwrap_err(), "InvalidParameterValue");
}

#[test]
fn a_vpc_goes_with_its_connections_unless_another_account_waits() {
    let api = api();
    let (a, b, first) = active(&api, ALICE, BOB);
    let c = vpc(&api, BOB, "10.3.0.0/16");
    let pending = id(&ask(&api, BOB, &c, ALICE, &a));
    assert_eq!(api.code_as(ALICE, "DeleteVpc", &[("VpcId", &a)]), "DependencyViolation");
    assert_eq!(state(&api, BOB, &first), "active");
    assert_eq!(try_do(&api, ALICE, "Reject", &pending), "done");
    api.call_as(ALICE, "DeleteVpc", &[("VpcId", &a)]).unwrap();
    assert_eq!(state(&api, BOB, &first), "deleted");
    assert_eq!(described(&api, BOB, &first)["RequesterVpcInfo"]["CidrBlock"], "10.0.0.0/16");
    // A VPC's own request ends with it.
    let d = vpc(&api, ALICE, "10.4.0.0/16");
    let own = id(&ask(&api, ALICE, &d, BOB, &b));
    api.call_as(ALICE, "DeleteVpc", &[("VpcId", &d)]).unwrap();
    assert_eq!(state(&api, BOB, &own), "deleted");
}

#[test]
fn each_side_has_its_own_tags() {
    let api = api();
    let (a, b) = (vpc(&api, ALICE, "10.0.0.0/16"), vpc(&api, BOB, "10.1.0.0/16"));
    let parameters = [
        ("VpcId", &*a),
        ("PeerVpcId", &*b),
        ("PeerOwnerId", BOB.0),
        ("TagSpecification.1.ResourceType", "vpc-peering-connection"),
        ("TagSpecification.1.Tag.1.Key", "side"),
        ("TagSpecification.1.Tag.1.Value", "requester"),
    ];
    let asked = api.call_as(ALICE, "CreateVpcPeeringConnection", &parameters).unwrap();
    let id = id(&asked["VpcPeeringConnection"]);
    assert_eq!(asked["VpcPeeringConnection"]["Tags"], json!([{"Key": "side", "Value": "requester"}]));
    assert_eq!(described(&api, BOB, &id)["Tags"], json!([]));
    let tag = [("ResourceId.1", &*id), ("Tag.1.Key", "side"), ("Tag.1.Value", "accepter")];
    api.call_as(BOB, "CreateTags", &tag).unwrap();
    assert_eq!(described(&api, BOB, &id)["Tags"], json!([{"Key": "side", "Value": "accepter"}]));
    assert_eq!(described(&api, ALICE, &id)["Tags"], json!([{"Key": "side", "Value": "requester"}]));
    assert_eq!(api.code_as(CAROL, "CreateTags", &tag), "InvalidVpcPeeringConnectionID.NotFound");
    let all = api.call_as(BOB, "DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &id)]).unwrap();
    assert_eq!(all["Tags"][0]["ResourceType"], "vpc-peering-connection");
    let found = [("Filter.1.Name", "tag:side"), ("Filter.1.Value.1", "accepter")];
    let count = |caller| {
        let found = api.call_as(caller, "DescribeVpcPeeringConnections", &found).unwrap();
        found["VpcPeeringConnections"].as_array().unwrap().len()
    };
    assert_eq!((count(ALICE), count(BOB)), (0, 1));
}

#[test]
fn quotas_count_requests_and_active_connections() {
    let api = api();
    let hub = vpc(&api, ALICE, "10.0.0.0/16");
    let spokes: Vec<String> = (1..=51).map(|n| vpc(&api, ALICE, &format!("10.{n}.0.0/16"))).collect();
    let ask_spoke = |n: usize| {
        let parameters = [("VpcId", &*hub), ("PeerVpcId", &*spokes[n])];
        let answer = api.call_as(ALICE, "CreateVpcPeeringConnection", &parameters).map_err(|error| error.code)?;
        Ok::<_, std::borrow::Cow<'static, str>>(id(&answer["VpcPeeringConnection"]))
    };
    let requests: Vec<String> = (0..25).map(|n| ask_spoke(n).unwrap()).collect();
    assert_eq!(ask_spoke(25).unwrap_err(), "OutstandingVpcPeeringConnectionLimitExceeded");
    requests.iter().for_each(|id| assert_eq!(try_do(&api, ALICE, "Accept", id), "done"));
    for n in 25..49 {
        assert_eq!(try_do(&api, ALICE, "Accept", &ask_spoke(n).unwrap()), "done");
    }
    let (one, other) = (ask_spoke(49).unwrap(), ask_spoke(50).unwrap());
    assert_eq!(try_do(&api, ALICE, "Accept", &one), "done");
    assert_eq!(try_do(&api, ALICE, "Accept", &other), "ActiveVpcPeeringConnectionPerVpcLimitExceeded");
    assert_eq!(try_do(&api, ALICE, "Delete", &other), "done");
    assert_eq!(ask_spoke(50).unwrap_err(), "VpcPeeringConnectionsPerVpcLimitExceeded");
}

#[test]
fn every_filter_finds_its_connections() {
    let api = api();
    let (a, b, first) = active(&api, ALICE, BOB_WEST);
    let (c, d) = (vpc(&api, ALICE, "10.5.0.0/16"), vpc(&api, CAROL, "10.6.0.0/16"));
    let second = id(&ask(&api, CAROL, &d, ALICE, &c));
    for (name, value, expected) in [
        ("accepter-vpc-info.cidr-block", "10.1.0.0/16", &first),
        ("accepter-vpc-info.owner-id", "222222222222", &first),
        ("accepter-vpc-info.vpc-id", &*b, &first),
        ("expiration-time", "2026-09-28T14:14:02.000Z", &second),
        ("requester-vpc-info.cidr-block", "10.6.0.0/16", &second),
        ("requester-vpc-info.owner-id", "333333333333", &second),
        ("requester-vpc-info.vpc-id", &*a, &first),
        ("status-code", "pending-acceptance", &second),
        ("status-message", "Active", &first),
        ("vpc-peering-connection-id", &*first, &first),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let found = api.call_as(ALICE, "DescribeVpcPeeringConnections", &filter).unwrap();
        let found: Vec<String> = found["VpcPeeringConnections"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(found, std::slice::from_ref(expected), "{name}");
    }
    let code = |parameters: &[(&str, &str)]| api.code_as(ALICE, "DescribeVpcPeeringConnections", parameters);
    assert_eq!(code(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
    assert_eq!(code(&[("VpcPeeringConnectionId.1", "pcx-zz")]), "InvalidVpcPeeringConnectionId.Malformed");
    assert_eq!(code(&[("VpcPeeringConnectionId.1", "pcx-0123456789abcdef0")]), "InvalidVpcPeeringConnectionID.NotFound");
    let bad = [("VpcId", &*a), ("PeerVpcId", &*c), ("PeerOwnerId", "bob")];
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &bad), "InvalidParameterValue");
    let dry = [("VpcId", &*a), ("PeerVpcId", &*c), ("DryRun", "true")];
    assert_eq!(api.code_as(ALICE, "CreateVpcPeeringConnection", &dry), "DryRunOperation");
}

#[test]
fn groups_are_named_across_accounts_with_their_owner_but_not_across_regions() {
    let api = api();
    let group = |caller: Caller, vpc: &str| {
        let parameters = [("GroupName", "web"), ("GroupDescription", "web"), ("VpcId", vpc)];
        api.call_as(caller, "CreateSecurityGroup", &parameters).unwrap()["GroupId"].as_str().unwrap().to_owned()
    };
    let name = |here: &str, there: &str, owner: Option<&str>| {
        let mut parameters =
            vec![("GroupId", here), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", there)];
        parameters.extend(owner.map(|owner| ("IpPermissions.1.Groups.1.UserId", owner)));
        let done = api.call_as(ALICE, "AuthorizeSecurityGroupIngress", &parameters);
        done.map_or_else(|error| error.code.into_owned(), |_| "done".to_owned())
    };
    let (a, b, id) = active(&api, ALICE, BOB);
    let (here, there) = (group(ALICE, &a), group(BOB, &b));
    assert_eq!(name(&here, &there, None), "InvalidGroup.NotFound", "Alice has no such group");
    assert_eq!(name(&here, &there, Some(BOB.0)), "done");
    let pair = || {
        let found = api.call_as(ALICE, "DescribeSecurityGroups", &[("GroupId.1", &here)]).unwrap();
        found["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"][0].clone()
    };
    let expected = |status: &str| {
        json!({
            "GroupId": there, "UserId": BOB.0, "VpcId": b, "VpcPeeringConnectionId": id, "PeeringStatus": status,
        })
    };
    assert_eq!(pair(), expected("active"));
    assert_eq!(try_do(&api, BOB, "Delete", &id), "done");
    assert_eq!(pair(), expected("deleted"));
    let stale = api.call_as(ALICE, "DescribeStaleSecurityGroups", &[("VpcId", &a)]).unwrap();
    assert_eq!(stale["StaleSecurityGroupSet"][0]["GroupId"], here);
    let (c, d) = (vpc(&api, ALICE, "10.5.0.0/16"), vpc(&api, ALICE_WEST, "10.6.0.0/16"));
    let far = self::id(&ask(&api, ALICE, &c, ALICE_WEST, &d));
    assert_eq!(try_do(&api, ALICE_WEST, "Accept", &far), "done");
    let (here, there) = (group(ALICE, &c), group(ALICE_WEST, &d));
    assert_eq!(name(&here, &there, Some(ALICE.0)), "InvalidGroup.NotFound");
}
