//! One event after the other, and one timer.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
};

use gloo_timers::callback::Timeout;
use sansio::Machine;

use crate::{
    alarm::{Alarm, Plan},
    clock::Clock,
    inbox::Inbox,
};

type Event<S> = <<S as Shell>::Machine as Machine>::Event;
type Command<S> = <<S as Shell>::Machine as Machine>::Command;
type Time<S> = <<S as Shell>::Machine as Machine>::Time;

/// The half of a room that acts.
pub trait Shell: Sized + 'static {
    /// The half that decides.
    type Machine: Machine<Time: Clock>;

    /// Where it keeps its machine.
    fn event_loop(&self) -> &EventLoop<Self::Machine>;

    /// Does what the machine wants done. What it causes is reported, at once or later.
    fn carry_out(self: &Rc<Self>, command: Command<Self>);

    /// News of something that changes without saying so. Asked before each event and after the last one; what it answers is
    /// handled first.
    fn look(&self) -> Option<Event<Self>> {
        None
    }

    /// The machine has taken something in at `now`, and its commands are not carried out yet: for whoever draws what it knows.
    fn decided(&self, _now: Time<Self>) {}

    /// Something happened. Handled at once, or, when something is being handled, after that: carrying out a command may
    /// cause the next event from inside our own call to the SDK or to a port, and a machine is never entered twice.
    fn report(self: &Rc<Self>, event: Event<Self>) {
        handle(self, Input::Event(event));
    }
}

/// What a machine is told.
enum Input<E> {
    Event(E),
    Timeout,
}

/// A machine, what waits for it, and its timer.
pub struct EventLoop<M: Machine> {
    machine: RefCell<M>,
    inbox: Inbox<Input<M::Event>>,
    alarm: RefCell<Alarm<M::Time>>,
    timeout: RefCell<Option<Timeout>>,
}

impl<M: Machine> EventLoop<M> {
    /// With nothing to do yet.
    pub fn new(machine: M) -> Self {
        Self {
            machine: RefCell::new(machine),
            inbox: Inbox::default(),
            alarm: RefCell::default(),
            timeout: RefCell::default(),
        }
    }

    /// The machine, to be read: not for longer than a statement or two, and never while something is reported.
    pub fn machine(&self) -> Ref<'_, M> {
        self.machine.borrow()
    }

    /// The machine, for a question whose answer it must remember. As [`Self::machine`].
    pub fn machine_mut(&self) -> RefMut<'_, M> {
        self.machine.borrow_mut()
    }

    /// Lets the machine take in `input`, and then all that comes meanwhile. What is to be done about the timer after
    /// that; nothing from inside `carry_out`, where it only waits.
    fn run(
        &self,
        input: Input<M::Event>,
        now: impl Fn() -> M::Time,
        look: impl Fn() -> Option<M::Event>,
        decided: impl Fn(M::Time),
        carry_out: impl Fn(M::Command),
    ) -> Plan {
        let handle = |input| {
            let now = now();
            // A statement of its own: the borrow must end before a command is carried out.
            let commands = match input {
                Input::Event(event) => self.machine.borrow_mut().handle(event, now),
                Input::Timeout => {
                    self.alarm.borrow_mut().rang();
                    self.machine.borrow_mut().handle_timeout(now)
                }
            };
            decided(now);
            commands.into_iter().for_each(&carry_out);
        };
        let look = || {
            while let Some(event) = look() {
                handle(Input::Event(event));
            }
        };
        let is_done = self.inbox.handle(input, |input| {
            look();
            handle(input);
            look();
        });
        if !is_done {
            return Plan::Keep;
        }
        let wanted = self.machine.borrow().poll_timeout();
        self.alarm.borrow_mut().plan(wanted, now())
    }
}

fn handle<S: Shell>(shell: &Rc<S>, input: Input<Event<S>>) {
    let core = shell.event_loop();
    let plan = core.run(
        input,
        Time::<S>::now,
        || shell.look(),
        |now| shell.decided(now),
        |command| shell.carry_out(command),
    );
    let timeout = match plan {
        Plan::Keep => return,
        Plan::Stop => None,
        Plan::Start(millis) => {
            let shell = Rc::clone(shell);
            Some(Timeout::new(millis, move || handle(&shell, Input::Timeout)))
        }
    };
    // Dropping the one before cancels it.
    core.timeout.replace(timeout);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kernel::Monotonic;
    use sansio::Timers;

    use super::*;

    /// Counts down, one event for each number, and wants to be woken a second after the last.
    #[derive(Default)]
    struct Countdown {
        timers: Timers<(), Monotonic>,
    }

    impl Machine for Countdown {
        type Time = Monotonic;
        type Event = u32;
        type Command = String;

        fn handle(&mut self, event: u32, now: Monotonic) -> Vec<String> {
            self.timers.arm((), now.plus(1_000));
            vec![format!("first of {event}"), format!("second of {event}")]
        }

        fn handle_timeout(&mut self, now: Monotonic) -> Vec<String> {
            self.timers.take_due(now).map(|_| "woken".to_owned()).into_iter().collect()
        }

        fn poll_timeout(&self) -> Option<Monotonic> {
            self.timers.next()
        }
    }

    /// A shell in which each first command causes the next event, whose clock goes on with each look at it.
    #[derive(Default)]
    struct Room {
        millis: Cell<u64>,
        unseen: RefCell<Vec<u32>>,
        story: RefCell<Vec<String>>,
    }

    impl Room {
        fn run(&self, core: &EventLoop<Countdown>, input: Input<u32>) -> Plan {
            core.run(
                input,
                || {
                    self.millis.set(self.millis.get() + 1);
                    Monotonic::from_millis(self.millis.get())
                },
                || self.unseen.borrow_mut().pop(),
                |now| self.story.borrow_mut().push(format!("decided at {}", now.as_millis())),
                |command| {
                    self.story.borrow_mut().push(command.clone());
                    let next = command
                        .strip_prefix("first of ")
                        .and_then(|of| of.parse::<u32>().ok()?.checked_sub(1));
                    if let Some(next) = next {
                        assert_eq!(self.run(core, Input::Event(next)), Plan::Keep, "it waits");
                    }
                },
            )
        }

        fn story(&self) -> Vec<String> {
            self.story.take()
        }
    }

    #[test]
    fn what_a_command_causes_is_handled_after_all_commands_and_the_timer_is_set_once_at_the_end() {
        let (room, core) = (Room::default(), EventLoop::new(Countdown::default()));
        assert_eq!(
            room.run(&core, Input::Event(1)),
            Plan::Start(999),
            "1000 after the second event, one later"
        );
        let story =
            ["decided at 1", "first of 1", "second of 1", "decided at 2", "first of 0", "second of 0"];
        assert_eq!(room.story(), story);
    }

    #[test]
    fn a_timeout_is_handled_when_it_is_due_and_one_that_comes_too_early_is_set_anew() {
        let (room, core) = (Room::default(), EventLoop::new(Countdown::default()));
        room.run(&core, Input::Event(0));
        room.story();
        room.millis.set(990);
        assert_eq!(room.run(&core, Input::Timeout), Plan::Start(9));
        assert_eq!(room.story(), ["decided at 991"]);
        room.millis.set(1_000);
        assert_eq!(room.run(&core, Input::Timeout), Plan::Keep, "nothing is wanted, and nothing is set");
        assert_eq!(room.story(), ["decided at 1001", "woken"]);
    }

    #[test]
    fn what_changed_without_a_word_is_handled_before_the_event_and_after_the_last() {
        let (room, core) = (Room::default(), EventLoop::new(Countdown::default()));
        room.unseen.borrow_mut().push(0);
        room.run(&core, Input::Event(0));
        let both = ["decided at 1", "first of 0", "second of 0", "decided at 2", "first of 0", "second of 0"];
        assert_eq!(room.story(), both);
    }
}
