//! The parameters of a request: names, of which one may come several times.

use std::str::FromStr;

use jiff::{Span, SpanRelativeTo, Unit};
use kernel::Timestamp;

use crate::change::Refusal;
use crate::model::State;

/// A query, or a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// A parameter that was given, perhaps empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A parameter that must be given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| Refusal::invalid(format!("Missing required parameter {name} in the post body")))
    }

    /// All values of a name; none where none was given. An empty one alone is an empty list.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let all: Vec<&str> =
            self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        (!all.is_empty()).then(|| all.into_iter().filter(|one| !one.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let given = self.text(name).filter(|text| !text.is_empty());
        given.map(|text| text.parse().map_err(|_unreadable| invalid(name))).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let given = self.text(name).map(str::to_ascii_lowercase);
        match given.as_deref() {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name)),
        }
    }

    pub(crate) fn state(&self) -> Result<Option<State>, Refusal> {
        match self.text("State").map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Ok(None),
            Some("active") => Ok(Some(State::Active)),
            Some("inactive") => Ok(Some(State::Inactive)),
            Some("closed") => Ok(Some(State::Closed)),
            Some(_) => Err(invalid("State")),
        }
    }

    /// An instant, ISO 8601.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let at: Option<jiff::Timestamp> = self.parsed(name)?;
        let millis = at.map(|at| u64::try_from(at.as_millisecond()).map_err(|_before_1970| invalid(name)));
        Ok(millis.transpose()?.map(Timestamp::from_millis))
    }

    /// A length of time, ISO 8601, in milliseconds.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(span) = self.parsed::<Span>(name)? else { return Ok(None) };
        let total = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours()));
        let seconds = total.map_err(|_calendar| invalid(name))?;
        if !(0.0..=1e10).contains(&seconds) {
            return Err(invalid(name));
        }
        let length = std::time::Duration::try_from_secs_f64(seconds).map_err(|_range| invalid(name))?;
        Ok(u64::try_from(length.as_millis()).ok())
    }
}

fn invalid(name: &str) -> Refusal {
    Refusal::invalid(format!("Parameter {name} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes())
    }

    #[test]
    fn parameters_are_read_or_refused_without_being_repeated() {
        let given = form(
            "Filters=a&Filters=b&Empty=&Flag=True&State=Closed&T=PT1M&D=P1D&Off=PT0S&At=2026-01-02T03:04:05Z",
        );
        assert_eq!(given.list("Filters"), Some(vec!["a".into(), "b".into()]));
        assert_eq!((given.list("Empty"), given.list("None")), (Some(vec![]), None));
        assert_eq!(given.flag("Flag"), Ok(Some(true)));
        assert_eq!(given.state(), Ok(Some(State::Closed)));
        assert_eq!(given.duration_ms("T"), Ok(Some(60_000)));
        assert_eq!(given.duration_ms("D"), Ok(Some(86_400_000)));
        assert_eq!(given.duration_ms("Off"), Ok(Some(0)));
        assert_eq!(given.instant("At"), Ok(Some(Timestamp::from_millis(1_767_323_045_000))));
        let wrong = form("T=secret&Flag=secret&State=secret&At=secret&N=secret&Neg=-PT5M&M=P1M");
        let refusals = [
            wrong.duration_ms("T").err(),
            wrong.flag("Flag").err(),
            wrong.state().err(),
            wrong.instant("At").err(),
            wrong.parsed::<u64>("N").err(),
            wrong.duration_ms("Neg").err(),
            wrong.duration_ms("M").err(),
        ];
        for refusal in refusals {
            let refusal = refusal.unwrap();
            assert_eq!(refusal.status, 400);
            assert!(!refusal.message.contains("secret"), "{}", refusal.message);
        }
    }
}
