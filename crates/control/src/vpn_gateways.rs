//! Virtual private gateways.
