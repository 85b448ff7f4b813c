//! The form in which the state is stored, and how an older form becomes this one.
//!
//! A resource is JSON with its place, `KIND/KEY`. Kinds may be added, and members with a default; whatever an older openvpc would
//! lose by reading and writing back raises [`FORMAT`], so that it refuses the file instead. Whatever this openvpc couldn't
//! read is rewritten by a step of [`STEPS`].

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use serde_json::{Value, json};

use crate::checkpoint::{META, STATE};

/// The form that this version writes.
///
/// 1. The core of a VPC, instances, flow logs and Network Insights.
/// 2. Every kind of the VPC API, in the order in which they were made. Resources of form 1 are read as they are.
/// 3. What was committed last may stand in logs beside the file.
/// 4. A subnet says which network ACL it uses, not the ACL which subnets use it.
pub(crate) const FORMAT: u64 = 4;

/// The form from which on there are logs. What they hold has the form of the file, so that a file is led further only when
/// they are folded into it.
pub(crate) const LOGS: u64 = 3;

/// Form 1: `KIND/KEY` to the resource as JSON.
const RESOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("resources");

/// Makes a file of one form into one of the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The step at index i leads from form i to form i + 1. Form 0 is a file without anything.
const STEPS: [Step; FORMAT as usize] = [make_tables, order_by_age, give_identity, give_subnets_their_nacl];

/// Leads from a form to a later one, in one transaction.
pub(crate) fn upgrade(database: &Database, found: u64, wanted: u64) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for (step, _) in STEPS.iter().zip(0..wanted).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        step(&write)?;
    }
    write.open_table(META)?.insert("format", wanted)?;
    write.commit()?;
    Ok(())
}

fn make_tables(write: &WriteTransaction) -> Result<(), redb::Error> {
    let mut meta = write.open_table(META)?;
    if meta.get("revision")?.is_none() {
        meta.insert("revision", 0)?;
    }
    Ok(())
}

/// Moves resources from under `KIND/KEY` to under a serial number.
fn order_by_age(write: &WriteTransaction) -> Result<(), redb::Error> {
    {
        let old = write.open_table(RESOURCES)?;
        let mut new = write.open_table(STATE)?;
        for (entry, serial) in old.iter()?.zip(0..) {
            let (place, json) = entry?;
            new.insert(serial, (place.value(), json.value()))?;
        }
    }
    write.delete_table(RESOURCES)?;
    Ok(())
}

/// Gives the file a number that no other has, for the logs beside it.
fn give_identity(write: &WriteTransaction) -> Result<(), redb::Error> {
    // The standard library's hash keys are random, and no two files should have the same; nobody need be kept from guessing.
    write.open_table(META)?.insert("identity", RandomState::new().build_hasher().finish())?;
    Ok(())
}

/// Moves the associations of network ACLs to the subnets.
fn give_subnets_their_nacl(write: &WriteTransaction) -> Result<(), redb::Error> {
    let mut state = write.open_table(STATE)?;
    let mut associations = HashMap::new();
    let mut rewritten = Vec::new();
    for entry in state.iter()? {
        let (serial, value) = entry?;
        let (place, json) = value.value();
        // What is no JSON is reported when the state is loaded.
        let Ok(mut resource) = serde_json::from_slice::<Value>(json) else { continue };
        if place.starts_with("network-acl/") {
            let nacl = resource["id"].clone();
            if let Some(Value::Array(old)) = resource.as_object_mut().and_then(|nacl| nacl.remove("associations")) {
                let association = |old: &Value| (old["subnet"].clone(), json!({ "id": old["id"], "nacl": nacl }));
                associations.extend(old.iter().map(association));
            }
        } else if !place.starts_with("subnet/") {
            continue;
        }
        rewritten.push((serial.value(), place.to_owned(), resource));
    }
    for (serial, place, mut resource) in rewritten {
        if let Some(association) = associations.remove(&resource["id"]) {
            resource["nacl"] = association;
        }
        state.insert(serial, (place.as_str(), resource.to_string().as_bytes()))?;
    }
    Ok(())
}
