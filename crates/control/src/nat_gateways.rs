//! NAT gateways.
