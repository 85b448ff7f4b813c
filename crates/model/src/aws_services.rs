//! AWS's own services that endpoints lead to. See "AWS services that integrate with AWS PrivateLink".

use crate::{EndpointServiceId, EndpointType, Id, Region};

/// A service of AWS in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsService {
    /// The service's id, which is the same in every run.
    pub id: EndpointServiceId,
    /// The service's full name: `com.amazonaws.<region>.<service>`.
    pub name: String,
    /// The type of its endpoints. A service with two types is two of these.
    pub endpoint_type: EndpointType,
    /// What the DNS names of its endpoints end with; the name of the service itself for a gateway.
    pub base_name: String,
    /// The public names that lead to an endpoint with private DNS.
    pub private_names: Vec<String>,
    /// Whether its endpoints take a policy.
    pub takes_policy: bool,
    /// Whether names of endpoints stand for everything below them, which each bucket then has a name in.
    pub wildcard: bool,
}

/// The services that a region has, in the order of their names.
pub fn all(region: &Region) -> impl Iterator<Item = AwsService> + '_ {
    let gateways = GATEWAYS.iter().map(|service| gateway(service, region));
    let interfaces = INTERFACES.iter().map(|entry| interface(entry, region));
    let mut all: Vec<_> = gateways.chain(interfaces).collect();
    all.sort_by(|a, b| (&a.name, a.endpoint_type).cmp(&(&b.name, b.endpoint_type)));
    all.into_iter()
}

/// The services of that name, one per type of endpoint.
pub fn named(name: &str, region: &Region) -> Vec<AwsService> {
    let Some(service) = name.strip_prefix(&prefix(region)) else { return Vec::new() };
    let gateways = GATEWAYS.iter().filter(|known| **known == service).map(|service| gateway(service, region));
    let interfaces = INTERFACES.iter().filter(|entry| entry.service == service).map(|entry| interface(entry, region));
    gateways.chain(interfaces).collect()
}

/// The last part of an AWS service's name, such as `s3`.
pub fn short_name<'a>(name: &'a str, region: &Region) -> Option<&'a str> {
    name.strip_prefix(&prefix(region))
}

/// The service that a host name below a region's domain leads to: `ec2`, `api.ecr`, `1234.dkr.ecr`.
pub fn with_public_host(host: &str) -> Option<&'static str> {
    let is_it = |name: &&str| match name.strip_prefix("*.") {
        Some(name) => host.strip_suffix(name).is_some_and(|below| below.ends_with('.')),
        None => name.strip_suffix(".api.aws").unwrap_or(name) == host,
    };
    INTERFACES.iter().find(|entry| entry.private.iter().any(&is_it)).map(|entry| entry.service)
}

/// Small letters and digits that follow from a number.
pub fn letters(mut number: u64, count: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        // The remainder is smaller than the table.
        text.push(char::from(LETTERS[(number % 36) as usize]));
        number /= 36;
    }
    text
}

/// The domain that AWS's names in a region end with.
pub fn domain(region: &Region) -> &'static str {
    if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// A number made of a text that is the same in every version and on every machine: FNV-1a.
pub fn stable(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn prefix(region: &Region) -> String {
    format!("com.amazonaws.{region}.")
}

fn id(name: &str, endpoint_type: EndpointType) -> EndpointServiceId {
    EndpointServiceId::from_random(stable(&format!("{name} {}", endpoint_type.as_str())))
}

fn gateway(service: &str, region: &Region) -> AwsService {
    let name = format!("{}{service}", prefix(region));
    AwsService {
        id: id(&name, EndpointType::Gateway),
        base_name: format!("{service}.{region}.{}", domain(region)),
        name,
        endpoint_type: EndpointType::Gateway,
        private_names: Vec::new(),
        takes_policy: true,
        wildcard: false,
    }
}

fn interface(entry: &Entry, region: &Region) -> AwsService {
    let name = format!("{}{}", prefix(region), entry.service);
    let domain = domain(region);
    let private_names = entry.private.iter().map(|host| match host.strip_suffix(".api.aws") {
        Some(host) => format!("{host}.{region}.api.aws"),
        None => format!("{host}.{region}.{domain}"),
    });
    AwsService {
        id: id(&name, EndpointType::Interface),
        base_name: format!("{}.{region}.vpce.{domain}", entry.host),
        private_names: private_names.collect(),
        name,
        endpoint_type: EndpointType::Interface,
        takes_policy: entry.takes_policy,
        wildcard: entry.service == "s3",
    }
}

/// Services with gateway endpoints: those that have a prefix list.
const GATEWAYS: &[&str] = &["dynamodb", "s3"];

/// A service with interface endpoints.
struct Entry {
    /// The last part of its name.
    service: &'static str,
    /// What the names of its endpoints contain.
    host: &'static str,
    /// What its public names start with.
    private: &'static [&'static str],
    takes_policy: bool,
}

macro_rules! interfaces {
    ($($service:literal $host:literal $private:tt $($without:ident)?;)*) => {
        const INTERFACES: &[Entry] = &[
            $(Entry { service: $service, host: $host, private: &$private, takes_policy: interfaces!(@ $($without)?) },)*
        ];
    };
    (@) => { true };
    (@ without_policy) => { false };
}

interfaces! {
    "access-analyzer" "access-analyzer" ["access-analyzer"];
    "account" "account" ["account"];
    "acm-pca" "acm-pca" ["acm-pca"];
    "airflow.api" "api.airflow" ["api.airflow"];
    "airflow.env" "env.airflow" ["env.airflow"];
    "airflow.ops" "ops.airflow" ["ops.airflow"];
    "appconfig" "appconfig" ["appconfig"];
    "appconfigdata" "appconfigdata" ["appconfigdata"];
    "application-autoscaling" "application-autoscaling" ["application-autoscaling"];
    "appmesh-envoy-management" "appmesh-envoy-management" ["appmesh-envoy-management"] without_policy;
    "apprunner" "apprunner" ["apprunner"];
    "appsync-api" "appsync-api" ["*.appsync-api"] without_policy;
    "aps" "aps" ["aps"];
    "aps-workspaces" "aps-workspaces" ["aps-workspaces"];
    "athena" "athena" ["athena"];
    "autoscaling" "autoscaling" ["autoscaling"];
    "autoscaling-plans" "autoscaling-plans" ["autoscaling-plans"];
    "backup" "backup" ["backup"];
    "batch" "batch" ["batch"];
    "bedrock" "bedrock" ["bedrock"];
    "bedrock-agent" "bedrock-agent" ["bedrock-agent"];
    "bedrock-agent-runtime" "bedrock-agent-runtime" ["bedrock-agent-runtime"];
    "bedrock-runtime" "bedrock-runtime" ["bedrock-runtime"];
    "cassandra" "cassandra" ["cassandra"];
    "cloudformation" "cloudformation" ["cloudformation"];
    "cloudtrail" "cloudtrail" ["cloudtrail"];
    "codeartifact.api" "codeartifact.api" ["codeartifact"];
    "codeartifact.repositories" "codeartifact.repositories" ["*.d.codeartifact"];
    "codebuild" "codebuild" ["codebuild"];
    "codecommit" "codecommit" ["codecommit"];
    "codedeploy" "codedeploy" ["codedeploy"];
    "codedeploy-commands-secure" "codedeploy-commands-secure" ["codedeploy-commands-secure"];
    "codepipeline" "codepipeline" ["codepipeline"];
    "comprehend" "comprehend" ["comprehend"];
    "config" "config" ["config"];
    "datasync" "datasync" ["datasync"] without_policy;
    "dms" "dms" ["dms"];
    "dynamodb" "dynamodb" [];
    "ebs" "ebs" ["ebs"];
    "ec2" "ec2" ["ec2"];
    "ec2messages" "ec2messages" ["ec2messages"];
    "ecr.api" "api.ecr" ["api.ecr"];
    "ecr.dkr" "dkr.ecr" ["*.dkr.ecr"];
    "ecs" "ecs" ["ecs"];
    "ecs-agent" "ecs-a" ["ecs-a"] without_policy;
    "ecs-telemetry" "ecs-t" ["ecs-t"] without_policy;
    "eks" "eks" ["eks"];
    "eks-auth" "eks-auth" ["eks-auth.api.aws"];
    "elasticache" "elasticache" ["elasticache"];
    "elasticbeanstalk" "elasticbeanstalk" ["elasticbeanstalk"];
    "elasticfilesystem" "elasticfilesystem" ["elasticfilesystem"];
    "elasticloadbalancing" "elasticloadbalancing" ["elasticloadbalancing"];
    "elasticmapreduce" "elasticmapreduce" ["elasticmapreduce"];
    "email-smtp" "email-smtp" ["email-smtp"] without_policy;
    "emr-containers" "emr-containers" ["emr-containers"];
    "events" "events" ["events"];
    "execute-api" "execute-api" ["*.execute-api"];
    "fis" "fis" ["fis"];
    "fsx" "fsx" ["fsx"];
    "git-codecommit" "git-codecommit" ["git-codecommit"];
    "glue" "glue" ["glue"];
    "guardduty-data" "guardduty-data" ["guardduty-data"];
    "imagebuilder" "imagebuilder" ["imagebuilder"];
    "inspector2" "inspector2" ["inspector2"];
    "iot.data" "iot.data" [] without_policy;
    "kinesis-firehose" "firehose" ["firehose"];
    "kinesis-streams" "kinesis" ["kinesis"];
    "kms" "kms" ["kms"];
    "lakeformation" "lakeformation" ["lakeformation"];
    "lambda" "lambda" ["lambda"];
    "license-manager" "license-manager" ["license-manager"];
    "logs" "logs" ["logs"];
    "monitoring" "monitoring" ["monitoring"];
    "mwaa" "mwaa" ["mwaa"];
    "network-firewall" "network-firewall" ["network-firewall"];
    "notebook" "notebook" ["notebook"];
    "pipes" "pipes" ["pipes"];
    "polly" "polly" ["polly"];
    "ram" "ram" ["ram"];
    "rds" "rds" ["rds"];
    "rds-data" "rds-data" ["rds-data"];
    "redshift" "redshift" ["redshift"];
    "redshift-data" "redshift-data" ["redshift-data"];
    "rekognition" "rekognition" ["rekognition"];
    "s3" "s3" ["s3", "*.s3", "*.s3-accesspoint", "*.s3-control"];
    "s3-outposts" "s3-outposts" ["s3-outposts"];
    "sagemaker.api" "api.sagemaker" ["api.sagemaker"];
    "sagemaker.runtime" "runtime.sagemaker" ["runtime.sagemaker"];
    "scheduler" "scheduler" ["scheduler"];
    "secretsmanager" "secretsmanager" ["secretsmanager"];
    "securityhub" "securityhub" ["securityhub"];
    "servicecatalog" "servicecatalog" ["servicecatalog"];
    "servicediscovery" "servicediscovery" ["servicediscovery"];
    "sns" "sns" ["sns"];
    "sqs" "sqs" ["sqs"];
    "ssm" "ssm" ["ssm"];
    "ssm-contacts" "ssm-contacts" ["ssm-contacts"];
    "ssm-incidents" "ssm-incidents" ["ssm-incidents"];
    "ssmmessages" "ssmmessages" ["ssmmessages"];
    "states" "states" ["states"];
    "storagegateway" "storagegateway" ["storagegateway"] without_policy;
    "sts" "sts" ["sts"];
    "sync-states" "sync-states" ["sync-states"];
    "synthetics" "synthetics" ["synthetics"];
    "textract" "textract" ["textract"];
    "transcribe" "transcribe" ["transcribe"];
    "transfer" "transfer" ["transfer"];
    "transfer.server" "server.transfer" [] without_policy;
    "translate" "translate" ["translate"];
    "vpc-lattice" "vpc-lattice" ["vpc-lattice"];
    "workspaces" "workspaces" ["workspaces"];
    "xray" "xray" ["xray"];
}
