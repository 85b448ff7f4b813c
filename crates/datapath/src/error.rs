use std::io;

use thiserror::Error;

/// What went wrong between openvpc and the kernel: the operation, the thing it was done to, and the kernel's answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatapathError {
    /// A system call on a namespace, a socket or a file of a sandbox failed.
    #[error("could not {action}: {source}")]
    System {
        /// What was attempted, as the words after "could not".
        action: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("could not {action}: {source}{}", .detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Netlink {
        /// What was attempted, naming the link.
        action: String,
        /// The kernel's own words, where it gave any.
        detail: Option<String>,
        /// The error number.
        #[source]
        source: io::Error,
    },
    /// A process that outlives the daemon could not be started.
    #[error("could not start {name}: {reason}")]
    Sandbox {
        /// The instance id, or what else was to be started.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The kernel answered a netlink request with something that does not parse.
    #[error("could not {action}: the kernel's answer does not parse: {reason}")]
    NetlinkAnswer {
        /// What was attempted.
        action: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl DatapathError {
    /// Whether the thing that was to be removed or changed is not there (any more).
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::System { source, .. } | Self::Netlink { source, .. }
            if matches!(source.raw_os_error(), Some(libc::ENODEV | libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL)))
    }

    /// Whether the thing that was to be made is there already.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::System { source, .. } | Self::Netlink { source, .. }
            if source.raw_os_error() == Some(libc::EEXIST))
    }
}

/// Names what was attempted when a system call fails.
pub(crate) trait Attempt<T> {
    /// `action` completes the sentence "could not …".
    fn attempt<A: Into<String>>(self, action: impl FnOnce() -> A) -> Result<T, DatapathError>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt<A: Into<String>>(self, action: impl FnOnce() -> A) -> Result<T, DatapathError> {
        self.map_err(|source| DatapathError::System { action: action().into(), source: source.into() })
    }
}
