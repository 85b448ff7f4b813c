//! Managed prefix lists: customers' own, and those that AWS keeps for its services.

use openvpc_control::prefix_lists::{self, CreatePrefixList, Listed, ModifyPrefixList};
use openvpc_control::{Missing, Tx, idempotency};
use openvpc_model::{AddressFamily, AwsPrefixList, Owner, PrefixList, PrefixListEntry, PrefixListId, PrefixListState, Region};

use super::prelude::*;

#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateManagedPrefixList, create_managed_prefix_list),
    action!(DeleteManagedPrefixList, delete_managed_prefix_list),
    action!(DescribeManagedPrefixLists, describe_managed_prefix_lists),
    action!(DescribePrefixLists, describe_prefix_lists),
    action!(GetManagedPrefixListAssociations, get_managed_prefix_list_associations),
    action!(GetManagedPrefixListEntries, get_managed_prefix_list_entries),
    action!(ModifyManagedPrefixList, modify_managed_prefix_list),
    action!(RestoreManagedPrefixListVersion, restore_managed_prefix_list_version),
];

/// The most entries that one call may add or remove.
const MOST_ENTRIES: usize = 100;

fn create_managed_prefix_list(
    ctx: &Ctx<'_>,
    request: shapes::CreateManagedPrefixListRequest,
) -> Result<shapes::CreateManagedPrefixListResult, ApiError> {
    let family = match ids::required(&request.address_family, "AddressFamily")? {
        "IPv4" => AddressFamily::Ipv4,
        "IPv6" => AddressFamily::Ipv6,
        other => return Err(ApiError::invalid_value(format!("Invalid address family '{other}'. Use IPv4 or IPv6."))),
    };
    let wanted = CreatePrefixList {
        name: request.prefix_list_name.clone().unwrap_or_default(),
        family,
        max_entries: request.max_entries.ok_or_else(|| ApiError::missing("MaxEntries"))?,
        entries: entries(&request.entries)?,
        tags: tagging::on_create(&request.tag_specifications, "prefix-list")?,
    };
    let token = request.client_token.as_deref();
    let list = ctx.mutate(|tx| {
        let make = |tx: &mut Tx<'_>| prefix_lists::create(tx, wanted.clone());
        let id = idempotency::once(tx, "CreateManagedPrefixList", token, &wanted, make)?;
        tx.find::<PrefixList>(&id)
    })?;
    Ok(shapes::CreateManagedPrefixListResult { prefix_list: Some(in_progress(&list, "create-in-progress")) })
}

/// The answer still has the number of the version before, as on AWS: the new one begins when the modification is complete.
fn modify_managed_prefix_list(
    ctx: &Ctx<'_>,
    request: shapes::ModifyManagedPrefixListRequest,
) -> Result<shapes::ModifyManagedPrefixListResult, ApiError> {
    let id: PrefixListId = ids::parse_required(&request.prefix_list_id, "PrefixListId")?;
    if request.ipam_prefix_list_resolver_sync_enabled.is_some() {
        return Err(ApiError::unsupported("There are no IPAM prefix list resolvers here."));
    }
    at_most(request.remove_entries.len(), "RemoveEntry")?;
    let remove = request.remove_entries.iter().map(|entry| block(&entry.cidr)).collect::<Result<Vec<_>, _>>()?;
    let wanted = ModifyPrefixList {
        current_version: request.current_version,
        name: request.prefix_list_name.clone(),
        add: entries(&request.add_entries)?,
        remove,
        max_entries: request.max_entries,
    };
    let renamed_only = wanted.add.is_empty() && wanted.remove.is_empty() && wanted.max_entries.is_none();
    let (before, after) = ctx.mutate(|tx| {
        let before = prefix_lists::find(tx, id)?;
        prefix_lists::modify(tx, id, wanted)?;
        Ok((before, tx.find::<PrefixList>(&id)?))
    })?;
    let shape = if renamed_only { own(&after) } else { in_progress(&after, "modify-in-progress") };
    Ok(shapes::ModifyManagedPrefixListResult { prefix_list: Some(as_before(shape, &before)) })
}

fn restore_managed_prefix_list_version(
    ctx: &Ctx<'_>,
    request: shapes::RestoreManagedPrefixListVersionRequest,
) -> Result<shapes::RestoreManagedPrefixListVersionResult, ApiError> {
    let id: PrefixListId = ids::parse_required(&request.prefix_list_id, "PrefixListId")?;
    let previous = request.previous_version.ok_or_else(|| ApiError::missing("PreviousVersion"))?;
    let current = request.current_version.ok_or_else(|| ApiError::missing("CurrentVersion"))?;
    let (before, after) = ctx.mutate(|tx| {
        let before = prefix_lists::find(tx, id)?;
        prefix_lists::restore(tx, id, previous, current)?;
        Ok((before, tx.find::<PrefixList>(&id)?))
    })?;
    let shape = as_before(in_progress(&after, "restore-in-progress"), &before);
    Ok(shapes::RestoreManagedPrefixListVersionResult { prefix_list: Some(shape) })
}

fn delete_managed_prefix_list(
    ctx: &Ctx<'_>,
    request: shapes::DeleteManagedPrefixListRequest,
) -> Result<shapes::DeleteManagedPrefixListResult, ApiError> {
    let id: PrefixListId = ids::parse_required(&request.prefix_list_id, "PrefixListId")?;
    let list = ctx.mutate(|tx| {
        let list = prefix_lists::find(tx, id)?;
        prefix_lists::delete(tx, id)?;
        Ok(list)
    })?;
    let shape = match list {
        Listed::Own(list) => Some(in_progress(&list, "delete-in-progress")),
        Listed::Aws(_) => None,
    };
    Ok(shapes::DeleteManagedPrefixListResult { prefix_list: shape })
}

fn describe_managed_prefix_lists(
    ctx: &Ctx<'_>,
    request: shapes::DescribeManagedPrefixListsRequest,
) -> Result<shapes::DescribeManagedPrefixListsResult, ApiError> {
    let network = ctx.network()?;
    let lists = picked(&network, ctx.owner(), &request.prefix_list_ids)?;
    let lists = lists.iter().map(|list| listed(list, &ctx.owner().region)).collect();
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

/// The older view of AWS's lists, with their addresses. It has no customers' lists.
fn describe_prefix_lists(
    ctx: &Ctx<'_>,
    request: shapes::DescribePrefixListsRequest,
) -> Result<shapes::DescribePrefixListsResult, ApiError> {
    let network = ctx.network()?;
    let lists = picked(&network, ctx.owner(), &request.prefix_list_ids)?.into_iter().filter_map(|list| match list {
        Listed::Aws(list) => Some(shapes::PrefixList {
            cidrs: vec![list.block.to_string()],
            prefix_list_id: Some(list.id.to_string()),
            prefix_list_name: Some(list.name),
        }),
        Listed::Own(_) => None,
    });
    let lists = filters::select(lists.collect(), &request.filters, &PREFIX_LIST_FIELDS)?;
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

fn get_managed_prefix_list_entries(
    ctx: &Ctx<'_>,
    request: shapes::GetManagedPrefixListEntriesRequest,
) -> Result<shapes::GetManagedPrefixListEntriesResult, ApiError> {
    let network = ctx.network()?;
    let entries = match one(&network, ctx.owner(), &request.prefix_list_id)? {
        Listed::Aws(list) => vec![shapes::PrefixListEntry { cidr: Some(list.block.to_string()), description: None }],
        Listed::Own(list) => {
            let entries = match request.target_version {
                Some(version) => prefix_lists::version(&network, &list, version)?,
                None => list.entries.clone(),
            };
            let shape = |entry: PrefixListEntry| shapes::PrefixListEntry {
                cidr: Some(entry.cidr.to_string()),
                description: Some(entry.description).filter(|text| !text.is_empty()),
            };
            entries.into_iter().map(shape).collect()
        }
    };
    let (entries, next_token) = page::cut(&request, false, entries, |entry| entry.cidr.as_deref())?;
    Ok(shapes::GetManagedPrefixListEntriesResult { entries, next_token })
}

/// The owner of a list sees all that refers to it; of AWS's lists everybody sees the own references.
fn get_managed_prefix_list_associations(
    ctx: &Ctx<'_>,
    request: shapes::GetManagedPrefixListAssociationsRequest,
) -> Result<shapes::GetManagedPrefixListAssociationsResult, ApiError> {
    let network = ctx.network()?;
    let (id, all) = match one(&network, ctx.owner(), &request.prefix_list_id)? {
        Listed::Aws(list) => (list.id, false),
        Listed::Own(list) => (list.id, true),
    };
    let references = prefix_lists::references(&network, id).into_iter();
    let references = references.filter(|reference| all || reference.owner == ctx.owner().account);
    let associations = references.map(|reference| shapes::PrefixListAssociation {
        resource_id: Some(reference.resource),
        resource_owner: Some(reference.owner.to_string()),
    });
    let (prefix_list_associations, next_token) =
        page::cut(&request, false, associations.collect(), |association| association.resource_id.as_deref())?;
    Ok(shapes::GetManagedPrefixListAssociationsResult { prefix_list_associations, next_token })
}

/// The lists that a request names, or all: AWS's first.
fn picked(network: &Network, owner: &Owner, ids: &[String]) -> Result<Vec<Listed>, ApiError> {
    let ids: Vec<PrefixListId> = ids::parse_all(ids)?;
    let aws = AwsPrefixList::all(&owner.region).into_iter().map(Listed::Aws);
    let all: Vec<Listed> = aws.chain(network.owned::<PrefixList>(owner).cloned().map(Listed::Own)).collect();
    if let Some(missing) = ids.iter().find(|id| all.iter().all(|list| id_of(list) != **id)) {
        return Err(PrefixList::missing(missing).into());
    }
    Ok(all.into_iter().filter(|list| ids.is_empty() || ids.contains(&id_of(list))).collect())
}

fn one(network: &Network, owner: &Owner, id: &Option<String>) -> Result<Listed, ApiError> {
    let id = ids::required(id, "PrefixListId")?;
    let found = picked(network, owner, &[id.to_owned()])?.pop();
    found.ok_or_else(|| ApiError::internal("the list was picked"))
}

fn id_of(list: &Listed) -> PrefixListId {
    match list {
        Listed::Aws(list) => list.id,
        Listed::Own(list) => list.id,
    }
}

fn entries(entries: &[shapes::AddPrefixListEntry]) -> Result<Vec<PrefixListEntry>, ApiError> {
    at_most(entries.len(), "Entry")?;
    let entry = |entry: &shapes::AddPrefixListEntry| {
        Ok(PrefixListEntry { cidr: block(&entry.cidr)?, description: entry.description.clone().unwrap_or_default() })
    };
    entries.iter().map(entry).collect()
}

fn at_most(count: usize, parameter: &str) -> Result<(), ApiError> {
    if count <= MOST_ENTRIES {
        return Ok(());
    }
    Err(ApiError::invalid_value(format!("The parameter {parameter} may have {MOST_ENTRIES} entries at most; it has {count}.")))
}

fn block(text: &Option<String>) -> Result<ipnet::IpNet, ApiError> {
    let text = ids::required(text, "Cidr")?;
    text.parse().map_err(|_| {
        ApiError::invalid_value(format!("Value ({text}) for parameter Cidr is invalid. This is not a valid CIDR block."))
    })
}

fn listed(list: &Listed, region: &Region) -> shapes::ManagedPrefixList {
    match list {
        Listed::Own(list) => own(list),
        Listed::Aws(list) => shapes::ManagedPrefixList {
            address_family: Some(list.family.to_string()),
            owner_id: Some("AWS".into()),
            prefix_list_arn: Some(format!("arn:{}:ec2:{region}:aws:prefix-list/{}", region.partition(), list.id)),
            prefix_list_id: Some(list.id.to_string()),
            prefix_list_name: Some(list.name.clone()),
            state: Some("create-complete".into()),
            ..Default::default()
        },
    }
}

fn own(list: &PrefixList) -> shapes::ManagedPrefixList {
    shapes::ManagedPrefixList {
        address_family: Some(list.family.to_string()),
        max_entries: i32::try_from(list.max_entries).ok(),
        owner_id: Some(list.owner.account.to_string()),
        prefix_list_arn: Some(list.owner.ec2_arn("prefix-list", list.id)),
        prefix_list_id: Some(list.id.to_string()),
        prefix_list_name: Some(list.name.clone()),
        state: Some(list.state.as_str().into()),
        state_message: match &list.state {
            PrefixListState::ModifyFailed(text) => Some(text.clone()),
            _ => None,
        },
        tags: tagging::shapes(&list.tags),
        version: i64::try_from(list.version).ok(),
        ..Default::default()
    }
}

/// A list as the answer of the call that changes it shows it.
fn in_progress(list: &PrefixList, state: &str) -> shapes::ManagedPrefixList {
    shapes::ManagedPrefixList { state: Some(state.to_owned()), state_message: None, ..own(list) }
}

/// With the version and the size that the list had before the call.
fn as_before(mut shape: shapes::ManagedPrefixList, before: &Listed) -> shapes::ManagedPrefixList {
    if let Listed::Own(before) = before {
        let before = own(before);
        (shape.version, shape.max_entries) = (before.version, before.max_entries);
    }
    shape
}
