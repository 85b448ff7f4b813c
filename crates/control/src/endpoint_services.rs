//! Endpoint services: the provider side of PrivateLink.
