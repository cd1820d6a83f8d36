//! The table.

use std::time::Duration;

/// What a figure must be.
pub enum Goal {
    /// At least this share of the reference.
    Share(f64),
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// The figures so far.
pub struct Report {
    missed: usize,
    figures: usize,
}

impl Report {
    /// Prints the head of the table.
    pub fn begin() -> Self {
        println!(
            "| {:52} | {:>14} | {:>14} | {:>6} | {:>10} | met |",
            "figure", "measured", "reference", "ratio", "goal"
        );
        println!(
            "|{:-<54}|{:->15}:|{:->15}:|{:->7}:|{:->11}:|-----|",
            "", "", "", "", ""
        );
        Self {
            missed: 0,
            figures: 0,
        }
    }

    /// A figure with its reference of the same run.
    pub fn beside(&mut self, figure: &str, unit: &str, measured: f64, reference: f64, goal: Goal) {
        let ratio = measured / reference;
        let (met, goal) = match goal {
            Goal::Share(least) => (ratio >= least, format!(">= {least} x")),
            Goal::AtMost(most) => (measured <= most, format!("<= {most}")),
            Goal::AtLeast(least) => (measured >= least, format!(">= {least}")),
        };
        let reference = format!("{} {unit}", short(reference));
        self.row(
            figure,
            unit,
            measured,
            &reference,
            &format!("{ratio:.2}"),
            &goal,
            met,
        );
    }

    /// A figure that stands alone.
    pub fn alone(&mut self, figure: &str, unit: &str, measured: f64, goal: Goal) {
        let (met, goal) = match goal {
            Goal::Share(least) | Goal::AtLeast(least) => (measured >= least, format!(">= {least}")),
            Goal::AtMost(most) => (measured <= most, format!("<= {most}")),
        };
        self.row(figure, unit, measured, "", "", &goal, met);
    }

    /// A figure that cannot be measured here.
    pub fn skip(&self, figure: &str, why: &str) {
        println!("| {figure:52} | {why}");
    }

    #[expect(clippy::too_many_arguments, reason = "one for each column")]
    fn row(
        &mut self,
        figure: &str,
        unit: &str,
        measured: f64,
        reference: &str,
        ratio: &str,
        goal: &str,
        met: bool,
    ) {
        self.figures += 1;
        self.missed += usize::from(!met);
        let measured = format!("{} {unit}", short(measured));
        let met = if met { "yes" } else { "NO" };
        println!("| {figure:52} | {measured:>14} | {reference:>14} | {ratio:>6} | {goal:>10} | {met:3} |");
    }

    /// The last line.
    pub fn end(self) -> anyhow::Result<()> {
        let Self { missed, figures } = self;
        println!("\n{} of {figures} figures met their goals.", figures - missed);
        Ok(())
    }
}

/// Three figures that count.
fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which this share of the others lies, in milliseconds.
pub fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
    times[at].as_secs_f64() * 1000.0
}

/// So many a second.
#[expect(clippy::cast_precision_loss, reason = "counts here are small")]
pub fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
