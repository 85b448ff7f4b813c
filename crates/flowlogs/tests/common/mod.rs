//! A network of three interfaces under one VPC, and an object store in memory.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use openvpc_flowlogs::ObjectStore;
use openvpc_model::*;

pub const WEB: &str = "eni-0a11b22c33d44e55f";
pub const DB: &str = "eni-0b66c77d88e99f001";
pub const PRIVATE: &str = "eni-0c12d34e56f78a90b";
pub const VPC: &str = "vpc-0d4c3b2a19087f6e5";

pub fn id<I: Id>(text: &str) -> I {
    text.parse().unwrap()
}

pub fn owner() -> Owner {
    Owner { account: "210987654321".parse().unwrap(), region: "eu-central-1".parse().unwrap() }
}

pub fn network() -> Network {
    let mut network = Network::default();
    let interfaces = [
        (WEB, "subnet-0aa11bb22cc33dd44", 1, "i-0f1e2d3c4b5a69788", vec!["10.20.1.17", "10.20.1.18"]),
        (DB, "subnet-0bb22cc33dd44ee55", 2, "i-0123abcd4567ef890", vec!["10.20.2.40"]),
        (PRIVATE, "subnet-0cc33dd44ee55ff66", 0, "i-09f8e7d6c5b4a3921", vec!["10.20.3.9"]),
    ];
    for (eni, subnet, zone, instance, addresses) in interfaces {
        network.insert(interface(eni, subnet, zone, Some(instance), &addresses));
    }
    network
}

pub fn interface(eni: &str, subnet: &str, zone: usize, instance: Option<&str>, addresses: &[&str]) -> NetworkInterface {
    let private = |address: &&str| PrivateAddress { address: address.parse().unwrap(), public: None };
    NetworkInterface {
        id: id(eni),
        owner: owner(),
        subnet: id(subnet),
        vpc: id(VPC),
        zone: Zone::ALL[zone],
        mac: interface::MacAddress::from_random(1),
        description: String::new(),
        interface_type: "interface".to_owned(),
        requester_managed: false,
        private_addresses: addresses.iter().map(private).collect(),
        ipv6_addresses: vec![],
        ipv4_prefixes: Vec::new(),
        ipv6_prefixes: Vec::new(),
        groups: vec![],
        source_dest_check: true,
        associate_public_ip: false,
        attachment: instance.map(|instance| Attachment {
            id: EniAttachmentId::from_random(1),
            instance: id(instance),
            device_index: 0,
            delete_on_termination: true,
            attached_at: UnixMillis(0),
        }),
        detached: None,
        outside: None,
        tracking: TrackingTimeouts::default(),
        tags: Tags::default(),
    }
}

pub fn flow_log(number: u64, target: FlowLogTarget, traffic_type: TrafficType, format: &str) -> FlowLog {
    FlowLog {
        id: FlowLogId::from_random(number),
        owner: owner(),
        target,
        traffic_type,
        destination: FlowLogDestination::S3 {
            bucket: "logs".to_owned(),
            prefix: String::new(),
            file_format: FileFormat::PlainText,
            hive_compatible: false,
            per_hour: false,
        },
        log_format: format.to_owned(),
        max_aggregation_interval: 600,
        deliver_logs_permission_arn: None,
        deliver_cross_account_role: None,
        created_at: UnixMillis(0),
        client_token: None,
        tags: Tags::default(),
    }
}

pub fn vpc() -> FlowLogTarget {
    FlowLogTarget::Vpc(id(VPC))
}

/// Buckets in memory; a bucket that isn't there can't be written.
#[derive(Default)]
pub struct Memory(pub Mutex<BTreeMap<String, BTreeMap<String, Vec<u8>>>>);

impl Memory {
    pub fn with(bucket: &str) -> Self {
        let memory = Self::default();
        memory.create(bucket);
        memory
    }

    pub fn create(&self, bucket: &str) {
        self.0.lock().unwrap().insert(bucket.to_owned(), BTreeMap::new());
    }

    pub fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().values().flat_map(BTreeMap::keys).cloned().collect()
    }

    pub fn text(&self, key: &str) -> String {
        let packed = self.0.lock().unwrap().values().find_map(|bucket| bucket.get(key).cloned()).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut text).unwrap();
        text
    }
}

impl ObjectStore for Memory {
    fn bucket_exists(&self, bucket: &str) -> bool {
        self.0.lock().unwrap().contains_key(bucket)
    }

    fn put(&self, bucket: &str, key: &str, body: &[u8]) -> io::Result<()> {
        let mut buckets = self.0.lock().unwrap();
        buckets.get_mut(bucket).ok_or(io::ErrorKind::NotFound)?.insert(key.to_owned(), body.to_vec());
        Ok(())
    }

    fn get(&self, bucket: &str, key: &str) -> io::Result<Vec<u8>> {
        let buckets = self.0.lock().unwrap();
        Ok(buckets.get(bucket).and_then(|bucket| bucket.get(key)).ok_or(io::ErrorKind::NotFound)?.clone())
    }

    fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        let buckets = self.0.lock().unwrap();
        let bucket = buckets.get(bucket).ok_or(io::ErrorKind::NotFound)?;
        Ok(bucket.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}
