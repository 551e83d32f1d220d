//! Links to files: fetched when they are needed, and thrown away when they are not, because each lives for minutes only.

use super::event::MediaRef;

use crate::by_key::ByKey;

/// How many links are asked for at once.
const AT_ONCE: usize = 4;

/// How one file stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Its link is wanted.
    Wanted,
    /// Its link is asked for.
    Asked {
        /// By this request.
        request: u64,
        /// The link before it had expired.
        again: bool,
    },
    /// This is its link. `again`: the one before it had expired.
    Link {
        /// On a host of Twilio's.
        url: String,
        /// It is the second try.
        again: bool,
    },
    /// It had a link that did not serve.
    Stale,
    /// It cannot be shown; the agent may try.
    Failed,
}

/// The pictures that are to be seen, and the files that the agent wants.
#[derive(Clone, Debug, Default)]
pub struct Pictures {
    shown: ByKey<MediaRef, Picture>,
    wanted: Vec<(MediaRef, Option<u64>)>,
}

impl Pictures {
    /// These are to be seen now. What has gone out of sight is forgotten with its link.
    pub fn see(&mut self, pictures: Vec<MediaRef>) {
        self.shown.retain(|known, _| pictures.contains(known));
        for picture in pictures {
            if !self.shown.contains_key(&picture) {
                self.shown.insert(picture, Picture::Wanted);
            }
        }
    }

    /// A picture could not be shown by its link: a fresh one is tried, once.
    pub fn broken(&mut self, media: &MediaRef) {
        if let Some(picture) = self.shown.get_mut(media) {
            *picture = match picture {
                Picture::Link { again: false, .. } => Picture::Stale,
                _ => Picture::Failed,
            };
        }
    }

    /// The agent wants this file.
    pub fn want(&mut self, media: MediaRef) {
        if !self.wanted.iter().any(|(known, _)| *known == media) {
            self.wanted.push((media, None));
        }
    }

    /// How a picture stands.
    #[must_use]
    pub fn of(&self, media: &MediaRef) -> Option<&Picture> {
        self.shown.get(media)
    }

    /// Whether the agent waits for this file.
    #[must_use]
    pub fn is_wanted(&self, media: &MediaRef) -> bool {
        self.wanted.iter().any(|(known, _)| known == media)
    }

    /// The next link to ask for. `request`: the number that the request will have.
    pub fn next(&mut self, request: u64) -> Option<MediaRef> {
        if let Some((media, asked)) = self.wanted.iter_mut().find(|(_, asked)| asked.is_none()) {
            *asked = Some(request);
            return Some(media.clone());
        }
        if self.shown.values().filter(|it| matches!(it, Picture::Asked { .. })).count() >= AT_ONCE {
            return None;
        }
        let due = |it: &&mut Picture| matches!(it, Picture::Wanted | Picture::Stale);
        let (media, picture) =
            self.shown.iter_mut().find_map(|(media, it)| due(&it).then_some((media, it)))?;
        *picture = Picture::Asked { request, again: *picture == Picture::Stale };
        Some(media.clone())
    }

    /// A link came. It is to be opened where the agent has asked for the file.
    pub fn answered(&mut self, request: u64, url: String) -> Option<String> {
        if let Some(place) = self.wanted.iter().position(|(_, asked)| *asked == Some(request)) {
            self.wanted.remove(place);
            return Some(url);
        }
        if let Some((picture, again)) = self.asked(request) {
            *picture = Picture::Link { url, again };
        }
        None
    }

    /// No link came. True when the agent waits for the file.
    pub fn failed(&mut self, request: u64) -> bool {
        if let Some(place) = self.wanted.iter().position(|(_, asked)| *asked == Some(request)) {
            self.wanted.remove(place);
            return true;
        }
        if let Some((picture, _)) = self.asked(request) {
            *picture = Picture::Failed;
        }
        false
    }

    fn asked(&mut self, request: u64) -> Option<(&mut Picture, bool)> {
        self.shown.iter_mut().find_map(|(_, picture)| match picture {
            Picture::Asked { request: asked, again } if *asked == request => {
                let again = *again;
                Some((picture, again))
            }
            _ => None,
        })
    }
}
