//! Instances: sandboxes that carry network interfaces.

use serde::{Deserialize, Serialize};

use crate::{EniId, InstanceId, Owner, ReservationId, SubnetId, Tags, UnixMillis, VpcId, Zone};

/// An instance. Its interfaces are those whose attachment names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The instance's id.
    pub id: InstanceId,
    /// Owning account and region.
    pub owner: Owner,
    /// The RunInstances call that made it.
    pub reservation: ReservationId,
    /// Its position in that call.
    pub launch_index: u32,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Why it stopped or failed to start; empty while all is well.
    pub state_reason: String,
    /// The image id that was asked for; any will do.
    pub image: String,
    /// The instance type that was asked for.
    pub instance_type: String,
    /// The key pair's name that was asked for.
    pub key_name: Option<String>,
    /// The primary interface.
    pub primary_eni: EniId,
    /// The VPC of the primary interface.
    pub vpc: VpcId,
    /// The subnet of the primary interface.
    pub subnet: SubnetId,
    /// The zone.
    pub zone: Zone,
    /// User data, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Vec<u8>>,
    /// Whether the user data has run.
    pub user_data_ran: bool,
    /// Client token of the call.
    pub client_token: Option<String>,
    /// When it was (last) started.
    pub launched_at: UnixMillis,
    /// When it was terminated; it stays visible for a while.
    pub terminated_at: Option<UnixMillis>,
    /// Whether termination by API is refused.
    pub disable_api_termination: bool,
    /// Whether stopping by API is refused.
    pub disable_api_stop: bool,
    /// `stop` or `terminate`.
    pub shutdown_behavior: String,
    /// How many times it was started: 1 is the launch.
    pub starts: u32,
    /// What clients ask for and read back, without effect on the sandbox.
    #[serde(default)]
    pub options: InstanceOptions,
    /// Tags.
    pub tags: Tags,
}

/// What clients ask for and read back, without effect on the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceOptions {
    /// Whether detailed monitoring was asked for.
    pub monitoring: bool,
    /// Whether EBS optimisation was asked for.
    pub ebs_optimized: bool,
    /// ARN of the instance profile that was asked for.
    pub iam_instance_profile: Option<String>,
    /// `standard` or `unlimited`, for burstable types; none for the type's default.
    pub cpu_credits: Option<String>,
    /// `optional` or `required`.
    pub http_tokens: String,
    /// `enabled` or `disabled`.
    pub http_endpoint: String,
    /// `enabled` or `disabled`.
    pub http_protocol_ipv6: String,
    /// 1–64.
    pub http_put_response_hop_limit: u8,
    /// `enabled` or `disabled`.
    pub instance_metadata_tags: String,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self {
            monitoring: false,
            ebs_optimized: false,
            iam_instance_profile: None,
            cpu_credits: None,
            http_tokens: "optional".to_owned(),
            http_endpoint: "enabled".to_owned(),
            http_protocol_ipv6: "disabled".to_owned(),
            http_put_response_hop_limit: 1,
            instance_metadata_tags: "disabled".to_owned(),
        }
    }
}

/// Where an instance is in its life. See "Instance lifecycle" in the EC2 User Guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Being started.
    Pending,
    /// Running.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Stopped; keeps its addresses.
    Stopped,
}

impl InstanceState {
    /// AWS's number for the state.
    pub fn code(self) -> i32 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// AWS's name for the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}
