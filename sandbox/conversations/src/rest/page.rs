//! Lists in pages. A page's token names the last item that was seen, so that what is removed or added between two pages
//! makes nothing be skipped or said twice.

use std::fmt::Display;
use std::str::FromStr;

use crate::change::Refusal;

/// The size of a page where nobody says it.
const USUAL_SIZE: usize = 50;
/// The largest page.
const LARGEST_SIZE: usize = 100;

/// In which order of their keys the items are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Ascending,
    Descending,
}

/// Where a page begins or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<K> {
    After(K),
    Before(K),
}

impl<K: FromStr> Token<K> {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let key = |key: &str| key.parse::<K>().ok();
        let token = match text.split_at_checked(2) {
            Some(("PA", rest)) => key(rest).map(Self::After),
            Some(("PB", rest)) => key(rest).map(Self::Before),
            _ => None,
        };
        token.ok_or_else(|| Refusal::invalid("PageToken is not one of this list"))
    }
}

/// Which page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub size: Option<usize>,
    /// Its number, which is only said back.
    pub number: u64,
    pub token: Option<String>,
    pub order: Order,
}

impl Asked {
    /// How many items it has at most.
    ///
    /// Inferred: that a larger page than the largest is the largest.
    pub fn size(&self) -> usize {
        self.size.unwrap_or(USUAL_SIZE).clamp(1, LARGEST_SIZE)
    }
}

/// A page, and the tokens of those beside it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub previous: Option<String>,
    pub next: Option<String>,
}

type Walk<'a, K, T> = Box<dyn Iterator<Item = (K, T)> + 'a>;

/// The page of `items`, which come with their keys in ascending order.
///
/// # Errors
/// The token is not one of this list.
pub(crate) fn page<K, T, I>(items: I, asked: &Asked) -> Result<Page<T>, Refusal>
where
    K: Ord + Clone + Display + FromStr,
    I: DoubleEndedIterator<Item = (K, T)> + Clone,
{
    let size = asked.size();
    let token = asked.token.as_deref().map(Token::<K>::parse).transpose()?;
    // In listed order, whether `a` stands before `b`.
    let precedes = |a: &K, b: &K| match asked.order {
        Order::Ascending => a < b,
        Order::Descending => a > b,
    };
    let (forward, backward): (Walk<'_, K, T>, Walk<'_, K, T>) = match asked.order {
        Order::Ascending => (Box::new(items.clone()), Box::new(items.clone().rev())),
        Order::Descending => (Box::new(items.clone().rev()), Box::new(items.clone())),
    };
    let listed: Vec<(K, T)> = match &token {
        None => forward.take(size).collect(),
        Some(Token::After(key)) => forward.filter(|(k, _)| precedes(key, k)).take(size).collect(),
        Some(Token::Before(key)) => {
            let mut before: Vec<_> = backward.filter(|(k, _)| precedes(k, key)).take(size).collect();
            before.reverse();
            before
        }
    };
    let (first, last) = (listed.first().map(|(key, _)| key), listed.last().map(|(key, _)| key));
    let previous = first.filter(|first| items.clone().any(|(key, _)| precedes(&key, first)));
    let next = last.filter(|last| items.clone().any(|(key, _)| precedes(last, &key)));
    Ok(Page {
        previous: previous.map(|key| format!("PB{key}")),
        next: next.map(|key| format!("PA{key}")),
        items: listed.into_iter().map(|(_, item)| item).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ask(list: &BTreeSet<u64>, token: Option<String>, order: Order) -> Page<u64> {
        let asked = Asked { size: Some(3), number: 0, token, order };
        page(list.iter().map(|n| (*n, *n)), &asked).unwrap()
    }

    #[test]
    fn pages_lead_through_the_whole_list_and_back() {
        let list: BTreeSet<u64> = (0..8).collect();
        let first = ask(&list, None, Order::Ascending);
        assert_eq!((first.items, first.previous), (vec![0, 1, 2], None));
        let second = ask(&list, first.next, Order::Ascending);
        assert_eq!(second.items, [3, 4, 5]);
        let third = ask(&list, second.next.clone(), Order::Ascending);
        assert_eq!((third.items, third.next), (vec![6, 7], None));
        let back = ask(&list, second.previous, Order::Ascending);
        assert_eq!((back.items, back.previous), (vec![0, 1, 2], None));
        let newest = ask(&list, None, Order::Descending);
        assert_eq!(newest.items, [7, 6, 5]);
        assert_eq!(ask(&list, newest.next, Order::Descending).items, [4, 3, 2]);
    }

    #[test]
    fn what_is_removed_or_added_between_two_pages_makes_nothing_be_skipped_or_said_twice() {
        for (order, expected) in
            [(Order::Ascending, [0, 1, 2, 3, 4, 6]), (Order::Descending, [7, 6, 5, 4, 3, 1])]
        {
            let mut list: BTreeSet<u64> = (0..8).collect();
            let first = ask(&list, None, order);
            // What the token names goes away, and something behind the page; something new comes at the end.
            for gone in [2, 5] {
                list.remove(&gone);
            }
            list.insert(9);
            let second = ask(&list, first.next, order);
            let seen: Vec<u64> = first.items.into_iter().chain(second.items).collect();
            assert_eq!(seen, expected, "{order:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_between_pages_what_stays_is_said_once(
            stays in prop::collection::btree_set(0_u64..200, 1..60),
            comes_and_goes in prop::collection::vec((0_u64..200, any::<bool>()), 0..60),
            size in 1_usize..8,
            descending in any::<bool>(),
        ) {
            let order = if descending { Order::Descending } else { Order::Ascending };
            let mut list = stays.clone();
            let mut changes = comes_and_goes.into_iter().filter(|(key, _)| !stays.contains(key));
            let (mut seen, mut token) = (Vec::new(), None);
            loop {
                let asked = Asked { size: Some(size), number: 0, token, order };
                let page = page(list.iter().map(|n| (*n, *n)), &asked).unwrap();
                seen.extend(page.items);
                token = page.next;
                if token.is_none() {
                    break;
                }
                for (key, comes) in changes.by_ref().take(3) {
                    if comes { list.insert(key) } else { list.remove(&key) };
                }
            }
            let once: BTreeSet<u64> = seen.iter().copied().collect();
            prop_assert_eq!(once.len(), seen.len());
            prop_assert!(stays.is_subset(&once));
        }
    }

    #[test]
    fn an_empty_list_has_one_empty_page_and_a_forged_token_none() {
        let page_of = ask(&BTreeSet::new(), None, Order::Ascending);
        assert_eq!((page_of.items, page_of.previous, page_of.next), (vec![], None, None));
        for forged in ["", "PA", "PAx", "PX1", "é", "1"] {
            let asked = Asked { token: Some(forged.into()), ..Asked::default() };
            let refused = page(std::iter::once((1_u64, ())), &asked);
            assert_eq!(refused.map_err(|refusal| refusal.status), Err(400), "{forged}");
        }
    }

    #[test]
    fn a_page_has_fifty_items_unless_said_otherwise_and_never_more_than_a_hundred() {
        let size = |size| Asked { size, ..Asked::default() }.size();
        assert_eq!((size(None), size(Some(0)), size(Some(7)), size(Some(1000))), (50, 1, 7, 100));
    }
}
