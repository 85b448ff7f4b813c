//! From request to answer: routing, callers, envelopes.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{api, signed};

const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

fn without_id(response: &Response) -> String {
    response.body.replace(&response.request_id, "ID")
}

#[test]
fn an_identity_is_the_root_of_the_account() {
    let response = api().raw(IDENTITY);
    assert_eq!(response.status, 200);
    assert_eq!(
        without_id(&response),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><UserId>123456789012</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
}

#[test]
fn an_access_key_of_twelve_digits_is_the_account() {
    let account = |key: &str, region: &str| {
        let answer = api().raw_as(key, region, IDENTITY);
        crate::client::decode("GetCallerIdentity", &answer.body).unwrap()["Arn"].clone()
    };
    assert_eq!(account("111122223333", "eu-central-1"), "arn:aws:iam::111122223333:root");
    assert_eq!(account("AKIAIOSFODNN7EXAMPLE", "cn-north-1"), "arn:aws-cn:iam::123456789012:root");
}

fn name_of(request: &Request) -> String {
    match recipient(request) {
        Recipient::Service(service) => service.model.name.to_owned(),
        Recipient::S3 => "s3".to_owned(),
        Recipient::Other(name) => format!("other {name}"),
    }
}

#[test]
fn a_service_is_known_by_the_signature_and_else_by_the_action() {
    for (name, expected) in [
        ("ec2", "ec2"),
        ("sts", "sts"),
        ("s3", "s3"),
        ("elasticloadbalancing", "elbv2"),
        ("directconnect", "directconnect"),
        ("sqs", "other sqs"),
    ] {
        assert_eq!(name_of(&signed("test", "us-east-1", name, IDENTITY)), expected);
    }
    let unsigned = |body: &str, query: &str, target: &str| {
        name_of(&Request {
            method: "POST".into(),
            path: "/".into(),
            query: query.into(),
            headers: Some(("X-Amz-Target".to_owned(), target.to_owned())).filter(|_| !target.is_empty()).into_iter().collect(),
            body: body.into(),
        })
    };
    assert_eq!(unsigned(IDENTITY, "", ""), "sts");
    assert_eq!(unsigned("Action=DescribeVpcs", "", ""), "ec2");
    assert_eq!(unsigned("", "Action=DescribeVpcs", ""), "ec2");
    assert_eq!(unsigned("Action=GetRole&Version=2010-05-08", "", ""), "iam");
    assert_eq!(unsigned("{}", "", "OvertureService.CreateLag"), "directconnect");
    assert_eq!(unsigned("{}", "", "DynamoDB_20120810.ListTables"), "other DynamoDB_20120810.ListTables");
    assert_eq!(unsigned("a,b\n1,2\n", "uploads", ""), "s3");
}

#[test]
fn a_request_for_s3_is_left_to_the_caller() {
    assert_eq!(api().answer(&signed("test", "us-east-1", "s3", "")), None);
}

#[test]
fn a_service_that_isn_t_served_says_so_in_its_own_protocol() {
    let mut request = signed("test", "us-east-1", "sqs", "{}");
    let query = api().answer(&request).unwrap();
    assert!(query.status == 400 && query.body.contains("this request is for sqs"), "{query:?}");
    request.headers.push(("X-Amz-Target".into(), "AmazonSQS.ListQueues".into()));
    let json = api().answer(&request).unwrap();
    assert_eq!(json.content_type, "application/x-amz-json-1.1");
    assert!(json.body.starts_with("{\"__type\":\"UnknownOperationException\""), "{}", json.body);
}

#[test]
fn an_operation_that_a_json_service_lacks_is_unknown() {
    let code = |operation: &str| api().json("logs", operation, &serde_json::json!({})).unwrap_err().code.into_owned();
    assert_eq!(code("StartCoffee"), "UnknownOperationException");
}

#[test]
fn a_get_request_works_like_a_post() {
    let mut request = signed("test", "us-east-1", "ec2", "");
    request.method = "GET".into();
    request.query = "Action=DescribeKeyPairs&Version=2014-09-01".into();
    let response = api().answer(&request).unwrap();
    assert_eq!(
        without_id(&response),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeKeyPairsResponse xmlns=\"http://ec2.amazonaws.com/doc/2014-09-01/\">\
         <requestId>ID</requestId><keySet/></DescribeKeyPairsResponse>"
    );
}

#[test]
fn what_is_wrong_with_a_request_is_said_with_aws_s_code() {
    for (body, code) in [
        ("Action=DescribeUnicorns&Version=2016-11-15", "InvalidAction"),
        ("Action=CreateFleet&Version=2016-11-15", "InvalidAction"),
        ("Version=2016-11-15", "MissingAction"),
        ("Action=DescribeVpcs", "MissingParameter"),
        ("Action=DescribeKeyPairs&Version=2013-01-01", "NoSuchVersion"),
        ("Action=DescribeKeyPairs&Version=2016-11-16", "NoSuchVersion"),
        ("Action=DescribeKeyPairs&Version=2015-%22%2F%3E-1", "NoSuchVersion"),
        ("Action=DescribeKeyPairs&Version=2016-11-15&Colour=red", "UnknownParameter"),
        ("Action=DescribeKeyPairs&Version=2016-11-15&DryRun=perhaps", "InvalidParameterValue"),
        ("Action=DescribeKeyPairs&Version=2016-11-15&Version=2016-11-15", "MalformedQueryString"),
    ] {
        let response = api().raw(body);
        assert_eq!(response.status, 400, "{body}");
        assert!(response.body.contains(&format!("<Code>{code}</Code>")), "{body}: {}", response.body);
        assert!(
            response.body.ends_with(&format!("<RequestID>{}</RequestID></Response>", response.request_id)),
            "{}",
            response.body
        );
    }
}

#[test]
fn an_action_of_aws_that_isn_t_served_is_told_from_one_that_doesn_t_exist() {
    let message = |action: &str| api().raw(&format!("Action={action}&Version=2016-11-15")).body;
    assert!(message("CreateFleet").contains("AWS has it; openvpc doesn't serve it."));
    assert!(message("CreateUnicorn").contains("There is no such action."));
}

#[test]
fn dry_run_answers_412_when_the_call_would_succeed_and_the_error_when_not() {
    let api = api();
    let good = api.raw("Action=DescribeKeyPairs&Version=2016-11-15&DryRun=true");
    assert_eq!(good.status, 412);
    assert!(
        good.body
            .contains("<Code>DryRunOperation</Code><Message>Request would have succeeded, but DryRun flag is set.</Message>")
    );
    let bad = api.raw("Action=DescribeKeyPairs&Version=2016-11-15&DryRun=true&KeyName.1=x");
    assert!(bad.status == 400 && bad.body.contains("InvalidKeyPair.NotFound"), "{bad:?}");
}

#[test]
fn an_unsigned_request_is_refused_and_a_badly_signed_one_too() {
    let mut request = signed("test", "us-east-1", "ec2", "Action=DescribeVpcs&Version=2016-11-15");
    let mut status = |authorization: Option<&str>| {
        request.headers.retain(|(name, _)| name != "Authorization");
        request.headers.extend(authorization.map(|text| ("Authorization".to_owned(), text.to_owned())));
        let response = api().answer(&request).unwrap();
        (response.status, response.body.split("<Code>").nth(1).unwrap().split('<').next().unwrap().to_owned())
    };
    assert_eq!(status(None), (403, "MissingAuthenticationToken".into()));
    assert_eq!(status(Some("Bearer x")), (400, "IncompleteSignature".into()));
    let no_digits = "AWS4-HMAC-SHA256 Credential=k/20260921/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x";
    assert_eq!(status(Some(no_digits)), (401, "AuthFailure".into()));
}

#[test]
fn request_ids_are_uuids_and_differ() {
    let (one, two) = (request_id(), request_id());
    assert_ne!(one, two);
    assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
}
