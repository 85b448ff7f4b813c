//! Egress-only internet gateways.
