//! Customer gateways: the far ends of site-to-site VPNs.
