//! Certificates, as far as Client VPN names them.
