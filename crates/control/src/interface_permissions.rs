//! Permissions on network interfaces.
