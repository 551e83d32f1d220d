//! How long something has taken.

/// As people read it: `0:07`, `12:34`, `1:00:00`.
#[must_use]
pub fn written(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&hours.to_string());
        text.push(':');
        two(&mut text, minutes);
    } else {
        text.push_str(&minutes.to_string());
    }
    text.push(':');
    two(&mut text, seconds);
    text
}

fn two(text: &mut String, number: u64) {
    if number < 10 {
        text.push('0');
    }
    text.push_str(&number.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_people_read_it() {
        let of = [
            (0, "0:00"),
            (7, "0:07"),
            (754, "12:34"),
            (3599, "59:59"),
            (3600, "1:00:00"),
            (36_061, "10:01:01"),
        ];
        for (seconds, written_as) in of {
            assert_eq!(written(seconds), written_as);
        }
    }
}
