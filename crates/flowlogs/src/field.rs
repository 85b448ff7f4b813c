//! The fields of flow log records. See "Flow log records" in the VPC User Guide.

macro_rules! fields {
    ($($name:ident = $text:literal, $version:literal, $kind:ident;)*) => {
        /// A field that a record of a VPC, subnet or interface can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "AWS's names say it")]
        pub enum Field {
            $($name,)*
        }

        impl Field {
            /// All fields, version by version.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// AWS's name, with dashes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The version of the record format that brought the field.
            pub fn version(self) -> u8 {
                match self {
                    $(Self::$name => $version,)*
                }
            }

            /// What its values are.
            pub fn kind(self) -> FieldKind {
                match self {
                    $(Self::$name => FieldKind::$kind,)*
                }
            }
        }
    };
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number.
    Number,
    /// Text.
    Text,
}

fields! {
    Version = "version", 2, Number;
    AccountId = "account-id", 2, Text;
    InterfaceId = "interface-id", 2, Text;
    Srcaddr = "srcaddr", 2, Text;
    Dstaddr = "dstaddr", 2, Text;
    Srcport = "srcport", 2, Number;
    Dstport = "dstport", 2, Number;
    Protocol = "protocol", 2, Number;
    Packets = "packets", 2, Number;
    Bytes = "bytes", 2, Number;
    Start = "start", 2, Number;
    End = "end", 2, Number;
    Action = "action", 2, Text;
    LogStatus = "log-status", 2, Text;
    VpcId = "vpc-id", 3, Text;
    SubnetId = "subnet-id", 3, Text;
    InstanceId = "instance-id", 3, Text;
    TcpFlags = "tcp-flags", 3, Number;
    Type = "type", 3, Text;
    PktSrcaddr = "pkt-srcaddr", 3, Text;
    PktDstaddr = "pkt-dstaddr", 3, Text;
    Region = "region", 4, Text;
    AzId = "az-id", 4, Text;
    SublocationType = "sublocation-type", 4, Text;
    SublocationId = "sublocation-id", 4, Text;
    PktSrcAwsService = "pkt-src-aws-service", 5, Text;
    PktDstAwsService = "pkt-dst-aws-service", 5, Text;
    FlowDirection = "flow-direction", 5, Text;
    TrafficPath = "traffic-path", 5, Number;
    EcsClusterArn = "ecs-cluster-arn", 7, Text;
    EcsClusterName = "ecs-cluster-name", 7, Text;
    EcsContainerInstanceArn = "ecs-container-instance-arn", 7, Text;
    EcsContainerInstanceId = "ecs-container-instance-id", 7, Text;
    EcsContainerId = "ecs-container-id", 7, Text;
    EcsSecondContainerId = "ecs-second-container-id", 7, Text;
    EcsServiceName = "ecs-service-name", 7, Text;
    EcsTaskDefinitionArn = "ecs-task-definition-arn", 7, Text;
    EcsTaskArn = "ecs-task-arn", 7, Text;
    EcsTaskId = "ecs-task-id", 7, Text;
    RejectReason = "reject-reason", 8, Text;
    ResourceId = "resource-id", 9, Text;
    EncryptionStatus = "encryption-status", 10, Number;
    InterfaceType = "interface-type", 11, Text;
}

impl Field {
    /// The field of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// The name with underscores, as the columns of tables are called.
    pub fn column(self) -> String {
        self.name().replace('-', "_")
    }
}
