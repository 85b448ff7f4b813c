//! An API call as the aws CLI command that a reader could type.

use serde_json::Value;

use crate::cli::quoted;

/// `CreateVpc {CidrBlock: 10.0.0.0/16}` as `aws ec2 create-vpc --cidr-block 10.0.0.0/16`.
pub fn command(action: &str, parameters: &Value) -> String {
    let mut command = format!("aws ec2 {}", kebab(action));
    for (name, value) in parameters.as_object().into_iter().flatten() {
        // The aws CLI has one `--count` for both.
        let flag = match (action, name.as_str()) {
            ("RunInstances", "MinCount") => continue,
            ("RunInstances", "MaxCount") => "count".to_owned(),
            _ => kebab(name),
        };
        match value {
            Value::Bool(true) => command += &format!(" --{flag}"),
            Value::Bool(false) => command += &format!(" --no-{flag}"),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item.as_str().unwrap_or_default())).collect();
                command += &format!(" --{flag} {}", items.join(" "));
            }
            Value::String(text) => command += &format!(" --{flag} {}", quoted(text)),
            other => command += &format!(" --{flag} {}", quoted(&other.to_string())),
        }
    }
    command
}

/// `Ipv6CidrBlock` as `ipv6-cidr-block`, `AmazonProvidedIpv6CidrBlock` as `amazon-provided-ipv6-cidr-block`.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (index, c) in chars.iter().enumerate() {
        let starts_word = c.is_ascii_uppercase()
            && index > 0
            && (!chars[index - 1].is_ascii_uppercase() || chars.get(index + 1).is_some_and(char::is_ascii_lowercase));
        if starts_word {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_becomes_the_command_that_a_reader_could_type() {
        let parameters = json!({"CidrBlock": "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock": true, "VpcIds": ["vpc-1", "vpc-2"],
            "TagSpecifications": [{"ResourceType": "vpc"}]});
        assert_eq!(
            command("CreateVpc", &parameters),
            "aws ec2 create-vpc --cidr-block 10.0.0.0/16 --amazon-provided-ipv6-cidr-block --vpc-ids vpc-1 vpc-2 \
             --tag-specifications '[{\"ResourceType\":\"vpc\"}]'"
        );
    }

    #[test]
    fn words_are_split_as_the_aws_cli_splits_them() {
        assert_eq!(kebab("MapPublicIpOnLaunch"), "map-public-ip-on-launch");
        assert_eq!(kebab("VpcId"), "vpc-id");
        assert_eq!(kebab("DNSName"), "dns-name");
    }
}
