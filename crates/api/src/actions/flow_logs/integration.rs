//! GetFlowLogsIntegrationTemplate: a CloudFormation template that makes a flow log's files a table of Athena.
//!
//! AWS's template has a Lambda function that adds partitions on a schedule. This one lets Athena project them, so that
//! they are there at any time, whatever `PartitionLoadFrequency` says.

use openvpc_model::{FileFormat, FlowLog, FlowLogDestination, FlowLogId, UnixMillis};
use serde_json::{Value, json};

use super::super::prelude::*;
use super::{bucket_and_prefix, invalid};

pub(super) fn get_flow_logs_integration_template(
    ctx: &Ctx<'_>,
    request: shapes::GetFlowLogsIntegrationTemplateRequest,
) -> Result<shapes::GetFlowLogsIntegrationTemplateResult, ApiError> {
    let id: FlowLogId = ids::parse_required(&request.flow_log_id, "FlowLogId")?;
    let arn = ids::required(&request.config_delivery_s3_destination_arn, "ConfigDeliveryS3DestinationArn")?;
    let (bucket, folder) = bucket_and_prefix(arn)?;
    let services = request.integrate_services.unwrap_or_default();
    if services.athena_integrations.is_empty() {
        return Err(ApiError::missing("IntegrateService.AthenaIntegration"));
    }
    let integrations = services.athena_integrations.iter().map(Integration::parse).collect::<Result<Vec<_>, _>>()?;
    let network = ctx.network()?;
    let [flow_log] = &ctx.pick::<FlowLog>(&network, &[id.to_string()])?[..] else {
        return Err(ApiError::internal("one flow log was picked"));
    };
    let template = template(flow_log, &integrations)?;
    if !ctx.host().bucket_exists(&bucket) {
        return Err(invalid(format!("ConfigDeliveryS3DestinationArn: {bucket} does not exist.")));
    }
    let slash = if folder.is_empty() || folder.ends_with('/') { "" } else { "/" };
    let key = format!("{folder}{slash}VPCFlowLogsIntegrationTemplate_{id}_{}.yml", ctx.control().now().0);
    if !ctx.dry_run {
        // JSON is YAML.
        let text = serde_json::to_vec_pretty(&template).map_err(|error| ApiError::internal(error.to_string()))?;
        ctx.host().put_object(&bucket, &key, &text).map_err(|error| invalid(format!("{bucket}: {error}")))?;
    }
    let url = format!("https://{bucket}.s3.{}.amazonaws.com/{key}", ctx.owner().region);
    Ok(shapes::GetFlowLogsIntegrationTemplateResult { result: Some(url) })
}

/// What is asked for one integration with Athena.
struct Integration {
    /// Where Athena puts what queries find.
    results: String,
    start: Option<UnixMillis>,
    end: Option<UnixMillis>,
}

impl Integration {
    fn parse(given: &shapes::AthenaIntegration) -> Result<Self, ApiError> {
        let (bucket, folder) =
            bucket_and_prefix(ids::required(&given.integration_result_s3_destination_arn, "IntegrationResultS3DestinationArn")?)?;
        match ids::required(&given.partition_load_frequency, "PartitionLoadFrequency")? {
            "none" | "daily" | "weekly" | "monthly" => {}
            other => {
                return Err(ApiError::invalid_value(format!(
                    "Value ({other}) for parameter PartitionLoadFrequency is invalid. Use none, daily, weekly or monthly."
                )));
            }
        }
        let (start, end) = (given.partition_start_date, given.partition_end_date);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            return Err(invalid("PartitionEndDate is before PartitionStartDate."));
        }
        Ok(Self { results: format!("s3://{bucket}/{folder}"), start, end })
    }
}

fn template(flow_log: &FlowLog, integrations: &[Integration]) -> Result<Value, ApiError> {
    let FlowLogDestination::S3 { bucket, prefix, file_format, hive_compatible, per_hour } = &flow_log.destination else {
        return Err(invalid(format!("The flow log {} is not delivered to Amazon S3.", flow_log.id)));
    };
    let (account, region) = (flow_log.owner.account, &flow_log.owner.region);
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    let slash = if folder.is_empty() { "" } else { "/" };
    let path = if *hive_compatible {
        format!("AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}")
    } else {
        format!("AWSLogs/{account}/vpcflowlogs/{region}")
    };
    let location = format!("s3://{bucket}/{folder}{slash}{path}");
    let name = flow_log.id.to_string().replace('-', "");
    let mut resources = serde_json::Map::new();
    resources.insert(
        "Database".to_owned(),
        json!({
            "Type": "AWS::Glue::Database",
            "Properties": {
                "CatalogId": {"Ref": "AWS::AccountId"},
                "DatabaseInput": {"Name": format!("vpcflowlogsathenadatabase{name}")},
            },
        }),
    );
    for (number, integration) in (1..).zip(integrations) {
        let table = format!("{name}{number}");
        let partitions = Partitions { hive: *hive_compatible, per_hour: *per_hour, integration };
        resources.insert(
            format!("Table{number}"),
            json!({
                "Type": "AWS::Glue::Table",
                "Properties": {
                    "CatalogId": {"Ref": "AWS::AccountId"},
                    "DatabaseName": {"Ref": "Database"},
                    "TableInput": {
                        "Name": table,
                        "TableType": "EXTERNAL_TABLE",
                        "PartitionKeys": [{"Name": "period", "Type": "string"}],
                        "Parameters": partitions.parameters(&location),
                        "StorageDescriptor": storage(flow_log, &location, *file_format),
                    },
                },
            }),
        );
        resources.insert(
            format!("WorkGroup{number}"),
            json!({
                "Type": "AWS::Athena::WorkGroup",
                "Properties": {
                    "Name": format!("vpcflowlogsworkgroup{table}"),
                    "WorkGroupConfiguration": {"ResultConfiguration": {"OutputLocation": integration.results}},
                },
            }),
        );
        for (query, text) in queries(flow_log) {
            resources.insert(
                format!("{query}{number}"),
                json!({
                    "Type": "AWS::Athena::NamedQuery",
                    "DependsOn": format!("WorkGroup{number}"),
                    "Properties": {
                        "Database": {"Ref": "Database"},
                        "Name": query,
                        "QueryString": text.replace("{table}", &table),
                        "WorkGroup": format!("vpcflowlogsworkgroup{table}"),
                    },
                }),
            );
        }
    }
    Ok(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Amazon Athena for the flow log {}", flow_log.id),
        "Resources": resources,
    }))
}

/// How the folders of a period are found.
struct Partitions<'a> {
    hive: bool,
    per_hour: bool,
    integration: &'a Integration,
}

impl Partitions<'_> {
    /// The properties of the table. See "Partition projection with Amazon Athena" in the Athena User Guide.
    fn parameters(&self, location: &str) -> Value {
        let format = match (self.hive, self.per_hour) {
            (false, false) => "yyyy/MM/dd",
            (false, true) => "yyyy/MM/dd/HH",
            (true, false) => "'year='yyyy'/month='MM'/day='dd",
            (true, true) => "'year='yyyy'/month='MM'/day='dd'/hour='HH",
        };
        let start = self.moment(self.integration.start.unwrap_or(UnixMillis(0)));
        let end = self.integration.end.map_or_else(|| "NOW".to_owned(), |end| self.moment(end));
        json!({
            "EXTERNAL": "true",
            "skip.header.line.count": "1",
            "projection.enabled": "true",
            "projection.period.type": "date",
            "projection.period.format": format,
            "projection.period.range": format!("{start},{end}"),
            "projection.period.interval": "1",
            "projection.period.interval.unit": if self.per_hour { "HOURS" } else { "DAYS" },
            "storage.location.template": format!("{location}/${{period}}"),
        })
    }

    /// A moment in the format of the partitions.
    fn moment(&self, at: UnixMillis) -> String {
        // 2026-09-21T14:00:42.000Z
        let text = at.to_string();
        let parts: Vec<&str> = text.split(['-', 'T', ':']).take(if self.per_hour { 4 } else { 3 }).collect();
        let names = ["year", "month", "day", "hour"];
        let part = |(name, part): (&str, &&str)| if self.hive { format!("{name}={part}") } else { (*part).to_owned() };
        names.into_iter().zip(&parts).map(part).collect::<Vec<_>>().join("/")
    }
}

fn storage(flow_log: &FlowLog, location: &str, format: FileFormat) -> Value {
    let column = |field: &str| json!({"Name": field.replace('-', "_"), "Type": kind_of(field)});
    let columns: Vec<Value> = fields(flow_log).map(column).collect();
    let (input, output, library, parameters) = match format {
        FileFormat::PlainText => (
            "org.apache.hadoop.mapred.TextInputFormat",
            "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            json!({"field.delim": " ", "serialization.format": " "}),
        ),
        FileFormat::Parquet => (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            json!({"serialization.format": "1"}),
        ),
    };
    json!({
        "Columns": columns,
        "InputFormat": input,
        "Location": location,
        "OutputFormat": output,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": parameters},
    })
}

/// The fields of a flow log's format: `${field}` tokens with spaces between.
fn fields(flow_log: &FlowLog) -> impl Iterator<Item = &str> {
    flow_log.log_format.split(' ').filter_map(|token| token.strip_prefix("${")?.strip_suffix('}'))
}

/// The type of a field. See "Available fields" in the VPC User Guide.
fn kind_of(field: &str) -> &'static str {
    match field {
        "bytes" | "end" | "packets" | "start" => "bigint",
        "dstport" | "protocol" | "srcport" | "tcp-flags" | "traffic-path" | "version" => "int",
        _ => "string",
    }
}

/// Named queries that the format has the fields for.
fn queries(flow_log: &FlowLog) -> impl Iterator<Item = (&'static str, &'static str)> {
    let all: [(&str, &[&str], &str); 3] = [
        ("AcceptedTraffic", &["action"], "SELECT * FROM {table} WHERE action = 'ACCEPT' LIMIT 100"),
        ("RejectedTraffic", &["action"], "SELECT * FROM {table} WHERE action = 'REJECT' LIMIT 100"),
        (
            "TopTalkers",
            &["srcaddr", "dstaddr", "bytes"],
            "SELECT srcaddr, dstaddr, sum(bytes) AS bytes FROM {table} GROUP BY srcaddr, dstaddr ORDER BY bytes DESC LIMIT 50",
        ),
    ];
    let has = |wanted: &&str| fields(flow_log).any(|field| field == *wanted);
    all.into_iter().filter(move |(_, needed, _)| needed.iter().all(has)).map(|(name, _, text)| (name, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::{FlowLogTarget, Id, Owner, Tags, TrafficType};

    use super::*;

    #[test]
    fn the_table_has_the_columns_and_the_folders_of_the_flow_log() {
        let destination = FlowLogDestination::S3 {
            bucket: "logs".into(),
            prefix: "lab/".into(),
            file_format: FileFormat::PlainText,
            hive_compatible: true,
            per_hour: true,
        };
        let flow_log = FlowLog {
            id: FlowLogId::from_random(1),
            owner: Owner { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() },
            target: FlowLogTarget::Vpc(Id::from_random(2)),
            traffic_type: TrafficType::All,
            destination,
            log_format: "${srcaddr} ${bytes} ${tcp-flags}".into(),
            max_aggregation_interval: 600,
            deliver_logs_permission_arn: None,
            deliver_cross_account_role: None,
            created_at: UnixMillis(0),
            client_token: None,
            tags: Tags::new(),
        };
        let integration = Integration { results: "s3://results/".into(), start: Some(UnixMillis(1_790_000_042_000)), end: None };
        let made = template(&flow_log, &[integration]).unwrap();
        let table = &made["Resources"]["Table1"]["Properties"]["TableInput"];
        let columns = json!([
            {"Name": "srcaddr", "Type": "string"}, {"Name": "bytes", "Type": "bigint"}, {"Name": "tcp_flags", "Type": "int"},
        ]);
        assert_eq!(table["StorageDescriptor"]["Columns"], columns);
        let location = "s3://logs/lab/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1";
        assert_eq!(table["StorageDescriptor"]["Location"], location);
        let range = &table["Parameters"]["projection.period.range"];
        assert_eq!(range, "year=2026/month=09/day=21/hour=14,NOW");
        let named = made["Resources"].as_object().unwrap();
        assert!(!named.contains_key("TopTalkers1") && !named.contains_key("AcceptedTraffic1"), "the format lacks fields");
    }
}
