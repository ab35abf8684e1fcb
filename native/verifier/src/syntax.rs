//! Syntax of the identifiers in messages: the checks of `src/protocol/syntax.ts`, over bytes.

use crate::limits::{DATETIME_CHARS_MAX, NSID_CHARS_MAX, RKEY_CHARS_MAX};

const LABEL_CHARS_MAX: usize = 63;

/// Whether `text` is an NSID (rulebook 2.10).
pub fn is_nsid(text: &[u8]) -> bool {
    if text.len() > NSID_CHARS_MAX {
        return false;
    }
    let Some(dot) = text.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let (domain, name) = (&text[..dot], &text[dot + 1..]);
    let mut labels = domain.split(|&byte| byte == b'.');
    let Some(top) = labels.next() else {
        return false;
    };
    let mut further = 0;
    let all_good = labels.all(|label| {
        further += 1;
        is_label(label)
    });
    all_good && further > 0 && is_label(top) && top[0].is_ascii_alphabetic() && is_name(name)
}

fn is_label(label: &[u8]) -> bool {
    let inner = |&byte: &u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match label {
        [] => false,
        [only] => only.is_ascii_alphanumeric(),
        [first, middle @ .., last] => {
            label.len() <= LABEL_CHARS_MAX
                && first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && middle.iter().all(inner)
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    name.len() <= LABEL_CHARS_MAX
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether `text` is a record key (rulebook 2.10).
pub fn is_record_key(text: &[u8]) -> bool {
    let allowed = |&byte: &u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte);
    !text.is_empty() && text.len() <= RKEY_CHARS_MAX && text != b"." && text != b".." && text.iter().all(allowed)
}

/// Length of the collection in a record path, or none if `path` is not a collection, a slash and a record key.
pub fn collection_length(path: &[u8]) -> Option<usize> {
    let slash = path.iter().position(|&byte| byte == b'/')?;
    (is_nsid(&path[..slash]) && is_record_key(&path[slash + 1..])).then_some(slash)
}

/// Whether `text` is a TID (rulebook 6).
pub fn is_tid(text: &[u8]) -> bool {
    text.len() == 13
        && matches!(text[0], b'2'..=b'7' | b'a'..=b'j')
        && text[1..].iter().all(|byte| matches!(byte, b'2'..=b'7' | b'a'..=b'z'))
}

/// Whether `text` is a datetime (rulebook 2.13).
pub fn is_datetime(text: &[u8]) -> bool {
    if text.len() > DATETIME_CHARS_MAX {
        return false;
    }
    let Some((stamp, rest)) = text.split_at_checked(19) else {
        return false;
    };
    if !matches_pattern(stamp, b"dddd-dd-ddTdd:dd:dd") {
        return false;
    }
    let two_digits = |at: usize| number(&stamp[at..at + 2]);
    let (year, month, day) = (number(&stamp[..4]), two_digits(5), two_digits(8));
    let (hour, minute, second) = (two_digits(11), two_digits(14), two_digits(17));
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return false;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return false;
    }
    let starts_year_zero = (year, month, day) == (0, 1, 1);
    is_zone(behind_fraction(rest), starts_year_zero.then_some(hour * 60 + minute))
}

fn matches_pattern(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(byte, expected)| match expected {
            b'd' => byte.is_ascii_digit(),
            b's' => matches!(byte, b'+' | b'-'),
            _ => byte == expected,
        })
}

/// The text after a fraction of a second, which may be absent. A point without digits is no fraction, and stays.
fn behind_fraction(text: &[u8]) -> &[u8] {
    let Some(fraction) = text.strip_prefix(b".") else {
        return text;
    };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { text } else { &fraction[digits..] }
}

/// `minutes_since_year_zero` is the local time if the date is the first day of the year 0. A zone further ahead of UTC would make
/// the time lie before the year 0.
fn is_zone(zone: &[u8], minutes_since_year_zero: Option<u32>) -> bool {
    if zone == b"Z" {
        return true;
    }
    if !matches_pattern(zone, b"sdd:dd") {
        return false;
    }
    let (hour, minute) = (number(&zone[1..3]), number(&zone[4..6]));
    let minutes = hour * 60 + minute;
    if hour > 23 || minute > 59 {
        return false;
    }
    if zone[0] == b'-' {
        return minutes > 0;
    }
    minutes_since_year_zero.is_none_or(|limit| minutes <= limit)
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for path in ["app.bsky.feed.post/3k", "a.b.c/...", "a-b.0.c9/self:~_-."] {
            assert!(collection_length(path.as_bytes()).is_some(), "{path}");
        }
        assert_eq!(collection_length(b"a.b.c/x"), Some(5));
        for path in [
            "",
            "/",
            "a.b/x",
            "a.b.c",
            "a.b.c/",
            "a.b.c/.",
            "a.b.c/..",
            "a.b.c/x/y",
            "/a.b.c/x",
            "0.b.c/x",
            "a.b-.c/x",
            "a.b.c-d/x",
            "a.b.9/x",
            "a..c/x",
            "a.b.c/\u{e4}",
        ] {
            assert_eq!(collection_length(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn tids() {
        assert!(is_tid(b"3jzfcijpj2z2a") && is_tid(b"7777777777777"));
        assert!(!is_tid(b"3jzfcijpj2z2") && !is_tid(b"zzzzzzzzzzzzz") && !is_tid(b"3jzfcijpj2z21") && !is_tid(b""));
    }

    #[test]
    fn datetimes() {
        for text in [
            "2026-01-01T00:00:00Z",
            "2024-02-29T23:59:59.123456789+14:00",
            "2026-01-01T00:00:00-00:01",
            "0000-01-01T00:05:00+00:05",
        ] {
            assert!(is_datetime(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00-00:00",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00+24:00",
            "0000-01-01T00:05:00+00:06",
            "2026-00-01T00:00:00Z",
            "2026-01-01T00:00:00Z ",
        ] {
            assert!(!is_datetime(text.as_bytes()), "{text}");
        }
    }
}
