//! A control over memory, for tests of what actions do.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::{Ipv4Net, Ipv6Net};
use openvpc_control::subnets::{self, CreateSubnet};
use openvpc_control::vpcs::{self, CreateVpc};
use openvpc_control::{Caller, Control, ControlError, Enforcer, Environment, Quotas, Tx};
use openvpc_model::{Network, Owner, Resource, SubnetId, Tags, UnixMillis, VpcId};
use openvpc_store::MemoryStore;

/// One control, called by one account in one region unless a test says otherwise.
pub struct Lab {
    pub control: Control,
    pub caller: Caller,
}

impl Lab {
    pub fn new() -> Self {
        Self::with_quotas(&[])
    }

    /// A lab with other limits, by their names.
    pub fn with_quotas(limits: &[(&str, usize)]) -> Self {
        let mut quotas = Quotas::default();
        for (name, limit) in limits {
            assert!(quotas.set(name, *limit), "there is no quota {name}");
        }
        let environment = Scattered(AtomicU64::new(1));
        let control =
            Control::open(Box::new(MemoryStore::default()), Box::new(NoPackets), Box::new(environment), quotas).unwrap();
        Self { control, caller: caller("111111111111", "us-east-1") }
    }

    /// Runs an action that must succeed.
    #[track_caller]
    pub fn run<T>(&self, action: impl FnOnce(&mut Tx) -> Result<T, ControlError>) -> T {
        self.control.transact(&self.caller, action).unwrap()
    }

    /// The code of an action that must fail.
    #[track_caller]
    pub fn code<T: std::fmt::Debug>(&self, action: impl FnOnce(&mut Tx) -> Result<T, ControlError>) -> &'static str {
        self.control.transact(&self.caller, action).unwrap_err().code
    }

    /// A resource that must exist.
    #[track_caller]
    pub fn get<R: Resource>(&self, key: &R::Key) -> Arc<R> {
        Arc::clone(self.network().get::<R>(key).unwrap())
    }

    pub fn network(&self) -> Arc<Network> {
        self.control.snapshot()
    }

    #[track_caller]
    pub fn vpc(&self, block: &str) -> VpcId {
        self.run(|tx| vpcs::create(tx, vpc_request(block, false)))
    }

    #[track_caller]
    pub fn vpc_with_ipv6(&self, block: &str) -> VpcId {
        self.run(|tx| vpcs::create(tx, vpc_request(block, true)))
    }

    #[track_caller]
    pub fn subnet(&self, vpc: VpcId, block: &str) -> SubnetId {
        self.run(|tx| subnets::create(tx, subnet_request(vpc, block)))
    }
}

pub fn caller(account: &str, region: &str) -> Caller {
    Caller { owner: Owner { account: account.parse().unwrap(), region: region.parse().unwrap() } }
}

pub fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub fn vpc_request(block: &str, amazon_ipv6: bool) -> CreateVpc {
    CreateVpc { ipv4_block: net(block), amazon_ipv6, tenancy: "default".to_owned(), tags: Tags::new() }
}

pub fn subnet_request(vpc: VpcId, block: &str) -> CreateSubnet {
    CreateSubnet { vpc, zone: None, ipv4_block: Some(net(block)), ipv6_block: None, ipv6_native: false, tags: Tags::new() }
}

/// The n-th /64 of a VPC's first IPv6 block.
pub fn nth_64(network: &Network, vpc: VpcId, n: usize) -> Ipv6Net {
    network.vpcs.get(&vpc).unwrap().ipv6_blocks[0].block.subnets(64).unwrap().nth(n).unwrap()
}

/// Time stands still; chance is the same in every run.
struct Scattered(AtomicU64);

impl Environment for Scattered {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_790_000_042_000)
    }

    fn random(&self) -> u64 {
        // A stride that is prime to 2^64 scatters what is taken modulo a small number.
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

struct NoPackets;

impl Enforcer for NoPackets {
    fn enforce(&self, _network: &Arc<Network>) -> Result<(), String> {
        Ok(())
    }
}
