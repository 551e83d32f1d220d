//! Moves a machine's time in tests, as a shell with one perfect timer would.

use crate::{Machine, Moment as _};

/// How often a machine may be woken without the time going on. More is a timeout that does not go away.
const MOST_WAKES_AT_ONCE: u32 = 100;

/// A machine, the time, and what it wants done.
#[derive(Debug)]
pub struct Rig<M: Machine> {
    /// What is tested.
    pub machine: M,
    /// The present, which only [`Self::pass`] moves.
    pub now: M::Time,
    /// The commands since they were last taken, with the time of each.
    pub commands: Vec<(M::Time, M::Command)>,
}

impl<M: Machine> Rig<M> {
    /// A machine at a time.
    pub fn new(machine: M, now: M::Time) -> Self {
        Self { machine, now, commands: Vec::new() }
    }

    /// An event, now.
    pub fn event(&mut self, event: M::Event) {
        let commands = self.machine.handle(event, self.now);
        self.note(commands);
    }

    /// Lets this many milliseconds pass; the machine is woken whenever it asked for it.
    ///
    /// # Panics
    ///
    /// If the machine asks to be woken again and again at the same time.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now.plus(millis);
        let mut wakes = 0;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            if at > self.now {
                (self.now, wakes) = (at, 0);
            }
            wakes += 1;
            assert!(wakes <= MOST_WAKES_AT_ONCE, "a timeout does not go away at {:?}", self.now);
            let commands = self.machine.handle_timeout(self.now);
            self.note(commands);
        }
        self.now = end;
    }

    /// The commands since the last call.
    pub fn take(&mut self) -> Vec<M::Command> {
        self.commands.drain(..).map(|(_, command)| command).collect()
    }

    fn note(&mut self, commands: Vec<M::Command>) {
        let now = self.now;
        self.commands.extend(commands.into_iter().map(|command| (now, command)));
    }
}

#[cfg(test)]
mod tests {
    use kernel::Monotonic;

    use super::*;
    use crate::Timers;

    /// Says its own time every this many milliseconds; never gets past it when `stuck`.
    struct Clock {
        every: u64,
        stuck: bool,
        timers: Timers<(), Monotonic>,
    }

    impl Machine for Clock {
        type Time = Monotonic;
        type Event = u64;
        type Command = Monotonic;

        fn handle(&mut self, every: u64, now: Monotonic) -> Vec<Monotonic> {
            self.every = every;
            self.timers.arm((), now.plus(every));
            vec![]
        }

        fn handle_timeout(&mut self, now: Monotonic) -> Vec<Monotonic> {
            let due = self.timers.take_due(now);
            self.timers.arm((), if self.stuck { now } else { now.plus(self.every) });
            due.map(|(_, at)| at).into_iter().collect()
        }

        fn poll_timeout(&self) -> Option<Monotonic> {
            self.timers.next()
        }
    }

    fn clock(stuck: bool) -> Rig<Clock> {
        Rig::new(Clock { every: 0, stuck, timers: Timers::default() }, Monotonic::from_millis(5))
    }

    #[test]
    fn a_machine_is_woken_when_it_asked_for_it_and_not_later() {
        let mut rig = clock(false);
        rig.pass(1_000);
        rig.event(300);
        rig.pass(899);
        assert_eq!(rig.take().iter().map(|at| at.as_millis()).collect::<Vec<_>>(), [1_305, 1_605]);
        rig.pass(1);
        assert_eq!((rig.take().len(), rig.now), (1, Monotonic::from_millis(1_905)));
    }

    #[test]
    #[should_panic(expected = "does not go away")]
    fn a_timeout_that_does_not_go_away_is_found() {
        let mut rig = clock(true);
        rig.event(10);
        rig.pass(20);
    }
}
