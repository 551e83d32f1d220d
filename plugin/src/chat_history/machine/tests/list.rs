//! The virtual list, against one that adds everything up each time.

use proptest::prelude::*;

use crate::chat_history::machine::timeline::{Anchor, Timeline};
use crate::chat_history::machine::virtual_list::VirtualList;
use protocol::history::{HistoryOverview, HistoryPage};

use super::harness::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize),
    Measure(Vec<(usize, f64)>),
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..400_usize, 0..120_usize).prop_map(|(at, count)| Step::Insert(at, count)),
        prop::collection::vec((0..500_usize, 0.0..900.0_f64), 0..40).prop_map(Step::Measure),
        Just(Step::Forget),
    ];
    prop::collection::vec(step, 0..12)
}

proptest! {
    #[test]
    fn tops_are_the_sums_of_heights_and_a_window_is_all_that_is_near_and_little_more(
        steps in steps(), scroll in -100.0..200_000.0_f64, viewport in 1.0..2_000.0_f64,
    ) {
        let mut list = VirtualList::new(72.0);
        let mut heights: Vec<f64> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(at, count) => {
                    let at = at.min(heights.len());
                    heights.splice(at..at, std::iter::repeat_n(72.0, count));
                    list.insert(at, count);
                }
                Step::Measure(measured) => {
                    for &(row, height) in &measured {
                        if let Some(known) = heights.get_mut(row) && (*known - height).abs() > 0.5 {
                            *known = height;
                        }
                    }
                    list.measured(&measured);
                }
                Step::Forget => {
                    heights.fill(72.0);
                    list.forget_heights();
                }
            }
        }
        prop_assert_eq!(list.len(), heights.len());
        let mut top = 0.0;
        let tops: Vec<f64> = heights.iter().map(|height| { let here = top; top += height; here }).collect();
        for (row, wanted) in tops.iter().enumerate() {
            prop_assert!((list.top(row) - wanted).abs() < 1e-6);
        }
        prop_assert!((list.total() - top).abs() < 1e-6);
        let window = list.window(scroll, viewport);
        for (row, (top, height)) in tops.iter().zip(&heights).enumerate() {
            let is_seen = *height > 0.0 && top + height > scroll && *top < scroll + viewport;
            prop_assert!(!is_seen || window.contains(&row), "row {} of {:?}", row, window);
            let is_far = top + height < scroll - 1_500.0 || *top > scroll + viewport + 1_500.0;
            let is_edge = row + 1 == heights.len() || row == 0;
            prop_assert!(!is_far || *height == 0.0 || is_edge || !window.contains(&row) || scroll > top + height);
        }
        prop_assert!(window.end <= heights.len());
    }

    #[test]
    fn the_readers_row_stays_where_it_is_when_older_ones_are_put_before_and_heights_are_measured(
        scroll in 0.0..5_000.0_f64, heights in prop::collection::vec((0..101_usize, 20.0..400.0_f64), 0..60),
    ) {
        let viewport = 500.0;
        let mut timeline = Timeline::default();
        let rig = Rig::new(settings(), "");
        timeline.take_overview(
            HistoryOverview { conversations: vec![rig.summary(1)], cursor: None, retention_days: None }, None,
        );
        let page = |from: usize| HistoryPage {
            messages: (from..from + 100).map(|index| message(1, index)).collect(),
            cursor: Some(String::new()),
            hidden: false,
        };
        timeline.take_page(&sid("CH", 1), page(100));
        timeline.list_mut().measured(&heights);
        let anchor = timeline.anchor(scroll, viewport);
        let shown = |timeline: &Timeline, anchor: &Anchor| {
            let top = timeline.scroll_top(Some(anchor), viewport);
            timeline.list().top(timeline.place_of(&anchor.key).unwrap()) - top
        };
        if let Some(anchor) = anchor {
            let before = shown(&timeline, &anchor);
            timeline.take_page(&sid("CH", 1), page(0));
            // The line itself is the only row that older ones do not come before.
            if anchor.key != sid("CH", 1) {
                let foot = timeline.list().total() - viewport;
                let at_foot = (timeline.scroll_top(Some(&anchor), viewport) - foot).abs() < 1.0;
                prop_assert!(at_foot || (shown(&timeline, &anchor) - before).abs() < 1.0);
            }
        } else {
            prop_assert!((timeline.scroll_top(None, viewport) - (timeline.list().total() - viewport)).abs() < 1.0);
        }
    }
}

#[test]
fn of_ten_thousand_messages_only_what_is_near_the_viewport_is_drawn() {
    let mut list = VirtualList::new(72.0);
    list.insert(0, 10_000);
    for scroll in [0.0, 100_000.0, 359_000.0, 719_400.0] {
        let window = list.window(scroll, 600.0);
        assert!(window.len() <= 27, "{window:?}");
    }
    assert_eq!(list.window(1e9, 600.0).end, 10_000);
    assert_eq!(VirtualList::new(72.0).window(0.0, 600.0), 0..0);
}
