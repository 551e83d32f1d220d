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
pub enum Channel {
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
pub struct ChannelChoice {
    /// The extension last spoke over a port.
    private: bool,
    /// It has spoken over the port that was offered last.
    taken: bool,
    /// A CONFIGURE went out over that port and nothing has come since.
    asked: bool,
}

impl ChannelChoice {
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
    pub fn accepts(&mut self, channel: Channel) -> bool {
        match channel {
            Channel::Port => (self.private, self.taken, self.asked) = (true, true, false),
            Channel::Window if self.taken => return false,
            Channel::Window => self.private = false,
        }
        true
    }

    /// Where all but a CONFIGURE is to be said. A port that is not taken yet keeps it until then.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        if self.private { Channel::Port } else { Channel::Window }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_takes_no_port_is_spoken_to_in_the_window() {
        let mut choice = ChannelChoice::default();
        assert_eq!(choice.hello(), Hello::Offer);
        assert_eq!(choice.channel(), Channel::Window);
        assert!(choice.accepts(Channel::Window));
        assert_eq!(choice.channel(), Channel::Window);
    }

    #[test]
    fn an_extension_that_takes_the_port_is_heard_and_spoken_to_nowhere_else() {
        let mut choice = ChannelChoice::default();
        assert_eq!(choice.hello(), Hello::Offer);
        assert!(choice.accepts(Channel::Port));
        assert_eq!(choice.channel(), Channel::Port);
        assert!(!choice.accepts(Channel::Window));
        assert_eq!(choice.channel(), Channel::Port);
    }

    #[test]
    fn what_another_script_says_before_the_port_is_taken_lasts_only_until_then() {
        let mut choice = ChannelChoice::default();
        assert_eq!(choice.hello(), Hello::Offer);
        assert!(choice.accepts(Channel::Window));
        assert!(choice.accepts(Channel::Port));
        assert_eq!(choice.channel(), Channel::Port);
    }

    /// A choice whose port was taken.
    fn taken() -> ChannelChoice {
        let mut choice = ChannelChoice::default();
        assert_eq!(choice.hello(), Hello::Offer);
        assert!(choice.accepts(Channel::Port));
        choice
    }

    #[test]
    fn a_port_that_was_taken_is_kept_for_as_long_as_each_hello_is_answered() {
        let mut choice = taken();
        for _ in 0..3 {
            assert_eq!(choice.hello(), Hello::Port);
            assert!(!choice.accepts(Channel::Window), "nor is another script heard meanwhile");
            assert!(choice.accepts(Channel::Port));
        }
    }

    #[test]
    fn a_port_over_which_a_hello_was_not_answered_gives_way_to_a_new_one() {
        let mut choice = taken();
        assert_eq!(choice.hello(), Hello::Port);
        assert_eq!(choice.hello(), Hello::Offer);
        assert_eq!(choice.hello(), Hello::Offer);
        assert!(choice.accepts(Channel::Port));
        assert_eq!(choice.hello(), Hello::Port);
    }

    #[test]
    fn a_port_whose_extension_has_said_that_it_goes_gives_way_at_once() {
        let mut choice = taken();
        choice.lost();
        assert_eq!(choice.hello(), Hello::Offer);
    }

    #[test]
    fn what_is_said_while_a_new_port_waits_to_be_taken_goes_over_it() {
        let mut choice = taken();
        choice.lost();
        assert_eq!(choice.hello(), Hello::Offer);
        assert_eq!(choice.channel(), Channel::Port);
    }

    #[test]
    fn an_older_extension_that_takes_the_place_of_ours_is_heard_again() {
        let mut choice = taken();
        choice.lost();
        assert_eq!(choice.hello(), Hello::Offer);
        assert!(choice.accepts(Channel::Window));
        assert_eq!(choice.channel(), Channel::Window);
    }
}
