//! Ranges of subnets kept from, or for, automatic assignment.
