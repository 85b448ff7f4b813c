//! Time and chance, for the parts that may not fetch them themselves.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use openvpc_control::Environment;
use openvpc_model::UnixMillis;
use openvpc_model::internet::PublicPools;

/// The machine's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Environment for Machine {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(8) => u64::from_ne_bytes(bytes),
            // Eight bytes come whole on every kernel; the standard library's seed is as good for ids.
            _ => RandomState::new().build_hasher().finish(),
        }
    }
}

/// The same, with blocks of public addresses that the user named.
#[derive(Clone, Debug)]
pub struct WithPools(pub PublicPools);

impl Environment for WithPools {
    fn now(&self) -> UnixMillis {
        Machine.now()
    }

    fn random(&self) -> u64 {
        Machine.random()
    }

    fn public_pools(&self) -> PublicPools {
        self.0.clone()
    }
}
