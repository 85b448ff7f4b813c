//! Flow logs through the whole wire. The bucket `logs` exists, no other does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};

use crate::testing::api;
use crate::{Api, ApiError};

const DEFAULT_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} \
                              ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

struct Lab {
    api: Api,
    vpc: String,
    subnet: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
        let vpc = vpc["Vpc"]["VpcId"].as_str().unwrap().to_owned();
        let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.0.0/24")]).unwrap();
        let subnet = subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
        Self { api, vpc, subnet }
    }

    /// Creates with what works, changed by `with`; an empty value takes a parameter away.
    fn create(&self, with: &[(&str, &str)]) -> Result<Value, ApiError> {
        let mut parameters = vec![
            ("ResourceType", "VPC"),
            ("ResourceId.1", &*self.vpc),
            ("TrafficType", "ALL"),
            ("LogDestinationType", "s3"),
            ("LogDestination", "arn:aws:s3:::logs"),
        ];
        parameters.retain(|(name, _)| with.iter().all(|(other, _)| other != name));
        parameters.extend(with.iter().filter(|(_, value)| !value.is_empty()));
        self.api.call("CreateFlowLogs", &parameters)
    }

    fn created(&self, with: &[(&str, &str)]) -> String {
        self.create(with).unwrap()["FlowLogIds"][0].as_str().unwrap().to_owned()
    }

    fn refused(&self, with: &[(&str, &str)]) -> (String, String) {
        let error = self.create(with).expect_err(&format!("{with:?}"));
        (error.code.into_owned(), error.message)
    }

    fn described(&self, with: &[(&str, &str)]) -> Vec<String> {
        let answer = self.api.call("DescribeFlowLogs", with).unwrap();
        let items = answer["FlowLogs"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["FlowLogId"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn what_is_created_is_described_with_every_default_filled_in() {
    let lab = Lab::new();
    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-flow-log"),
        ("TagSpecification.1.Tag.1.Key", "a"),
        ("TagSpecification.1.Tag.1.Value", "b"),
    ];
    let created = lab.create(&tags).unwrap();
    let id = created["FlowLogIds"][0].as_str().unwrap();
    assert_eq!((id.len(), &id[..3]), (20, "fl-"));
    assert_eq!(created["Unsuccessful"], json!([]));
    assert!(created["ClientToken"].is_string());
    let described = lab.api.call("DescribeFlowLogs", &[]).unwrap();
    assert_eq!(
        described["FlowLogs"],
        json!([{
            "CreationTime": "2026-09-21T14:14:02.000Z",
            "DeliverLogsStatus": "SUCCESS",
            "FlowLogId": id,
            "FlowLogStatus": "ACTIVE",
            "ResourceId": lab.vpc,
            "TrafficType": "ALL",
            "LogDestinationType": "s3",
            "LogDestination": "arn:aws:s3:::logs",
            "LogFormat": DEFAULT_FORMAT,
            "Tags": [{"Key": "a", "Value": "b"}],
            "MaxAggregationInterval": 600,
            "DestinationOptions":
                {"FileFormat": "plain-text", "HiveCompatiblePartitions": false, "PerHourPartition": false},
        }])
    );
}

#[test]
fn options_come_back_as_given() {
    let lab = Lab::new();
    let format = "${srcaddr} ${vpc-id} ${traffic-path}";
    lab.created(&[
        ("LogFormat", format),
        ("LogDestination", "arn:aws:s3:::logs/some/folder/"),
        ("MaxAggregationInterval", "60"),
        ("TrafficType", "REJECT"),
        ("ResourceType", "Subnet"),
        ("ResourceId.1", &lab.subnet),
        ("DestinationOptions.FileFormat", "plain-text"),
        ("DestinationOptions.HiveCompatiblePartitions", "true"),
        ("DestinationOptions.PerHourPartition", "true"),
    ]);
    let described = &lab.api.call("DescribeFlowLogs", &[]).unwrap()["FlowLogs"][0];
    assert_eq!(described["LogFormat"], format);
    assert_eq!(described["LogDestination"], "arn:aws:s3:::logs/some/folder/");
    assert_eq!(described["MaxAggregationInterval"], 60);
    assert_eq!(described["ResourceId"], json!(lab.subnet));
    let options = json!({"FileFormat": "plain-text", "HiveCompatiblePartitions": true, "PerHourPartition": true});
    assert_eq!(described["DestinationOptions"], options);
}

#[test]
fn there_is_one_flow_log_per_resource() {
    let lab = Lab::new();
    let other = lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap();
    let created = lab.create(&[("ResourceId.2", other["Vpc"]["VpcId"].as_str().unwrap())]).unwrap();
    assert_eq!(created["FlowLogIds"].as_array().unwrap().len(), 2);
    assert_eq!(lab.described(&[]).len(), 2);
}

#[test]
fn what_cannot_be_is_refused_in_awss_words() {
    let lab = Lab::new();
    let spaces = "1 validation error detected: Value '  ' at 'logFormat' has an invalid format";
    let trailing = "1 validation error detected: Value '${version} ' at 'logFormat' has an invalid format";
    for (with, code, message) in [
        (&[("ResourceType", "")][..], "MissingParameter", "ResourceType"),
        (&[("ResourceId.1", "")], "MissingParameter", "ResourceId"),
        (&[("TrafficType", "")], "MissingParameter", "TrafficType"),
        (&[("TrafficType", "SOME")], "InvalidParameterValue", "SOME"),
        (&[("ResourceType", "Planet")], "InvalidParameterValue", "Planet"),
        (&[("ResourceType", "TransitGateway")], "UnsupportedOperation", "TransitGateway"),
        (&[("ResourceId.1", "vpc-0123456789abcdef0")], "InvalidVpcID.NotFound", "vpc-0123456789abcdef0"),
        (&[("ResourceId.1", "subnet-0123456789abcdef0")], "InvalidVpcID.Malformed", "subnet-"),
        (&[("LogDestination", "")], "InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided."),
        (
            &[("LogGroupName", "group")],
            "InvalidParameter",
            "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
        ),
        (
            &[("LogDestinationType", "cloud-watch-logs")],
            "InvalidParameter",
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        ),
        (
            &[("DeliverLogsPermissionArn", "arn:aws:iam::1:role/r")],
            "InvalidParameter",
            "DeliverLogsPermissionArn is not applicable for s3 delivery",
        ),
        (
            &[
                ("LogDestinationType", "cloud-watch-logs"),
                ("DeliverLogsPermissionArn", "r"),
                ("LogDestination", ""),
                ("LogGroupName", "group"),
            ],
            "InvalidParameter",
            "r is not the ARN of a role",
        ),
        (
            &[
                ("LogDestinationType", "cloud-watch-logs"),
                ("DeliverLogsPermissionArn", "arn:aws:iam::1:role/r"),
                ("LogGroupName", "group"),
            ],
            "InvalidParameter",
            "only provide LogGroupName or only provide LogDestination",
        ),
        (
            &[("LogDestinationType", "cloud-watch-logs"), ("DeliverLogsPermissionArn", "arn:aws:iam::1:role/r")],
            "InvalidParameter",
            "is not the ARN of a log group",
        ),
        (&[("LogDestinationType", "kinesis-data-firehose")], "UnsupportedOperation", "kinesis-data-firehose"),
        (&[("LogDestinationType", "carrier-pigeon")], "InvalidParameterValue", "carrier-pigeon"),
        (&[("DestinationOptions.FileFormat", "parquet")], "UnsupportedOperation", "parquet"),
        (&[("MaxAggregationInterval", "300")], "InvalidParameter", "Invalid Flow Log Max Aggregation Interval"),
        (&[("LogFormat", "  ")], "InvalidParameter", spaces),
        (&[("LogFormat", "${version} ")], "InvalidParameter", trailing),
        (&[("LogFormat", "${colour}")], "InvalidParameter", "${colour}"),
        (&[("LogFormat", "${tgw-id}")], "InvalidParameter", "${tgw-id}"),
        (&[("LogDestination", "arn:aws:s3:::logs/a/AWSLogs/")], "InvalidParameter", "AWSLogs"),
        (&[("LogDestination", "arn:aws:s3:::logs/a/../b")], "InvalidParameter", "a/../b"),
        (&[("LogDestination", "arn:aws:s3:::logs//a")], "InvalidParameter", "logs//a"),
        (&[("LogDestination", "logs")], "InvalidParameter", "logs"),
        (&[("LogDestination", "arn:aws:s3:::")], "InvalidParameter", "arn"),
    ] {
        let refused = lab.refused(with);
        assert_eq!(refused.0, code, "{with:?}: {refused:?}");
        assert!(refused.1.contains(message), "{with:?}: {refused:?}");
    }
    assert!(lab.described(&[]).is_empty());
}

#[test]
fn a_bucket_that_is_not_there_is_unsuccessful_per_resource() {
    let lab = Lab::new();
    let answer = lab.create(&[("LogDestination", "arn:aws:s3:::none/a"), ("ClientToken", "t")]).unwrap();
    assert_eq!(answer["FlowLogIds"], json!([]));
    let error = json!({"Code": "400", "Message": "LogDestination: none does not exist."});
    assert_eq!(answer["Unsuccessful"], json!([{"Error": error, "ResourceId": lab.vpc}]));
    assert!(lab.described(&[]).is_empty());
}

#[test]
fn a_flow_log_to_a_log_group_needs_its_role_and_says_that_nothing_is_delivered() {
    let lab = Lab::new();
    let role = "arn:aws:iam::123456789012:role/flow";
    let to_group = [
        ("LogDestinationType", "cloud-watch-logs"),
        ("DeliverLogsPermissionArn", role),
        ("LogDestination", ""),
        ("LogGroupName", "/vpc/flow"),
    ];
    let refused = lab.create(&to_group).unwrap();
    assert_eq!(refused["Unsuccessful"][0]["Error"]["Message"], format!("DeliverLogsPermissionArn: {role} does not exist."));
    let trust = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    lab.api.call("iam:CreateRole", &[("RoleName", "flow"), ("AssumeRolePolicyDocument", trust)]).unwrap();
    let (code, _) = lab.refused(&[to_group[0], to_group[1], to_group[2], ("LogGroupName", "a group")]);
    assert_eq!(code, "InvalidParameter");
    let created = lab.create(&to_group).unwrap();
    assert_eq!(created["Unsuccessful"], json!([]));
    let described = lab.api.call("DescribeFlowLogs", &[]).unwrap()["FlowLogs"][0].clone();
    assert_eq!((&described["LogGroupName"], &described["DeliverLogsPermissionArn"]), (&json!("/vpc/flow"), &json!(role)));
    assert_eq!(described["DeliverLogsStatus"], "FAILED");
    assert!(described["DeliverLogsErrorMessage"].as_str().unwrap().contains("S3"), "{described}");
    let groups = lab.api.json("logs", "DescribeLogGroups", &json!({})).unwrap();
    assert_eq!(groups["logGroups"][0]["logGroupName"], "/vpc/flow");
    let by_arn = [
        ("LogDestinationType", "cloud-watch-logs"),
        ("DeliverLogsPermissionArn", role),
        ("LogDestination", "arn:aws:logs:us-east-1:123456789012:log-group:other:*"),
    ];
    lab.create(&by_arn).unwrap();
    assert_eq!(lab.described(&[("Filter.1.Name", "log-group-name"), ("Filter.1.Value.1", "other")]).len(), 1);
}

#[test]
fn the_same_again_exists_already_and_anything_different_does_not() {
    let lab = Lab::new();
    lab.created(&[]);
    let (code, message) = lab.refused(&[]);
    assert_eq!(code, "FlowLogAlreadyExists");
    assert_eq!(message, "Error. There is an existing Flow Log with the same configuration and log destination.");
    for with in [
        ("TrafficType", "ACCEPT"),
        ("LogFormat", "${version}"),
        ("LogDestination", "arn:aws:s3:::logs/other"),
        ("MaxAggregationInterval", "60"),
        ("DestinationOptions.PerHourPartition", "true"),
    ] {
        lab.created(&[with]);
    }
}

#[test]
fn a_token_makes_a_call_repeatable() {
    let lab = Lab::new();
    let first = lab.create(&[("ClientToken", "t")]).unwrap();
    assert_eq!(first["ClientToken"], "t");
    assert_eq!(lab.create(&[("ClientToken", "t")]).unwrap(), first);
    assert_eq!(lab.refused(&[("ClientToken", "t"), ("TrafficType", "REJECT")]).0, "IdempotentParameterMismatch");
}

#[test]
fn a_dry_run_makes_nothing() {
    let lab = Lab::new();
    assert_eq!(lab.refused(&[("DryRun", "true")]).0, "DryRunOperation");
    assert!(lab.described(&[]).is_empty());
}

#[test]
fn filters_and_pages_work() {
    let lab = Lab::new();
    let all = lab.created(&[]);
    let reject = lab.created(&[("TrafficType", "REJECT"), ("ResourceType", "Subnet"), ("ResourceId.1", &lab.subnet)]);
    for (name, value, expected) in [
        ("traffic-type", "REJECT", &[&reject][..]),
        ("resource-id", &lab.vpc, &[&all]),
        ("flow-log-id", &all, &[&all]),
        ("log-destination-type", "s3", &[&all, &reject]),
        ("deliver-log-status", "FAILED", &[]),
        ("deliver-log-status", "SUCCESS", &[&all, &reject]),
        ("log-group-name", "x", &[]),
        ("tag-key", "x", &[]),
    ] {
        let found = lab.described(&[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{name}={value}");
    }
    assert_eq!(lab.described(&[("FlowLogId.1", &reject)]), [reject]);
    assert_eq!(
        lab.api.code("DescribeFlowLogs", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]),
        "InvalidParameterValue"
    );
}

#[test]
fn deleting_names_all_that_are_not_there() {
    let lab = Lab::new();
    let id = lab.created(&[]);
    let (a, b) = ("fl-0123456789abcdef0", "fl-0123456789abcdef1");
    for action in ["DeleteFlowLogs", "DescribeFlowLogs"] {
        let parameters = [("FlowLogId.1", a), ("FlowLogId.2", &*id), ("FlowLogId.3", b)];
        let error = lab.api.call(action, &parameters).unwrap_err();
        assert_eq!(error.code, "InvalidFlowLogId.NotFound");
        assert_eq!(error.message, format!("These flow log ids in the input list are not found: [TotalCount: 2] {a} {b}"));
    }
    assert_eq!(lab.api.code("DeleteFlowLogs", &[("FlowLogId.1", "fl-zz")]), "InvalidFlowLogId.Malformed");
    assert_eq!(lab.api.code("DeleteFlowLogs", &[("FlowLogId.1", &id), ("DryRun", "true")]), "DryRunOperation");
    assert_eq!(lab.described(&[]).len(), 1);
    let deleted = lab.api.call("DeleteFlowLogs", &[("FlowLogId.1", &id)]).unwrap();
    assert_eq!(deleted["Unsuccessful"], json!([]));
    assert!(lab.described(&[]).is_empty());
}

#[test]
fn no_more_than_the_limit_cover_a_resource() {
    let lab = Lab::new();
    for number in 0..250 {
        lab.created(&[("LogDestination", &format!("arn:aws:s3:::logs/{number}"))]);
    }
    assert_eq!(lab.refused(&[("LogDestination", "arn:aws:s3:::logs/more")]).0, "FlowLogsLimitExceeded");
    let resources: Vec<(String, &str)> = (1..=301).map(|number| (format!("ResourceId.{number}"), &*lab.vpc)).collect();
    let resources: Vec<(&str, &str)> = resources.iter().map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(lab.refused(&resources).0, "InvalidParameterValue");
}

#[test]
fn a_flow_log_goes_with_what_it_is_for() {
    let lab = Lab::new();
    let eni = lab.api.call("CreateNetworkInterface", &[("SubnetId", &*lab.subnet)]).unwrap();
    let eni = eni["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap().to_owned();
    let of_vpc = lab.created(&[]);
    let of_subnet = lab.created(&[("ResourceType", "Subnet"), ("ResourceId.1", &lab.subnet)]);
    lab.created(&[("ResourceType", "NetworkInterface"), ("ResourceId.1", &eni)]);
    let mut left = [of_vpc.clone(), of_subnet];
    left.sort();
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", &*eni)]).unwrap();
    assert_eq!(lab.described(&[]), left);
    lab.api.call("DeleteSubnet", &[("SubnetId", &*lab.subnet)]).unwrap();
    assert_eq!(lab.described(&[]), [of_vpc]);
    lab.api.call("DeleteVpc", &[("VpcId", &*lab.vpc)]).unwrap();
    assert!(lab.described(&[]).is_empty());
}

/// GetFlowLogsIntegrationTemplate with what works, changed by `with`; an empty value takes a parameter away.
fn template(lab: &Lab, id: &str, with: &[(&str, &str)]) -> Result<Value, ApiError> {
    let mut parameters = vec![
        ("FlowLogId", id),
        ("ConfigDeliveryS3DestinationArn", "arn:aws:s3:::logs/templates/"),
        ("IntegrateService.AthenaIntegration.1.IntegrationResultS3DestinationArn", "arn:aws:s3:::results"),
        ("IntegrateService.AthenaIntegration.1.PartitionLoadFrequency", "daily"),
    ];
    parameters.retain(|(name, _)| with.iter().all(|(other, _)| other != name));
    parameters.extend(with.iter().filter(|(_, value)| !value.is_empty()));
    lab.api.call("GetFlowLogsIntegrationTemplate", &parameters)
}

#[test]
fn the_template_for_athena_is_put_into_the_bucket() {
    let lab = Lab::new();
    let id = lab.created(&[]);
    let url = template(&lab, &id, &[]).unwrap()["Result"].as_str().unwrap().to_owned();
    let start = format!("https://logs.s3.us-east-1.amazonaws.com/templates/VPCFlowLogsIntegrationTemplate_{id}_");
    assert!(url.starts_with(&start) && url.ends_with(".yml"), "{url}");
    let refused = |with: &[(&str, &str)]| template(&lab, &id, with).unwrap_err().code.into_owned();
    let athena = "IntegrateService.AthenaIntegration.1.";
    let (results, frequency) = (format!("{athena}IntegrationResultS3DestinationArn"), format!("{athena}PartitionLoadFrequency"));
    assert_eq!(refused(&[("ConfigDeliveryS3DestinationArn", "arn:aws:s3:::elsewhere")]), "InvalidParameter");
    assert_eq!(refused(&[("ConfigDeliveryS3DestinationArn", "logs")]), "InvalidParameter");
    assert_eq!(refused(&[(&results, "results")]), "InvalidParameter");
    assert_eq!(refused(&[(&frequency, "hourly")]), "InvalidParameterValue");
    assert_eq!(refused(&[(&results, ""), (&frequency, "")]), "MissingParameter");
    let (start, end) = (format!("{athena}PartitionStartDate"), format!("{athena}PartitionEndDate"));
    assert_eq!(refused(&[(&start, "2026-09-02T00:00:00Z"), (&end, "2026-09-01T00:00:00Z")]), "InvalidParameter");
    assert_eq!(template(&lab, "fl-x", &[]).unwrap_err().code, "InvalidFlowLogId.Malformed");
    assert_eq!(template(&lab, "fl-1a2b3c4d", &[]).unwrap_err().code, "InvalidFlowLogId.NotFound");
}
