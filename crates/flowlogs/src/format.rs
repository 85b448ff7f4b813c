//! Record formats: which fields, in which order.

use std::fmt;
use std::str::FromStr;

use crate::field::Field;

/// The fields of a flow log's records, in order. See "Available fields" in the VPC User Guide.
///
/// Never empty. Parsed from and written as `${field}` tokens with a single space between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Format(Vec<Field>);

impl Format {
    /// The default format: the fields of version 2.
    pub fn version_2() -> Self {
        Self(Field::ALL.iter().copied().filter(|field| field.version() == 2).collect())
    }

    /// All fields up to version 5.
    pub fn version_5() -> Self {
        Self(Field::ALL.iter().copied().filter(|field| field.version() <= 5).collect())
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.0
    }

    /// What the field `version` prints: the highest version among the fields.
    pub fn version(&self) -> u8 {
        self.0.iter().map(|field| field.version()).max().unwrap_or(2)
    }

    /// The first line of a text file: the names, without a line end.
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|field| field.name()).collect();
        names.join(" ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, field) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(f, "{separator}${{{}}}", field.name())?;
        }
        Ok(())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let shape = || FormatError::Shape { given: text.to_owned() };
        let field = |token: &str| {
            let name = token.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).ok_or_else(shape)?;
            let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || !name.bytes().all(letters) {
                return Err(shape());
            }
            Field::parse(name).ok_or_else(|| FormatError::field(name))
        };
        text.split(' ').map(field).collect::<Result<_, _>>().map(Self)
    }
}

/// A text that isn't a record format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not `${field}` tokens with single spaces between them.
    #[error("1 validation error detected: Value '{given}' at 'logFormat' has an invalid format")]
    Shape {
        /// The whole text.
        given: String,
    },
    /// A field that AWS fills from data that isn't kept here.
    #[error(
        "The field ${{{name}}} is not supported in logFormat. Use the fields of versions 2 to 5, 7 to 10, or interface-type."
    )]
    Unsupported {
        /// The field's name.
        name: String,
    },
    /// A field of transit gateway flow logs.
    #[error("The field ${{{name}}} in logFormat is for transit gateway flow logs; it doesn't apply to this resource type.")]
    TransitGateway {
        /// The field's name.
        name: String,
    },
    /// No such field.
    #[error("Unknown field ${{{name}}} in logFormat. See the available fields of flow log records.")]
    Unknown {
        /// The field's name.
        name: String,
    },
}

impl FormatError {
    fn field(name: &str) -> Self {
        let name = name.to_owned();
        match &*name {
            "asg-tag" | "asg-tag-2" | "instance-tag" | "instance-tag-2" | "interface-tag" | "interface-tag-2" => {
                Self::Unsupported { name }
            }
            other if other.starts_with("next-hop-") => Self::Unsupported { name },
            "resource-type" => Self::TransitGateway { name },
            other if other.starts_with("tgw-") || other.starts_with("packets-lost-") => Self::TransitGateway { name },
            _ => Self::Unknown { name },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const DEFAULT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} \
                           ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

    #[test]
    fn the_default_format_is_the_fourteen_fields_of_version_2() {
        let format = Format::version_2();
        assert_eq!(format.to_string(), DEFAULT);
        assert_eq!(DEFAULT.parse::<Format>().unwrap(), format);
        assert_eq!((format.fields().len(), format.version()), (14, 2));
    }

    #[test]
    fn versions_have_as_many_fields_as_on_aws() {
        let up_to = |version: u8| Field::ALL.iter().filter(|field| field.version() <= version).count();
        assert_eq!((up_to(2), up_to(3), up_to(4), up_to(5)), (14, 21, 25, 29));
        assert_eq!((up_to(7), up_to(8), up_to(9), up_to(10)), (39, 40, 41, 42));
    }

    #[test]
    fn the_version_is_the_highest_among_the_fields() {
        for (text, version) in [
            ("${start} ${end}", 2),
            ("${version} ${vpc-id}", 3),
            ("${traffic-path} ${srcaddr} ${az-id}", 5),
            ("${srcaddr} ${reject-reason}", 8),
        ] {
            assert_eq!(text.parse::<Format>().unwrap().version(), version, "{text}");
        }
    }

    #[test]
    fn anything_but_tokens_with_single_spaces_is_refused_in_awss_words() {
        for text in [
            "",
            " ",
            "   ",
            "${version} ",
            " ${version}",
            "${version}  ${action}",
            "version action",
            "${version}${action}",
            "${version},${action}",
            "${}",
            "${VERSION}",
            "${pkt_srcaddr}",
            "${version}\n${action}",
            "$${version}",
        ] {
            let error = text.parse::<Format>().unwrap_err().to_string();
            assert_eq!(error, format!("1 validation error detected: Value '{text}' at 'logFormat' has an invalid format"));
        }
    }

    #[test]
    fn a_field_that_cannot_be_told_the_truth_about_is_refused_by_name() {
        let error = |text: &str| text.parse::<Format>().unwrap_err();
        assert!(matches!(error("${version} ${colour}"), FormatError::Unknown { .. }));
        assert!(matches!(error("${srcaddr} ${tgw-id}"), FormatError::TransitGateway { .. }));
        assert!(matches!(error("${instance-tag}"), FormatError::Unsupported { .. }));
        assert!(matches!(error("${next-hop-az-id}"), FormatError::Unsupported { .. }));
        assert!(error("${colour}").to_string().contains("${colour}"));
    }
}
