//! Where the extension is spoken to.
//!
//! All scripts of a page hear what is posted in its window. So a CONFIGURE that is posted there offers a `MessagePort`; an
//! extension that takes it answers over it, and all else is said there. The replaced extension does not look at ports and is
//! spoken to in the window.
//!
//! An extension takes no other port until we have left ours. So the port is left only when nobody is at its other end: when
//! the extension has said that it goes, or has not answered a CONFIGURE.

/// How a message of the extension came, or one for it is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Posted in the page's window.
    Window,
    /// Over the port that the last CONFIGURE offered.
    Port,
}

/// How a CONFIGURE is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// Over the port that was taken.
    Port,
    /// In the window, with a new port. The last one is then closed.
    Offer,
}

/// What the extension did with the ports that it was offered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// The extension last spoke over a port.
    private: bool,
    /// It has spoken over the port that was offered last.
    taken: bool,
    /// A CONFIGURE went out over that port and nothing has come since.
    asked: bool,
}

impl Line {
    /// A CONFIGURE goes out. Until a new port is taken, whoever is there may answer in the window: another extension may have
    /// come.
    pub fn hello(&mut self) -> Hello {
        if self.taken && !self.asked {
            self.asked = true;
            return Hello::Port;
        }
        (self.taken, self.asked) = (false, false);
        Hello::Offer
    }

    /// The extension has said that it goes: nobody is at the other end of the port any more.
    pub fn lost(&mut self) {
        self.taken = false;
    }

    /// A message of the extension came. False when it is to be passed over: the extension speaks over its port, so this is
    /// another script of the page.
    pub fn hears(&mut self, way: Way) -> bool {
        match way {
            Way::Port => (self.private, self.taken, self.asked) = (true, true, false),
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
        assert_eq!(line.hello(), Hello::Offer);
        assert_eq!(line.way(), Way::Window);
        assert!(line.hears(Way::Window));
        assert_eq!(line.way(), Way::Window);
    }

    #[test]
    fn an_extension_that_takes_the_port_is_heard_and_spoken_to_nowhere_else() {
        let mut line = Line::default();
        assert_eq!(line.hello(), Hello::Offer);
        assert!(line.hears(Way::Port));
        assert_eq!(line.way(), Way::Port);
        assert!(!line.hears(Way::Window));
        assert_eq!(line.way(), Way::Port);
    }

    #[test]
    fn what_another_script_says_before_the_port_is_taken_lasts_only_until_then() {
        let mut line = Line::default();
        assert_eq!(line.hello(), Hello::Offer);
        assert!(line.hears(Way::Window));
        assert!(line.hears(Way::Port));
        assert_eq!(line.way(), Way::Port);
    }

    /// A line whose port was taken.
    fn taken() -> Line {
        let mut line = Line::default();
        assert_eq!(line.hello(), Hello::Offer);
        assert!(line.hears(Way::Port));
        line
    }

    #[test]
    fn a_port_that_was_taken_is_kept_for_as_long_as_each_hello_is_answered() {
        let mut line = taken();
        for _ in 0..3 {
            assert_eq!(line.hello(), Hello::Port);
            assert!(!line.hears(Way::Window), "nor is another script heard meanwhile");
            assert!(line.hears(Way::Port));
        }
    }

    #[test]
    fn a_port_over_which_a_hello_was_not_answered_gives_way_to_a_new_one() {
        let mut line = taken();
        assert_eq!(line.hello(), Hello::Port);
        assert_eq!(line.hello(), Hello::Offer);
        assert_eq!(line.hello(), Hello::Offer);
        assert!(line.hears(Way::Port));
        assert_eq!(line.hello(), Hello::Port);
    }

    #[test]
    fn a_port_whose_extension_has_said_that_it_goes_gives_way_at_once() {
        let mut line = taken();
        line.lost();
        assert_eq!(line.hello(), Hello::Offer);
    }

    #[test]
    fn what_is_said_while_a_new_port_waits_to_be_taken_goes_over_it() {
        let mut line = taken();
        line.lost();
        assert_eq!(line.hello(), Hello::Offer);
        assert_eq!(line.way(), Way::Port);
    }

    #[test]
    fn an_older_extension_that_takes_the_place_of_ours_is_heard_again() {
        let mut line = taken();
        line.lost();
        assert_eq!(line.hello(), Hello::Offer);
        assert!(line.hears(Way::Window));
        assert_eq!(line.way(), Way::Window);
    }
}
