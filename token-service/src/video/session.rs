//! One session of video: who may be in it, by which link, and how far it is. Pure: times and random names are parameters.
//!
//! It is kept as JSON in a store that several replicas share, and changed as a whole or not at all ([`super::store`]). Codes and
//! seats stand in it by their digests: whoever reads the store can join nothing.

use kernel::AccountSid;
use protocol::video::{EndReason, Person, Recording, SeatRole, VideoPhase, VideoStatus, Waiting, WaitingWhy};
use serde::{Deserialize, Serialize};
use twilio::{ConversationSid, RoomSid, TaskSid, WorkerSid};

use super::settings::RecordingPolicy;

/// Of what form the stored session is. A service that finds a newer one leaves it alone.
pub const FORMAT: u32 = 1;

/// An agent's code is good for so long.
pub const AGENT_CODE_MS: u64 = 60_000;

/// For so long it is known that an agent's code was used.
const USED_CODE_MS: u64 = 600_000;

/// A page in the room speaks every five seconds; after so long without a word it is said to be lost.
pub const LOST_MS: u64 = 12_000;

/// After so long without a word a page is not in the room any more. Inferred: Twilio itself gives a connection up after 30 to 45 s.
pub const GONE_MS: u64 = 45_000;

/// Whoever waits speaks every second; after so long without a word they wait no more. Chrome lets the timers of a hidden page
/// run once a minute.
pub const WAITS_MS: u64 = 75_000;

/// A page speaks within a second or two of getting its seat; after so long without a word the seat has never arrived.
const UNHEARD_MS: u64 = 10_000;

/// So many may wait at once: more are somebody who sends the link around, and the agent's list is for people.
const MOST_WAITING: usize = 5;

/// So many links can be good at once.
const MOST_CODES: usize = 32;

/// So many seats are remembered that are nobody's any more.
const MOST_PAST_SEATS: usize = 32;

/// As many agents as may be in the room at once: one hands over to the next.
const MOST_AGENTS: usize = 2;

/// What the configuration says of every session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Beside the customer and the agent.
    pub max_guests: u8,
    /// From the first meeting.
    pub max_minutes: u32,
    /// What is recorded.
    pub recording: RecordingPolicy,
    /// Whether every customer waits.
    pub knock: bool,
}

/// What a session is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A conversation, whichever tasks it has.
    Conversation(ConversationSid),
    /// A task without one.
    Task(TaskSid),
}

impl Subject {
    /// Its SID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Conversation(sid) => sid.as_str(),
            Self::Task(sid) => sid.as_str(),
        }
    }
}

/// A session, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// [`FORMAT`].
    pub format: u32,
    /// What names it to windows and in the log; no secret.
    pub id: String,
    /// Whose it is.
    pub account: AccountSid,
    /// The conversation that it is of, where the task has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationSid>,
    /// The tasks by which agents came; the newest last.
    pub tasks: Vec<KnownTask>,
    /// The room that was made last, by its SID; `None` before the first, and once it is known to be completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_sid: Option<RoomSid>,
    /// When the room was last seen in progress.
    #[serde(default)]
    pub room_seen_ms: u64,
    /// When it was opened.
    pub opened_ms: u64,
    /// Whether the customer's page was opened.
    #[serde(default)]
    pub looked: bool,
    /// Whether a customer was ever in the room.
    #[serde(default)]
    pub customer_came: bool,
    /// When customer and agent were first in the room together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_ms: Option<u64>,
    /// Whether the room is recorded.
    #[serde(default)]
    pub recorded: Recorded,
    /// When it was last looked whether a task lives.
    #[serde(default)]
    pub checked_ms: u64,
    /// Why it ended, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(EndReason, u64)>,
    codes: Vec<Code>,
    seats: Vec<Seat>,
}

/// A task by which an agent came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTask {
    /// Which.
    pub sid: TaskSid,
    /// Whether it is known to be over.
    pub over: bool,
}

/// Whether a room is recorded, as far as Twilio has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// It is not.
    #[default]
    No,
    /// Twilio is being told to, or has not answered.
    Perhaps,
    /// It is.
    Yes,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Code {
    digest: String,
    made_ms: u64,
    /// Of an agent's: for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
    /// An agent's was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_ms: Option<u64>,
}

/// The agent that a code or a seat is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub worker: WorkerSid,
    /// By which task.
    pub task: TaskSid,
    /// What customers may call them; may be empty.
    #[serde(default)]
    pub name: String,
    /// Whether a call of theirs was live when they clicked.
    #[serde(default)]
    pub call_live: bool,
}

/// A browser's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    digest: String,
    /// What names it to agents while it waits.
    id: String,
    /// The code that it came by.
    code: String,
    role: SeatRole,
    /// What follows the role in the identity.
    suffix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
    state: SeatState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consent: Option<bool>,
    /// Whether a token was given, by which it could be in the room.
    #[serde(default)]
    admitted: bool,
    /// Whether its page was heard of since it was given.
    #[serde(default)]
    spoke: bool,
    #[serde(default)]
    in_room: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quality: Option<u8>,
    heard_ms: u64,
}

/// Whether a seat is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeatState {
    Seated,
    /// Until the agent has said yes.
    Waiting,
    /// The agent said no, or another browser has it now.
    TurnedAway,
    /// Its agent's task is over, while the session goes on.
    TaskOver,
}

/// Random names for a seat that may be made.
#[derive(Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The digest of its secret.
    pub digest: String,
    /// What names it to agents.
    pub id: String,
    /// What follows the role in its identity.
    pub suffix: String,
}

/// What a tap brings.
#[derive(Clone)]
pub struct Tap<'t> {
    /// The code's digest.
    pub code: &'t str,
    /// The digest of the browser's own seat, where it has one.
    pub seat: Option<&'t str>,
    /// What was answered.
    pub consent: Option<bool>,
    /// For a new seat.
    pub fresh: &'t Fresh,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeated {
    /// The code is revoked, over or was never one.
    #[error("no such code, or no longer")]
    UnknownCode,
    /// The session is over.
    #[error("the session is over")]
    Ended,
    /// The agent's link was used.
    #[error("the agent's link was used already")]
    LinkUsed,
    /// As many are in the room, or wait, as may.
    #[error("as many are in the room as may be")]
    Full,
    /// It was not answered whether it may be recorded.
    #[error("consent to recording was not answered")]
    ConsentNeeded,
}

/// A tap's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// Whether the seat is [`Tap::fresh`], rather than the one that was brought.
    pub is_new: bool,
    /// Whose it is.
    pub role: SeatRole,
    /// The identity to be in the room with; `None` while they wait.
    pub identity: Option<String>,
    /// Why they wait.
    pub waiting: Option<WaitingWhy>,
    /// For the agent.
    pub call_live: bool,
    /// Consent that was stored by this tap.
    pub consented: Option<bool>,
    /// Who has to leave the room for them: their identities.
    pub displaced: Vec<String>,
}

/// How it stands for a seat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The identity to be in the room with, where the seat is not in it and may be.
    pub identity: Option<String>,
    /// Why it waits.
    pub waiting: Option<WaitingWhy>,
    /// It is nobody's place any more.
    pub turned_away: bool,
    /// Who waits; for agents.
    pub others_waiting: Vec<Waiting>,
    /// What is recorded.
    pub recording: Recording,
    /// Since they have met.
    pub seconds: Option<u64>,
    /// It is over for this seat.
    pub ended: Option<EndReason>,
    /// Whether somebody is in the room by it.
    pub in_room: bool,
}

/// What an answer to somebody who waits has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// What they are now; `None` when they were refused.
    pub role: Option<SeatRole>,
    /// Who has to leave the room for them: their identities.
    pub displaced: Vec<String>,
}

/// Nobody waits by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits by this name")]
pub struct NobodyWaits;

impl Session {
    /// A new one.
    #[must_use]
    pub fn new(id: String, account: AccountSid, subject: &Subject, now: u64) -> Self {
        let conversation = match subject {
            Subject::Conversation(sid) => Some(sid.clone()),
            Subject::Task(_) => None,
        };
        let tasks = match subject {
            Subject::Conversation(_) => Vec::new(),
            Subject::Task(sid) => vec![KnownTask { sid: sid.clone(), over: false }],
        };
        Self {
            format: FORMAT,
            id,
            account,
            conversation,
            tasks,
            room_sid: None,
            room_seen_ms: 0,
            opened_ms: now,
            looked: false,
            customer_came: false,
            met_ms: None,
            recorded: Recorded::No,
            checked_ms: now,
            ended: None,
            codes: Vec::new(),
            seats: Vec::new(),
        }
    }

    /// What it is of, by its SID.
    #[must_use]
    pub fn subject(&self) -> &str {
        let task = || self.tasks.first().map_or("", |task| task.sid.as_str());
        self.conversation.as_ref().map_or_else(task, ConversationSid::as_str)
    }

    /// The room's name: the conversation's, and which of its sessions. With the SID alone, a token of a session that is over would
    /// open the next one's room.
    #[must_use]
    pub fn room(&self) -> String {
        format!("{}-{}", self.subject(), self.id)
    }

    /// An agent comes by a task, with a code of their own.
    pub fn open(&mut self, agent: Agent, code: String, now: u64) {
        self.saw_task(&agent.task);
        self.prune_codes(now);
        self.codes.push(Code { digest: code, made_ms: now, agent: Some(agent), used_ms: None });
    }

    /// A task of the conversation that was not known yet, or lives again.
    pub fn saw_task(&mut self, sid: &TaskSid) {
        match self.tasks.iter_mut().find(|task| task.sid == *sid) {
            Some(task) => task.over = false,
            None => self.tasks.push(KnownTask { sid: sid.clone(), over: false }),
        }
    }

    /// A link for the customer.
    pub fn invite(&mut self, code: String, now: u64) {
        self.prune_codes(now);
        self.codes.push(Code { digest: code, made_ms: now, agent: None, used_ms: None });
    }

    /// Whether somebody has used a customer's link.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.seats.iter().any(|seat| seat.agent.is_none())
    }

    /// All links of customers stop working; who came by one and is not in the room loses their seat.
    pub fn revoke(&mut self, now: u64) {
        self.codes.retain(|code| code.agent.is_some());
        for seat in &mut self.seats {
            if seat.agent.is_none() && !seat.is_present(now) {
                seat.turn_away(SeatState::TurnedAway);
            }
        }
    }

    /// The codes that are known: for the store's index.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.codes.iter().map(|code| code.digest.as_str())
    }

    /// Whether a code leads here: one that is good, or by which a seat came.
    #[must_use]
    pub fn knows_code(&self, code: &str) -> bool {
        self.codes().any(|known| known == code) || self.seats.iter().any(|seat| seat.code == code)
    }

    /// What a code is for, and whether the seat that was named would be let in again. Of a customer's it is kept that the page was
    /// opened, and nothing is used up.
    ///
    /// # Errors
    /// [`NotSeated::UnknownCode`].
    pub fn look(&mut self, code: &str, seat: Option<&str>, now: u64) -> Result<(SeatRole, bool), NotSeated> {
        let seat = seat.and_then(|digest| self.seats.iter().find(|seat| seat.digest == digest));
        let seated = seat.is_some_and(|seat| seat.state == SeatState::Seated) && self.ended.is_none();
        if let Some(seat) = seat.filter(|seat| seat.code == code) {
            return Ok((seat.role, seated));
        }
        let code = self.code(code, now).ok_or(NotSeated::UnknownCode)?;
        if code.agent.is_some() {
            return Ok((SeatRole::Agent, seated));
        }
        self.looked = true;
        Ok((SeatRole::Customer, seated))
    }

    /// The name of the agent that a customer meets: of who is in the room, or else of who came last.
    #[must_use]
    pub fn agent_name(&self, now: u64) -> &str {
        let present =
            self.seats.iter().filter(|seat| seat.is_present(now)).filter_map(|seat| seat.agent.as_ref());
        let coded = self.codes.iter().filter_map(|code| code.agent.as_ref());
        let seated = self.seats.iter().filter_map(|seat| seat.agent.as_ref());
        let named = |agent: &&Agent| !agent.name.is_empty();
        let last = || coded.rev().find(named).or_else(|| seated.rev().find(named));
        present.rev().find(named).or_else(last).map_or("", |agent| agent.name.as_str())
    }

    /// Somebody taps.
    ///
    /// # Errors
    /// [`NotSeated`].
    pub fn join(&mut self, tap: &Tap<'_>, policy: &Policy, now: u64) -> Result<Seated, NotSeated> {
        self.prune_seats(now);
        let own = tap.seat.and_then(|digest| self.seats.iter().position(|seat| seat.digest == digest));
        // Whoever has the seat needs the code no more, but it must be the same, or a good one.
        let by_own_code = own.is_some_and(|at| self.seats.get(at).is_some_and(|seat| seat.code == tap.code));
        let agent = match self.code(tap.code, now) {
            _ if self.ended.is_some() => {
                let known = by_own_code || self.code(tap.code, now).is_some();
                return Err(if known { NotSeated::Ended } else { NotSeated::UnknownCode });
            }
            Some(code) => code.agent.clone().map(|agent| (agent, code.used_ms.is_some())),
            None if by_own_code => None,
            None => return Err(NotSeated::UnknownCode),
        };
        match (own, agent) {
            (Some(at), Some((agent, is_used))) => {
                let own = self.seats.get(at).and_then(|seat| seat.agent.as_ref());
                if own.is_some_and(|own| own.worker == agent.worker) && (!is_used || by_own_code) {
                    if let Some(seat) = self.seats.get_mut(at).filter(|_| !is_used) {
                        tap.code.clone_into(&mut seat.code);
                        seat.agent = Some(agent);
                        // By a task that lives they are an agent of it again.
                        seat.state = SeatState::Seated;
                    }
                    self.use_code(tap.code, now);
                    self.come_back(at, tap, policy, now)
                } else {
                    self.agent_comes(agent, is_used, tap, policy, now)
                }
            }
            (None, Some((agent, is_used))) => self.agent_comes(agent, is_used, tap, policy, now),
            (Some(at), None)
                if by_own_code || self.seats.get(at).is_some_and(|seat| seat.agent.is_none()) =>
            {
                self.come_back(at, tap, policy, now)
            }
            (_, None) => self.customer_comes(tap, policy, now),
        }
    }

    fn come_back(
        &mut self,
        at: usize,
        tap: &Tap<'_>,
        policy: &Policy,
        now: u64,
    ) -> Result<Seated, NotSeated> {
        let asks = policy.recording == RecordingPolicy::Ask;
        let Some(seat) = self.seats.get_mut(at) else { return Err(NotSeated::UnknownCode) };
        if asks && seat.agent.is_none() && seat.consent.is_none() && tap.consent.is_none() {
            return Err(NotSeated::ConsentNeeded);
        }
        match seat.state {
            SeatState::TaskOver => return Err(NotSeated::Ended),
            // They may ask again; the agent decides.
            SeatState::TurnedAway if seat.agent.is_none() => {
                let code = seat.code.clone();
                return match self.code(&code, now).or_else(|| self.code(tap.code, now)) {
                    Some(_) => self.customer_comes(tap, policy, now),
                    None => Err(NotSeated::UnknownCode),
                };
            }
            SeatState::TurnedAway => return Err(NotSeated::LinkUsed),
            SeatState::Seated | SeatState::Waiting => {}
        }
        let consented = tap.consent.filter(|consent| asks && seat.consent != Some(*consent));
        if asks && tap.consent.is_some() {
            seat.consent = tap.consent;
        }
        (seat.heard_ms, seat.spoke) = (now, true);
        // A page that begins anew is not in the room, whatever the one before has said.
        seat.in_room = false;
        let (role, state) = (seat.role, seat.state);
        let call_live = seat.agent.as_ref().is_some_and(|agent| agent.call_live);
        let identity = (state == SeatState::Seated).then(|| {
            seat.admitted = true;
            seat.identity()
        });
        let waiting = (state == SeatState::Waiting).then(|| self.why(policy, now));
        Ok(Seated { is_new: false, role, identity, waiting, call_live, consented, displaced: Vec::new() })
    }

    fn agent_comes(
        &mut self,
        agent: Agent,
        is_used: bool,
        tap: &Tap<'_>,
        policy: &Policy,
        now: u64,
    ) -> Result<Seated, NotSeated> {
        if is_used {
            return Err(NotSeated::LinkUsed);
        }
        // Also those who are on their way in.
        let others = self.seats.iter().filter(|seat| {
            seat.agent.as_ref().is_some_and(|other| other.worker != agent.worker)
                && seat.state == SeatState::Seated
                && now.saturating_sub(seat.heard_ms) <= GONE_MS
        });
        if others.count() >= MOST_AGENTS {
            return Err(NotSeated::Full);
        }
        self.use_code(tap.code, now);
        let mut displaced = Vec::new();
        for seat in &mut self.seats {
            let same = seat.agent.as_ref().is_some_and(|other| other.worker == agent.worker);
            if same && seat.state == SeatState::Seated {
                displaced.extend(seat.admitted.then(|| seat.identity()));
                seat.turn_away(SeatState::TurnedAway);
            }
        }
        let consent = tap.consent.filter(|_| policy.recording == RecordingPolicy::Ask);
        let call_live = agent.call_live;
        let mut seat = Seat::new(tap, SeatRole::Agent, SeatState::Seated, now);
        (seat.agent, seat.consent, seat.admitted) = (Some(agent), consent, true);
        let identity = Some(seat.identity());
        self.seats.push(seat);
        Ok(Seated {
            is_new: true,
            role: SeatRole::Agent,
            identity,
            waiting: None,
            call_live,
            consented: consent,
            displaced,
        })
    }

    fn customer_comes(&mut self, tap: &Tap<'_>, policy: &Policy, now: u64) -> Result<Seated, NotSeated> {
        let asks = policy.recording == RecordingPolicy::Ask;
        if asks && tap.consent.is_none() {
            return Err(NotSeated::ConsentNeeded);
        }
        self.pass_on_unheard(policy, now);
        let waits = policy.knock || self.customer().is_some();
        if waits && self.waiting(now).count() >= MOST_WAITING {
            return Err(NotSeated::Full);
        }
        let state = if waits { SeatState::Waiting } else { SeatState::Seated };
        let mut seat = Seat::new(tap, SeatRole::Customer, state, now);
        seat.consent = tap.consent.filter(|_| asks);
        seat.admitted = !waits;
        let (consented, identity) = (seat.consent, (!waits).then(|| seat.identity()));
        let waiting = waits.then(|| self.why(policy, now));
        self.seats.push(seat);
        Ok(Seated {
            is_new: true,
            role: SeatRole::Customer,
            identity,
            waiting,
            call_live: false,
            consented,
            displaced: Vec::new(),
        })
    }

    /// A page says how it is. `None` when there is no such seat.
    pub fn pulse(
        &mut self,
        seat: &str,
        in_room: bool,
        quality: Option<u8>,
        policy: &Policy,
        now: u64,
    ) -> Option<Standing> {
        let at = self.seats.iter().position(|known| known.digest == seat)?;
        let known = self.seats.get_mut(at)?;
        (known.heard_ms, known.spoke) = (now, true);
        if known.state == SeatState::Seated && self.ended.is_none() {
            known.in_room = in_room;
            known.quality = quality.filter(|quality| *quality <= 5);
            known.admitted = true;
            self.customer_came |= in_room && known.role == SeatRole::Customer;
        }
        self.pass_on_unheard(policy, now);
        self.meet(now);
        self.standing(seat, policy, now)
    }

    /// How it stands for a seat; `None` when there is no such seat.
    #[must_use]
    pub fn standing(&self, seat: &str, policy: &Policy, now: u64) -> Option<Standing> {
        let seat = self.seats.iter().find(|known| known.digest == seat)?;
        let ended = match (self.ended, seat.state) {
            (Some((reason, _)), _) => Some(reason),
            (None, SeatState::TaskOver) => Some(EndReason::TaskOver),
            (None, _) => None,
        };
        let lives = ended.is_none();
        let is_seated = lives && seat.state == SeatState::Seated;
        Some(Standing {
            identity: (is_seated && !seat.in_room).then(|| seat.identity()),
            waiting: (lives && seat.state == SeatState::Waiting).then(|| self.why(policy, now)),
            turned_away: seat.state == SeatState::TurnedAway,
            others_waiting: if is_seated && seat.agent.is_some() {
                self.waiters(policy, now)
            } else {
                Vec::new()
            },
            recording: self.recording(policy),
            seconds: self.seconds(now),
            ended,
            in_room: is_seated && seat.in_room,
        })
    }

    /// A page goes. Returns its role, when it was seated.
    pub fn leave(&mut self, seat: &str, by_hand: bool) -> Option<SeatRole> {
        let seat = self.seats.iter_mut().find(|known| known.digest == seat)?;
        (seat.in_room, seat.quality) = (false, None);
        // Not heard of any more, until they speak again; whoever waited waits no more.
        (seat.heard_ms, seat.spoke) = (0, true);
        if seat.state == SeatState::Waiting && by_hand {
            seat.turn_away(SeatState::TurnedAway);
        }
        (seat.state == SeatState::Seated).then_some(seat.role)
    }

    /// The agent of a seat, while it is one.
    #[must_use]
    pub fn agent_of(&self, seat: &str) -> Option<&Agent> {
        let seat = self.seats.iter().find(|known| known.digest == seat)?;
        seat.agent.as_ref().filter(|_| seat.state == SeatState::Seated)
    }

    /// Whether this worker came, or can come, by this task.
    #[must_use]
    pub fn has_agent(&self, worker: &WorkerSid, task: &TaskSid) -> bool {
        let is_theirs = |agent: &Agent| agent.worker == *worker && agent.task == *task;
        self.seats.iter().filter_map(|seat| seat.agent.as_ref()).any(is_theirs)
            || self.codes.iter().filter_map(|code| code.agent.as_ref()).any(is_theirs)
    }

    /// A seat that was made is not, because there is no way into the room: nobody has its secret.
    pub fn undo_join(&mut self, tap: &Tap<'_>) {
        self.seats.retain(|seat| seat.digest != tap.fresh.digest);
        if let Some(code) = self.codes.iter_mut().find(|code| code.digest == tap.code) {
            code.used_ms = None;
        }
    }

    /// Whether there is such a seat, of whatever kind.
    #[must_use]
    pub fn has_seat(&self, seat: &str) -> bool {
        self.seats.iter().any(|known| known.digest == seat)
    }

    /// The agent says yes or no to somebody who waits.
    ///
    /// # Errors
    /// [`NobodyWaits`].
    pub fn admit(&mut self, id: &str, yes: bool, policy: &Policy, now: u64) -> Result<Admitted, NobodyWaits> {
        let is_waiting = |seat: &&mut Seat| seat.id == id && seat.state == SeatState::Waiting;
        if self.ended.is_some() {
            return Err(NobodyWaits);
        }
        if !yes {
            let seat = self.seats.iter_mut().find(is_waiting).ok_or(NobodyWaits)?;
            seat.turn_away(SeatState::TurnedAway);
            return Ok(Admitted::default());
        }
        let guests =
            self.seats.iter().filter(|seat| seat.role == SeatRole::Guest && seat.state == SeatState::Seated);
        let guests = guests.count();
        if !self.seats.iter_mut().any(|seat| is_waiting(&seat)) {
            return Err(NobodyWaits);
        }
        let (mut role, mut displaced) = (SeatRole::Customer, Vec::new());
        if let Some(customer) = self.seats.iter_mut().find(|seat| seat.is_customer()) {
            if customer.is_present(now) && guests < usize::from(policy.max_guests) {
                role = SeatRole::Guest;
            } else {
                displaced.extend(customer.admitted.then(|| customer.identity()));
                customer.turn_away(SeatState::TurnedAway);
            }
        }
        let seat = self.seats.iter_mut().find(is_waiting).ok_or(NobodyWaits)?;
        (seat.state, seat.role, seat.heard_ms, seat.admitted) = (SeatState::Seated, role, now, true);
        Ok(Admitted { role: Some(role), displaced })
    }

    /// It is over; whoever says so first is right. True when this was the first.
    pub fn end(&mut self, reason: EndReason, now: u64) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.ended = Some((reason, now));
        for seat in &mut self.seats {
            (seat.in_room, seat.quality) = (false, None);
        }
        true
    }

    /// A task is over: its agents' seats end, and with the last task that is known the session may. Returns the identities that
    /// have to leave the room if it goes on.
    pub fn task_over(&mut self, sid: &TaskSid) -> Vec<String> {
        for task in &mut self.tasks {
            task.over |= task.sid == *sid;
        }
        let mut displaced = Vec::new();
        self.codes.retain(|code| code.agent.as_ref().is_none_or(|agent| agent.task != *sid));
        for seat in &mut self.seats {
            if seat.agent.as_ref().is_some_and(|agent| agent.task == *sid) && seat.state == SeatState::Seated
            {
                displaced.extend(seat.admitted.then(|| seat.identity()));
                seat.turn_away(SeatState::TaskOver);
            }
        }
        displaced
    }

    /// Whether an agent has a seat by this task.
    #[must_use]
    pub fn is_task_known(&self, sid: &TaskSid) -> bool {
        self.tasks.iter().any(|task| task.sid == *sid)
    }

    /// The tasks of which it is not known that they are over; the newest first.
    pub fn living_tasks(&self) -> impl Iterator<Item = &TaskSid> {
        self.tasks.iter().rev().filter(|task| !task.over).map(|task| &task.sid)
    }

    /// Whether a task is known to be over.
    #[must_use]
    pub fn is_task_over(&self, sid: &TaskSid) -> bool {
        self.tasks.iter().any(|task| task.sid == *sid && task.over)
    }

    /// The room was completed while the session goes on: it is made anew when somebody joins.
    pub fn room_ended(&mut self, room_sid: &RoomSid) {
        if self.room_sid.as_ref() != Some(room_sid) {
            return;
        }
        (self.room_sid, self.recorded) = (None, Recorded::No);
        for seat in &mut self.seats {
            (seat.in_room, seat.quality) = (false, None);
        }
    }

    /// A room was made, or found in progress.
    pub fn room_seen(&mut self, room_sid: &RoomSid, now: u64) {
        if self.room_sid.as_ref() != Some(room_sid) {
            self.room_sid = Some(room_sid.clone());
            // A room is made without recording.
            self.recorded = Recorded::No;
        }
        self.room_seen_ms = now;
    }

    /// Whether who is in the room by this identity has a seat. Somebody whose seat went away still has a token for the room.
    #[must_use]
    pub fn may_be_in_the_room(&self, identity: &str) -> bool {
        self.ended.is_none()
            && self.seats.iter().any(|seat| seat.state == SeatState::Seated && seat.identity() == identity)
    }

    /// Whether the longest time is over.
    #[must_use]
    pub fn is_too_long(&self, policy: &Policy, now: u64) -> bool {
        let longest_ms = u64::from(policy.max_minutes) * 60_000;
        self.ended.is_none() && self.met_ms.is_some_and(|met| now.saturating_sub(met) >= longest_ms)
    }

    /// What Twilio must be told of recording: `Some(true)` to record, `Some(false)` not to.
    #[must_use]
    pub fn must_record(&self, policy: &Policy) -> Option<bool> {
        self.room_sid.as_ref()?;
        match (self.should_be_recorded(policy), self.recorded) {
            (true, Recorded::Yes) | (false, Recorded::No) => None,
            (should, _) => Some(should),
        }
    }

    /// Whether the room should be recorded now: customer and agent have met, and nobody who may be in it has not agreed. An agent
    /// who does not say no has agreed by working under the policy; their window shows that it is recorded.
    #[must_use]
    pub fn should_be_recorded(&self, policy: &Policy) -> bool {
        self.ended.is_none() && self.met_ms.is_some() && self.consent(policy) == Recording::On
    }

    /// What is recorded, for people.
    #[must_use]
    pub fn recording(&self, policy: &Policy) -> Recording {
        match (self.consent(policy), self.recorded) {
            // What may be recorded is shown as recorded.
            (Recording::On, Recorded::No) => Recording::Asking,
            (consent, _) => consent,
        }
    }

    fn consent(&self, policy: &Policy) -> Recording {
        if policy.recording == RecordingPolicy::Off {
            return Recording::Off;
        }
        let mut seated = self.seats.iter().filter(|seat| seat.state == SeatState::Seated).peekable();
        let answers = |seat: &Seat| seat.consent.or_else(|| seat.agent.is_some().then_some(true));
        let has_customer = self.customer().is_some();
        if seated.peek().is_none() || !has_customer {
            return Recording::Asking;
        }
        let mut all = Recording::On;
        for seat in seated {
            match answers(seat) {
                Some(true) => {}
                Some(false) => return Recording::Refused,
                None => all = Recording::Asking,
            }
        }
        all
    }

    /// How it stands, for the agent of this worker.
    #[must_use]
    pub fn status(&self, worker: &WorkerSid, policy: &Policy, now: u64) -> VideoStatus {
        let people = self.seats.iter().filter(|seat| seat.is_present(now)).map(|seat| Person {
            role: seat.role,
            name: seat.agent.as_ref().map(|agent| agent.name.clone()).unwrap_or_default(),
            you: seat.agent.as_ref().is_some_and(|agent| agent.worker == *worker),
            quality: seat.quality,
            lost: now.saturating_sub(seat.heard_ms) > LOST_MS,
        });
        VideoStatus {
            phase: self.phase(now),
            session: self.id.clone(),
            people: people.collect(),
            waiting: self.waiters(policy, now),
            seconds: self.seconds(now),
            recording: self.recording(policy),
            ended: self.ended.map(|(reason, _)| reason),
            by_text: false,
        }
    }

    fn phase(&self, now: u64) -> VideoPhase {
        let present =
            |wanted: fn(&Seat) -> bool| self.seats.iter().any(|seat| wanted(seat) && seat.is_present(now));
        let (customer, agent) = (present(|seat| seat.agent.is_none()), present(|seat| seat.agent.is_some()));
        match () {
            () if self.ended.is_some() => VideoPhase::Ended,
            () if customer && agent => VideoPhase::Met,
            () if customer => VideoPhase::Opened,
            () if self.customer_came => VideoPhase::Away,
            () if self.looked || self.is_used() => VideoPhase::Opened,
            () => VideoPhase::Invited,
        }
    }

    fn meet(&mut self, now: u64) {
        if self.met_ms.is_none() && self.phase(now) == VideoPhase::Met {
            self.met_ms = Some(now);
        }
    }

    fn seconds(&self, now: u64) -> Option<u64> {
        let until = self.ended.map_or(now, |(_, ended)| ended);
        self.met_ms.map(|met| until.saturating_sub(met) / 1000)
    }

    /// The customer's seat.
    fn customer(&self) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.is_customer())
    }

    /// A seat of whose page nobody ever heard was given in an answer that got lost: whoever waits longest has it, which is the same
    /// browser as a rule, that has tapped again.
    fn pass_on_unheard(&mut self, policy: &Policy, now: u64) {
        if policy.knock || self.ended.is_some() {
            return;
        }
        let is_lost = |seat: &Seat| !seat.spoke && now.saturating_sub(seat.heard_ms) > UNHEARD_MS;
        let Some(lost) = self.seats.iter_mut().find(|seat| seat.is_customer() && is_lost(seat)) else {
            return;
        };
        lost.turn_away(SeatState::TurnedAway);
        let waits = |seat: &&mut Seat| {
            seat.state == SeatState::Waiting && now.saturating_sub(seat.heard_ms) <= WAITS_MS
        };
        if let Some(next) = self.seats.iter_mut().find(waits) {
            (next.state, next.admitted) = (SeatState::Seated, true);
        }
    }

    /// Why whoever waits has to.
    fn why(&self, policy: &Policy, now: u64) -> WaitingWhy {
        match self.customer() {
            Some(customer) if customer.is_present(now) => WaitingWhy::SecondBrowser,
            Some(_) => WaitingWhy::OtherBrowser,
            None if policy.knock => WaitingWhy::Knock,
            // The seat went away meanwhile; the agent is still asked.
            None => WaitingWhy::OtherBrowser,
        }
    }

    fn waiting(&self, now: u64) -> impl Iterator<Item = &Seat> {
        let hears = move |seat: &&Seat| now.saturating_sub(seat.heard_ms) <= WAITS_MS;
        self.seats.iter().filter(|seat| seat.state == SeatState::Waiting).filter(hears)
    }

    fn waiters(&self, policy: &Policy, now: u64) -> Vec<Waiting> {
        if self.ended.is_some() {
            return Vec::new();
        }
        let why = self.why(policy, now);
        self.waiting(now).map(|seat| Waiting { id: seat.id.clone(), why }).collect()
    }

    /// The code, if it is good; an agent's that was used is known for a while.
    fn code(&self, digest: &str, now: u64) -> Option<&Code> {
        self.codes.iter().find(|code| code.digest == digest && code.is_good(now))
    }

    fn use_code(&mut self, digest: &str, now: u64) {
        if let Some(code) = self.codes.iter_mut().find(|code| code.digest == digest) {
            code.used_ms.get_or_insert(now);
        }
    }

    fn prune_codes(&mut self, now: u64) {
        self.codes.retain(|code| code.is_good(now));
        if self.codes.len() >= MOST_CODES {
            let most = self.codes.len() - MOST_CODES + 1;
            self.codes.drain(..most);
        }
    }

    fn prune_seats(&mut self, now: u64) {
        let waits = |seat: &Seat| now.saturating_sub(seat.heard_ms) <= WAITS_MS;
        self.seats.retain(|seat| seat.state != SeatState::Waiting || waits(seat));
        let is_past = |seat: &Seat| matches!(seat.state, SeatState::TurnedAway | SeatState::TaskOver);
        let past = self.seats.iter().filter(|seat| is_past(seat)).count();
        let mut surplus = past.saturating_sub(MOST_PAST_SEATS);
        self.seats.retain(|seat| {
            let goes = surplus > 0 && is_past(seat);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

impl Code {
    fn is_good(&self, now: u64) -> bool {
        match (&self.agent, self.used_ms) {
            (None, _) => true,
            (Some(_), Some(used)) => now.saturating_sub(used) <= USED_CODE_MS,
            (Some(_), None) => now.saturating_sub(self.made_ms) <= AGENT_CODE_MS,
        }
    }
}

impl Seat {
    fn new(tap: &Tap<'_>, role: SeatRole, state: SeatState, now: u64) -> Self {
        Self {
            digest: tap.fresh.digest.clone(),
            id: tap.fresh.id.clone(),
            code: tap.code.to_owned(),
            role,
            suffix: tap.fresh.suffix.clone(),
            agent: None,
            state,
            consent: None,
            admitted: false,
            spoke: false,
            in_room: false,
            quality: None,
            heard_ms: now,
        }
    }

    fn identity(&self) -> String {
        let role = match self.role {
            SeatRole::Customer => "customer",
            SeatRole::Agent => "agent",
            SeatRole::Guest => "guest",
        };
        format!("{role}_{}", self.suffix)
    }

    const fn is_customer(&self) -> bool {
        matches!((self.role, self.state), (SeatRole::Customer, SeatState::Seated))
    }

    fn is_present(&self, now: u64) -> bool {
        self.state == SeatState::Seated && self.in_room && now.saturating_sub(self.heard_ms) <= GONE_MS
    }

    const fn turn_away(&mut self, state: SeatState) {
        (self.state, self.in_room, self.quality) = (state, false, None);
    }
}
