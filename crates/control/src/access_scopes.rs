//! Network Access Analyzer: scopes and their analyses.
