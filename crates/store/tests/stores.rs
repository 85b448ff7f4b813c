//! What every store promises, run against each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use openvpc_model::network::stored;
use openvpc_model::{Change, Id, InternetGateway, InternetGatewayId, Owner, Tags};
use openvpc_store::{DurableStore, MemoryStore, Revision, Store, StoreError};

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
    gives_back_what_was_committed(&mut DurableStore::open(&directory.path().join("state.redb")).unwrap());
}

#[test]
fn every_store_refuses_a_commit_prepared_against_an_older_revision() {
    let directory = tempfile::tempdir().unwrap();
    refuses_a_commit_prepared_against_an_older_revision(&mut MemoryStore::default());
    refuses_a_commit_prepared_against_an_older_revision(&mut DurableStore::open(&directory.path().join("state.redb")).unwrap());
}

#[test]
fn a_durable_store_remembers_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let revision = DurableStore::open(&path).unwrap().commit(Revision(0), &[stored(&gateway(3)).unwrap()]).unwrap();
    let (network, newest) = DurableStore::open(&path).unwrap().load().unwrap();
    assert_eq!(newest, revision);
    assert!(network.get::<InternetGateway>(&gateway(3).id).is_some());
}

#[test]
fn a_store_in_use_or_a_file_that_is_no_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let _held = DurableStore::open(&path).unwrap();
    assert!(matches!(DurableStore::open(&path), Err(StoreError::Database { .. })));
    let other = directory.path().join("other");
    std::fs::write(&other, "no database").unwrap();
    assert!(matches!(DurableStore::open(&other), Err(StoreError::Database { .. })));
}

/// The file that openvpc 0.1 left of a network with one of nearly each kind it had.
fn format_1(directory: &std::path::Path) -> std::path::PathBuf {
    let mut bytes = Vec::new();
    let packed = &include_bytes!("fixtures/format-1.redb.gz")[..];
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    let path = directory.join("state.redb");
    std::fs::write(&path, bytes).unwrap();
    path
}

const META: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("meta");
const RESOURCES: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("resources");

fn format_of(path: &std::path::Path) -> u64 {
    let database = redb::Database::open(path).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    read.open_table(META).unwrap().get("format").unwrap().unwrap().value()
}

#[test]
fn what_an_older_version_wrote_is_read_whole_and_upgraded() {
    let directory = tempfile::tempdir().unwrap();
    let path = format_1(directory.path());
    assert_eq!(format_of(&path), 1);
    for _ in 0..2 {
        let (network, revision) = DurableStore::open(&path).unwrap().load().unwrap();
        let sizes = [
            network.regions.size(),
            network.vpcs.size(),
            network.subnets.size(),
            network.route_tables.size(),
            network.nacls.size(),
            network.security_groups.size(),
            network.internet_gateways.size(),
            network.enis.size(),
            network.elastic_ips.size(),
            network.instances.size(),
            network.flow_logs.size(),
            network.dhcp_options.size(),
            network.client_tokens.size(),
            network.insights_paths.size(),
            network.insights_analyses.size(),
        ];
        assert_eq!(sizes, [2, 3, 7, 4, 4, 4, 3, 2, 1, 1, 1, 3, 6, 1, 1]);
        assert!(revision > Revision(15));
        let named = network.vpcs.values().any(|vpc| vpc.tags.get("Name").is_some_and(|name| name == "ü <old>"));
        assert!(named, "tags");
        let routes: usize = network.route_tables.values().map(|table| table.routes.len()).sum();
        assert_eq!(routes, 5, "two of default VPCs and three");
        let rules = network.security_groups.values().find(|group| group.name == "web").unwrap().rules.len();
        assert_eq!(rules, 4, "two that were made, and all traffic out over IPv4 and IPv6");
    }
    assert_eq!(format_of(&path), 4);
}

#[test]
fn what_an_older_version_left_in_its_log_is_upgraded_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 3] = [
        ("state.redb", include_bytes!("fixtures/format-3.redb.gz")),
        ("state.log0", include_bytes!("fixtures/format-3.log0.gz")),
        ("state.log1", include_bytes!("fixtures/format-3.log1.gz")),
    ];
    for (name, packed) in files {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let path = directory.path().join("state.redb");
    assert_eq!(format_of(&path), 3);
    // A subnet of the file and one of the log, each given another ACL than its VPC's default one.
    let expected = [
        ("subnet-0e0f56304b2112fc6", "aclassoc-0df30a9921630d4de", "acl-0f57e529bfa3e244a"),
        ("subnet-0e23e6a62c64bd109", "aclassoc-077caa03752c9b80c", "acl-0cdc809abe9d8dacc"),
    ];
    for _ in 0..2 {
        let (network, _) = DurableStore::open(&path).unwrap().load().unwrap();
        assert_eq!((network.subnets.size(), network.nacls.size(), network.vpcs.size()), (9, 5, 3));
        for (subnet, association, nacl) in expected {
            let used = network.subnets.get(&subnet.parse().unwrap()).unwrap().nacl;
            assert_eq!((used.id.to_string(), used.nacl.to_string()), (association.to_owned(), nacl.to_owned()));
        }
        let default = |subnet: &openvpc_model::Subnet| network.vpcs.get(&subnet.vpc).unwrap().default_nacl;
        let others = network.subnets.values().filter(|subnet| subnet.nacl.nacl == default(subnet)).count();
        assert_eq!(others, 7);
        assert_eq!(format_of(&path), 4);
    }
}

#[test]
fn what_a_newer_version_wrote_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = format_1(directory.path());
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("format", 5).unwrap();
    write.commit().unwrap();
    drop(database);
    let refused = DurableStore::open(&path).unwrap_err().to_string();
    assert!(refused.contains("has format 5, newer than format 4 of this version"), "{refused}");
    assert_eq!(format_of(&path), 5);
}

#[test]
fn a_kind_that_this_version_doesn_t_know_is_refused_and_not_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = format_1(directory.path());
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(RESOURCES).unwrap().insert("wormhole/worm-1", &b"{}"[..]).unwrap();
    write.commit().unwrap();
    drop(database);
    let refused = DurableStore::open(&path).unwrap().load().unwrap_err();
    assert_eq!(refused.to_string(), "the store holds a kind of resource this version doesn't know: wormhole");
}
