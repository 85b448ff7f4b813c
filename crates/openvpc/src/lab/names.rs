//! The values that a lab saved under a name.

use std::collections::BTreeMap;

use serde_json::Value;

/// Name to value.
#[derive(Clone, Debug, Default)]
pub struct Names {
    values: BTreeMap<String, String>,
}

impl Names {
    /// Saves a value.
    pub fn save(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// Puts values in place of every `<name>`.
    ///
    /// # Errors
    /// When a name was never saved.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            filled += before;
            let name = after.split_once('>').map(|(name, _)| name).filter(|name| is_name(name));
            rest = match name {
                Some(name) => {
                    filled += self.values.get(name).ok_or_else(|| format!("nothing was saved under <{name}>"))?;
                    &after[name.len() + 1..]
                }
                None => {
                    filled.push('<');
                    after
                }
            };
        }
        Ok(filled + rest)
    }

    /// The same for every text in a value.
    ///
    /// # Errors
    /// When a name was never saved.
    pub fn fill_all(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill_all(item)).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let filled = members.iter().map(|(key, item)| Ok((key.clone(), self.fill_all(item)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// Writes the saved name behind every id in a text, for the reader.
    pub fn annotate(&self, text: &str) -> String {
        let mut annotated = text.to_owned();
        for (name, value) in self.values.iter().filter(|(_, value)| value.len() > 12 && value.contains('-')) {
            annotated = annotated.replace(value.as_str(), &format!("{value} ({name})"));
        }
        annotated
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The value at a path such as `Instances[0].PrivateIpAddress` or `Associations[?SubnetId=subnet-1].Id`, as text.
pub fn at_path(value: &Value, path: &str) -> Option<String> {
    let mut place = value;
    for step in path.split('.') {
        let (member, selectors) = step.split_once('[').unwrap_or((step, ""));
        place = place.get(member)?;
        for selector in selectors.split('[').filter(|selector| !selector.is_empty()) {
            place = select(place, selector.trim_end_matches(']'))?;
        }
    }
    match place {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// The item of a list at an index, or the first one whose member has a value.
fn select<'a>(list: &'a Value, selector: &str) -> Option<&'a Value> {
    match selector.strip_prefix('?').and_then(|condition| condition.split_once('=')) {
        Some((member, wanted)) => list.as_array()?.iter().find(|item| item[member] == *wanted),
        None => list.get(selector.parse::<usize>().ok()?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_filled_in_and_other_angle_brackets_left_alone() {
        let mut names = Names::default();
        names.save("vpc", "vpc-00000000000001234".into());
        assert_eq!(names.fill("id=<vpc>, 1 < 2 <not a name>").unwrap(), "id=vpc-00000000000001234, 1 < 2 <not a name>");
        assert_eq!(names.fill("<subnet>").unwrap_err(), "nothing was saved under <subnet>");
        assert_eq!(names.fill_all(&json!({"a": ["<vpc>", 1]})).unwrap(), json!({"a": ["vpc-00000000000001234", 1]}));
        assert_eq!(names.annotate("in vpc-00000000000001234"), "in vpc-00000000000001234 (vpc)");
    }

    #[test]
    fn a_path_walks_members_and_indices() {
        let value = json!({"Instances": [{"Id": "i-1", "Tags": []}], "Count": 3});
        assert_eq!(at_path(&value, "Instances[0].Id").as_deref(), Some("i-1"));
        assert_eq!(at_path(&value, "Count").as_deref(), Some("3"));
        assert_eq!(at_path(&value, "Instances[?Id=i-1].Id").as_deref(), Some("i-1"));
        assert_eq!(at_path(&value, "Instances[?Id=i-2].Id"), None);
        assert_eq!(at_path(&value, "Instances[1].Id"), None);
        assert_eq!(at_path(&value, "Instances[x].Id"), None);
    }
}
