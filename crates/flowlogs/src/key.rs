//! Where delivered files lie. See "Flow log files" under "Publish flow logs to Amazon S3" in the VPC User Guide.

use openvpc_model::{FlowLog, FlowLogId, UnixMillis};

/// A file holds the records whose `end` lies in five minutes of the wall clock.
pub const PERIOD_SECONDS: u64 = 300;

/// How a destination lays out its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout<'a> {
    /// The folder in the bucket, with or without a slash at the end; empty for none.
    pub prefix: &'a str,
    /// Whether folders are named `key=value`.
    pub hive_compatible: bool,
    /// Whether there is a folder per hour.
    pub per_hour: bool,
}

impl Layout<'_> {
    /// The folder of all files of the flow log's account and region, with a slash at the end.
    pub fn root(&self, flow_log: &FlowLog) -> String {
        let slash = if self.prefix.is_empty() || self.prefix.ends_with('/') { "" } else { "/" };
        let (account, region) = (flow_log.owner.account, &flow_log.owner.region);
        if self.hive_compatible {
            let names = format!("aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}");
            format!("{}{slash}AWSLogs/{names}/", self.prefix)
        } else {
            format!("{}{slash}AWSLogs/{account}/vpcflowlogs/{region}/", self.prefix)
        }
    }

    /// The key of the file for the five minutes that begin at `period` (Unix seconds). The hash tells files of the same
    /// five minutes apart.
    pub fn key(&self, flow_log: &FlowLog, period: u64, hash: u32) -> String {
        let time = UnixMillis(period * 1000).civil();
        let (year, month, day, hour, minute) = (time.year, time.month, time.day, time.hour, time.minute);
        let folder = match (self.hive_compatible, self.per_hour) {
            (false, false) => format!("{year:04}/{month:02}/{day:02}"),
            (false, true) => format!("{year:04}/{month:02}/{day:02}/{hour:02}"),
            (true, false) => format!("year={year:04}/month={month:02}/day={day:02}"),
            (true, true) => format!("year={year:04}/month={month:02}/day={day:02}/hour={hour:02}"),
        };
        let (account, region, id) = (flow_log.owner.account, &flow_log.owner.region, flow_log.id);
        let stamp = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}Z");
        format!("{}{folder}/{account}_vpcflowlogs_{region}_{id}_{stamp}_{hash:08x}.log.gz", self.root(flow_log))
    }
}

/// The begin of the five minutes that a record with that `end` belongs to, in Unix seconds.
pub fn period_of(end: u64) -> u64 {
    end - end % PERIOD_SECONDS
}

/// The flow log that a text file is of, by its key.
pub fn flow_log_of(key: &str) -> Option<FlowLogId> {
    let stem = key.rsplit('/').next()?.strip_suffix(".log.gz")?;
    let mut parts = stem.rsplitn(4, '_');
    let (_hash, _stamp, id) = (parts.next()?, parts.next()?, parts.next()?);
    id.parse().ok()
}
