//! Changes of the records of a zone: all of a batch or nothing. See "ChangeResourceRecordSets" in the API reference.
//!
//! What is wrong with single changes is told for all of them together; what [`rules`] says of names is judged on the outcome,
//! so that a batch may delete what stands in the way of what it creates.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openvpc_model::hosted_zone::{RecordAnswer, Routing};
use openvpc_model::{DnsChange, DomainName, HostedZone, RecordData, RecordKey, RecordSet, RecordType};

use super::{find, health_checks, new_change, owner};
use crate::{ControlError, Tx};

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Adds a set that isn't there.
    Create,
    /// Removes a set that is there and says the same.
    Delete,
    /// Adds a set or replaces it.
    Upsert,
}

impl Action {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

/// One change, already in the form of what it leaves: `zone` and `owner` of the set are filled in here.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// What it does.
    pub action: Action,
    /// With which set.
    pub name: DomainName,
    /// Of which type.
    pub kind: RecordType,
    /// Its set identifier.
    pub set: Option<String>,
    /// How it is chosen.
    pub routing: Routing,
    /// What it answers with.
    pub answer: RecordAnswer,
    /// Its health check.
    pub health_check: Option<String>,
}

const MOST_CHANGES: usize = 1000;
const MOST_CHARACTERS: usize = 32_000;
const MOST_VALUES: usize = 400;

/// Runs a batch.
///
/// # Errors
/// `NoSuchHostedZone`, `NoSuchHealthCheck`, `InvalidChangeBatch` with everything that is wrong.
pub fn change(tx: &mut Tx, zone: &str, changes: Vec<RecordChange>, comment: Option<String>) -> Result<DnsChange, ControlError> {
    let zone = find(tx.network(), &owner(tx), zone)?;
    let mut faults = Vec::new();
    if changes.is_empty() || changes.len() > MOST_CHANGES {
        faults.push(format!("A batch has 1 to {MOST_CHANGES} changes; this one has {}", changes.len()));
    }
    if changes.iter().map(characters).sum::<usize>() > MOST_CHARACTERS {
        faults.push(format!("The values of a batch have at most {MOST_CHARACTERS} characters"));
    }
    let mut outcome = Outcome { zone: &zone, written: BTreeMap::new() };
    if faults.is_empty() {
        for change in changes {
            if let Some(id) = &change.health_check
                && change.action != Action::Delete
                && tx.network().dns_health_checks.get(id).is_none_or(|check| check.owner != zone.owner)
            {
                return Err(health_checks::no_such_check(id));
            }
            faults.extend(outcome.apply(tx, change).err());
        }
    }
    if faults.is_empty() {
        faults = rules::check(tx.network(), &outcome);
    }
    if outcome.size(tx) > tx.quotas().records_per_hosted_zone {
        faults.push(format!(
            "The hosted zone {} would have more than {} record sets",
            zone.id,
            tx.quotas().records_per_hosted_zone
        ));
    }
    if !faults.is_empty() {
        return Err(ControlError::new("InvalidChangeBatch", format!("[{}]", faults.join(", "))));
    }
    for (key, set) in std::mem::take(&mut outcome.written) {
        match set {
            Some(set) => tx.put(set),
            None => tx.remove::<RecordSet>(&key),
        }
    }
    Ok(new_change(tx, comment))
}

/// A zone as it will be: what the batch wrote so far, over what is there.
struct Outcome<'a> {
    zone: &'a HostedZone,
    written: BTreeMap<RecordKey, Option<RecordSet>>,
}

impl Outcome<'_> {
    fn apply(&mut self, tx: &Tx, change: RecordChange) -> Result<(), String> {
        let action = change.action;
        let set = RecordSet {
            zone: self.zone.id.clone(),
            owner: self.zone.owner.clone(),
            name: change.name,
            kind: change.kind,
            set: change.set,
            routing: change.routing,
            answer: change.answer,
            health_check: change.health_check,
        };
        if !set.name.is_in(&self.zone.name) {
            return Err(format!("RRSet with DNS name {} is not permitted in zone {}", set.name, self.zone.name));
        }
        if action != Action::Delete {
            check_values(&set)?;
        }
        let key = set.key();
        let present = self.present(tx.network(), &key);
        match (action, present) {
            (Action::Create, Some(_)) => {
                Err(format!("Tried to create resource record set {} but it already exists", shown(&set)))
            }
            (Action::Delete, None) => Err(format!("Tried to delete resource record set {} but it was not found", shown(&set))),
            (Action::Delete, Some(present)) if !is_same(&present, &set) => Err(format!(
                "Tried to delete resource record set {} but the values provided do not match the current values",
                shown(&set)
            )),
            (Action::Delete, Some(_)) => {
                self.written.insert(key, None);
                Ok(())
            }
            (Action::Create | Action::Upsert, _) => {
                self.written.insert(key, Some(set));
                Ok(())
            }
        }
    }

    /// A set as the batch leaves it.
    fn present(&self, network: &openvpc_model::Network, key: &RecordKey) -> Option<RecordSet> {
        match self.written.get(key) {
            Some(written) => written.clone(),
            None => network.record_sets.get(key).map(|set| RecordSet::clone(set)),
        }
    }

    /// All sets of a name as the batch leaves them.
    fn sets_of(&self, network: &openvpc_model::Network, name: &DomainName) -> Vec<RecordSet> {
        let first = RecordKey { zone: self.zone.id.clone(), name: name.reversed(), kind: RecordType::A, set: String::new() };
        let old = super::records_from(network, &first).take_while(|set| set.name == *name);
        let mut sets: BTreeMap<RecordKey, Arc<RecordSet>> = old.map(|set| (set.key(), Arc::clone(set))).collect();
        for (key, set) in self.written.range(first.clone()..).take_while(|(key, _)| key.name == first.name) {
            match set {
                Some(set) => drop(sets.insert(key.clone(), Arc::new(set.clone()))),
                None => drop(sets.remove(key)),
            }
        }
        sets.into_values().map(|set| RecordSet::clone(&set)).collect()
    }

    /// The names that the batch wrote something for.
    fn names(&self) -> BTreeSet<DomainName> {
        let removed = |key: &RecordKey| {
            let mut labels: Vec<&str> = key.name.split('.').filter(|label| !label.is_empty()).collect();
            labels.reverse();
            labels.join(".").parse().ok()
        };
        self.written.iter().filter_map(|(key, set)| set.as_ref().map(|set| set.name.clone()).or_else(|| removed(key))).collect()
    }

    /// How many sets the zone will have.
    fn size(&self, tx: &Tx) -> usize {
        let is_there = |key: &RecordKey| tx.network().record_sets.contains_key(key);
        let added = self.written.iter().filter(|(key, set)| set.is_some() && !is_there(key)).count();
        let removed = self.written.iter().filter(|(key, set)| set.is_none() && is_there(key)).count();
        // Only a batch that adds something can make a zone too large.
        if added == 0 { 0 } else { (super::record_count(tx.network(), &self.zone.id) + added).saturating_sub(removed) }
    }
}

fn check_values(set: &RecordSet) -> Result<(), String> {
    let RecordAnswer::Records { values, .. } = &set.answer else { return Ok(()) };
    if values.is_empty() || values.len() > MOST_VALUES {
        return Err(format!("RRSet with DNS name {}, type {} must have 1 to {MOST_VALUES} values", set.name, set.kind.as_str()));
    }
    let mut seen = BTreeSet::new();
    for value in values {
        if let Err(error) = RecordData::parse(set.kind, value) {
            return Err(format!("Invalid Resource Record: '{error}'"));
        }
        if !seen.insert(value) {
            return Err(format!("Duplicate Resource Record: '{value}'"));
        }
    }
    Ok(())
}

/// Whether a set is the one that is to be deleted; the order of values doesn't matter.
fn is_same(present: &RecordSet, given: &RecordSet) -> bool {
    let sorted = |set: &RecordSet| {
        let mut set = set.clone();
        if let RecordAnswer::Records { values, .. } = &mut set.answer {
            values.sort();
        }
        set
    };
    sorted(present) == sorted(given)
}

fn characters(change: &RecordChange) -> usize {
    let values = match &change.answer {
        RecordAnswer::Alias { .. } => 0,
        RecordAnswer::Records { values, .. } => values.iter().map(|value| value.chars().count()).sum(),
    };
    // To replace is to delete and to create.
    if change.action == Action::Upsert { 2 * values } else { values }
}

/// A set in the words of AWS's messages.
fn shown(set: &RecordSet) -> String {
    let identifier = set.set.as_ref().map(|set| format!(", set-identifier='{set}'")).unwrap_or_default();
    format!("[name='{}', type='{}'{identifier}]", set.name, set.kind.as_str())
}
