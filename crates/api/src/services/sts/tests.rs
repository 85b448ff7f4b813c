#![allow(clippy::unwrap_used, reason = "tests")]
use crate::Api;
use crate::testing::{api, signed};

const TRUST: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

/// Makes a role in an account.
fn role(api: &Api, account: &str, name: &str) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs([
        ("Action", "CreateRole"),
        ("Version", "2010-05-08"),
        ("RoleName", name),
        ("AssumeRolePolicyDocument", TRUST),
    ]);
    assert_eq!(api.answer(&signed(account, "us-east-1", "iam", &body.finish())).unwrap().status, 200);
    format!("arn:aws:iam::{account}:role/{name}")
}

fn code(api: &Api, parameters: &[(&str, &str)]) -> String {
    api.code("sts:AssumeRole", parameters)
}

#[test]
fn who_takes_a_role_acts_for_the_role_s_account() {
    let api = api();
    let arn = role(&api, "222222222222", "shared");
    let parameters = [("RoleArn", &*arn), ("RoleSessionName", "me"), ("DurationSeconds", "900")];
    let answer = api.call("sts:AssumeRole", &parameters).unwrap();
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::222222222222:assumed-role/shared/me");
    assert!(answer["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap().ends_with(":me"));
    let credentials = &answer["Credentials"];
    assert_eq!(credentials["Expiration"], "2026-09-21T14:29:02.000Z");
    let key = credentials["AccessKeyId"].as_str().unwrap();
    assert!(key.len() == 20 && key.starts_with("ASIA"), "{key}");
    assert_eq!(credentials["SecretAccessKey"].as_str().unwrap().len(), 40);
    let who = api.raw_as(key, "us-east-1", "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(who.body.contains("<Account>222222222222</Account>"), "{}", who.body);
    let info = api.call("sts:GetAccessKeyInfo", &[("AccessKeyId", key)]).unwrap();
    assert_eq!(info["Account"], "222222222222");
}

#[test]
fn only_a_role_that_is_there_can_be_taken() {
    let api = api();
    let arn = role(&api, "222222222222", "shared");
    let session = ("RoleSessionName", "me");
    assert_eq!(code(&api, &[("RoleArn", &arn.replace("shared", "other")), session]), "AccessDenied");
    assert_eq!(code(&api, &[("RoleArn", &arn.replace("role/", "role/path/")), session]), "AccessDenied");
    assert_eq!(code(&api, &[("RoleArn", &arn.replace("iam", "s3")), session]), "ValidationError");
    assert_eq!(code(&api, &[("RoleArn", &arn.replace("2222", "x")), session]), "ValidationError");
    assert_eq!(code(&api, &[("RoleArn", &arn), ("RoleSessionName", "a b")]), "ValidationError");
    assert_eq!(code(&api, &[("RoleArn", &arn), session, ("DurationSeconds", "899")]), "ValidationError");
    assert_eq!(code(&api, &[("RoleArn", &arn), session, ("DurationSeconds", "3601")]), "ValidationError");
}

#[test]
fn only_accounts_that_the_trust_names_take_a_role() {
    let api = api();
    let create = |name: &str, principal: &str| {
        let trust = format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#);
        api.call("iam:CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)]).unwrap();
        format!("arn:aws:iam::123456789012:role/{name}")
    };
    let take = |arn: &str| api.call("sts:AssumeRole", &[("RoleArn", arn), ("RoleSessionName", "me")]);
    for (name, principal) in [
        ("number", r#"{"AWS":"123456789012"}"#),
        ("root", r#"{"AWS":["arn:aws:iam::999999999999:root","arn:aws:iam::123456789012:root"]}"#),
        ("anybody", r#""*""#),
    ] {
        assert!(take(&create(name, principal)).is_ok(), "{name}");
    }
    for (name, principal) in [("other", r#"{"AWS":"999999999999"}"#), ("service", r#"{"Service":"ec2.amazonaws.com"}"#)] {
        assert_eq!(take(&create(name, principal)).unwrap_err().code, "AccessDenied", "{name}");
    }
}

#[test]
fn a_session_token_is_for_the_caller_s_own_account() {
    let api = api();
    let answer = api.call("sts:GetSessionToken", &[]).unwrap();
    let key = answer["Credentials"]["AccessKeyId"].as_str().unwrap();
    let who = api.raw_as(key, "us-east-1", "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(who.body.contains("<Account>123456789012</Account>"), "{}", who.body);
    assert_eq!(api.code("sts:GetSessionToken", &[("DurationSeconds", "1")]), "ValidationError");
    let other = api.call("sts:GetAccessKeyInfo", &[("AccessKeyId", "333333333333")]).unwrap();
    assert_eq!(other["Account"], "333333333333");
}
