//! What the end-to-end tests measured beside what is promised of it, in one table: printed at the end of
//! `cargo xtask test`, and written as JSON for whoever wants to compare runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::playwright;

/// A figure that is more than so many times its bar has failed its test: `e2e/lib/bars.ts` has the same number.
const HARD_LIMIT: f64 = 3.0;

/// One figure, as `e2e/lib/bars.ts` notes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// What happens.
    event: String,
    /// What of it was measured.
    measure: String,
    value: f64,
    /// The most that is promised.
    limit: f64,
    unit: String,
}

impl Bar {
    /// How the table marks it: the bar holds, is missed, or is missed by so much that the test failed.
    fn mark(&self) -> &'static str {
        if self.value <= self.limit {
            "✓ "
        } else if self.value <= HARD_LIMIT * self.limit {
            "✗ "
        } else {
            "✗✗"
        }
    }
}

/// The figures in Playwright's JSON report, in the order in which they are noted.
pub fn read(report: &Value) -> Vec<Bar> {
    let results = playwright::specs(report).into_iter().flat_map(|spec| playwright::list(&spec["tests"]));
    results
        .flat_map(|test| playwright::list(&test["annotations"]))
        .filter(|annotation| annotation["type"] == "bar")
        .filter_map(|annotation| serde_json::from_str(annotation["description"].as_str()?).ok())
        .collect()
}

/// The table; empty when nothing was measured.
pub fn table(bars: &[Bar]) -> String {
    let mut text = String::new();
    let width = |of: fn(&Bar) -> &str| bars.iter().map(|bar| of(bar).chars().count()).max().unwrap_or(0);
    let (event, measure) = (width(|bar| &bar.event), width(|bar| &bar.measure));
    for bar in bars {
        text.push_str(&format!(
            "  {} {:event$}  {:measure$}  {} {} (at most {})\n",
            bar.mark(),
            bar.event,
            bar.measure,
            bar.value,
            bar.unit,
            bar.limit
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_noted_figure_is_a_line_and_a_missed_bar_is_seen_and_whether_it_failed_its_test() {
        let noted = |value: f64| {
            json!({"type": "bar", "description": json!({"event": "worker killed",
            "measure": "registered again", "value": value, "limit": 400, "unit": "ms"}).to_string()})
        };
        let report = json!({"suites": [{"specs": [{"title": "x", "tests": [
            {"annotations": [noted(192.5), {"type": "slow"}, noted(401.0), noted(1200.0), noted(1200.1)]}]}]}]});
        let bars = read(&report);
        assert_eq!(
            table(&bars),
            "  ✓  worker killed  registered again  192.5 ms (at most 400)\n  \
             ✗  worker killed  registered again  401 ms (at most 400)\n  \
             ✗  worker killed  registered again  1200 ms (at most 400)\n  \
             ✗✗ worker killed  registered again  1200.1 ms (at most 400)\n"
        );
    }

    #[test]
    fn without_figures_there_is_no_table() {
        assert_eq!(table(&read(&json!({}))), "");
    }
}
