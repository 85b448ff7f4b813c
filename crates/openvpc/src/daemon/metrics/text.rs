//! Prometheus's text format, version 0.0.4: families of samples, each with HELP and TYPE.

use std::fmt::{self, Display, Write};

/// The content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by families.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// A family of samples, all of one name.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

/// Labels of a sample: names are fixed, values are any text.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// A number that only grows. Its name ends in `_total`.
    pub fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// A number that goes up and down.
    pub fn gauge<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// A distribution.
    pub fn histogram<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "histogram", help)
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String can't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name }
    }
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value)
    }

    /// The samples of one histogram: how many in each class, of which the last has no bound, and the sum of all.
    pub fn distribution(&mut self, labels: Labels<'_>, bounds: impl Iterator<Item = f64>, counts: &[u64], sum: f64) -> &mut Self {
        let mut total = 0;
        let bounds = bounds.map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            total += count;
            self.line("_bucket", labels, Some(&bound), total);
        }
        self.line("_sum", labels, None, sum).line("_count", labels, None, total)
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) -> &mut Self {
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}=\"{}\"", Escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
        self
    }
}

/// A label's value as it stands between quotation marks.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            letter => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_help_type_and_samples() {
        let mut text = Exposition::default();
        text.counter("drops_total", "Dropped.\nBy reason, as C:\\ says.").sample(&[("reason", "A")], 1).sample(&[], 2.5);
        let expected = "# HELP drops_total Dropped.\\nBy reason, as C:\\\\ says.\n# TYPE drops_total counter\n\
                        drops_total{reason=\"A\"} 1\ndrops_total 2.5\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = Exposition::default();
        text.gauge("up", "Up.").sample(&[("a", "say \"hi\"\\\n"), ("b", "ü")], 1);
        assert!(text.into_text().ends_with("up{a=\"say \\\"hi\\\"\\\\\\n\",b=\"ü\"} 1\n"));
    }

    #[test]
    fn buckets_of_a_histogram_add_up_to_its_count() {
        let mut text = Exposition::default();
        text.histogram("took_seconds", "Took.").distribution(&[("of", "x")], [0.001, 0.5].into_iter(), &[3, 0, 2], 1.25);
        let lines = [
            "took_seconds_bucket{of=\"x\",le=\"0.001\"} 3",
            "took_seconds_bucket{of=\"x\",le=\"0.5\"} 3",
            "took_seconds_bucket{of=\"x\",le=\"+Inf\"} 5",
            "took_seconds_sum{of=\"x\"} 1.25",
            "took_seconds_count{of=\"x\"} 5",
        ];
        assert!(text.into_text().ends_with(&(lines.join("\n") + "\n")));
    }
}
