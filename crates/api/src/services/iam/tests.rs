#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vpc-flow-logs.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}}"#;

fn iam(api: &Api, action: &str, parameters: &[(&str, &str)]) -> Value {
    api.call(&format!("iam:{action}"), parameters).unwrap()
}

fn code(api: &Api, action: &str, parameters: &[(&str, &str)]) -> String {
    api.code(&format!("iam:{action}"), parameters)
}

fn role(api: &Api, name: &str) -> Value {
    iam(api, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)])["Role"].clone()
}

fn policy(api: &Api, name: &str) -> String {
    let answer = iam(api, "CreatePolicy", &[("PolicyName", name), ("PolicyDocument", POLICY), ("Path", "/net/")]);
    answer["Policy"]["Arn"].as_str().unwrap().to_owned()
}

#[test]
fn a_role_is_what_it_was_made_of() {
    let api = api();
    let parameters = [
        ("RoleName", "Flow"),
        ("Path", "/net/"),
        ("AssumeRolePolicyDocument", TRUST),
        ("Description", "d"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "b"),
    ];
    let made = iam(&api, "CreateRole", &parameters)["Role"].clone();
    assert_eq!(made["Arn"], "arn:aws:iam::123456789012:role/net/Flow");
    assert!(made["RoleId"].as_str().unwrap().starts_with("AROA") && made["RoleId"].as_str().unwrap().len() == 21);
    let got = iam(&api, "GetRole", &[("RoleName", "flow")])["Role"].clone();
    assert_eq!((&got["MaxSessionDuration"], &got["Description"]), (&json!(7200), &json!("d")));
    assert_eq!(got["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let document = got["AssumeRolePolicyDocument"].as_str().unwrap();
    assert!(document.starts_with("%7B%22Version%22%3A%222012-10-17%22"), "{document}");
    assert_eq!(code(&api, "CreateRole", &parameters), "EntityAlreadyExists");
    assert_eq!(iam(&api, "ListRoles", &[("PathPrefix", "/net/")])["Roles"].as_array().unwrap().len(), 1);
    assert_eq!(iam(&api, "ListRoles", &[("PathPrefix", "/other/")])["Roles"], json!([]));
    iam(&api, "UpdateRole", &[("RoleName", "Flow"), ("Description", "e")]);
    iam(&api, "UpdateRoleDescription", &[("RoleName", "Flow"), ("Description", "f")]);
    let other = TRUST.replace("vpc-flow-logs", "ec2");
    iam(&api, "UpdateAssumeRolePolicy", &[("RoleName", "Flow"), ("PolicyDocument", &other)]);
    let got = iam(&api, "GetRole", &[("RoleName", "Flow")])["Role"].clone();
    assert_eq!((&got["MaxSessionDuration"], &got["Description"]), (&json!(7200), &json!("f")));
    assert!(got["AssumeRolePolicyDocument"].as_str().unwrap().contains("ec2.amazonaws.com"));
    iam(&api, "TagRole", &[("RoleName", "Flow"), ("Tags.member.1.Key", "c"), ("Tags.member.1.Value", "d")]);
    iam(&api, "UntagRole", &[("RoleName", "Flow"), ("TagKeys.member.1", "a")]);
    assert_eq!(iam(&api, "ListRoleTags", &[("RoleName", "Flow")])["Tags"], json!([{"Key": "c", "Value": "d"}]));
}

#[test]
fn iam_has_no_regions_but_accounts() {
    let api = api();
    role(&api, "one");
    let ask = |account: &str, region: &str| {
        let request = crate::testing::signed(account, region, "iam", "Action=GetRole&Version=2010-05-08&RoleName=one");
        api.answer(&request).unwrap().status
    };
    assert_eq!(ask("test", "eu-central-1"), 200);
    assert_eq!(ask("111111111111", "us-east-1"), 404);
}

#[test]
fn documents_are_read_before_they_are_kept() {
    let api = api();
    role(&api, "r");
    let statement = |text: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#);
    let policies = [
        "x".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        POLICY.replace("2012-10-17", "2013-01-01"),
        POLICY.replace("Allow", "Maybe"),
        statement(""),
        statement(r#"{"Effect":"Allow","Action":"*"}"#),
        statement(r#"{"Effect":"Allow","Resource":"*"}"#),
        statement(r#"{"Effect":"Allow","Action":1,"Resource":"*"}"#),
        statement(r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#),
        statement(r#"{"Effect":"Allow","Action":"*","Resource":"*","Conditions":{}}"#),
    ];
    for document in &policies {
        let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", &**document)];
        assert_eq!(code(&api, "PutRolePolicy", &put), "MalformedPolicyDocument", "{document}");
        assert_eq!(code(&api, "CreatePolicy", &put[1..]), "MalformedPolicyDocument", "{document}");
    }
    let trust = [POLICY.to_owned(), TRUST.replace("Principal", "NotPrincipals"), "{".to_owned()];
    for document in &trust {
        let create = [("RoleName", "s"), ("AssumeRolePolicyDocument", &**document)];
        assert_eq!(code(&api, "CreateRole", &create), "MalformedPolicyDocument", "{document}");
        let update = [("RoleName", "r"), ("PolicyDocument", &**document)];
        assert_eq!(code(&api, "UpdateAssumeRolePolicy", &update), "MalformedPolicyDocument", "{document}");
    }
    let long = statement(&format!(r#"{{"Effect":"Allow","Action":"{}","Resource":"*"}}"#, "a".repeat(10_241)));
    let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", &*long)];
    assert_eq!(code(&api, "PutRolePolicy", &put), "LimitExceeded");
    assert_eq!(code(&api, "CreatePolicy", &put[1..]), "LimitExceeded");
}

#[test]
fn names_paths_and_lengths_are_checked() {
    let api = api();
    for (name, value) in [
        ("RoleName", "a b"),
        ("RoleName", "a/b"),
        ("Path", "net"),
        ("Path", "/aws-service-role/x/"),
        ("MaxSessionDuration", "3599"),
        ("Tags.member.1.Key", "aws:x"),
    ] {
        let mut parameters = vec![("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)];
        parameters.retain(|(other, _)| *other != name);
        parameters.push((name, value));
        if name.starts_with("Tags") {
            parameters.push(("Tags.member.1.Value", ""));
        }
        assert_eq!(code(&api, "CreateRole", &parameters), "ValidationError", "{name} {value}");
    }
    for action in
        ["GetRole", "DeleteRole", "ListRolePolicies", "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRoleTags"]
    {
        assert_eq!(code(&api, action, &[("RoleName", "none")]), "NoSuchEntity", "{action}");
    }
    assert_eq!(code(&api, "ListRoles", &[("MaxItems", "0")]), "ValidationError");
    assert_eq!(code(&api, "ListRoles", &[("Marker", "x")]), "ValidationError");
}

#[test]
fn a_role_goes_when_it_holds_nothing_and_nothing_holds_it() {
    let api = api();
    role(&api, "r");
    let arn = policy(&api, "p");
    let managed = [("RoleName", "r"), ("PolicyArn", &*arn)];
    let own = [("RoleName", "r"), ("PolicyName", "own")];
    let profile = [("InstanceProfileName", "i"), ("RoleName", "r")];
    iam(&api, "AttachRolePolicy", &managed);
    iam(&api, "AttachRolePolicy", &managed);
    iam(&api, "AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")]);
    iam(&api, "PutRolePolicy", &[own[0], own[1], ("PolicyDocument", POLICY)]);
    iam(&api, "CreateInstanceProfile", &profile[..1]);
    iam(&api, "AddRoleToInstanceProfile", &profile);

    let attached = iam(&api, "ListAttachedRolePolicies", &[("RoleName", "r")])["AttachedPolicies"].clone();
    assert_eq!(attached[0], json!({"PolicyName": "p", "PolicyArn": arn}));
    assert_eq!(attached[1]["PolicyName"], "AmazonSSMManagedInstanceCore");
    assert_eq!(iam(&api, "ListRolePolicies", &[("RoleName", "r")])["PolicyNames"], json!(["own"]));
    let document = iam(&api, "GetRolePolicy", &own)["PolicyDocument"].clone();
    assert!(document.as_str().unwrap().contains("%22logs%3A%2A%22"), "{document}");
    let profiles = iam(&api, "ListInstanceProfilesForRole", &[("RoleName", "r")])["InstanceProfiles"].clone();
    assert_eq!(profiles[0]["Roles"][0]["RoleName"], "r");
    assert_eq!(
        iam(&api, "GetInstanceProfile", &profile[..1])["InstanceProfile"]["Arn"],
        "arn:aws:iam::123456789012:instance-profile/i"
    );

    let delete = || code(&api, "DeleteRole", &[("RoleName", "r")]);
    assert_eq!(delete(), "DeleteConflict");
    assert_eq!(code(&api, "DeleteInstanceProfile", &profile[..1]), "DeleteConflict");
    assert_eq!(code(&api, "DeletePolicy", &managed[1..]), "DeleteConflict");
    iam(&api, "RemoveRoleFromInstanceProfile", &profile);
    assert_eq!(delete(), "DeleteConflict");
    iam(&api, "DeleteRolePolicy", &own);
    assert_eq!(code(&api, "DeleteRolePolicy", &own), "NoSuchEntity");
    assert_eq!(code(&api, "GetRolePolicy", &own), "NoSuchEntity");
    assert_eq!(delete(), "DeleteConflict");
    iam(&api, "DetachRolePolicy", &managed);
    assert_eq!(code(&api, "DetachRolePolicy", &managed), "NoSuchEntity");
    iam(&api, "DetachRolePolicy", &[("RoleName", "r"), ("PolicyArn", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")]);
    iam(&api, "DeleteRole", &[("RoleName", "r")]);
    iam(&api, "DeleteInstanceProfile", &profile[..1]);
    iam(&api, "DeletePolicy", &managed[1..]);
    assert_eq!(code(&api, "GetPolicy", &managed[1..]), "NoSuchEntity");
    assert_eq!(code(&api, "GetInstanceProfile", &profile[..1]), "NoSuchEntity");
}

#[test]
fn a_profile_holds_one_role() {
    let api = api();
    role(&api, "r");
    role(&api, "s");
    let profile = [("InstanceProfileName", "i"), ("RoleName", "r")];
    iam(&api, "CreateInstanceProfile", &profile[..1]);
    assert_eq!(code(&api, "CreateInstanceProfile", &profile[..1]), "EntityAlreadyExists");
    assert_eq!(code(&api, "RemoveRoleFromInstanceProfile", &profile), "NoSuchEntity");
    assert_eq!(code(&api, "AddRoleToInstanceProfile", &[profile[0], ("RoleName", "none")]), "NoSuchEntity");
    iam(&api, "AddRoleToInstanceProfile", &profile);
    assert_eq!(code(&api, "AddRoleToInstanceProfile", &[profile[0], ("RoleName", "s")]), "LimitExceeded");
    assert_eq!(iam(&api, "ListInstanceProfiles", &[])["InstanceProfiles"].as_array().unwrap().len(), 1);
}

#[test]
fn a_policy_has_up_to_five_versions() {
    let api = api();
    let arn = policy(&api, "p");
    assert_eq!(arn, "arn:aws:iam::123456789012:policy/net/p");
    let named = ("PolicyArn", &*arn);
    for number in 2..=5 {
        let is_default = if number == 3 { "true" } else { "false" };
        let answer = iam(&api, "CreatePolicyVersion", &[named, ("PolicyDocument", POLICY), ("SetAsDefault", is_default)]);
        assert_eq!(answer["PolicyVersion"]["VersionId"], format!("v{number}"));
    }
    assert_eq!(code(&api, "CreatePolicyVersion", &[named, ("PolicyDocument", POLICY)]), "LimitExceeded");
    let got = iam(&api, "GetPolicy", &[named])["Policy"].clone();
    assert_eq!((&got["DefaultVersionId"], &got["AttachmentCount"]), (&json!("v3"), &json!(0)));
    let version = iam(&api, "GetPolicyVersion", &[named, ("VersionId", "v3")])["PolicyVersion"].clone();
    assert_eq!(version["IsDefaultVersion"], true);
    assert!(version["Document"].as_str().unwrap().starts_with("%7B"));
    assert_eq!(iam(&api, "ListPolicyVersions", &[named])["Versions"].as_array().unwrap().len(), 5);
    assert_eq!(code(&api, "DeletePolicy", &[named]), "DeleteConflict");
    assert_eq!(code(&api, "DeletePolicyVersion", &[named, ("VersionId", "v3")]), "DeleteConflict");
    assert_eq!(code(&api, "DeletePolicyVersion", &[named, ("VersionId", "v9")]), "NoSuchEntity");
    for version in ["v1", "v2", "v4", "v5"] {
        iam(&api, "DeletePolicyVersion", &[named, ("VersionId", version)]);
    }
    iam(&api, "TagPolicy", &[named, ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]);
    assert_eq!(iam(&api, "ListPolicyTags", &[named])["Tags"], json!([{"Key": "a", "Value": "b"}]));
    iam(&api, "UntagPolicy", &[named, ("TagKeys.member.1", "a")]);
    assert_eq!(iam(&api, "ListPolicies", &[("Scope", "Local")])["Policies"].as_array().unwrap().len(), 1);
    assert_eq!(iam(&api, "ListPolicies", &[("OnlyAttached", "true")])["Policies"], json!([]));
    assert_eq!(code(&api, "ListPolicies", &[("Scope", "Mine")]), "ValidationError");
    assert_eq!(code(&api, "GetPolicy", &[("PolicyArn", "p")]), "InvalidInput");
    iam(&api, "DeletePolicy", &[named]);
}

#[test]
fn a_service_s_own_role_is_made_once_and_stays_as_it_is() {
    let api = api();
    let service = [("AWSServiceName", "transitgateway.amazonaws.com")];
    let made = iam(&api, "CreateServiceLinkedRole", &service)["Role"].clone();
    assert_eq!(
        made["Arn"],
        "arn:aws:iam::123456789012:role/aws-service-role/transitgateway.amazonaws.com/AWSServiceRoleForVPCTransitGateway"
    );
    assert_eq!(code(&api, "CreateServiceLinkedRole", &service), "InvalidInput");
    assert_eq!(code(&api, "CreateServiceLinkedRole", &[("AWSServiceName", "x")]), "InvalidInput");
    let named = [("RoleName", "AWSServiceRoleForVPCTransitGateway")];
    assert_eq!(code(&api, "DeleteRole", &named), "UnmodifiableEntity");
}

#[test]
fn every_caller_is_the_root_of_its_account() {
    let api = api();
    assert_eq!(iam(&api, "GetUser", &[])["User"]["Arn"], "arn:aws:iam::123456789012:root");
    assert_eq!(code(&api, "GetUser", &[("UserName", "alice")]), "NoSuchEntity");
    assert_eq!(iam(&api, "ListUsers", &[])["Users"], json!([]));
    assert_eq!(iam(&api, "ListAccountAliases", &[])["AccountAliases"], json!([]));
}
