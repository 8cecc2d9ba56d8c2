//! Exact decimal numbers of up to 38 significant digits, from 1e-130 to 9.99..e125 and their
//! negatives, and zero. A number is kept normalised, so equality is equality of the fields.
//!
//! The key form orders as the numbers do, byte by byte:
//!
//! | bytes | negative | zero | positive |
//! |---|---|---|---|
//! | 0 | `00` | `01` | `02` |
//! | 1 | complement of the positive form | - | exponent of the first digit + 130 |
//! | 2.. | complement, then `FF` | - | pairs of digits + 1, first digit in front, no trailing zero pair |

use crate::limits::{DIGITS_MAX, MAGNITUDE_MAX, MAGNITUDE_MIN};
use core::cmp::Ordering;
use core::fmt;

/// An exact decimal: `mantissa * 10^exponent`, negated if `negative`.
///
/// Invariant: the mantissa has no trailing decimal zero and at most 38 digits; zero is
/// `(false, 0, 0)`; the first digit's exponent lies within -130..=125.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    exponent: i16,
    mantissa: u128,
}

/// Why a text is not a number that can be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is empty.
    #[error("an empty text is not a number")]
    Empty,
    /// The text is not a decimal number.
    #[error("{0:?} is not a decimal number")]
    Malformed(String),
    /// The magnitude is above 9.99..e125.
    #[error("the first digit's exponent is above {MAGNITUDE_MAX}")]
    Overflow,
    /// The magnitude is below 1e-130 and not zero.
    #[error("the first digit's exponent is below {MAGNITUDE_MIN}")]
    Underflow,
    /// More than 38 significant digits.
    #[error("{0} significant digits, at most {DIGITS_MAX} are kept")]
    TooPrecise(usize),
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, exponent: 0, mantissa: 0 };

    /// Reads a decimal in plain or scientific notation.
    ///
    /// # Errors
    /// When the text is no decimal, or has more digits or a larger or smaller magnitude than kept.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let parts = Parts::split(text).ok_or_else(|| NumberError::Malformed(text.into()))?;
        parts.normalise()
    }

    /// Builds a number from parts as a decoder finds them; `None` unless they are the normal form.
    #[must_use]
    pub fn from_parts(negative: bool, exponent: i16, mantissa: u128) -> Option<Self> {
        let number = Self { negative, exponent, mantissa };
        if mantissa == 0 {
            return (number == Self::ZERO).then_some(number);
        }
        let normal = !mantissa.is_multiple_of(10) && digit_count(mantissa) <= DIGITS_MAX;
        let in_range = (MAGNITUDE_MIN..=MAGNITUDE_MAX).contains(&number.magnitude());
        (normal && in_range).then_some(number)
    }

    /// Sign, exponent and mantissa, as [`Number::from_parts`] takes them.
    #[must_use]
    pub fn parts(&self) -> (bool, i16, u128) {
        (self.negative, self.exponent, self.mantissa)
    }

    /// Appends the order-preserving form described in the module header.
    pub fn push_key(&self, out: &mut Vec<u8>) {
        if self.mantissa == 0 {
            return out.push(1);
        }
        let mask = if self.negative { 0xFF } else { 0 };
        out.push(if self.negative { 0 } else { 2 });
        out.push(self.biased_magnitude() ^ mask);
        let mut rest = self.aligned();
        let mut unit = 10_u128.pow(DIGITS_MAX - 2);
        while rest != 0 {
            out.push((pair(rest / unit) + 1) ^ mask);
            rest %= unit;
            unit /= 100;
        }
        if self.negative {
            out.push(0xFF);
        }
    }

    /// Bytes this number counts in an item's size: one per pair of digits aligned at the decimal
    /// point, one for the exponent, one for a minus sign.
    #[must_use]
    pub fn size(&self) -> usize {
        if self.mantissa == 0 {
            return 1;
        }
        // One digit more if the last digit is the second of its pair, then whole pairs.
        let digits = digit_count(self.mantissa) + u32::from(self.exponent % 2 != 0);
        digits.div_ceil(2) as usize + 1 + usize::from(self.negative)
    }

    /// The exact sum.
    ///
    /// # Errors
    /// When it has more digits or a larger or smaller magnitude than kept.
    pub fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.mantissa == 0 {
            return Ok(other);
        }
        if other.mantissa == 0 {
            return Ok(self);
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The last digit of `low` is not zero and stays the last of the sum, so a sum that needs
        // more than the 128 bits has more than 38 digits.
        let too_precise = || NumberError::TooPrecise(DIGITS_MAX as usize + 1);
        let shift = u32::from((high.exponent - low.exponent).unsigned_abs());
        let shifted = 10_u128.checked_pow(shift).and_then(|unit| high.mantissa.checked_mul(unit));
        let shifted = shifted.ok_or_else(too_precise)?;
        let (negative, mantissa) = if high.negative == low.negative {
            (high.negative, shifted.checked_add(low.mantissa).ok_or_else(too_precise)?)
        } else if shifted >= low.mantissa {
            (high.negative, shifted - low.mantissa)
        } else {
            (low.negative, low.mantissa - shifted)
        };
        Self::normal(negative, i64::from(low.exponent), mantissa)
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { negative: !self.negative && self.mantissa != 0, ..self }
    }

    /// The normal form of `mantissa * 10^exponent`.
    fn normal(negative: bool, mut exponent: i64, mut mantissa: u128) -> Result<Self, NumberError> {
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        let digits = digit_count(mantissa);
        let magnitude = exponent + i64::from(digits) - 1;
        if magnitude > MAGNITUDE_MAX {
            return Err(NumberError::Overflow);
        }
        if magnitude < MAGNITUDE_MIN {
            return Err(NumberError::Underflow);
        }
        if digits > DIGITS_MAX {
            return Err(NumberError::TooPrecise(digits as usize));
        }
        let exponent = i16::try_from(exponent).expect("within -130 - 37 and 125");
        Ok(Self { negative, exponent, mantissa })
    }

    /// Exponent of the first digit. Zero has none; callers look at the mantissa first.
    fn magnitude(&self) -> i64 {
        i64::from(self.exponent) + i64::from(digit_count(self.mantissa)) - 1
    }

    /// The mantissa shifted so that its first digit is the first of 38.
    fn aligned(&self) -> u128 {
        self.mantissa * 10_u128.pow(DIGITS_MAX - digit_count(self.mantissa))
    }

    /// The magnitude as the one byte it takes in the key form.
    fn biased_magnitude(&self) -> u8 {
        u8::try_from(self.magnitude() - MAGNITUDE_MIN)
            .expect("a normal number's magnitude spans 256 values")
    }
}

fn digit_count(mantissa: u128) -> u32 {
    mantissa.checked_ilog10().map_or(0, |log| log + 1)
}

fn pair(digits: u128) -> u8 {
    u8::try_from(digits).expect("a pair of digits is below 100")
}

/// A number's text taken apart. `integer` and `fraction` hold ASCII digits only.
struct Parts<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = strip_sign(text);
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = integer.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        let any_digit = !integer.is_empty() || !fraction.is_empty();
        (all_digits && any_digit).then_some(Self { negative, integer, fraction, exponent })
    }

    fn normalise(self) -> Result<Number, NumberError> {
        let mut integer = self.integer.trim_start_matches('0');
        let mut fraction = self.fraction.trim_end_matches('0');
        let mut exponent = self.exponent - length(fraction);
        if fraction.is_empty() {
            let trimmed = integer.trim_end_matches('0');
            exponent += length(integer) - length(trimmed);
            integer = trimmed;
        }
        if integer.is_empty() {
            fraction = fraction.trim_start_matches('0');
        }
        let digits = integer.len() + fraction.len();
        if digits == 0 {
            return Ok(Number::ZERO);
        }
        let magnitude = exponent + length(integer) + length(fraction) - 1;
        if magnitude > MAGNITUDE_MAX {
            return Err(NumberError::Overflow);
        }
        if magnitude < MAGNITUDE_MIN {
            return Err(NumberError::Underflow);
        }
        if digits > DIGITS_MAX as usize {
            return Err(NumberError::TooPrecise(digits));
        }
        let mantissa = integer
            .bytes()
            .chain(fraction.bytes())
            .fold(0_u128, |mantissa, digit| mantissa * 10 + u128::from(digit - b'0'));
        let exponent = i16::try_from(exponent).expect("within -130 - 37 and 125");
        Ok(Number { negative: self.negative, exponent, mantissa })
    }
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).expect("no text is that long")
}

fn strip_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// An exponent beyond ten digits saturates: every text that needs more is out of range anyway, or
/// would have to be longer than a request can be.
fn parse_exponent(text: &str) -> Option<i64> {
    const SATURATED: i64 = 10_000_000_000;
    let (negative, digits) = strip_sign(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits
        .bytes()
        .fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(SATURATED));
    Some(if negative { -magnitude } else { magnitude })
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.signum().cmp(&other.signum()).then_with(|| {
            let by_size = match (self.mantissa, other.mantissa) {
                (0, 0) => Ordering::Equal,
                _ => (self.magnitude(), self.aligned()).cmp(&(other.magnitude(), other.aligned())),
            };
            if self.negative { by_size.reverse() } else { by_size }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn signum(&self) -> i8 {
        match (self.mantissa, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::parse(&value.to_string()).expect("20 digits are within the limits")
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::parse(&value.to_string()).expect("19 digits are within the limits")
    }
}

/// The canonical text: plain notation, exponents expanded, no needless zero.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let digits = self.mantissa.to_string();
        let Ok(fraction_length) = usize::try_from(-i64::from(self.exponent)) else {
            let zeros = usize::try_from(self.exponent).expect("positive here");
            return write!(f, "{digits}{:0<zeros$}", "");
        };
        if fraction_length == 0 {
            return f.write_str(&digits);
        }
        match digits.len().checked_sub(fraction_length) {
            None | Some(0) => write!(f, "0.{digits:0>fraction_length$}"),
            Some(integer) => write!(f, "{}.{}", &digits[..integer], &digits[integer..]),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Number::parse(text).map_or_else(|error| format!("{error:?}"), |number| number.to_string())
    }

    #[test]
    fn canonical_text_strips_zeros_and_expands_exponents() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.000e5", "0"),
            ("007", "7"),
            ("+1.50", "1.5"),
            ("1e3", "1000"),
            ("1.25E+2", "125"),
            ("12.5e-3", "0.0125"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-100", "-100"),
            ("100.001", "100.001"),
            ("0.10", "0.1"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text}");
        }
        assert_eq!(canonical("1e125").len(), 126);
        assert_eq!(canonical("1e-130").len(), 132);
    }

    #[test]
    fn limits_are_exact() {
        let nines = "9".repeat(38);
        assert_eq!(canonical(&nines), nines);
        assert!(Number::parse(&format!("{nines}e88")).is_ok());
        assert_eq!(Number::parse(&format!("{nines}e89")), Err(NumberError::Overflow));
        assert_eq!(Number::parse("1e126"), Err(NumberError::Overflow));
        assert_eq!(Number::parse("1e-131"), Err(NumberError::Underflow));
        assert_eq!(Number::parse(&"1".repeat(39)), Err(NumberError::TooPrecise(39)));
        assert_eq!(Number::parse("1e99999999999999999999"), Err(NumberError::Overflow));
        assert_eq!(Number::parse("0e99999999999999999999"), Ok(Number::ZERO));
        assert_eq!(Number::parse(""), Err(NumberError::Empty));
        for text in ["-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", " 1", "1 ", "NaN", "1_0", "--1"]
        {
            assert_eq!(Number::parse(text), Err(NumberError::Malformed(text.into())), "{text}");
        }
    }

    #[test]
    fn size_counts_aligned_pairs() {
        let cases = [
            ("0", 1),
            ("1", 2),
            ("12", 2),
            ("123", 3),
            ("-1", 3),
            ("100", 2),
            ("0.1", 2),
            ("1.1", 3),
        ];
        for (text, size) in cases {
            assert_eq!(Number::parse(text).unwrap().size(), size, "{text}");
        }
    }
}
