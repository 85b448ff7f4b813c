//! Direct Connect: connections, groups of them, virtual interfaces and gateways.
