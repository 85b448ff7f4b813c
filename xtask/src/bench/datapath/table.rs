//! Figures, their ratios, and the bars beside them.

use super::loads::Load;
use super::place::Pair;
use crate::Outcome;

/// What is printed, and which bars were missed.
pub struct Table {
    rounds: usize,
    seconds: f64,
    verdicts: Vec<Verdict>,
}

/// What came of a bar; without figure, nothing was measured.
struct Verdict {
    title: String,
    what: String,
    figure: Option<f64>,
    bar: Option<Bar>,
}

impl Verdict {
    fn is_met(&self) -> bool {
        matches!((self.figure, self.bar), (Some(figure), Some(bar)) if bar.is_met(figure))
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// As much, or more.
    AtLeast(f64),
    /// As much, or less.
    AtMost(f64),
}

/// The figures of one contender, one a round.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// Adds a round's.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// The figure in the middle.
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        let upper = self.0.get(middle).copied().unwrap_or(f64::NAN);
        if self.0.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(upper, self.0.get(middle.wrapping_sub(1)).copied().unwrap_or(upper))
        }
    }

    /// The figure that so many of a hundred stay under.
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }

    fn shown(&self) -> String {
        let [least, most] = [self.0.first(), self.0.last()].map(|figure| figure.copied().unwrap_or(f64::NAN));
        format!("{} [{}-{}]", digits(self.median()), digits(least), digits(most))
    }
}

impl Bar {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

impl Table {
    /// An empty table of so many rounds of so many seconds.
    pub fn new(rounds: usize, seconds: f64) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!("medians of {rounds} rounds of {seconds} s in turns, [least-most]");
        println!("Linux {kernel}, {processors} processors, load average before it {load}");
        Self { rounds, seconds, verdicts: Vec::new() }
    }

    /// Measures all contenders in turns. One that fails fails the row.
    pub fn measure(&self, load: Load, contenders: &[(&str, &Pair)]) -> Result<Vec<Figures>, String> {
        self.alternate(contenders.len(), |index| {
            let (name, pair) = contenders[index];
            load(pair, self.seconds).map_err(|error| format!("{name}: {error}"))
        })
    }

    /// Takes one figure of each of so many contenders in turns.
    pub fn alternate(
        &self,
        contenders: usize,
        mut one: impl FnMut(usize) -> Result<f64, String>,
    ) -> Result<Vec<Figures>, String> {
        let mut figures = vec![Figures::default(); contenders];
        for _ in 0..self.rounds {
            for (index, figures) in figures.iter_mut().enumerate() {
                figures.push(one(index)?);
            }
        }
        Ok(figures)
    }

    /// Prints a row: figures by name, and below it what is compared with its bar.
    pub fn row(&mut self, title: &str, figures: &[(&str, &Figures)]) {
        let cells: Vec<_> = figures.iter().map(|(name, figures)| format!("{name} {}", figures.shown())).collect();
        println!("\n{title}\n    {}", cells.join("  |  "));
    }

    /// Compares a figure with its bar.
    pub fn bar(&mut self, title: &str, what: &str, figure: f64, bar: Bar) {
        let verdict = if bar.is_met(figure) { "met" } else { "MISSED" };
        println!("    {} {what} (bar {}): {verdict}", digits(figure), bar.shown());
        self.verdicts.push(Verdict { title: title.to_owned(), what: what.to_owned(), figure: Some(figure), bar: Some(bar) });
    }

    /// Says something beside the figures.
    pub fn note(&self, note: &str) {
        println!("    {note}");
    }

    /// A row that could not be measured is a bar that was missed.
    pub fn failed(&mut self, row: &str, error: &str) {
        println!("\n{row}\n    not measured: {error}");
        self.verdicts.push(Verdict { title: row.to_owned(), what: "not measured".to_owned(), figure: None, bar: None });
    }

    /// Prints all bars once more; the outcome of the whole.
    pub fn end(self) -> Outcome {
        println!();
        for verdict in &self.verdicts {
            let Verdict { title, what, figure, bar } = verdict;
            let (figure, bar) = (figure.map_or_else(|| "-".to_owned(), digits), bar.map_or_else(String::new, Bar::shown));
            let met = if verdict.is_met() { "met" } else { "MISSED" };
            println!("{title:<80} {figure:>7} {what:<34} {bar:<8} {met}");
        }
        match self.verdicts.iter().filter(|verdict| !verdict.is_met()).count() {
            0 => Ok(()),
            missed => Err(format!("{missed} of {} bars are missed", self.verdicts.len())),
        }
    }
}

/// Three digits that count.
fn digits(figure: f64) -> String {
    match figure.abs() {
        0.0..1.0 => format!("{figure:.3}"),
        1.0..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_figure_in_the_middle_or_between_the_two_there() {
        let mut figures = Figures::default();
        figures.push(9.0);
        figures.push(1.0);
        assert_eq!(figures.median(), 5.0);
        figures.push(2.0);
        assert_eq!(figures.median(), 2.0);
    }

    #[test]
    fn a_figure_that_is_none_meets_no_bar() {
        assert!(!Bar::AtLeast(1.0).is_met(f64::NAN) && !Bar::AtMost(1.0).is_met(f64::NAN));
    }
}
