//! Client VPN endpoints.
