//! Hosted zones and records over the wire.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::Api;
use crate::testing::{api, api_with_clock};

const ALICE: &str = "111111111111";
const BOB: &str = "222222222222";

fn call(api: &Api, account: &str, method: &str, target: &str, body: &str) -> (u16, String) {
    api.rest(account, "route53", (method, &format!("/2013-04-01/{target}")), body)
}

/// What stands in the first element of that name.
fn text(body: &str, element: &str) -> String {
    let start =
        body.find(&format!("<{element}>")).map(|at| at + element.len() + 2).unwrap_or_else(|| panic!("no {element}: {body}"));
    body[start..start + body[start..].find('<').unwrap()].to_owned()
}

fn code(answer: (u16, String)) -> (u16, String) {
    (answer.0, text(&answer.1, "Code"))
}

fn create(api: &Api, account: &str, name: &str, rest: &str) -> (u16, String) {
    let body = format!(
        "<CreateHostedZoneRequest><Name>{name}</Name><CallerReference>{name}{rest}</CallerReference>{rest}</CreateHostedZoneRequest>"
    );
    call(
        api,
        account,
        "POST",
        "hostedzone",
        &body.replace(&format!("{name}{rest}</Caller"), &format!("{name}{}</Caller", rest.len())),
    )
}

fn zone(api: &Api, account: &str, name: &str, rest: &str) -> String {
    let (status, body) = create(api, account, name, rest);
    assert_eq!(status, 201, "{body}");
    text(&body, "Id").trim_start_matches("/hostedzone/").to_owned()
}

fn change(api: &Api, zone: &str, changes: &[(&str, &str)]) -> (u16, String) {
    let changes: String = changes
        .iter()
        .map(|(action, set)| format!("<Change><Action>{action}</Action><ResourceRecordSet>{set}</ResourceRecordSet></Change>"))
        .collect();
    let body = format!(
        "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    call(api, ALICE, "POST", &format!("hostedzone/{zone}/rrset/"), &body)
}

fn set(name: &str, kind: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>")).collect();
    format!("<Name>{name}</Name><Type>{kind}</Type><TTL>60</TTL><ResourceRecords>{values}</ResourceRecords>")
}

fn message(answer: (u16, String)) -> String {
    assert_eq!(text(&answer.1, "Code"), "InvalidChangeBatch", "{}", answer.1);
    text(&answer.1, "Message")
}

fn vpc(api: &Api, account: &str) -> String {
    let made = api.call_as((account, "us-east-1"), "CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
    let id = made["Vpc"]["VpcId"].as_str().unwrap();
    format!("<VPC><VPCRegion>us-east-1</VPCRegion><VPCId>{id}</VPCId></VPC>")
}

#[test]
fn a_zone_is_made_with_its_two_records_and_deleted_when_nothing_else_is_in_it() {
    let api = api();
    let id = zone(&api, ALICE, "Example.org", "");
    let (_, shown) = call(&api, ALICE, "GET", &format!("hostedzone/{id}"), "");
    assert_eq!((text(&shown, "Name"), text(&shown, "ResourceRecordSetCount")), ("example.org.".into(), "2".into()));
    let (_, records) = call(&api, ALICE, "GET", &format!("hostedzone/{id}/rrset"), "");
    assert!(records.find("<Type>NS").unwrap() < records.find("<Type>SOA").unwrap(), "{records}");
    assert!(records.contains("awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"));
    assert_eq!(change(&api, &id, &[("CREATE", &set("a.example.org", "A", &["192.0.2.1"]))]).0, 200);
    let path = format!("hostedzone/{id}");
    assert_eq!(code(call(&api, ALICE, "DELETE", &path, "")), (400, "HostedZoneNotEmpty".into()));
    assert_eq!(code(call(&api, BOB, "DELETE", &path, "")), (404, "NoSuchHostedZone".into()));
    assert_eq!(change(&api, &id, &[("DELETE", &set("a.example.org.", "A", &["192.0.2.1"]))]).0, 200);
    assert_eq!(call(&api, ALICE, "DELETE", &path, "").0, 200);
    assert_eq!(code(call(&api, ALICE, "GET", &path, "")), (404, "NoSuchHostedZone".into()));
}

#[test]
fn a_caller_reference_makes_one_zone() {
    let api = api();
    zone(&api, ALICE, "example.org", "");
    assert_eq!(code(create(&api, ALICE, "example.org", "")), (409, "HostedZoneAlreadyExists".into()));
    zone(&api, BOB, "example.org", "");
    for (name, expected) in [("a..b", "InvalidDomainName"), ("", "InvalidDomainName")] {
        assert_eq!(code(create(&api, ALICE, name, "")), (400, expected.into()));
    }
}

#[test]
fn changes_are_all_made_or_none_and_say_what_is_wrong() {
    let api = api();
    let id = zone(&api, ALICE, "example.org", "");
    assert_eq!(change(&api, &id, &[("CREATE", &set("www.example.org", "A", &["192.0.2.1"]))]).0, 200);
    let other = set("other.example.org", "A", &["192.0.2.1"]);
    for (changes, expected) in [
        (
            vec![("CREATE", set("www.example.org", "A", &["192.0.2.9"]))],
            "[Tried to create resource record set [name='www.example.org.', type='A'] but it already exists]",
        ),
        (
            vec![("DELETE", set("no.example.org", "A", &["192.0.2.9"]))],
            "[Tried to delete resource record set [name='no.example.org.', type='A'] but it was not found]",
        ),
        (
            vec![("DELETE", set("www.example.org", "A", &["192.0.2.9"]))],
            "[Tried to delete resource record set [name='www.example.org.', type='A'] but the values provided do not match the current values]",
        ),
        (
            vec![("CREATE", set("www.example.org", "CNAME", &["a.b"]))],
            "[RRSet of type CNAME with DNS name www.example.org. is not permitted as it conflicts with other records with the same DNS name in zone example.org.]",
        ),
        (
            vec![("CREATE", set("example.org", "CNAME", &["a.b"]))],
            "[RRSet of type CNAME with DNS name example.org. is not permitted at apex in zone example.org.]",
        ),
        (
            vec![("CREATE", set("www.example.com", "A", &["192.0.2.1"]))],
            "[RRSet with DNS name www.example.com. is not permitted in zone example.org.]",
        ),
        (
            vec![("CREATE", set("x.example.org", "A", &["x"]))],
            "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x'']",
        ),
        (vec![("CREATE", set("x.example.org", "A", &["192.0.2.1", "192.0.2.1"]))], "[Duplicate Resource Record: '192.0.2.1']"),
    ] {
        let mut batch = vec![("CREATE", other.clone())];
        batch.extend(changes);
        let batch: Vec<(&str, &str)> = batch.iter().map(|(action, set)| (*action, &**set)).collect();
        assert_eq!(message(change(&api, &id, &batch)), expected);
    }
    let (_, records) = call(&api, ALICE, "GET", &format!("hostedzone/{id}/rrset"), "");
    assert!(!records.contains("other.example.org"), "half of a batch was made: {records}");
    let swap =
        [("DELETE", &*set("www.example.org", "A", &["192.0.2.1"])), ("CREATE", &*set("www.example.org", "CNAME", &["a.b"]))];
    assert_eq!(change(&api, &id, &swap).0, 200, "what stands in the way may go in the same batch");
    let both = message(change(
        &api,
        &id,
        &[("DELETE", &set("a.example.org", "A", &["192.0.2.1"])), ("DELETE", &set("b.example.org", "A", &["192.0.2.1"]))],
    ));
    assert!(both.contains("a.example.org.") && both.contains("b.example.org."), "{both}");
}

#[test]
fn sets_of_one_name_have_one_policy_and_tell_themselves_apart() {
    let api = api();
    let id = zone(&api, ALICE, "example.org", "");
    let weighted = |identifier: &str, weight: u8| {
        format!(
            "{}<SetIdentifier>{identifier}</SetIdentifier><Weight>{weight}</Weight>",
            set("w.example.org", "A", &["192.0.2.1"])
        )
    };
    assert_eq!(change(&api, &id, &[("CREATE", &weighted("a", 1)), ("CREATE", &weighted("b", 2))]).0, 200);
    let simple = message(change(&api, &id, &[("CREATE", &set("w.example.org", "A", &["192.0.2.1"]))]));
    assert!(simple.contains("cannot be created as other RRSets exist with the same name and type."), "{simple}");
    let failover =
        format!("{}<SetIdentifier>f</SetIdentifier><Failover>PRIMARY</Failover>", set("w.example.org", "A", &["192.0.2.1"]));
    assert!(message(change(&api, &id, &[("CREATE", &failover)])).contains("exists with the same name and type"));
    let unnamed = format!("{}<Weight>1</Weight>", set("w.example.org", "A", &["192.0.2.1"]));
    assert_eq!(code(change(&api, &id, &[("CREATE", &unnamed)])), (400, "InvalidInput".into()));
    let none = change(&api, &id, &[("CREATE", "<Name>n.example.org</Name><Type>A</Type>")]);
    assert!(
        text(&none.1, "Message")
            .contains("but found none in Change with [Action=CREATE, Name=n.example.org., Type=A, SetIdentifier=null]")
    );
}

#[test]
fn records_are_listed_by_reversed_name_type_and_identifier_in_pages() {
    let api = api();
    let id = zone(&api, ALICE, "example.org", "");
    let sets = [
        ("z.example.org", "A"),
        ("a.z.example.org", "A"),
        ("*.example.org", "A"),
        ("z.example.org", "AAAA"),
        ("b.example.org", "A"),
    ];
    let sets: Vec<_> =
        sets.iter().map(|(name, kind)| set(name, kind, &[if *kind == "A" { "192.0.2.1" } else { "2001:db8::1" }])).collect();
    let batch: Vec<_> = sets.iter().map(|set| ("CREATE", &**set)).collect();
    assert_eq!(change(&api, &id, &batch).0, 200);
    let (mut names, mut target) = (Vec::new(), format!("hostedzone/{id}/rrset?maxitems=2"));
    loop {
        let (_, page) = call(&api, ALICE, "GET", &target, "");
        for part in page.split("<ResourceRecordSet>").skip(1) {
            names.push(format!("{} {}", text(part, "Name"), text(part, "Type")));
        }
        if text(&page, "IsTruncated") == "false" {
            break;
        }
        let (name, kind) = (text(&page, "NextRecordName").replace('\\', "%5C"), text(&page, "NextRecordType"));
        target = format!("hostedzone/{id}/rrset?maxitems=2&name={name}&type={kind}");
    }
    let expected = [
        "example.org. NS",
        "example.org. SOA",
        "\\052.example.org. A",
        "b.example.org. A",
        "z.example.org. A",
        "z.example.org. AAAA",
        "a.z.example.org. A",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_private_zone_is_seen_by_the_vpcs_that_it_is_associated_with() {
    let api = api();
    let (first, second, foreign) = (vpc(&api, ALICE), vpc(&api, ALICE), vpc(&api, BOB));
    let id = zone(&api, ALICE, "corp", &first);
    assert_eq!(code(create(&api, ALICE, "corp", &format!("{first} "))), (400, "ConflictingDomainExists".into()));
    let public = zone(&api, ALICE, "example.org", "");
    let request = |operation: &str, vpc: &str| format!("<{operation}Request>{vpc}</{operation}Request>");
    let associate = |account: &str, zone: &str, vpc: &str| {
        call(&api, account, "POST", &format!("hostedzone/{zone}/associatevpc"), &request("AssociateVPCWithHostedZone", vpc))
    };
    let disassociate = |account: &str, vpc: &str| {
        call(&api, account, "POST", &format!("hostedzone/{id}/disassociatevpc"), &request("DisassociateVPCFromHostedZone", vpc))
    };
    assert_eq!(code(associate(ALICE, &public, &second)), (400, "PublicZoneVPCAssociation".into()));
    assert_eq!(code(disassociate(ALICE, &first)), (400, "LastVPCAssociation".into()));
    assert_eq!(code(disassociate(ALICE, &second)), (404, "VPCAssociationNotFound".into()));
    assert_eq!(associate(ALICE, &id, &second).0, 200);
    assert_eq!(code(associate(BOB, &id, &foreign)), (401, "NotAuthorizedException".into()));
    let authorize = |path: &str, operation: &str| {
        call(&api, ALICE, "POST", &format!("hostedzone/{id}/{path}"), &request(operation, &foreign))
    };
    assert_eq!(authorize("authorizevpcassociation", "CreateVPCAssociationAuthorization").0, 200);
    assert_eq!(associate(BOB, &id, &foreign).0, 200);
    assert_eq!(authorize("deauthorizevpcassociation", "DeleteVPCAssociationAuthorization").0, 200);
    let gone = authorize("deauthorizevpcassociation", "DeleteVPCAssociationAuthorization");
    assert_eq!(code(gone), (404, "VPCAssociationAuthorizationNotFound".into()));
    let vpc_id = text(&foreign, "VPCId");
    let (_, seen) = call(&api, BOB, "GET", &format!("hostedzonesbyvpc?vpcid={vpc_id}&vpcregion=us-east-1"), "");
    assert_eq!((text(&seen, "HostedZoneId"), text(&seen, "OwningAccount")), (id.clone(), ALICE.to_owned()));
    assert_eq!(disassociate(BOB, &foreign).0, 200);
}

#[test]
fn a_change_is_pending_in_its_own_answer_and_in_sync_afterwards_until_it_is_forgotten() {
    let (api, _clock) = api_with_clock();
    let (_, made) = create(&api, ALICE, "example.org", "");
    assert_eq!(text(&made, "Status"), "PENDING");
    let change = made.split("<ChangeInfo><Id>/change/").nth(1).unwrap().split('<').next().unwrap();
    let (_, shown) = call(&api, ALICE, "GET", &format!("change/{change}"), "");
    assert_eq!(text(&shown, "Status"), "INSYNC");
    assert_eq!(code(call(&api, BOB, "GET", &format!("change/{change}"), "")), (404, "NoSuchChange".into()));
}

#[test]
fn an_alias_leads_to_something_in_its_zone() {
    let api = api();
    let id = zone(&api, ALICE, "example.org", "");
    let alias = |target: &str, zone: &str| {
        format!(
            "<Name>alias.example.org</Name><Type>A</Type><AliasTarget><HostedZoneId>{zone}</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
        )
    };
    let missing = message(change(&api, &id, &[("CREATE", &alias("a.example.org", &id))]));
    assert!(missing.ends_with("but that target was not found]"), "{missing}");
    let outside = message(change(&api, &id, &[("CREATE", &alias("a.example.com", &id))]));
    assert!(outside.ends_with("but the alias target name does not lie within the target zone]"), "{outside}");
    let both = [("CREATE", &*set("a.example.org", "A", &["192.0.2.1"])), ("UPSERT", &*alias("a.example.org", &id))];
    assert_eq!(change(&api, &id, &both).0, 200);
    assert_eq!(change(&api, &id, &[("UPSERT", &alias("dualstack.x.elb.amazonaws.com", "Z26RNL4JYFTOTI"))]).0, 200);
    let (_, records) = call(&api, ALICE, "GET", &format!("hostedzone/{id}/rrset?name=alias.example.org&maxitems=1"), "");
    assert!(!records.contains("<ResourceRecords") && !records.contains("<TTL>"), "{records}");
}
