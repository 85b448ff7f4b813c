//! What API actions ask of the daemon beyond the state.

use std::sync::Arc;

use openvpc_api::host::Host;
use openvpc_control::Control;
use openvpc_gateways::dns::{self, answer::Question};
use openvpc_gateways::s3;
use openvpc_model::{DomainName, FlowLogId, HostedZone, InstanceId, Network, RecordType, UnixMillis};

use super::enforcement::Enforcement;

/// The daemon as API actions see it.
pub struct DaemonHost {
    enforcement: Enforcement,
    objects: Arc<s3::ObjectStore>,
    control: Arc<Control>,
}

impl DaemonHost {
    /// The daemon of these parts.
    pub fn new(enforcement: Enforcement, objects: Arc<s3::ObjectStore>, control: Arc<Control>) -> Self {
        Self { enforcement, objects, control }
    }
}

impl Host for DaemonHost {
    fn console_output(&self, instance: InstanceId) -> Option<(UnixMillis, Vec<u8>)> {
        let output = self.enforcement.machine(|machine| machine.console_output(instance))?.ok()?;
        Some((self.control.now(), output))
    }

    fn reboot(&self, instance: InstanceId) {
        let enforcement = self.enforcement.clone();
        // AWS answers before the instance is down; so does this.
        std::thread::spawn(move || {
            if let Some(Err(error)) = enforcement.machine(|machine| machine.reboot(instance)) {
                tracing::error!(%instance, %error, "can't reboot");
            }
            enforcement.waker().wake();
        });
    }

    fn bucket_exists(&self, bucket: &str) -> bool {
        self.objects.bucket_exists(bucket)
    }

    fn put_object(&self, bucket: &str, key: &str, body: &[u8]) -> std::io::Result<()> {
        self.objects.put(bucket, key, body, s3::Attributes::default()).map_err(std::io::Error::from)
    }

    fn delivery_failure(&self, flow_log: FlowLogId) -> Option<&'static str> {
        self.enforcement.flow_logs().failure(flow_log)
    }

    fn zone_answer(
        &self,
        network: &Network,
        zone: &HostedZone,
        name: &DomainName,
        kind: RecordType,
    ) -> (&'static str, Vec<String>) {
        dns::values_in(network, zone, &Question { name: name.clone(), kind: kind.code() })
    }
}
