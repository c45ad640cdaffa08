//! Options about what is written, and about checking it.

use super::super::expression::Problem;
use super::super::spec::{Form, Spec};
use super::super::value::Value;
use crate::job::{Buffers, VerifyMethod};

/// Smallest distance of headers: fio's, and enough for ours.
const INTERVAL_BYTES_MIN: u64 = 80;

pub(super) const OPTIONS: &[Spec] = &[
    Spec::new("zero_buffers", Form::Flag, "Write zeros", |draft, value| {
        draft.job.buffers = if value.flag()? { Buffers::Zeros } else { Buffers::Random };
        Ok(())
    }),
    Spec::new(
        "buffer_pattern",
        Form::Text,
        "Write this: 0xdeadbeef, \"text\", or numbers",
        |draft, value| {
            draft.job.buffers = Buffers::Pattern(pattern(value)?);
            Ok(())
        },
    ),
    Spec::new(
        "verify",
        Form::Choice(&["crc32c", "md5", "meta", "pattern", "0"]),
        "Check what was written",
        |draft, value| {
            draft.job.verify.method = match value.text()? {
                "0" => None,
                "crc32c" | "crc32c-intel" => Some(VerifyMethod::Crc32c),
                "md5" => Some(VerifyMethod::Md5),
                "meta" => Some(VerifyMethod::Meta),
                "pattern" => Some(VerifyMethod::Pattern),
                "crc64" | "crc32" | "crc16" | "crc7" | "sha1" | "sha256" | "sha512"
                | "sha3-224" | "sha3-256" | "sha3-384" | "sha3-512" | "xxhash" | "null" => {
                    return Err(
                        "this method is not supported; crc32c finds the same damage".to_owned()
                    );
                }
                _ => return Err("write crc32c, md5, meta or pattern".to_owned()),
            };
            Ok(())
        },
    ),
    Spec::new("do_verify", Form::Bool, "Read everything back after writing it", |draft, value| {
        draft.job.verify.after_write = value.boolean()?;
        Ok(())
    }),
    Spec::new("verify_only", Form::Flag, "Check what an earlier run wrote", |draft, value| {
        draft.job.verify.only = value.flag()?;
        Ok(())
    }),
    Spec::new("verify_interval", Form::Bytes, "Bytes covered by one checksum", |draft, value| {
        draft.job.verify.interval_bytes = match value.bytes()? {
            bytes if bytes >= INTERVAL_BYTES_MIN => Some(bytes),
            bytes => return Err(format!("{bytes} is less than a header, {INTERVAL_BYTES_MIN}")),
        };
        Ok(())
    }),
    Spec::new(
        "verify_pattern",
        Form::Text,
        "What checked blocks are filled with",
        |draft, value| {
            draft.job.verify.pattern = pattern(value)?;
            Ok(())
        },
    ),
    Spec::new("verify_fatal", Form::Bool, "The first bad block ends the job", |draft, value| {
        draft.job.verify.fatal = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "verify_backlog",
        Form::Count,
        "Check after so many blocks were written",
        |draft, value| {
            draft.job.verify.backlog =
                Some(value.count(0..=u32::MAX)?).filter(|blocks| *blocks > 0);
            Ok(())
        },
    ),
    Spec::new(
        "verify_backlog_batch",
        Form::Count,
        "Check so many blocks at a time",
        |draft, value| {
            draft.job.verify.backlog_batch =
                Some(value.count(0..=u32::MAX)?).filter(|blocks| *blocks > 0);
            Ok(())
        },
    ),
];

/// Texts in quotes, hexadecimal digits after `0x`, and decimal numbers (little-endian, as many bytes as
/// they need), one after the other: `0xff`, `"abcd"-12`.
fn pattern(value: Value<'_>) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut rest = value.text()?;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').ok_or("a closing \" is missing")?;
            bytes.extend(text.bytes());
            rest = after;
        } else if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let end = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
            let (digits, after) = digits.split_at(end);
            bytes.extend(hexadecimal(digits)?);
            rest = after;
        } else {
            let after_sign = rest.strip_prefix('-').unwrap_or(rest);
            let length =
                after_sign.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(after_sign.len());
            let (number, after) = rest.split_at(rest.len() - after_sign.len() + length);
            let number: i32 = number.parse().map_err(|_| pattern_problem())?;
            let encoded = number.to_le_bytes();
            let used =
                if number < 0 { 4 } else { (4 - number.leading_zeros() as usize / 8).max(1) };
            bytes.extend(&encoded[..used]);
            rest = after;
        }
    }
    if bytes.is_empty() { Err(pattern_problem()) } else { Ok(bytes) }
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, Problem> {
    if digits.is_empty() {
        return Err(pattern_problem());
    }
    // An odd digit stands alone at the end, as fio reads it.
    let pair = |pair: &[u8]| {
        let text = str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        u8::from_str_radix(text, 16).expect("two hexadecimal digits at most")
    };
    Ok(digits.as_bytes().chunks(2).map(pair).collect())
}

fn pattern_problem() -> Problem {
    "patterns are written 0xdeadbeef, \"text\" or as decimal numbers".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_texts_digits_and_numbers_in_a_row() {
        let read = |text| pattern(Value { text, kb_base: 1024 });
        assert_eq!(read("0xdeadbeef"), Ok(vec![0xde, 0xad, 0xbe, 0xef]));
        assert_eq!(read("\"ab\"0xff12"), Ok(vec![b'a', b'b', 0xff, 0x12]));
        assert_eq!(read("258"), Ok(vec![2, 1]));
        assert_eq!(read("\"ab\"-12"), Ok(vec![b'a', b'b', 0xf4, 0xff, 0xff, 0xff]));
        for bad in ["", "0x", "\"ab", "hello", "\"\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
