//! A long list of which only what is near the viewport is drawn: heights, places, and the window for a scroll position.
//!
//! All lengths are CSS pixels. A row's height is an estimate until it was measured. What is put before other rows moves these, and
//! whoever draws keeps the reader's row where it was: the list says where any row is now.

use std::ops::Range;

/// How much more than the viewport is drawn, above and below it.
const MARGIN_PX: f64 = 600.0;

/// A difference of height that nobody sees.
const UNSEEN_PX: f64 = 0.5;

/// The heights of all rows.
#[derive(Clone, Debug)]
pub struct VirtualList {
    estimate: f64,
    heights: Vec<f64>,
    /// Where each row begins, and after the last one where all end.
    tops: Vec<f64>,
}

impl VirtualList {
    /// An empty list whose rows are about this high.
    #[must_use]
    pub fn new(estimate: f64) -> Self {
        Self { estimate, heights: Vec::new(), tops: vec![0.0] }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heights.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heights.is_empty()
    }

    /// The height of all rows.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.top(self.len())
    }

    /// Where a row begins.
    #[must_use]
    pub fn top(&self, row: usize) -> f64 {
        self.tops.get(row).or(self.tops.last()).copied().unwrap_or_default()
    }

    /// Puts this many rows in, before the row that is now at `at`.
    pub fn insert(&mut self, at: usize, count: usize) {
        let at = at.min(self.len());
        self.heights.splice(at..at, std::iter::repeat_n(self.estimate, count));
        self.add_up(at);
    }

    /// Takes what was measured: rows with their heights. True when anything has changed.
    pub fn measured(&mut self, heights: &[(usize, f64)]) -> bool {
        let mut first = None;
        for &(row, height) in heights {
            let sane = height.is_finite() && height >= 0.0;
            if let Some(known) = self.heights.get_mut(row)
                && sane
                && (*known - height).abs() > UNSEEN_PX
            {
                *known = height;
                first = Some(first.map_or(row, |first: usize| first.min(row)));
            }
        }
        if let Some(first) = first {
            self.add_up(first);
        }
        first.is_some()
    }

    /// Everything is measured anew: the list has become wider or narrower.
    pub fn forget_heights(&mut self) {
        self.heights.fill(self.estimate);
        self.add_up(0);
    }

    /// The row at a distance from the top: the last one that begins there or before.
    #[must_use]
    pub fn row_at(&self, distance: f64) -> usize {
        let after = self.tops.partition_point(|top| *top <= distance);
        after.saturating_sub(1).min(self.len().saturating_sub(1))
    }

    /// The rows to draw for a scroll position.
    #[must_use]
    pub fn window(&self, scroll_top: f64, viewport: f64) -> Range<usize> {
        if self.is_empty() {
            return 0..0;
        }
        self.row_at(scroll_top - MARGIN_PX)..self.row_at(scroll_top + viewport + MARGIN_PX) + 1
    }

    fn add_up(&mut self, from: usize) {
        self.tops.truncate(from + 1);
        let mut top = self.tops.last().copied().unwrap_or_default();
        for height in self.heights.iter().skip(from) {
            top += height;
            self.tops.push(top);
        }
    }
}
