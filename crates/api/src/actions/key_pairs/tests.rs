#![allow(clippy::unwrap_used, reason = "tests")]
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::Api;
use crate::testing::api;

/// An Ed25519 key of nobody.
const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

fn import(api: &Api, name: &str) -> serde_json::Value {
    let material = STANDARD.encode(format!("{PUBLIC} me@home"));
    api.call("ImportKeyPair", &[("KeyName", name), ("PublicKeyMaterial", &material)]).unwrap()
}

#[test]
fn a_made_pair_gives_its_private_key_once_and_is_listed() {
    let api = api();
    let parameters = [
        ("KeyName", "mine"),
        ("KeyType", "ed25519"),
        ("TagSpecification.1.ResourceType", "key-pair"),
        ("TagSpecification.1.Tag.1.Key", "a"),
        ("TagSpecification.1.Tag.1.Value", "1"),
    ];
    let made = api.call("CreateKeyPair", &parameters).unwrap();
    assert!(made["KeyMaterial"].as_str().unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    let list = |more: &[(&str, &str)]| api.call("DescribeKeyPairs", more).unwrap()["KeyPairs"].clone();
    let shown = list(&[])[0].clone();
    assert_eq!((&shown["KeyName"], &shown["KeyType"]), (&json!("mine"), &json!("ed25519")));
    assert_eq!((&shown["KeyPairId"], &shown["KeyFingerprint"]), (&made["KeyPairId"], &made["KeyFingerprint"]));
    assert_eq!((&shown["Tags"], &shown["PublicKey"]), (&json!([{"Key": "a", "Value": "1"}]), &json!(null)));
    let key = list(&[("IncludePublicKey", "true")])[0]["PublicKey"].clone();
    assert!(key.as_str().unwrap().starts_with("ssh-ed25519 AAAA"), "{key}");
    let id = made["KeyPairId"].as_str().unwrap();
    assert_eq!(list(&[("KeyPairId.1", id)])[0]["KeyName"], "mine");
    assert_eq!(list(&[("Filter.1.Name", "key-name"), ("Filter.1.Value.1", "m*")])[0]["KeyPairId"], id);
    assert_eq!(list(&[("Filter.1.Name", "fingerprint"), ("Filter.1.Value.1", "x")]), json!([]));
}

#[test]
fn the_default_is_rsa() {
    let api = api();
    let made = api.call("CreateKeyPair", &[("KeyName", "mine")]).unwrap();
    assert!(made["KeyMaterial"].as_str().unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let putty = api.call("CreateKeyPair", &[("KeyName", "putty"), ("KeyFormat", "ppk")]).unwrap();
    assert!(putty["KeyMaterial"].as_str().unwrap().starts_with("PuTTY-User-Key-File-3: ssh-rsa\n"));
}

#[test]
fn a_public_key_is_imported() {
    let api = api();
    let made = import(&api, "mine");
    let shown = api.call("DescribeKeyPairs", &[("KeyName.1", "mine"), ("IncludePublicKey", "true")]).unwrap();
    assert_eq!(shown["KeyPairs"][0]["PublicKey"], format!("{PUBLIC} mine"));
    assert_eq!(shown["KeyPairs"][0]["KeyFingerprint"], made["KeyFingerprint"]);
    let bad = STANDARD.encode("not a key");
    assert_eq!(api.code("ImportKeyPair", &[("KeyName", "bad"), ("PublicKeyMaterial", &bad)]), "InvalidKey.Format");
    assert_eq!(api.code("ImportKeyPair", &[("KeyName", "bad")]), "MissingParameter");
}

#[test]
fn names_are_unique_and_unknown_ones_are_not_found() {
    let api = api();
    let id = import(&api, "mine")["KeyPairId"].as_str().unwrap().to_owned();
    let create = |parameters: &[(&str, &str)]| api.code("CreateKeyPair", parameters);
    assert_eq!(create(&[("KeyName", "mine")]), "InvalidKeyPair.Duplicate");
    assert_eq!(create(&[("KeyName", "other"), ("KeyType", "dsa")]), "InvalidParameterValue");
    assert_eq!(create(&[("KeyName", "other"), ("KeyFormat", "jks")]), "InvalidParameterValue");
    assert_eq!(create(&[("KeyName", "other"), ("KeyType", "ed25519"), ("KeyFormat", "ppk")]), "UnsupportedOperation");
    assert_eq!(create(&[("KeyName", &"n".repeat(256))]), "InvalidParameterValue");
    assert_eq!(create(&[]), "MissingParameter");
    assert_eq!(api.code("DescribeKeyPairs", &[("KeyName.1", "other")]), "InvalidKeyPair.NotFound");
    assert_eq!(api.code("DescribeKeyPairs", &[("KeyPairId.1", "key-0123456789abcdef0")]), "InvalidKeyPair.NotFound");
    assert_eq!(api.code("DescribeKeyPairs", &[("KeyPairId.1", "key-x")]), "InvalidKeyPairID.Malformed");
    let run = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("KeyName", "other")];
    assert_eq!(api.code("RunInstances", &run), "InvalidKeyPair.NotFound");
    assert_eq!(api.call("DeleteKeyPair", &[("KeyPairId", &id)]).unwrap()["KeyPairId"], *id);
    assert_eq!(api.code("DeleteKeyPair", &[("KeyPairId", &id)]), "InvalidKeyPair.NotFound");
    assert_eq!(api.code("DeleteKeyPair", &[]), "MissingParameter");
    assert_eq!(api.code("DeleteKeyPair", &[("KeyPairId", &id), ("KeyName", "mine")]), "InvalidParameterCombination");
    // A name that there isn't is no mistake.
    assert_eq!(api.call("DeleteKeyPair", &[("KeyName", "mine")]).unwrap()["Return"], true);
}
