//! Tags: the user's own words on a resource.

use std::collections::BTreeMap;

/// Key to value. Limits (50 per resource, 128 and 256 characters) are checked where tags come in.
pub type Tags = BTreeMap<String, String>;
