//! Site-to-site VPN connections.
