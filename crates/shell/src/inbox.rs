//! Events wait their turn.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

/// Events that wait while one is being handled. Carrying out a command may cause the next event at once, from inside
/// our own call to the SDK or to a port; a machine is never entered twice.
pub(crate) struct Inbox<E> {
    waiting: RefCell<VecDeque<E>>,
    busy: Cell<bool>,
}

impl<E> Default for Inbox<E> {
    fn default() -> Self {
        Self { waiting: RefCell::default(), busy: Cell::new(false) }
    }
}

impl<E> Inbox<E> {
    /// Hands the event to `handle`, and after it all that come meanwhile, in order. Called from inside `handle` it
    /// only queues. True when this call did the handling, so that all is handled now.
    pub(crate) fn handle(&self, event: E, mut handle: impl FnMut(E)) -> bool {
        self.waiting.borrow_mut().push_back(event);
        if self.busy.replace(true) {
            return false;
        }
        loop {
            // A statement of its own: the borrow must end before `handle` adds to the queue.
            let next = self.waiting.borrow_mut().pop_front();
            let Some(event) = next else { break };
            handle(event);
        }
        self.busy.set(false);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_caused_by_handling_another_is_handled_after_it() {
        let inbox = Inbox::default();
        let order = RefCell::new(Vec::new());
        let done = inbox.handle(1, |event| {
            order.borrow_mut().push(event);
            if event < 3 {
                assert!(!inbox.handle(event + 1, |_| panic!("entered twice")));
            }
            order.borrow_mut().push(-event);
        });
        assert!(done);
        assert_eq!(*order.borrow(), [1, -1, 2, -2, 3, -3]);
        assert!(inbox.handle(4, |event| order.borrow_mut().push(event)));
    }
}
