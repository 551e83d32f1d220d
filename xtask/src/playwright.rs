//! Playwright's JSON report.

use serde_json::Value;

/// The elements of a list; none when it is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Each test with its title, in the order of the files.
pub fn specs(report: &Value) -> Vec<&Value> {
    let mut specs = Vec::new();
    let mut suites: Vec<&Value> = list(&report["suites"]).collect();
    suites.reverse();
    while let Some(suite) = suites.pop() {
        let inner: Vec<&Value> = list(&suite["suites"]).collect();
        suites.extend(inner.into_iter().rev());
        specs.extend(list(&suite["specs"]));
    }
    specs
}
