//! From AWS's names to Rust's and to the wire's.

use super::service::Reference;

/// The name of a member in a request of EC2's query protocol: its `queryName`, else its `locationName` with the first
/// letter upper-cased, else its own name.
pub fn query_name(member: &str, reference: &Reference) -> String {
    match (&reference.query_name, &reference.location_name) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => {
            let mut letters = name.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
        (None, None) => member.to_owned(),
    }
}

/// The name of a member's element in a response.
pub fn xml_name(member: &str, reference: &Reference) -> String {
    reference.location_name.clone().unwrap_or_else(|| member.to_owned())
}

/// `Ipv6CidrBlockAssociationSet` as `ipv6_cidr_block_association_set`; a run of capitals is one word.
pub fn field_name(member: &str) -> String {
    // Units are one word, though written in mixed case.
    let letters: Vec<char> = member.replace("MiB", "Mib").replace("GiB", "Gib").replace("VPCs", "Vpcs").chars().collect();
    let mut name = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase();
        let before_lower = i > 0 && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    if KEYWORDS.contains(&&*name) { format!("r#{name}") } else { name }
}

const KEYWORDS: &[&str] = &["type", "return", "enum", "match", "move", "ref", "use", "where", "in", "for", "final", "virtual"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_snake_case() {
        for (member, field) in [
            ("VpcId", "vpc_id"),
            ("Ipv6CidrBlockAssociationSet", "ipv6_cidr_block_association_set"),
            ("SriovNetSupport", "sriov_net_support"),
            ("Type", "r#type"),
            ("PrivateDnsNameOptionsOnLaunch", "private_dns_name_options_on_launch"),
            ("EBSOptimized", "ebs_optimized"),
            ("SizeInMiB", "size_in_mib"),
        ] {
            assert_eq!(field_name(member), field);
        }
    }
}
