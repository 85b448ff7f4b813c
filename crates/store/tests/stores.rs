//! What every store promises, run against each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use openvpc_model::network::stored;
use openvpc_model::{Change, Id, InternetGateway, InternetGatewayId, Owner, Tags};
use openvpc_store::{MemoryStore, RedbStore, Revision, Store, StoreError};

fn gateway(number: u64) -> InternetGateway {
    let owner = Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() };
    InternetGateway { id: InternetGatewayId::from_random(number), owner, vpc: None, tags: Tags::new() }
}

fn removed(number: u64) -> Change {
    Change { value: None, ..stored(&gateway(number)).unwrap() }
}

fn gives_back_what_was_committed(store: &mut dyn Store) {
    let (empty, start) = store.load().unwrap();
    assert_eq!((empty.internet_gateways.size(), start), (0, Revision(0)));
    let one = store.commit(start, &[stored(&gateway(1)).unwrap(), stored(&gateway(2)).unwrap()]).unwrap();
    let two = store.commit(one, &[removed(1)]).unwrap();
    let (network, newest) = store.load().unwrap();
    assert_eq!(newest, two);
    assert_eq!(network.all::<InternetGateway>().map(|g| (**g).clone()).collect::<Vec<_>>(), [gateway(2)]);
}

fn refuses_a_commit_prepared_against_an_older_revision(store: &mut dyn Store) {
    let (_, start) = store.load().unwrap();
    store.commit(start, &[stored(&gateway(7)).unwrap()]).unwrap();
    let conflict = store.commit(start, &[removed(7)]);
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{conflict:?}");
    assert!(store.load().unwrap().0.get::<InternetGateway>(&gateway(7).id).is_some());
}

#[test]
fn every_store_gives_back_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    gives_back_what_was_committed(&mut MemoryStore::default());
    gives_back_what_was_committed(&mut RedbStore::open(&directory.path().join("state.redb")).unwrap());
}

#[test]
fn every_store_refuses_a_commit_prepared_against_an_older_revision() {
    let directory = tempfile::tempdir().unwrap();
    refuses_a_commit_prepared_against_an_older_revision(&mut MemoryStore::default());
    refuses_a_commit_prepared_against_an_older_revision(&mut RedbStore::open(&directory.path().join("state.redb")).unwrap());
}

#[test]
fn a_durable_store_remembers_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let revision = RedbStore::open(&path).unwrap().commit(Revision(0), &[stored(&gateway(3)).unwrap()]).unwrap();
    let (network, newest) = RedbStore::open(&path).unwrap().load().unwrap();
    assert_eq!(newest, revision);
    assert!(network.get::<InternetGateway>(&gateway(3).id).is_some());
}

#[test]
fn a_store_in_use_or_a_file_that_is_no_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let _held = RedbStore::open(&path).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(StoreError::Database { .. })));
    let other = directory.path().join("other");
    std::fs::write(&other, "no database").unwrap();
    assert!(matches!(RedbStore::open(&other), Err(StoreError::Database { .. })));
}
