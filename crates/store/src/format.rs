//! The form in which the state is stored, and how an older form becomes this one.
//!
//! A resource is JSON with its place, `KIND/KEY`. Kinds may be added, and members with a default; whatever an older openvpc would
//! lose by reading and writing back raises [`FORMAT`], so that it refuses the file instead. Whatever this openvpc couldn't
//! read is rewritten by a step of [`STEPS`].

use std::hash::{BuildHasher, Hasher, RandomState};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use crate::checkpoint::{META, STATE};

/// The form that this version writes.
///
/// 1. The core of a VPC, instances, flow logs and Network Insights.
/// 2. Every kind of the VPC API, in the order in which they were made. Resources of form 1 are read as they are.
/// 3. What was committed last may stand in logs beside the file.
pub(crate) const FORMAT: u64 = 3;

/// Form 1: `KIND/KEY` to the resource as JSON.
const RESOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("resources");

/// Makes a file of one form into one of the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The step at index i leads from form i to form i + 1. Form 0 is a file without anything.
const STEPS: [Step; FORMAT as usize] = [make_tables, order_by_age, give_identity];

/// Leads from a form to the present one, in one transaction.
pub(crate) fn upgrade(database: &Database, found: u64) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        step(&write)?;
    }
    write.open_table(META)?.insert("format", FORMAT)?;
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
