//! The form in which the state is stored, and how an older form becomes this one.
//!
//! A resource is JSON under `KIND/KEY`. Kinds may be added, and members with a default; whatever an older openvpc would
//! lose by reading and writing back raises [`FORMAT`], so that it refuses the file instead. Whatever this openvpc couldn't
//! read is rewritten by a step of [`STEPS`].

use redb::{Database, ReadableTable, WriteTransaction};

use crate::redb_store::{META, RESOURCES};

/// The form that this version writes.
///
/// 1. The core of a VPC, instances, flow logs and Network Insights.
/// 2. Every kind of the VPC API. Resources of form 1 are read as they are.
pub(crate) const FORMAT: u64 = 2;

/// Makes a file of one form into one of the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The step at index i leads from form i to form i + 1. Form 0 is a file without anything.
const STEPS: [Step; FORMAT as usize] = [make_tables, keep];

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
    write.open_table(RESOURCES)?;
    let mut meta = write.open_table(META)?;
    if meta.get("revision")?.is_none() {
        meta.insert("revision", 0)?;
    }
    Ok(())
}

/// The new form can hold more, and everything that the old one holds.
fn keep(_write: &WriteTransaction) -> Result<(), redb::Error> {
    Ok(())
}
