//! Who else is in the room.

use kernel::Monotonic;
use protocol::video::SeatRole;

use super::{
    event::{RemoteKind, RemotePerson, RemoteTrack},
    kept::role_of,
    media::Ids,
    track::TrackId,
};

/// How long somebody whose page has gone is shown as somebody who may be back in a moment, in milliseconds. A reload takes three
/// seconds, on a slow phone ten.
pub const GONE_MS: u64 = 20_000;

/// How somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In the room.
    Here,
    /// Twilio tries to reach them, or we try to reach Twilio.
    Lost,
    /// Their page has gone, at this time.
    Gone(Monotonic),
}

/// Somebody.
#[derive(Debug)]
pub struct Person {
    /// Names them to what draws.
    pub key: u32,
    /// What they are.
    pub role: SeatRole,
    /// How they are there.
    pub presence: Presence,
    /// Twilio's figure.
    pub quality: Option<u8>,
    /// What we receive of them.
    pub tracks: Vec<(TrackId, RemoteTrack)>,
    sid: String,
    identity: String,
    said_bye: bool,
}

impl Person {
    /// Their track of a kind, if it shows or carries something.
    #[must_use]
    pub fn track(&self, kind: RemoteKind) -> Option<TrackId> {
        let found = self.tracks.iter().find(|(_, track)| track.kind == kind && track.enabled);
        found.map(|(id, _)| *id).filter(|_| !matches!(self.presence, Presence::Gone(_)))
    }
}

/// Something that the others should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Somebody came.
    Came,
    /// Somebody whose page had gone is there again.
    CameBack,
    /// Somebody left by hand.
    Left,
    /// Somebody's page has gone.
    Gone,
    /// Somebody whose page had gone did not come back.
    NotBack,
    /// Somebody's connection is lost.
    Lost,
    /// It is back.
    Reached,
}

/// Everybody else.
#[derive(Debug, Default)]
pub struct People {
    /// In the order in which they came.
    pub list: Vec<Person>,
    /// The key of who speaks.
    pub speaker: Option<u32>,
    /// The last that happened to somebody who is not here any more.
    pub last: Option<(SeatRole, News)>,
    next_key: u32,
}

impl People {
    /// Nobody is there any more, because we are not.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.speaker, self.last) = (None, None);
    }

    /// We have lost everybody, and go back.
    pub fn lose_all(&mut self) {
        self.speaker = None;
        for person in &mut self.list {
            person.tracks.clear();
            if person.presence == Presence::Here {
                person.presence = Presence::Lost;
            }
        }
    }

    /// We are in the room, and these are there.
    pub fn set(&mut self, people: Vec<RemotePerson>, ids: &mut Ids) -> Vec<(SeatRole, News)> {
        let known: Vec<String> = self.list.iter().map(|person| person.identity.clone()).collect();
        // Whoever is not named has left while we were away.
        self.list.retain(|person| people.iter().any(|other| other.identity == person.identity));
        let mut news = Vec::new();
        for person in people {
            let was_known = known.contains(&person.identity);
            let said = self.came(person, ids);
            news.extend(said.filter(|_| !was_known));
        }
        news
    }

    /// Somebody is there now.
    pub fn came(&mut self, person: RemotePerson, ids: &mut Ids) -> Option<(SeatRole, News)> {
        let RemotePerson { sid, identity, tracks, reconnecting } = person;
        let role = role_of(&identity);
        let tracks = tracks.into_iter().map(|track| (ids.give(), track)).collect();
        let presence = if reconnecting { Presence::Lost } else { Presence::Here };
        self.last = None;
        // The same browser has the same identity, whatever Twilio calls this stay of it.
        if let Some(known) = self.list.iter_mut().find(|known| known.identity == identity) {
            let was_gone = matches!(known.presence, Presence::Gone(_));
            (known.sid, known.tracks, known.presence, known.said_bye) = (sid, tracks, presence, false);
            return was_gone.then_some((role, News::CameBack));
        }
        self.next_key += 1;
        let key = self.next_key;
        self.list.push(Person { key, role, presence, quality: None, tracks, sid, identity, said_bye: false });
        Some((role, News::Came))
    }

    /// Somebody is not there any more. An older stay of somebody who is there again does not matter.
    pub fn went(&mut self, sid: &str, now: Monotonic) -> Option<(SeatRole, News)> {
        let at = self.list.iter().position(|person| person.sid == sid)?;
        let person = self.list.get_mut(at)?;
        person.tracks.clear();
        let role = person.role;
        self.speaker = self.speaker.filter(|key| *key != person.key);
        let news = if person.said_bye {
            self.list.remove(at);
            (role, News::Left)
        } else {
            person.presence = Presence::Gone(now);
            (role, News::Gone)
        };
        self.last = Some(news);
        Some(news)
    }

    /// Who was gone for too long will not be back.
    pub fn forget_gone(&mut self, now: Monotonic) -> Vec<(SeatRole, News)> {
        let gone =
            |person: &mut Person| matches!(person.presence, Presence::Gone(at) if now.since(at) >= GONE_MS);
        let news: Vec<_> =
            self.list.extract_if(.., gone).map(|person| (person.role, News::NotBack)).collect();
        self.last = news.last().copied().or(self.last);
        news
    }

    /// When [`Self::forget_gone`] has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Monotonic> {
        let gone = self.list.iter().filter_map(|person| match person.presence {
            Presence::Gone(at) => Some(at.plus(GONE_MS)),
            Presence::Here | Presence::Lost => None,
        });
        gone.min()
    }

    fn by_sid(&mut self, sid: &str) -> Option<&mut Person> {
        self.list.iter_mut().find(|person| person.sid == sid)
    }

    /// Somebody's connection is lost, or is back.
    pub fn reach(&mut self, sid: &str, lost: bool) -> Option<(SeatRole, News)> {
        let person = self.by_sid(sid)?;
        let (before, after) =
            if lost { (Presence::Here, Presence::Lost) } else { (Presence::Lost, Presence::Here) };
        if person.presence != before {
            return None;
        }
        person.presence = after;
        Some((person.role, if lost { News::Lost } else { News::Reached }))
    }

    /// Somebody says that they leave by hand.
    pub fn bye(&mut self, sid: &str) {
        if let Some(person) = self.by_sid(sid) {
            person.said_bye = true;
        }
    }

    /// We receive something of somebody. Whether it is a screen.
    pub fn received(&mut self, sid: &str, track: RemoteTrack, ids: &mut Ids) -> Option<SeatRole> {
        let screen = track.kind == RemoteKind::Screen;
        let person = self.by_sid(sid)?;
        let new = !person.tracks.iter().any(|(_, known)| known.sid == track.sid);
        if new {
            person.tracks.push((ids.give(), track));
        }
        (new && screen).then_some(person.role)
    }

    /// We receive it no longer. Whose screen it was.
    pub fn dropped(&mut self, track: &str) -> Option<SeatRole> {
        let person =
            self.list.iter_mut().find(|person| person.tracks.iter().any(|(_, one)| one.sid == track))?;
        let screen = person.tracks.iter().any(|(_, one)| one.sid == track && one.kind == RemoteKind::Screen);
        person.tracks.retain(|(_, one)| one.sid != track);
        screen.then_some(person.role)
    }

    /// A track is muted, or not.
    pub fn enabled(&mut self, track: &str, on: bool) {
        for (_, one) in self.list.iter_mut().flat_map(|person| &mut person.tracks) {
            if one.sid == track {
                one.enabled = on;
            }
        }
    }

    /// Who speaks.
    pub fn speaks(&mut self, sid: Option<&str>) {
        self.speaker = sid.and_then(|sid| self.by_sid(sid)).map(|person| person.key);
    }

    /// How somebody's connection is.
    pub fn quality(&mut self, sid: &str, level: u8) {
        if let Some(person) = self.by_sid(sid) {
            person.quality = Some(level);
        }
    }

    /// The identity of the agent who came last and is here.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        let mut here = self.list.iter().rev().filter(|person| person.presence == Presence::Here);
        here.find(|person| person.role == SeatRole::Agent).map(|person| person.identity.as_str())
    }

    /// The SID of a track that we receive.
    #[must_use]
    pub fn sid_of(&self, track: TrackId) -> Option<&str> {
        let mut tracks = self.list.iter().flat_map(|person| &person.tracks);
        tracks.find(|(id, _)| *id == track).map(|(_, track)| track.sid.as_str())
    }
}
