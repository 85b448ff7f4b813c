#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

const LATEST: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

fn ssm(api: &Api, operation: &str, body: Value) -> Value {
    api.json("ssm", operation, &body).unwrap()
}

fn code(api: &Api, operation: &str, body: Value) -> String {
    api.json("ssm", operation, &body).unwrap_err().code.into_owned()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["Name"].as_str().unwrap()).collect()
}

#[test]
fn the_latest_image_is_one_that_can_be_described() {
    let api = api();
    let parameter = ssm(&api, "GetParameter", json!({ "Name": LATEST }))["Parameter"].clone();
    assert_eq!(parameter["ARN"], format!("arn:aws:ssm:us-east-1::parameter{LATEST}"));
    let id = parameter["Value"].as_str().unwrap();
    let images = api.call("DescribeImages", &[("ImageId.1", id)]).unwrap();
    assert_eq!(images["Images"][0]["ImageId"], id);
    let all = ssm(&api, "GetParametersByPath", json!({ "Path": "/aws/service/ami-amazon-linux-latest" }));
    assert_eq!((all["Parameters"].as_array().unwrap().len(), all["NextToken"].is_string()), (10, true));
    let both = ssm(&api, "GetParameters", json!({ "Names": [LATEST, "/aws/service/none"] }));
    assert_eq!((names(&both["Parameters"]), &both["InvalidParameters"]), (vec![LATEST], &json!(["/aws/service/none"])));
    assert_eq!(code(&api, "PutParameter", json!({ "Name": LATEST, "Value": "x", "Type": "String" })), "AccessDeniedException");
}

#[test]
fn a_parameter_is_written_once_unless_it_may_be_overwritten() {
    let api = api();
    let put = |more: Value| {
        let mut body = json!({ "Name": "/net/a", "Value": "1", "Type": "String" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        api.json("ssm", "PutParameter", &body)
    };
    assert_eq!(put(json!({ "Description": "d" })).unwrap(), json!({ "Version": 1, "Tier": "Standard" }));
    assert_eq!(put(json!({})).unwrap_err().code, "ParameterAlreadyExists");
    assert_eq!(put(json!({ "Overwrite": true, "Value": "2", "Type": null })).unwrap()["Version"], 2);
    let parameter = ssm(&api, "GetParameter", json!({ "Name": "/net/a" }))["Parameter"].clone();
    assert_eq!((&parameter["Value"], &parameter["Type"]), (&json!("2"), &json!("String")));
    let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/net/a";
    assert_eq!(parameter["ARN"], arn);
    assert_eq!(ssm(&api, "GetParameter", json!({ "Name": arn }))["Parameter"]["Value"], "2");
    assert_eq!(ssm(&api, "GetParameter", json!({ "Name": "/net/a:2" }))["Parameter"]["Selector"], ":2");
    assert_eq!(code(&api, "GetParameter", json!({ "Name": "/net/a:1" })), "ParameterVersionNotFound");
    for (more, code) in [
        (json!({ "Name": "a b" }), "ValidationException"),
        (json!({ "Name": "a/b" }), "ValidationException"),
        (json!({ "Name": "/awsome" }), "AccessDeniedException"),
        (json!({ "Name": "/1".repeat(16) }), "HierarchyLevelLimitExceededException"),
        (json!({ "Name": "n", "Type": "Number" }), "UnsupportedParameterType"),
        (json!({ "Name": "n", "Type": null }), "ValidationException"),
        (json!({ "Name": "n", "Value": "" }), "ValidationException"),
        (json!({ "Name": "n", "Value": "x".repeat(4097) }), "ValidationException"),
        (json!({ "Name": "n", "Tier": "Gold" }), "ValidationException"),
        (json!({ "Name": "n", "DataType": "aws:ec2:image" }), "ValidationException"),
        (json!({ "Value": null }), "ValidationException"),
    ] {
        assert_eq!(put(more.clone()).unwrap_err().code, code, "{more}");
    }
    assert_eq!(
        put(json!({ "Name": "long", "Tier": "Intelligent-Tiering", "Value": "x".repeat(5000) })).unwrap()["Tier"],
        "Advanced"
    );
    ssm(&api, "DeleteParameter", json!({ "Name": "/net/a" }));
    assert_eq!(code(&api, "DeleteParameter", json!({ "Name": "/net/a" })), "ParameterNotFound");
    assert_eq!(code(&api, "GetParameter", json!({ "Name": "/net/a" })), "ParameterNotFound");
}

#[test]
fn parameters_are_found_by_path_filter_and_tag() {
    let api = api();
    for name in ["/net/a", "/net/b/c", "/other"] {
        let tags = json!([{ "Key": "of", "Value": name }]);
        ssm(&api, "PutParameter", json!({ "Name": name, "Value": "v", "Type": "String", "Tags": tags }));
    }
    let by_path = |recursive: bool| ssm(&api, "GetParametersByPath", json!({ "Path": "/net", "Recursive": recursive }));
    assert_eq!(names(&by_path(false)["Parameters"]), ["/net/a"]);
    assert_eq!(names(&by_path(true)["Parameters"]), ["/net/a", "/net/b/c"]);
    let described = |filter: Value| {
        let answer = ssm(&api, "DescribeParameters", json!({ "ParameterFilters": [filter] }));
        names(&answer["Parameters"]).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(described(json!({ "Key": "Name", "Option": "BeginsWith", "Values": ["/net"] })), ["/net/a", "/net/b/c"]);
    assert_eq!(described(json!({ "Key": "Path", "Option": "Recursive", "Values": ["/net"] })), ["/net/a", "/net/b/c"]);
    assert_eq!(described(json!({ "Key": "tag:of", "Values": ["/other"] })), ["/other"]);
    assert_eq!(
        code(&api, "DescribeParameters", json!({ "ParameterFilters": [{ "Key": "X", "Values": ["y"] }] })),
        "InvalidFilterKey"
    );
    let bad = json!({ "ParameterFilters": [{ "Key": "Name", "Option": "Like", "Values": ["y"] }] });
    assert_eq!(code(&api, "DescribeParameters", bad), "InvalidFilterOption");
    assert_eq!(code(&api, "GetParametersByPath", json!({ "Path": "net" })), "ValidationException");
    assert_eq!(code(&api, "GetParametersByPath", json!({ "Path": "/", "NextToken": "x" })), "InvalidNextToken");
    let gone = ssm(&api, "DeleteParameters", json!({ "Names": ["/net/a", "none"] }));
    assert_eq!(gone, json!({ "DeletedParameters": ["/net/a"], "InvalidParameters": ["none"] }));
    assert_eq!(code(&api, "GetParameters", json!({ "Names": [] })), "ValidationException");
}

#[test]
fn tags_of_a_parameter_change_by_its_name() {
    let api = api();
    ssm(&api, "PutParameter", json!({ "Name": "p", "Value": "v", "Type": "SecureString" }));
    let named = |more: Value| {
        let mut body = json!({ "ResourceType": "Parameter", "ResourceId": "p" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    ssm(&api, "AddTagsToResource", named(json!({ "Tags": [{ "Key": "a", "Value": "b" }, { "Key": "c", "Value": "d" }] })));
    ssm(&api, "RemoveTagsFromResource", named(json!({ "TagKeys": ["a"] })));
    let list = ssm(&api, "ListTagsForResource", named(json!({})));
    assert_eq!(list, json!({ "TagList": [{ "Key": "c", "Value": "d" }] }));
    assert_eq!(code(&api, "ListTagsForResource", named(json!({ "ResourceId": "none" }))), "InvalidResourceId");
    assert_eq!(code(&api, "ListTagsForResource", named(json!({ "ResourceType": "Document" }))), "InvalidResourceType");
    let many: Vec<Value> = (0..51).map(|i| json!({ "Key": i.to_string(), "Value": "" })).collect();
    assert_eq!(code(&api, "AddTagsToResource", named(json!({ "Tags": many }))), "TooManyTagsError");
}
