//! Where the extension is spoken to.
//!
//! All scripts of a page hear what is posted in its window. So each CONFIGURE, which must be posted there, offers a
//! `MessagePort`; an extension that takes it answers over it, and all else is said there. The replaced extension does not
//! look at ports and is spoken to in the window.

/// How a message of the extension came, or one for it is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Posted in the page's window.
    Window,
    /// Over the port that the last CONFIGURE offered.
    Port,
}

/// What the extension did with the ports that it was offered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// The extension last spoke over a port.
    private: bool,
    /// It has spoken over the port that was offered last.
    taken: bool,
}

impl Line {
    /// A CONFIGURE goes out, with a new port. Until it is taken, whoever is there may answer in the window: another
    /// extension may have come.
    pub fn offered(&mut self) {
        self.taken = false;
    }

    /// A message of the extension came. False when it is to be passed over: the extension speaks over its port, so this is
    /// another script of the page.
    pub fn hears(&mut self, way: Way) -> bool {
        match way {
            Way::Port => (self.private, self.taken) = (true, true),
            Way::Window if self.taken => return false,
            Way::Window => self.private = false,
        }
        true
    }

    /// Where all but a CONFIGURE is to be said. A port that is not taken yet keeps it until then.
    #[must_use]
    pub const fn way(&self) -> Way {
        if self.private { Way::Port } else { Way::Window }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_takes_no_port_is_spoken_to_in_the_window() {
        let mut line = Line::default();
        line.offered();
        assert_eq!(line.way(), Way::Window);
        assert!(line.hears(Way::Window));
        assert_eq!(line.way(), Way::Window);
    }

    #[test]
    fn an_extension_that_takes_the_port_is_heard_and_spoken_to_nowhere_else() {
        let mut line = Line::default();
        line.offered();
        assert!(line.hears(Way::Port));
        assert_eq!(line.way(), Way::Port);
        assert!(!line.hears(Way::Window));
        assert_eq!(line.way(), Way::Port);
    }

    #[test]
    fn what_another_script_says_before_the_port_is_taken_lasts_only_until_then() {
        let mut line = Line::default();
        line.offered();
        assert!(line.hears(Way::Window));
        assert!(line.hears(Way::Port));
        assert_eq!(line.way(), Way::Port);
    }

    #[test]
    fn what_is_said_while_a_new_port_waits_to_be_taken_goes_over_it() {
        let mut line = Line::default();
        line.offered();
        assert!(line.hears(Way::Port));
        line.offered();
        assert_eq!(line.way(), Way::Port);
    }

    #[test]
    fn an_older_extension_that_takes_the_place_of_ours_is_heard_again() {
        let mut line = Line::default();
        line.offered();
        assert!(line.hears(Way::Port));
        line.offered();
        assert!(line.hears(Way::Window));
        assert_eq!(line.way(), Way::Window);
    }
}
