//! network acls.
