//! Playwright's JSON report.

use serde_json::Value;

/// Two runs as one: the tests of both, and the sums of what was counted.
pub fn together(mut one: Value, other: &Value) -> Value {
    for lists in ["suites", "errors"] {
        let more: Vec<Value> = list(&other[lists]).cloned().collect();
        if let Some(all) = one[lists].as_array_mut() {
            all.extend(more);
        }
    }
    if let Some(counts) = one["stats"].as_object_mut() {
        for (name, count) in counts {
            if let (Some(mine), Some(theirs)) = (count.as_u64(), other["stats"][name.as_str()].as_u64()) {
                *count = (mine + theirs).into();
            }
        }
    }
    one
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_runs_are_read_as_one() {
        let run = |title: &str, expected: u64| {
            json!({"suites": [{"specs": [{"title": title}]}], "errors": [],
                "stats": {"startTime": "2026", "expected": expected, "unexpected": 1}})
        };
        let both = together(run("measured", 2), &run("others", 5));
        let titles: Vec<&str> = specs(&both).iter().filter_map(|spec| spec["title"].as_str()).collect();
        assert_eq!(titles, ["measured", "others"]);
        assert_eq!(both["stats"], json!({"startTime": "2026", "expected": 7, "unexpected": 2}));
    }
}
