//! Managed prefix lists. See "Managed prefix lists" in the VPC User Guide.

mod references;

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{
    AddressFamily, AwsPrefixList, PrefixList, PrefixListEntry, PrefixListId, PrefixListState, PrefixListVersion, Tags,
};
use serde::Serialize;

use crate::{ControlError, Tx};

pub use references::{Reference, references};

/// What CreateManagedPrefixList is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreatePrefixList {
    /// The user's name for it.
    pub name: String,
    /// Which addresses its entries are of.
    pub family: AddressFamily,
    /// How many entries it may have.
    pub max_entries: i32,
    /// Its first entries.
    pub entries: Vec<PrefixListEntry>,
    /// Tags.
    pub tags: Tags,
}

/// What ModifyManagedPrefixList is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyPrefixList {
    /// The version that the caller thinks is current.
    pub current_version: Option<i64>,
    /// Another name.
    pub name: Option<String>,
    /// Entries to add; one whose block is there gets the new description.
    pub add: Vec<PrefixListEntry>,
    /// Blocks to remove.
    pub remove: Vec<IpNet>,
    /// Another size.
    pub max_entries: Option<i32>,
}

/// A list that the caller may refer to: an own one or one of AWS's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// AWS keeps it.
    Aws(AwsPrefixList),
    /// The caller's.
    Own(Arc<PrefixList>),
}

impl Listed {
    /// Which addresses its entries are of.
    pub fn family(&self) -> AddressFamily {
        match self {
            Self::Aws(list) => list.family,
            Self::Own(list) => list.family,
        }
    }

    /// As how many rules or routes a reference to it counts.
    pub fn weight(&self) -> usize {
        match self {
            Self::Aws(list) => list.weight,
            Self::Own(list) => list.max_entries,
        }
    }

    /// Its entries as they are now.
    pub fn blocks(&self) -> Vec<IpNet> {
        match self {
            Self::Aws(list) => vec![list.block],
            Self::Own(list) => list.entries.iter().map(|entry| entry.cidr).collect(),
        }
    }
}

/// The list with that id that the caller may refer to.
///
/// # Errors
/// `InvalidPrefixListID.NotFound`.
pub fn find(tx: &Tx, id: PrefixListId) -> Result<Listed, ControlError> {
    match AwsPrefixList::find(&tx.owner().region, id) {
        Some(list) => Ok(Listed::Aws(list)),
        None => tx.find::<PrefixList>(&id).map(Listed::Own),
    }
}

/// Makes a list.
///
/// # Errors
/// `PrefixListLimitExceeded`, `PrefixListMaxEntriesExceeded`, `InvalidParameterValue`.
pub fn create(tx: &mut Tx, request: CreatePrefixList) -> Result<PrefixListId, ControlError> {
    check_name(&request.name)?;
    let max_entries = checked_size(tx, request.max_entries)?;
    let mut entries = Vec::new();
    for entry in request.entries {
        let entry = checked_entry(request.family, entry)?;
        if entries.iter().any(|other: &PrefixListEntry| other.cidr == entry.cidr) {
            return Err(ControlError::invalid_value(format!("The CIDR '{}' is given more than once.", entry.cidr)));
        }
        entries.push(entry);
    }
    check_count(entries.len(), max_entries)?;
    let limit = tx.quotas().prefix_lists;
    if tx.count::<PrefixList>() >= limit {
        let message = format!("The maximum number of prefix lists has been reached ({limit}).");
        return Err(ControlError::new("PrefixListLimitExceeded", message));
    }
    let list = PrefixList {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        name: request.name,
        family: request.family,
        max_entries,
        version: 1,
        entries,
        state: PrefixListState::CreateComplete,
        tags: request.tags,
    };
    let id = list.id;
    put_version(tx, list);
    Ok(id)
}

/// Renames a list, changes its entries or its size. When entries change, a new version begins.
///
/// A list that can't be resized because of what refers to it stays as it is, and its state tells why.
///
/// # Errors
/// `PrefixListVersionMismatch`, `PrefixListMaxEntriesExceeded`, `InvalidPrefixListModification`, `InvalidParameterValue`,
/// `InvalidParameterCombination`, `InvalidPrefixListID.NotFound`, `OperationNotPermitted` for one of AWS's.
pub fn modify(tx: &mut Tx, id: PrefixListId, request: ModifyPrefixList) -> Result<(), ControlError> {
    let mut list = own(tx, id, "modified")?;
    if let Some(version) = request.current_version {
        check_version(&list, version)?;
    }
    let changes_entries = !request.add.is_empty() || !request.remove.is_empty();
    if changes_entries && request.max_entries.is_some() {
        return Err(ControlError::invalid_combination(
            "You cannot modify the entries of a prefix list and modify its size at the same time.",
        ));
    }
    if let Some(name) = request.name {
        check_name(&name)?;
        list.name = name;
    }
    list.state = PrefixListState::ModifyComplete;
    if changes_entries {
        change_entries(&mut list, request.add, &request.remove)?;
        list.version += 1;
        put_version(tx, list);
        return Ok(());
    }
    if let Some(size) = request.max_entries {
        let size = checked_size(tx, size)?;
        check_count(list.entries.len(), size)?;
        tx.put(PrefixList { max_entries: size, ..list.clone() });
        let overfull = references::overfull(tx, id);
        if overfull.is_empty() {
            list.max_entries = size;
        } else {
            let text = format!("The following resources do not support the new maximum size: {}", overfull.join(", "));
            list.state = PrefixListState::ModifyFailed(text);
        }
    }
    tx.put(list);
    Ok(())
}

/// Begins a new version with the entries of an earlier one.
///
/// # Errors
/// `PrefixListVersionMismatch`, `PrefixListMaxEntriesExceeded`, `InvalidParameterValue` for a version that never was or that
/// is current, `InvalidPrefixListID.NotFound`, `OperationNotPermitted` for one of AWS's.
pub fn restore(tx: &mut Tx, id: PrefixListId, previous: i64, current: i64) -> Result<(), ControlError> {
    let mut list = own(tx, id, "restored")?;
    check_version(&list, current)?;
    if previous == current {
        return Err(ControlError::invalid_value(format!("The version {previous} is the current one; name an earlier one.")));
    }
    let earlier = version(tx.network(), &list, previous)?;
    check_count(earlier.len(), list.max_entries)?;
    list.entries = earlier;
    list.version += 1;
    list.state = PrefixListState::RestoreComplete;
    put_version(tx, list);
    Ok(())
}

/// Deletes a list that nothing refers to.
///
/// # Errors
/// `DependencyViolation`, `InvalidPrefixListID.NotFound`, `OperationNotPermitted` for one of AWS's.
pub fn delete(tx: &mut Tx, id: PrefixListId) -> Result<(), ControlError> {
    own(tx, id, "deleted")?;
    if let Some(reference) = references(tx.network(), id).first() {
        let message = format!("The prefix list '{id}' is in use by {} and cannot be deleted.", reference.resource);
        return Err(ControlError::dependency(message));
    }
    let versions: Vec<_> = tx.owned::<PrefixListVersion>().map(|version| version.key).filter(|key| key.0 == id).collect();
    for key in versions {
        tx.remove::<PrefixListVersion>(&key);
    }
    tx.remove::<PrefixList>(&id);
    Ok(())
}

/// What a list held in a version.
///
/// # Errors
/// `InvalidParameterValue` when it never had that version, or has forgotten it.
pub fn version(network: &openvpc_model::Network, list: &PrefixList, number: i64) -> Result<Vec<PrefixListEntry>, ControlError> {
    let key = u64::try_from(number).ok().map(|number| (list.id, number));
    let found = key.and_then(|key| network.get::<PrefixListVersion>(&key));
    found.map(|version| version.entries.clone()).ok_or_else(|| {
        ControlError::invalid_value(format!("The version {number} of the prefix list '{}' does not exist.", list.id))
    })
}

/// A list that the caller may change.
fn own(tx: &Tx, id: PrefixListId, verb: &str) -> Result<PrefixList, ControlError> {
    if AwsPrefixList::find(&tx.owner().region, id).is_some() {
        let message = format!("The prefix list '{id}' is managed by AWS and cannot be {verb}.");
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    Ok((*tx.find::<PrefixList>(&id)?).clone())
}

/// Stores a list whose entries are new, and its version; forgets the oldest version when there are too many.
fn put_version(tx: &mut Tx, list: PrefixList) {
    tx.put(PrefixListVersion { key: (list.id, list.version), owner: list.owner.clone(), entries: list.entries.clone() });
    if let Some(oldest) = list.version.checked_sub(VERSIONS) {
        tx.remove::<PrefixListVersion>(&(list.id, oldest));
    }
    tx.put(list);
}

fn change_entries(list: &mut PrefixList, add: Vec<PrefixListEntry>, remove: &[IpNet]) -> Result<(), ControlError> {
    let invalid = |message: String| Err(ControlError::new("InvalidPrefixListModification", message));
    let mut named = Vec::new();
    for block in remove.iter().copied().chain(add.iter().map(|entry| entry.cidr)) {
        let block = block.trunc();
        if named.contains(&block) {
            return invalid(format!("The CIDR '{block}' is given more than once."));
        }
        named.push(block);
    }
    for block in &named[..remove.len()] {
        let Some(at) = list.entries.iter().position(|entry| entry.cidr == *block) else {
            return invalid(format!("The CIDR '{block}' is not in the prefix list '{}'.", list.id));
        };
        list.entries.remove(at);
    }
    for entry in add {
        let entry = checked_entry(list.family, entry)?;
        match list.entries.iter_mut().find(|other| other.cidr == entry.cidr) {
            Some(present) => *present = entry,
            None => list.entries.push(entry),
        }
    }
    check_count(list.entries.len(), list.max_entries)
}

fn check_version(list: &PrefixList, given: i64) -> Result<(), ControlError> {
    if u64::try_from(given) == Ok(list.version) {
        return Ok(());
    }
    Err(ControlError::new("PrefixListVersionMismatch", "The prefix list has the incorrect version number."))
}

fn check_name(name: &str) -> Result<(), ControlError> {
    if name.is_empty() {
        return Err(ControlError::missing_parameter("PrefixListName"));
    }
    if name.chars().count() > 255 {
        return Err(ControlError::invalid_value("The name of a prefix list has 255 characters at most."));
    }
    if name.starts_with("com.amazonaws") {
        return Err(ControlError::invalid_value(format!("The prefix list name '{name}' cannot start with com.amazonaws.")));
    }
    Ok(())
}

fn checked_size(tx: &Tx, size: i32) -> Result<usize, ControlError> {
    let limit = tx.quotas().entries_per_prefix_list;
    let allowed = usize::try_from(size).ok().filter(|size| (1..=limit).contains(size));
    allowed.ok_or_else(|| ControlError::invalid_value(format!("The maximum number of entries must be between 1 and {limit}.")))
}

/// An entry without host bits, if the list may have it.
fn checked_entry(family: AddressFamily, entry: PrefixListEntry) -> Result<PrefixListEntry, ControlError> {
    if AddressFamily::of(entry.cidr) != family {
        let message = format!("The CIDR '{}' is not of the address family {family} of the prefix list.", entry.cidr);
        return Err(ControlError::invalid_value(message));
    }
    if entry.description.chars().count() > 255 {
        return Err(ControlError::invalid_value("The description of an entry has 255 characters at most."));
    }
    Ok(PrefixListEntry { cidr: entry.cidr.trunc(), ..entry })
}

fn check_count(entries: usize, max_entries: usize) -> Result<(), ControlError> {
    if entries <= max_entries {
        return Ok(());
    }
    let message = format!("The number of entries ({entries}) exceeds the maximum number of entries ({max_entries}).");
    Err(ControlError::new("PrefixListMaxEntriesExceeded", message))
}

/// How many versions of a list are kept. See "Amazon VPC quotas".
const VERSIONS: u64 = 1000;
