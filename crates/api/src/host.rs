//! What actions ask of the daemon beyond the state of the network.

use openvpc_model::{DomainName, FlowLogId, HostedZone, InstanceId, Network, RecordType, UnixMillis};

/// The machine that the network lives on.
pub trait Host: Send + Sync {
    /// What an instance has written to its console, and when it last wrote; none when it has no console yet.
    fn console_output(&self, instance: InstanceId) -> Option<(UnixMillis, Vec<u8>)>;

    /// Restarts what runs in an instance, without a change of its state or addresses.
    fn reboot(&self, instance: InstanceId);

    /// Whether the S3 store has that bucket.
    fn bucket_exists(&self, bucket: &str) -> bool;

    /// Puts an object into a bucket of the S3 store.
    ///
    /// # Errors
    /// When it can't be written.
    fn put_object(&self, bucket: &str, key: &str, body: &[u8]) -> std::io::Result<()>;

    /// AWS's word for why a flow log's last files couldn't be written (`Access error`, …); none when all is well.
    fn delivery_failure(&self, flow_log: FlowLogId) -> Option<&'static str>;

    /// What a hosted zone says of a name: DNS's word for how it ends, and the values. Nobody answers where nothing runs.
    fn zone_answer(
        &self,
        _network: &Network,
        _zone: &HostedZone,
        _name: &DomainName,
        _kind: RecordType,
    ) -> (&'static str, Vec<String>) {
        ("SERVFAIL", Vec::new())
    }
}
