#![allow(clippy::unwrap_used, reason = "tests")]
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

const AUTHORITY: &str = include_str!("../../../../control/tests/certificates/authority.pem");
const AUTHORITY_KEY: &str = include_str!("../../../../control/tests/certificates/authority-key.pem");
const SERVER: &str = include_str!("../../../../control/tests/certificates/server.pem");
const SERVER_KEY: &str = include_str!("../../../../control/tests/certificates/server-key.pem");

fn import(api: &Api, more: &Value) -> Result<Value, crate::ApiError> {
    let mut body = json!({ "Certificate": STANDARD.encode(SERVER), "PrivateKey": STANDARD.encode(SERVER_KEY) });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    api.json("acm", "ImportCertificate", &body)
}

fn arn(api: &Api) -> String {
    import(api, &json!({})).unwrap()["CertificateArn"].as_str().unwrap().to_owned()
}

fn code(api: &Api, operation: &str, arn: &str) -> String {
    api.json("acm", operation, &json!({ "CertificateArn": arn })).unwrap_err().code.into_owned()
}

#[test]
fn an_imported_certificate_is_described_as_it_says() {
    let api = api();
    let chain = json!({ "CertificateChain": STANDARD.encode(AUTHORITY), "Tags": [{"Key": "a", "Value": "b"}] });
    let arn = import(&api, &chain).unwrap()["CertificateArn"].as_str().unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:acm:us-east-1:123456789012:certificate/"), "{arn}");
    let named = json!({ "CertificateArn": arn });
    let detail = api.json("acm", "DescribeCertificate", &named).unwrap()["Certificate"].clone();
    assert_eq!(detail["DomainName"], "vpn.example.com");
    assert_eq!(detail["SubjectAlternativeNames"], json!(["vpn.example.com", "*.vpn.example.com"]));
    assert_eq!((&detail["Type"], &detail["Status"]), (&json!("IMPORTED"), &json!("ISSUED")));
    assert_eq!((&detail["Serial"], &detail["KeyAlgorithm"]), (&json!("10:01"), &json!("RSA-2048")));
    assert_eq!(detail["InUseBy"], json!([]));
    assert_eq!(detail["NotBefore"], 1_767_225_600.0);
    assert_eq!(detail["ExtendedKeyUsages"][0]["Name"], "TLS_WEB_SERVER_AUTHENTICATION");
    let got = api.json("acm", "GetCertificate", &named).unwrap();
    assert_eq!(got, json!({ "Certificate": SERVER, "CertificateChain": AUTHORITY }));
    let tags = || api.json("acm", "ListTagsForCertificate", &named).unwrap()["Tags"].clone();
    assert_eq!(tags(), json!([{"Key": "a", "Value": "b"}]));
    let other = json!({ "CertificateArn": arn, "Tags": [{"Key": "c", "Value": "d"}] });
    api.json("acm", "AddTagsToCertificate", &other).unwrap();
    assert_eq!(tags().as_array().unwrap().len(), 2);
    let gone = json!({ "CertificateArn": arn, "Tags": [{"Key": "a", "Value": "other"}, {"Key": "c"}] });
    api.json("acm", "RemoveTagsFromCertificate", &gone).unwrap();
    assert_eq!(tags(), json!([{"Key": "a", "Value": "b"}]), "one of another value stays");
    api.json("acm", "DeleteCertificate", &named).unwrap();
    for operation in ["DescribeCertificate", "GetCertificate", "DeleteCertificate", "ListTagsForCertificate"] {
        assert_eq!(code(&api, operation, &arn), "ResourceNotFoundException", "{operation}");
        assert_eq!(code(&api, operation, "arn:aws:s3:::b"), "InvalidArnException", "{operation}");
    }
}

#[test]
fn what_isn_t_a_certificate_with_its_key_isn_t_imported() {
    let api = api();
    let text = |text: &str| json!(STANDARD.encode(text));
    for more in [
        json!({ "PrivateKey": text(AUTHORITY_KEY) }),
        json!({ "Certificate": text("x") }),
        json!({ "Certificate": STANDARD.encode([0xff, 0xfe]) }),
        json!({ "CertificateChain": text(SERVER) }),
        json!({ "Certificate": null }),
    ] {
        assert_eq!(import(&api, &more).unwrap_err().code, "ValidationException", "{more}");
    }
    let tag = json!({ "Tags": [{"Key": "aws:x", "Value": "y"}] });
    assert_eq!(import(&api, &tag).unwrap_err().code, "InvalidTagException");
    let many: Vec<Value> = (0..51).map(|i| json!({ "Key": i.to_string(), "Value": "" })).collect();
    assert_eq!(import(&api, &json!({ "Tags": many })).unwrap_err().code, "TooManyTagsException");
}

#[test]
fn a_certificate_is_replaced_in_its_place() {
    let api = api();
    let arn = arn(&api);
    let again = import(&api, &json!({ "CertificateArn": arn, "CertificateChain": STANDARD.encode(AUTHORITY) })).unwrap();
    assert_eq!(again["CertificateArn"], arn);
    let got = api.json("acm", "GetCertificate", &json!({ "CertificateArn": arn })).unwrap();
    assert_eq!(got["CertificateChain"], AUTHORITY);
    let missing = json!({ "CertificateArn": format!("{arn}0") });
    assert_eq!(import(&api, &missing).unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn lists_hold_rsa_keys_unless_others_are_asked_for() {
    let api = api();
    let server = arn(&api);
    let authority = json!({ "Certificate": STANDARD.encode(AUTHORITY), "PrivateKey": STANDARD.encode(AUTHORITY_KEY) });
    let authority = import(&api, &authority).unwrap()["CertificateArn"].clone();
    let list = |body: &Value| {
        let answer = api.json("acm", "ListCertificates", body).unwrap();
        let arns = answer["CertificateSummaryList"].as_array().unwrap().clone();
        arns.iter().map(|summary| summary["CertificateArn"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(list(&json!({})), [json!(server)]);
    assert_eq!(list(&json!({ "Includes": { "keyTypes": ["EC_prime256v1"] } })), [authority]);
    assert_eq!(list(&json!({ "Includes": { "keyTypes": ["EC_prime256v1", "RSA_2048"] } })).len(), 2);
    assert!(list(&json!({ "CertificateStatuses": ["EXPIRED"] })).is_empty());
    let code = |body: Value| api.json("acm", "ListCertificates", &body).unwrap_err().code;
    assert_eq!(code(json!({ "SortBy": "CREATED_AT" })), "ValidationException");
    assert_eq!(code(json!({ "MaxItems": 0 })), "ValidationException");
    assert_eq!(code(json!({ "NextToken": "x" })), "ValidationException");
}

#[test]
fn a_certificate_that_an_endpoint_shows_stays() {
    let api = api();
    let arn = arn(&api);
    let endpoint = [
        ("ClientCidrBlock", "172.16.0.0/22"),
        ("ServerCertificateArn", &arn),
        ("Authentication.1.Type", "certificate-authentication"),
        ("Authentication.1.MutualAuthentication.ClientRootCertificateChainArn", &arn),
        ("ConnectionLogOptions.Enabled", "false"),
    ];
    let id = api.call("CreateClientVpnEndpoint", &endpoint).unwrap()["ClientVpnEndpointId"].as_str().unwrap().to_owned();
    assert_eq!(code(&api, "DeleteCertificate", &arn), "ResourceInUseException");
    let detail = api.json("acm", "DescribeCertificate", &json!({ "CertificateArn": arn })).unwrap();
    let user = format!("arn:aws:ec2:us-east-1:123456789012:client-vpn-endpoint/{id}");
    assert_eq!(detail["Certificate"]["InUseBy"], json!([user]));
    api.call("DeleteClientVpnEndpoint", &[("ClientVpnEndpointId", &id)]).unwrap();
    api.json("acm", "DeleteCertificate", &json!({ "CertificateArn": arn })).unwrap();
}
