//! What happens to each callback: its place in the queue, its tries, and what faults do to it.

use std::collections::{BTreeMap, VecDeque};

use kernel::Monotonic;
use sansio::Timers;

use crate::callback::{Callback, Failure, Outcome, Record, Reply};
use crate::fault::{Fault, Faults, Way};
use crate::request::{Request, Signer, for_log, request};
use crate::target::Targets;
use crate::terms::Terms;

/// A callback's number, counted from 1.
pub type CallbackId = u64;

/// How long a callback waits for another that shall overtake it.
const OVERTAKING_MS: u64 = 2_000;

/// How it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// At once, and somebody waits for the answer.
    Ask,
    /// Behind what is in this queue already.
    Queue(String),
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A product has something to tell. The token is random, and the same for all tries.
    Send {
        /// Its number.
        id: CallbackId,
        /// What, and to whom.
        callback: Callback,
        /// How.
        order: Order,
        /// `I-Twilio-Idempotency-Token`.
        token: String,
    },
    /// A try has ended.
    Ended(CallbackId, Result<Reply, Failure>),
    /// From now on this happens to callbacks.
    AddFault(u64, Fault),
    /// All faults are over, and nothing that is still waiting is sent.
    Reset,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this, and say how it ended.
    Send(CallbackId, Request),
    /// Send this once more beside it; how that ends does not matter.
    SendDuplicate(Request),
    /// It is over: tell whoever waits, and the log.
    Finished(Record, Outcome),
}

#[derive(Debug)]
struct Sending {
    callback: Callback,
    queue: Option<String>,
    token: String,
    way: Way,
    told_at: Monotonic,
    /// When its patience ends, counted from its first try.
    patience_ends: Option<Monotonic>,
    attempts: u32,
    retries_left: u32,
    on_fallback: bool,
}

impl Sending {
    fn url(&self) -> &str {
        match &self.callback.fallback_url {
            Some(fallback) if self.on_fallback => fallback,
            _ => &self.callback.url,
        }
    }

    fn terms(&self) -> Terms {
        Terms::of(self.callback.product, self.url())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    /// A delayed callback leaves.
    Leaves(CallbackId),
    /// Whoever asked a question that was lost gives up.
    GivesUp(CallbackId),
    /// Nobody came who could overtake.
    NotOvertaken(String),
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    signer: Signer,
    targets: Targets,
    faults: Faults,
    sending: BTreeMap<CallbackId, Sending>,
    /// The first of each is on its way.
    queues: BTreeMap<String, VecDeque<CallbackId>>,
    timers: Timers<Deadline, Monotonic>,
}

impl Machine {
    /// A machine that signs like this and reaches these targets.
    #[must_use]
    pub fn new(signer: Signer, targets: Targets) -> Self {
        Self {
            signer,
            targets,
            faults: Faults::default(),
            sending: BTreeMap::new(),
            queues: BTreeMap::new(),
            timers: Timers::default(),
        }
    }

    /// The faults that are not over, with what is left of each.
    #[must_use]
    pub fn faults(&self) -> &BTreeMap<u64, Fault> {
        self.faults.active()
    }

    /// A fault is over; false if there is no such.
    pub fn remove_fault(&mut self, id: u64) -> bool {
        self.faults.remove(id)
    }

    /// All faults are over.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn told(
        &mut self,
        id: CallbackId,
        callback: Callback,
        order: Order,
        token: String,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) {
        let way = self.faults.way_of(&callback);
        let queue = match order {
            Order::Ask => None,
            Order::Queue(queue) => Some(queue),
        };
        let retries_left = Terms::of(callback.product, &callback.url).retries;
        let sending = Sending {
            callback,
            queue: queue.clone(),
            token,
            way,
            told_at: now,
            patience_ends: None,
            attempts: 0,
            retries_left,
            on_fallback: false,
        };
        self.sending.insert(id, sending);
        match queue {
            None => self.leave(id, now, out),
            Some(queue) => {
                let waiting = self.queues.entry(queue.clone()).or_default();
                waiting.push_back(id);
                if waiting.len() == 1 {
                    self.next(queue, now, out);
                } else if self.timers.is_armed(Deadline::NotOvertaken(queue.clone())) {
                    self.overtake(queue, now, out);
                }
            }
        }
    }

    /// The first of the queue leaves, or lets another overtake it.
    fn next(&mut self, queue: String, now: Monotonic, out: &mut Vec<Command>) {
        let Some(waiting) = self.queues.get(&queue) else { return };
        let Some(&first) = waiting.front() else {
            self.queues.remove(&queue);
            return;
        };
        if self.sending.get(&first).is_some_and(|sending| sending.way.overtaken) {
            if waiting.len() > 1 {
                self.overtake(queue, now, out);
            } else {
                self.timers.arm(Deadline::NotOvertaken(queue), now.plus(OVERTAKING_MS));
            }
        } else {
            self.leave(first, now, out);
        }
    }

    /// The second of the queue, if there is one, goes before the first; then the first leaves.
    fn overtake(&mut self, queue: String, now: Monotonic, out: &mut Vec<Command>) {
        self.timers.disarm(Deadline::NotOvertaken(queue.clone()));
        let Some(waiting) = self.queues.get_mut(&queue) else { return };
        if let Some(first) = waiting.front().and_then(|first| self.sending.get_mut(first)) {
            first.way.overtaken = false;
        }
        if waiting.len() > 1 {
            waiting.swap(0, 1);
        }
        self.next(queue, now, out);
    }

    /// It is its turn: at once, or after a delay, or never.
    fn leave(&mut self, id: CallbackId, now: Monotonic, out: &mut Vec<Command>) {
        let Some(sending) = self.sending.get_mut(&id) else { return };
        let delay_ms = std::mem::take(&mut sending.way.delay_ms);
        if delay_ms > 0 {
            self.timers.arm(Deadline::Leaves(id), now.plus(delay_ms));
            return;
        }
        if sending.way.lost {
            if sending.queue.is_some() {
                self.finish(id, Outcome::Lost, now, out);
            } else {
                let patience = sending.terms().total_ms;
                self.timers.arm(Deadline::GivesUp(id), now.plus(patience));
            }
            return;
        }
        self.try_once(id, now, out);
    }

    fn try_once(&mut self, id: CallbackId, now: Monotonic, out: &mut Vec<Command>) {
        let Some(sending) = self.sending.get_mut(&id) else { return };
        let terms = sending.terms();
        let patience_ends = *sending.patience_ends.get_or_insert(now.plus(terms.total_ms));
        let left_ms = now.until(patience_ends);
        let made = request(
            &sending.callback,
            sending.url(),
            terms,
            left_ms,
            &sending.token,
            &self.signer,
            &self.targets,
        );
        let Some(request) = made else {
            self.finish(id, Outcome::Refused, now, out);
            return;
        };
        sending.attempts += 1;
        if std::mem::take(&mut sending.way.doubled) {
            out.push(Command::SendDuplicate(request.clone()));
        }
        out.push(Command::Send(id, request));
    }

    fn ended(&mut self, id: CallbackId, end: Result<Reply, Failure>, now: Monotonic, out: &mut Vec<Command>) {
        // After a reset nobody remembers it.
        let Some(sending) = self.sending.get_mut(&id) else { return };
        let terms = sending.terms();
        let has_time = sending.patience_ends.is_none_or(|end| end > now);
        if sending.retries_left > 0 && has_time && terms.retry_on.covers(&end) {
            sending.retries_left -= 1;
            self.try_once(id, now, out);
            return;
        }
        let failed = end.as_ref().map_or(true, |reply| reply.status >= 400);
        if failed && !sending.on_fallback && sending.callback.fallback_url.is_some() {
            // The second address is asked afresh, once, with patience of its own.
            (sending.on_fallback, sending.retries_left, sending.patience_ends) = (true, 0, None);
            self.try_once(id, now, out);
            return;
        }
        let outcome = match end {
            Ok(reply) => Outcome::Answered(reply),
            Err(failure) => Outcome::Failed(failure),
        };
        self.finish(id, outcome, now, out);
    }

    fn finish(&mut self, id: CallbackId, outcome: Outcome, now: Monotonic, out: &mut Vec<Command>) {
        let Some(sending) = self.sending.remove(&id) else { return };
        let (name, status, failure) = match &outcome {
            Outcome::Answered(reply) => ("answered", Some(reply.status), None),
            Outcome::Failed(failure) => ("failed", None, Some(*failure)),
            Outcome::Lost => ("lost", None, None),
            Outcome::Refused => ("refused", None, None),
        };
        let record = Record {
            id,
            product: sending.callback.product,
            url: for_log(sending.url()),
            kind: sending.callback.kind,
            attempts: sending.attempts,
            outcome: name,
            status,
            failure,
            took_ms: now.since(sending.told_at),
        };
        out.push(Command::Finished(record, outcome));
        if let Some(queue) = sending.queue {
            if let Some(waiting) = self.queues.get_mut(&queue) {
                waiting.retain(|waiting| *waiting != id);
            }
            self.next(queue, now, out);
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Send { id, callback, order, token } => {
                self.told(id, callback, order, token, now, &mut out);
            }
            Event::Ended(id, end) => self.ended(id, end, now, &mut out),
            Event::AddFault(id, fault) => self.faults.add(id, fault),
            Event::Reset => {
                self.faults.clear();
                self.timers.clear();
                self.queues.clear();
                // Whoever waits is told; nothing that was queued is sent any more.
                let waiting: Vec<CallbackId> = self.sending.keys().copied().collect();
                for id in waiting {
                    self.finish(id, Outcome::Lost, now, &mut out);
                }
            }
        }
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        while let Some((deadline, _)) = self.timers.take_due(now) {
            match deadline {
                Deadline::Leaves(id) => self.leave(id, now, &mut out),
                Deadline::GivesUp(id) => {
                    self.finish(id, Outcome::Failed(Failure::Timeout), now, &mut out);
                }
                Deadline::NotOvertaken(queue) => self.overtake(queue, now, &mut out),
            }
        }
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use kernel::Secret;
    use sansio::rig::Rig;

    use super::*;
    use crate::callback::{Method, Product};
    use crate::fault::FaultKind;

    const URL: &str = "http://127.0.0.1:3000/hook";

    fn rig() -> Rig<Machine> {
        let machine = Machine::new(Signer::AuthToken(Secret::new("12345")), Targets::default());
        Rig::new(machine, Monotonic::from_millis(1_000))
    }

    fn callback(product: Product, url: &str) -> Callback {
        Callback {
            product,
            kind: "onMessageAdded".into(),
            url: url.into(),
            fallback_url: None,
            method: Method::Post,
            params: vec![("Body".into(), "hello".into())],
        }
    }

    fn send(rig: &mut Rig<Machine>, id: CallbackId, callback: Callback, order: Order) {
        rig.event(Event::Send { id, callback, order, token: format!("token-{id}") });
    }

    fn queue(rig: &mut Rig<Machine>, id: CallbackId) {
        send(rig, id, callback(Product::Conversations, URL), Order::Queue("q".into()));
    }

    fn answer(rig: &mut Rig<Machine>, id: CallbackId, status: u16) {
        rig.event(Event::Ended(id, Ok(Reply { status, content_type: None, body: Vec::new() })));
    }

    fn fault(rig: &mut Rig<Machine>, kind: FaultKind, times: Option<u32>) {
        rig.event(Event::AddFault(1, Fault { kind, product: None, event: None, times }));
    }

    /// The numbers of what is sent, and the words of what is over.
    fn seen(rig: &mut Rig<Machine>) -> Vec<String> {
        let say = |command| match command {
            Command::Send(id, _) => format!("sent {id}"),
            Command::SendDuplicate(_) => "sent again".into(),
            Command::Finished(record, _) => format!("{} {}", record.id, record.outcome),
        };
        rig.take().into_iter().map(say).collect()
    }

    #[test]
    fn callbacks_of_one_queue_arrive_in_their_order_and_those_of_another_do_not_wait() {
        let mut rig = rig();
        queue(&mut rig, 1);
        queue(&mut rig, 2);
        send(&mut rig, 3, callback(Product::Conversations, URL), Order::Queue("other".into()));
        assert_eq!(seen(&mut rig), ["sent 1", "sent 3"]);
        answer(&mut rig, 1, 200);
        assert_eq!(seen(&mut rig), ["1 answered", "sent 2"]);
        rig.event(Event::Ended(2, Err(Failure::Timeout)));
        assert_eq!(seen(&mut rig), ["2 failed"]);
        queue(&mut rig, 4);
        assert_eq!(seen(&mut rig), ["sent 4"]);
    }

    #[test]
    fn conversations_try_once_and_a_call_that_found_nobody_is_tried_again() {
        let mut rig = rig();
        send(&mut rig, 1, callback(Product::Conversations, URL), Order::Ask);
        rig.event(Event::Ended(1, Err(Failure::Connect)));
        assert_eq!(seen(&mut rig), ["sent 1", "1 failed"]);
        send(&mut rig, 2, callback(Product::Twiml, URL), Order::Ask);
        rig.event(Event::Ended(2, Err(Failure::Connect)));
        rig.event(Event::Ended(2, Err(Failure::Connect)));
        assert_eq!(seen(&mut rig), ["sent 2", "sent 2", "2 failed"]);
    }

    #[test]
    fn a_second_try_carries_the_token_of_the_first_and_has_the_time_that_is_left() {
        let mut rig = rig();
        send(&mut rig, 1, callback(Product::Twiml, &format!("{URL}#rc=5&rp=5xx&tt=10000")), Order::Ask);
        rig.pass(9_000);
        answer(&mut rig, 1, 503);
        let sent: Vec<(String, u64)> = rig
            .take()
            .into_iter()
            .filter_map(|command| match command {
                Command::Send(_, request) => {
                    let token = request.headers.iter().find(|(name, _)| name.starts_with("I-Twilio"));
                    Some((token.unwrap().1.clone(), request.answer_ms))
                }
                _ => None,
            })
            .collect();
        assert_eq!(sent, [("token-1".into(), 10_000), ("token-1".into(), 1_000)]);
        rig.pass(1_000);
        answer(&mut rig, 1, 503);
        assert_eq!(seen(&mut rig), ["1 answered"]);
    }

    #[test]
    fn the_fallback_is_asked_once_when_the_first_address_fails() {
        let mut rig = rig();
        for (id, end) in
            [(1, Err(Failure::Timeout)), (2, Ok(Reply { status: 500, content_type: None, body: Vec::new() }))]
        {
            let fallback_url = Some("http://127.0.0.1:4000/fallback".to_owned());
            let callback = Callback { fallback_url, ..callback(Product::Assignment, URL) };
            send(&mut rig, id, callback, Order::Ask);
            rig.event(Event::Ended(id, end));
            let Some(Command::Send(_, request)) = rig.take().pop() else { panic!("nothing was sent") };
            assert_eq!(request.url.as_str(), "http://127.0.0.1:4000/fallback");
            rig.event(Event::Ended(id, Err(Failure::Connect)));
            let Some(Command::Finished(record, _)) = rig.take().pop() else { panic!("not over") };
            assert_eq!((record.attempts, record.outcome), (2, "failed"));
        }
    }

    #[test]
    fn what_would_leave_this_machine_is_refused_and_the_queue_goes_on() {
        let mut rig = rig();
        let away = callback(Product::Conversations, "https://example.com/hook");
        send(&mut rig, 1, away, Order::Queue("q".into()));
        queue(&mut rig, 2);
        assert_eq!(seen(&mut rig), ["1 refused", "sent 2"]);
    }

    #[test]
    fn a_lost_callback_is_not_sent_and_whoever_asked_waits_in_vain() {
        let mut rig = rig();
        fault(&mut rig, FaultKind::Lose, Some(2));
        queue(&mut rig, 1);
        queue(&mut rig, 2);
        assert_eq!(seen(&mut rig), ["1 lost", "2 lost"]);
        queue(&mut rig, 3);
        assert_eq!(seen(&mut rig), ["sent 3"]);
        fault(&mut rig, FaultKind::Lose, None);
        send(&mut rig, 4, callback(Product::Conversations, URL), Order::Ask);
        rig.pass(4_999);
        assert_eq!(seen(&mut rig), Vec::<String>::new());
        rig.pass(1);
        assert_eq!(seen(&mut rig), ["4 failed"]);
    }

    #[test]
    fn a_doubled_callback_is_sent_twice_and_a_late_one_holds_up_its_queue() {
        let mut rig = rig();
        fault(&mut rig, FaultKind::Double, Some(1));
        queue(&mut rig, 1);
        answer(&mut rig, 1, 200);
        assert_eq!(seen(&mut rig), ["sent again", "sent 1", "1 answered"]);
        fault(&mut rig, FaultKind::Delay { ms: 700 }, Some(1));
        queue(&mut rig, 2);
        queue(&mut rig, 3);
        rig.pass(699);
        assert_eq!(seen(&mut rig), Vec::<String>::new());
        rig.pass(1);
        answer(&mut rig, 2, 200);
        assert_eq!(seen(&mut rig), ["sent 2", "2 answered", "sent 3"]);
    }

    #[test]
    fn a_callback_is_overtaken_by_the_next_one_or_leaves_when_none_comes() {
        let mut rig = rig();
        fault(&mut rig, FaultKind::Reorder, Some(1));
        queue(&mut rig, 1);
        assert_eq!(seen(&mut rig), Vec::<String>::new());
        queue(&mut rig, 2);
        queue(&mut rig, 3);
        assert_eq!(seen(&mut rig), ["sent 2"]);
        answer(&mut rig, 2, 200);
        answer(&mut rig, 1, 200);
        answer(&mut rig, 3, 200);
        assert_eq!(seen(&mut rig), ["2 answered", "sent 1", "1 answered", "sent 3", "3 answered"]);
        fault(&mut rig, FaultKind::Reorder, Some(1));
        queue(&mut rig, 4);
        rig.pass(OVERTAKING_MS);
        assert_eq!(seen(&mut rig), ["sent 4"]);
    }

    #[test]
    fn a_fault_concerns_only_what_it_names() {
        let mut rig = rig();
        let event = Some("onMessageRemoved".to_owned());
        let named = Fault { kind: FaultKind::Lose, product: None, event, times: None };
        rig.event(Event::AddFault(1, named));
        let product = Some(Product::Twiml);
        rig.event(Event::AddFault(2, Fault { kind: FaultKind::Lose, product, event: None, times: None }));
        queue(&mut rig, 1);
        assert_eq!(seen(&mut rig), ["sent 1"]);
    }

    #[test]
    fn a_reset_ends_what_waits_and_late_answers_do_nothing() {
        let mut rig = rig();
        queue(&mut rig, 1);
        queue(&mut rig, 2);
        send(&mut rig, 3, callback(Product::Conversations, URL), Order::Ask);
        rig.take();
        rig.event(Event::Reset);
        assert_eq!(seen(&mut rig), ["1 lost", "2 lost", "3 lost"]);
        answer(&mut rig, 1, 200);
        assert_eq!(seen(&mut rig), Vec::<String>::new());
    }
}
