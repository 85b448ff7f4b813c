//! Route 53: hosted zones. See "Working with hosted zones" in the Route 53 Developer Guide.
//!
//! [`records`] changes what is in a zone, [`associations`] who sees a private one, [`health_checks`] and [`delegation_sets`]
//! keep what records and zones refer to. All of it belongs to an account and to no region. A change is in force when its call
//! returns; [`DnsChange`] is remembered for clients that wait for it.

pub mod associations;
pub mod delegation_sets;
pub mod health_checks;
pub mod query_logging;
pub mod records;

use std::sync::Arc;

use openvpc_model::hosted_zone::{RecordAnswer, Routing, ZoneVpc};
use openvpc_model::{DnsChange, DomainName, HostedZone, Network, Owner, RecordKey, RecordSet, RecordType, Tags};

use crate::{ControlError, Tx};

/// A VPC as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcReference {
    /// Its id.
    pub id: String,
    /// Its region.
    pub region: String,
}

/// What CreateHostedZone takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateHostedZone {
    /// The name.
    pub name: String,
    /// Tells this call from any other.
    pub caller_reference: String,
    /// The user's text.
    pub comment: Option<String>,
    /// The first VPC of a private zone.
    pub vpc: Option<VpcReference>,
    /// Whether it is to be a private zone.
    pub private: bool,
    /// A reusable delegation set.
    pub delegation_set: Option<String>,
}

/// How long changes are remembered.
const CHANGES_KEPT_MS: u64 = 3 * 24 * 60 * 60 * 1000;
const TAGS: usize = 50;
/// Seconds that the records of a new zone may be kept.
const NS_TTL: u32 = 172_800;
const SOA_TTL: u32 = 900;
/// The name servers of all private zones, which nobody asks.
const PRIVATE_SERVERS: [u64; 4] = [1536, 0, 1024, 512];

/// Makes a zone with its NS and SOA records.
///
/// # Errors
/// `InvalidDomainName`, `InvalidInput`, `HostedZoneAlreadyExists`, `TooManyHostedZones`, `InvalidVPCId`,
/// `ConflictingDomainExists`, `NoSuchDelegationSet`.
pub fn create(tx: &mut Tx, request: &CreateHostedZone) -> Result<(Arc<HostedZone>, DnsChange), ControlError> {
    let name: DomainName = request
        .name
        .parse()
        .ok()
        .filter(|name: &DomainName| name.as_str() != "." && !name.is_wildcard())
        .ok_or_else(|| ControlError::new("InvalidDomainName", format!("The domain name '{}' is not valid.", request.name)))?;
    check_reference(&request.caller_reference)?;
    let owner = owner(tx);
    if tx.network().owned::<HostedZone>(&owner).any(|zone| zone.caller_reference == request.caller_reference) {
        let message =
            format!("A hosted zone has already been created with the specified caller reference: {}", request.caller_reference);
        return Err(ControlError::new("HostedZoneAlreadyExists", message));
    }
    let limit = tx.quotas().hosted_zones;
    if tx.network().owned::<HostedZone>(&owner).count() >= limit {
        let message = format!("The account has the {limit} hosted zones that it may have.");
        return Err(ControlError::new("TooManyHostedZones", message));
    }
    if request.vpc.is_none() && request.private {
        return Err(invalid("A private hosted zone needs a VPC: name one in VPC, with its region"));
    }
    if request.vpc.is_some() && request.delegation_set.is_some() {
        return Err(invalid("A private hosted zone can't have a reusable delegation set"));
    }
    let vpcs = match &request.vpc {
        None => None,
        Some(reference) => {
            let vpc = associations::vpc(tx, reference)?;
            if vpc.account != owner.account {
                return Err(associations::no_such_vpc(reference));
            }
            associations::check_conflict(tx.network(), &name, &vpc)?;
            Some(vec![vpc])
        }
    };
    let name_servers = match &request.delegation_set {
        Some(id) => delegation_sets::find(tx.network(), &owner, id)?.name_servers.clone(),
        None if vpcs.is_some() => name_servers(PRIVATE_SERVERS),
        None => delegation_sets::new_servers(tx),
    };
    let zone = HostedZone {
        id: new_id(tx, 'Z'),
        owner,
        name,
        caller_reference: request.caller_reference.clone(),
        comment: request.comment.clone(),
        vpcs,
        authorized: Vec::new(),
        delegation_set: request.delegation_set.clone(),
        name_servers,
        created_at: tx.now(),
        tags: Tags::new(),
    };
    for set in first_records(&zone) {
        tx.put(set);
    }
    tx.put(zone.clone());
    let change = new_change(tx, None);
    Ok((Arc::new(zone), change))
}

/// Deletes a zone that holds nothing but what it was made with.
///
/// # Errors
/// `NoSuchHostedZone`, `HostedZoneNotEmpty`.
pub fn delete(tx: &mut Tx, id: &str) -> Result<DnsChange, ControlError> {
    let zone = find(tx.network(), &owner(tx), id)?;
    let is_required =
        |set: &RecordSet| set.name == zone.name && set.set.is_none() && matches!(set.kind, RecordType::Ns | RecordType::Soa);
    if !records_of(tx.network(), &zone.id).all(|set| is_required(set)) {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(ControlError::new("HostedZoneNotEmpty", message));
    }
    let keys: Vec<RecordKey> = records_of(tx.network(), &zone.id).map(|set| set.key()).collect();
    keys.iter().for_each(|key| tx.remove::<RecordSet>(key));
    query_logging::forget_zone(tx, &zone.id);
    tx.remove::<HostedZone>(&zone.id);
    Ok(new_change(tx, None))
}

/// Sets or removes the user's text.
///
/// # Errors
/// `NoSuchHostedZone`.
pub fn set_comment(tx: &mut Tx, id: &str, comment: Option<String>) -> Result<Arc<HostedZone>, ControlError> {
    let mut zone = (*find(tx.network(), &owner(tx), id)?).clone();
    zone.comment = comment.filter(|comment| !comment.is_empty());
    tx.put(zone.clone());
    Ok(Arc::new(zone))
}

/// Changes the tags of a zone or, with `healthcheck`, of a health check.
///
/// # Errors
/// `NoSuchHostedZone`, `NoSuchHealthCheck`, `InvalidInput`.
pub fn change_tags(tx: &mut Tx, kind: &str, id: &str, add: &Tags, remove: &[String]) -> Result<(), ControlError> {
    let change = |tags: &mut Tags| {
        remove.iter().for_each(|key| drop(tags.remove(key)));
        tags.extend(add.iter().map(|(key, value)| (key.clone(), value.clone())));
        let is_long =
            |(key, value): (&String, &String)| key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256;
        match tags.len() > TAGS || tags.iter().any(is_long) {
            true => Err(invalid("A resource has at most 50 tags, with keys of 1 to 128 and values of at most 256 characters")),
            false => Ok(()),
        }
    };
    let owner = owner(tx);
    match kind {
        "hostedzone" => {
            let mut zone = (*find(tx.network(), &owner, id)?).clone();
            change(&mut zone.tags)?;
            tx.put(zone);
        }
        "healthcheck" => {
            let mut check = (*health_checks::find(tx.network(), &owner, id)?).clone();
            change(&mut check.tags)?;
            tx.put(check);
        }
        other => return Err(invalid(format!("The resource type {other} is not one of healthcheck, hostedzone"))),
    }
    Ok(())
}

/// Whose the zones of a caller are: an account's, in no region.
pub fn owner(tx: &Tx) -> Owner {
    Owner::global(tx.owner().account)
}

/// A zone of an account.
///
/// # Errors
/// `NoSuchHostedZone`.
pub fn find(network: &Network, owner: &Owner, id: &str) -> Result<Arc<HostedZone>, ControlError> {
    let found = network.hosted_zones.get(id).filter(|zone| zone.owner == *owner);
    found.cloned().ok_or_else(|| no_such_zone(id))
}

/// The records of a zone, in the order in which Route 53 lists them.
pub fn records_of<'a>(network: &'a Network, zone: &str) -> impl Iterator<Item = &'a Arc<RecordSet>> {
    let first = RecordKey { zone: zone.to_owned(), name: String::new(), kind: RecordType::A, set: String::new() };
    records_from(network, &first)
}

/// The records of a key's zone from that key on.
pub fn records_from<'a>(network: &'a Network, first: &RecordKey) -> impl Iterator<Item = &'a Arc<RecordSet>> + use<'a> {
    let zone = first.zone.clone();
    network.record_sets.range(first.clone()..).map(|(_, set)| set).take_while(move |set| set.zone == zone)
}

/// The number of record sets in a zone.
pub fn record_count(network: &Network, zone: &str) -> usize {
    records_of(network, zone).count()
}

/// Forgets old changes, in all accounts.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let is_old = |change: &&Arc<DnsChange>| now.0.saturating_sub(change.submitted_at.0) >= CHANGES_KEPT_MS;
    let old: Vec<_> = tx.network().all::<DnsChange>().filter(is_old).map(|change| change.id.clone()).collect();
    old.iter().for_each(|id| tx.remove::<DnsChange>(id));
}

fn no_such_zone(id: &str) -> ControlError {
    ControlError::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}

fn first_records(zone: &HostedZone) -> [RecordSet; 2] {
    let set = |kind, ttl, values| RecordSet {
        zone: zone.id.clone(),
        owner: zone.owner.clone(),
        name: zone.name.clone(),
        kind,
        set: None,
        routing: Routing::Simple,
        answer: RecordAnswer::Records { ttl, values },
        health_check: None,
    };
    let servers: Vec<String> = zone.name_servers.iter().map(|server| format!("{server}.")).collect();
    let first = servers.first().map_or("", String::as_str);
    let soa = format!("{first} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
    [set(RecordType::Ns, NS_TTL, servers.clone()), set(RecordType::Soa, SOA_TTL, vec![soa])]
}

/// AWS's names of the name servers with these numbers.
fn name_servers(numbers: [u64; 4]) -> Vec<String> {
    let domain = |number| ["com", "net", "org", "co.uk"][usize::try_from(number / 512 % 4).unwrap_or(0)];
    numbers.iter().map(|n| format!("ns-{n}.awsdns-{:02}.{}", n % 512 / 8, domain(*n))).collect()
}

fn new_change(tx: &mut Tx, comment: Option<String>) -> DnsChange {
    let change = DnsChange { id: new_id(tx, 'C'), owner: owner(tx), submitted_at: tx.now(), comment };
    tx.put(change.clone());
    change
}

/// A letter and twenty letters and digits.
fn new_id(tx: &Tx, letter: char) -> String {
    let mut bits = u128::from(tx.random()) << 64 | u128::from(tx.random());
    let mut id = String::from(letter);
    for _ in 0..20 {
        // Thirty-six letters and digits: the remainder is an index of one.
        id.push(char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[usize::try_from(bits % 36).unwrap_or(0)]));
        bits /= 36;
    }
    id
}

fn new_uuid(tx: &Tx) -> String {
    let (high, low) = (tx.random(), tx.random());
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff)
}

fn check_reference(reference: &str) -> Result<(), ControlError> {
    if (1..=128).contains(&reference.chars().count()) {
        return Ok(());
    }
    Err(invalid("The caller reference has 1 to 128 characters"))
}

fn invalid(message: impl Into<String>) -> ControlError {
    ControlError::new("InvalidInput", message)
}

/// A VPC in a zone, for messages.
fn shown(vpc: &ZoneVpc) -> String {
    format!("{} in region {}", vpc.vpc, vpc.region)
}
