//! Transit gateways, their attachments and route tables.
