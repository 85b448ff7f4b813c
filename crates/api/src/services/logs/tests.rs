#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

/// The tests' clock, in milliseconds.
const NOW: i64 = 1_790_000_042_000;

fn logs(api: &Api, operation: &str, body: Value) -> Value {
    api.json("logs", operation, &body).unwrap()
}

fn code(api: &Api, operation: &str, body: Value) -> String {
    api.json("logs", operation, &body).unwrap_err().code.into_owned()
}

fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_group_is_described_by_prefix_and_pattern() {
    let api = api();
    for name in ["/vpc/a", "/vpc/b", "other"] {
        logs(&api, "CreateLogGroup", json!({ "logGroupName": name }));
    }
    let groups = |body: Value| names(&logs(&api, "DescribeLogGroups", body), "logGroups", "logGroupName");
    assert_eq!(groups(json!({})), ["/vpc/a", "/vpc/b", "other"]);
    assert_eq!(groups(json!({ "logGroupNamePrefix": "/vpc/" })), ["/vpc/a", "/vpc/b"]);
    assert_eq!(groups(json!({ "logGroupNamePattern": "THE" })), ["other"]);
    let page = logs(&api, "DescribeLogGroups", json!({ "limit": 2 }));
    assert_eq!(groups(json!({ "limit": 2, "nextToken": page["nextToken"] })), ["other"]);
    let group = &logs(&api, "DescribeLogGroups", json!({ "logGroupNamePrefix": "other" }))["logGroups"][0];
    assert_eq!(group["arn"], "arn:aws:logs:us-east-1:123456789012:log-group:other:*");
    assert_eq!((&group["creationTime"], &group["logGroupClass"]), (&json!(NOW), &json!("STANDARD")));
    assert_eq!(code(&api, "CreateLogGroup", json!({ "logGroupName": "other" })), "ResourceAlreadyExistsException");
    for name in ["", "a b", "a:b", "a*"] {
        assert_eq!(code(&api, "CreateLogGroup", json!({ "logGroupName": name })), "InvalidParameterException", "{name}");
    }
    assert_eq!(code(&api, "CreateLogGroup", json!({})), "InvalidParameterException");
    assert_eq!(code(&api, "DescribeLogGroups", json!({ "limit": 51 })), "InvalidParameterException");
    logs(&api, "DeleteLogGroup", json!({ "logGroupName": "other" }));
    assert_eq!(code(&api, "DeleteLogGroup", json!({ "logGroupName": "other" })), "ResourceNotFoundException");
}

#[test]
fn retention_is_one_of_the_documented_numbers_of_days() {
    let api = api();
    logs(&api, "CreateLogGroup", json!({ "logGroupName": "g" }));
    let set = |days: i32| api.json("logs", "PutRetentionPolicy", &json!({ "logGroupName": "g", "retentionInDays": days }));
    let get = || logs(&api, "DescribeLogGroups", json!({}))["logGroups"][0]["retentionInDays"].clone();
    assert_eq!(get(), Value::Null);
    set(14).unwrap();
    assert_eq!(get(), 14);
    for days in [0, -1, 2, 4000] {
        assert_eq!(set(days).unwrap_err().code, "InvalidParameterException", "{days}");
    }
    logs(&api, "DeleteRetentionPolicy", json!({ "logGroupName": "g" }));
    assert_eq!(get(), Value::Null);
    assert_eq!(code(&api, "DeleteRetentionPolicy", json!({ "logGroupName": "x" })), "ResourceNotFoundException");
}

#[test]
fn tags_are_kept_by_arn_and_by_name() {
    let api = api();
    logs(&api, "CreateLogGroup", json!({ "logGroupName": "g", "tags": { "a": "b" } }));
    let arn = "arn:aws:logs:us-east-1:123456789012:log-group:g";
    logs(&api, "TagResource", json!({ "resourceArn": arn, "tags": { "c": "d" } }));
    logs(&api, "TagLogGroup", json!({ "logGroupName": "g", "tags": { "e": "f" } }));
    logs(&api, "UntagResource", json!({ "resourceArn": format!("{arn}:*"), "tagKeys": ["a"] }));
    logs(&api, "UntagLogGroup", json!({ "logGroupName": "g", "tags": ["e"] }));
    assert_eq!(logs(&api, "ListTagsForResource", json!({ "resourceArn": arn })), json!({ "tags": { "c": "d" } }));
    assert_eq!(logs(&api, "ListTagsLogGroup", json!({ "logGroupName": "g" })), json!({ "tags": { "c": "d" } }));
    assert_eq!(code(&api, "ListTagsForResource", json!({ "resourceArn": "g" })), "InvalidParameterException");
    let foreign = arn.replace("123456789012", "111111111111");
    assert_eq!(code(&api, "ListTagsForResource", json!({ "resourceArn": foreign })), "ResourceNotFoundException");
    let many: serde_json::Map<String, Value> = (0..51).map(|i| (format!("k{i}"), json!(""))).collect();
    assert_eq!(code(&api, "TagLogGroup", json!({ "logGroupName": "g", "tags": many })), "TooManyTagsException");
    assert_eq!(code(&api, "TagLogGroup", json!({ "logGroupName": "g", "tags": {"aws:x": ""} })), "InvalidParameterException");
    assert_eq!(logs(&api, "ListTagsLogGroup", json!({ "logGroupName": "g" })), json!({ "tags": { "c": "d" } }));
}

#[test]
fn a_protected_group_stays() {
    let api = api();
    logs(&api, "CreateLogGroup", json!({ "logGroupName": "g", "deletionProtectionEnabled": true }));
    assert_eq!(code(&api, "DeleteLogGroup", json!({ "logGroupName": "g" })), "ValidationException");
}

#[test]
fn events_are_read_in_the_order_of_their_times() {
    let api = api();
    logs(&api, "CreateLogGroup", json!({ "logGroupName": "g" }));
    let stream = |name: &str| json!({ "logGroupName": "g", "logStreamName": name });
    logs(&api, "CreateLogStream", stream("one"));
    logs(&api, "CreateLogStream", stream("two"));
    assert_eq!(code(&api, "CreateLogStream", stream("one")), "ResourceAlreadyExistsException");
    assert_eq!(code(&api, "CreateLogStream", stream("a:b")), "InvalidParameterException");
    let put = |name: &str, events: Value| {
        let mut body = stream(name);
        body["logEvents"] = events;
        api.json("logs", "PutLogEvents", &body)
    };
    let event = |ago: i64, message: &str| json!({ "timestamp": NOW - ago, "message": message });
    put("one", json!([event(2000, "REJECT a"), event(1000, "ACCEPT b")])).unwrap();
    put("one", json!([event(1500, "REJECT c")])).unwrap();
    put("two", json!([event(1200, "ACCEPT d")])).unwrap();
    let mut head = stream("one");
    head["startFromHead"] = json!(true);
    head["limit"] = json!(2);
    let first = logs(&api, "GetLogEvents", head.clone());
    assert_eq!(names(&first, "events", "message"), ["REJECT a", "REJECT c"]);
    head["nextToken"] = first["nextForwardToken"].clone();
    let second = logs(&api, "GetLogEvents", head.clone());
    assert_eq!(names(&second, "events", "message"), ["ACCEPT b"]);
    head["nextToken"] = second["nextForwardToken"].clone();
    let end = logs(&api, "GetLogEvents", head.clone());
    assert_eq!(end["events"], json!([]));
    assert_eq!(end["nextForwardToken"], second["nextForwardToken"], "the same token says that this is the end");
    head["nextToken"] = json!("x");
    assert_eq!(code(&api, "GetLogEvents", head), "InvalidParameterException");
    let filter = |pattern: &str| {
        let answer = logs(&api, "FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": pattern }));
        names(&answer, "events", "message")
    };
    assert_eq!(filter(""), ["REJECT a", "REJECT c", "ACCEPT d", "ACCEPT b"]);
    assert_eq!(filter("REJECT"), ["REJECT a", "REJECT c"]);
    assert_eq!(filter("REJECT -c"), ["REJECT a"]);
    assert_eq!(filter("?a ?d"), ["REJECT a", "ACCEPT d"]);
    assert_eq!(filter("\"ACCEPT d\""), ["ACCEPT d"]);
    assert_eq!(
        code(&api, "FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": "\"x" })),
        "InvalidParameterException"
    );
    let by_time =
        logs(&api, "DescribeLogStreams", json!({ "logGroupName": "g", "orderBy": "LastEventTime", "descending": true }));
    assert_eq!(names(&by_time, "logStreams", "logStreamName"), ["one", "two"]);
    assert_eq!(by_time["logStreams"][0]["lastEventTimestamp"], NOW - 1000);
    logs(&api, "DeleteLogStream", stream("one"));
    assert_eq!(code(&api, "GetLogEvents", stream("one")), "ResourceNotFoundException");
    logs(&api, "CreateLogStream", stream("one"));
    assert_eq!(logs(&api, "GetLogEvents", stream("one"))["events"], json!([]), "what was in the old one is gone");
}

#[test]
fn a_batch_is_in_order_and_of_the_time_around_now() {
    let api = api();
    logs(&api, "CreateLogGroup", json!({ "logGroupName": "g" }));
    logs(&api, "CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" }));
    let put = |events: Value| {
        api.json("logs", "PutLogEvents", &json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events }))
    };
    let event = |time: i64| json!({ "timestamp": time, "message": "m" });
    let day = 86_400_000;
    for events in [
        json!([]),
        json!([event(NOW), event(NOW - 1)]),
        json!([event(NOW - day - 1), event(NOW)]),
        json!([event(-1)]),
        json!([{ "timestamp": NOW, "message": "" }]),
        json!([{ "timestamp": NOW, "message": "x".repeat(1_048_576) }]),
    ] {
        assert_eq!(put(events).unwrap_err().code, "InvalidParameterException");
    }
    let old = put(json!([event(NOW - 15 * day)])).unwrap();
    assert_eq!(old["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 1);
    let new = put(json!([event(NOW), event(NOW + day / 2)])).unwrap();
    assert_eq!(new["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"], 1);
    let kept = logs(&api, "GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" }));
    assert_eq!(kept["events"].as_array().unwrap().len(), 1);
    let missing = json!({ "logGroupName": "g", "logStreamName": "x", "logEvents": [event(NOW)] });
    assert_eq!(code(&api, "PutLogEvents", missing), "ResourceNotFoundException");
}

#[test]
fn policies_of_the_account_are_kept() {
    let api = api();
    let document = r#"{"Version":"2012-10-17","Statement":[]}"#;
    logs(&api, "PutResourcePolicy", json!({ "policyName": "p", "policyDocument": document }));
    let policies = logs(&api, "DescribeResourcePolicies", json!({}));
    assert_eq!(policies["resourcePolicies"][0]["policyDocument"], document);
    assert_eq!(code(&api, "PutResourcePolicy", json!({ "policyName": "p", "policyDocument": "x" })), "InvalidParameterException");
    for number in 0..9 {
        logs(&api, "PutResourcePolicy", json!({ "policyName": number.to_string(), "policyDocument": document }));
    }
    let eleventh = json!({ "policyName": "more", "policyDocument": document });
    assert_eq!(code(&api, "PutResourcePolicy", eleventh), "LimitExceededException");
    logs(&api, "DeleteResourcePolicy", json!({ "policyName": "p" }));
    assert_eq!(code(&api, "DeleteResourcePolicy", json!({ "policyName": "p" })), "ResourceNotFoundException");
}
