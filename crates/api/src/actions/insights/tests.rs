//! Tests of Network Insights over the whole wire.
