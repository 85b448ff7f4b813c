//! The prefix lists that AWS manages: the addresses of S3 and DynamoDB in a region.

use openvpc_model::{PrefixListId, Region};

use crate::actions::prelude::*;

/// A service with a list, and its addresses here: of the documentation range that the lab internet keeps for services.
const SERVICES: &[(&str, &str)] = &[("dynamodb", "192.0.2.64/26"), ("s3", "192.0.2.0/26")];

/// One list of a region.
struct AwsList {
    id: PrefixListId,
    name: String,
    cidr: &'static str,
}

/// The lists of a region. Ids differ between regions and are the same in every run, as on AWS.
fn lists(region: &Region) -> Vec<AwsList> {
    let list = |(service, cidr): &(&str, &'static str)| {
        let name = format!("com.amazonaws.{region}.{service}");
        AwsList { id: openvpc_model::Id::from_random(fnv(&name)), name, cidr }
    };
    SERVICES.iter().map(list).collect()
}

/// The lists that a request names, or all.
fn picked(region: &Region, ids: &[String]) -> Result<Vec<AwsList>, ApiError> {
    let ids: Vec<PrefixListId> = ids::parse_all(ids)?;
    let mut lists = lists(region);
    if let Some(missing) = ids.iter().find(|id| lists.iter().all(|list| list.id != **id)) {
        return Err(ApiError::new("InvalidPrefixListID.NotFound", format!("The prefix list ID '{missing}' does not exist")));
    }
    lists.retain(|list| ids.is_empty() || ids.contains(&list.id));
    Ok(lists)
}

/// DescribePrefixLists: the lists with their addresses.
pub fn describe_prefix_lists(
    ctx: &Ctx<'_>,
    request: shapes::DescribePrefixListsRequest,
) -> Result<shapes::DescribePrefixListsResult, ApiError> {
    let shape = |list: AwsList| shapes::PrefixList {
        cidrs: vec![list.cidr.to_owned()],
        prefix_list_id: Some(list.id.to_string()),
        prefix_list_name: Some(list.name),
    };
    let lists = picked(&ctx.owner().region, &request.prefix_list_ids)?.into_iter().map(shape).collect();
    let lists = filters::select(lists, &request.filters, &PREFIX_LIST_FIELDS)?;
    let (prefix_lists, next_token) =
        page::cut(&request, !request.prefix_list_ids.is_empty(), lists, |list| list.prefix_list_id.as_deref())?;
    Ok(shapes::DescribePrefixListsResult { prefix_lists, next_token })
}

static PREFIX_LIST_FIELDS: Fields<shapes::PrefixList> = Fields {
    tags: None,
    fields: &[
        ("prefix-list-id", |list, m| m.offer(&list.prefix_list_id)),
        ("prefix-list-name", |list, m| m.offer(&list.prefix_list_name)),
    ],
};

/// DescribeManagedPrefixLists: the same lists as resources, which belong to AWS.
pub fn describe_managed_prefix_lists(
    ctx: &Ctx<'_>,
    request: shapes::DescribeManagedPrefixListsRequest,
) -> Result<shapes::DescribeManagedPrefixListsResult, ApiError> {
    let region = &ctx.owner().region;
    let shape = |list: AwsList| shapes::ManagedPrefixList {
        address_family: Some("IPv4".into()),
        owner_id: Some("AWS".into()),
        prefix_list_arn: Some(format!("arn:{}:ec2:{region}:aws:prefix-list/{}", region.partition(), list.id)),
        prefix_list_id: Some(list.id.to_string()),
        prefix_list_name: Some(list.name),
        state: Some("create-complete".into()),
        ..Default::default()
    };
    let lists = picked(region, &request.prefix_list_ids)?.into_iter().map(shape).collect();
    let lists = filters::select(lists, &request.filters, &MANAGED_FIELDS)?;
    let (prefix_lists, next_token) =
        page::cut(&request, !request.prefix_list_ids.is_empty(), lists, |list| list.prefix_list_id.as_deref())?;
    Ok(shapes::DescribeManagedPrefixListsResult { prefix_lists, next_token })
}

static MANAGED_FIELDS: Fields<shapes::ManagedPrefixList> = Fields {
    tags: Some(|list| &list.tags),
    fields: &[
        ("owner-id", |list, m| m.offer(&list.owner_id)),
        ("prefix-list-id", |list, m| m.offer(&list.prefix_list_id)),
        ("prefix-list-name", |list, m| m.offer(&list.prefix_list_name)),
    ],
};

/// FNV-1a: a hash that is the same in every version and on every machine, which the standard library's isn't.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::testing::api;

    #[test]
    fn aws_s_lists_are_found_by_the_name_of_the_service() {
        let filter = [("Filter.1.Name", "prefix-list-name"), ("Filter.1.Value.1", "com.amazonaws.us-east-1.s3")];
        let managed = api().call("DescribeManagedPrefixLists", &filter).unwrap();
        let list = &managed["PrefixLists"][0];
        assert_eq!((&list["OwnerId"], &list["AddressFamily"]), (&"AWS".into(), &"IPv4".into()));
        let id = list["PrefixListId"].as_str().unwrap();
        let plain = api().call("DescribePrefixLists", &[("PrefixListId.1", id)]).unwrap();
        assert_eq!(plain["PrefixLists"][0]["Cidrs"], serde_json::json!(["192.0.2.0/26"]));
    }

    #[test]
    fn an_unknown_list_is_not_found() {
        assert_eq!(api().code("DescribePrefixLists", &[("PrefixListId.1", "pl-12345678")]), "InvalidPrefixListID.NotFound");
        assert_eq!(api().code("DescribePrefixLists", &[("PrefixListId.1", "sg-12345678")]), "InvalidPrefixListID.Malformed");
    }
}
