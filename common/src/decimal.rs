//! Plain decimal numbers as counts of their last digit: what fractions, rates and speeds are made of, without a float.

use std::fmt;

/// A text that is no plain decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// A sign, an exponent, a lone point, too many digits after it.
    Form,
    /// It does not fit.
    TooLarge,
}

/// `text` in units of the `digits`-th digit after the point: `12.5` with 3 digits is 12500.
pub fn parse(text: &str, digits: u32) -> Result<u64, DecimalError> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let missing = digits.checked_sub(u32::try_from(part.len()).unwrap_or(u32::MAX));
    let (true, Some(missing)) = (is_number(whole) && is_number(part), missing) else {
        return Err(DecimalError::Form);
    };
    let scaled = |t: &str, zeros: u32| t.parse::<u64>().ok()?.checked_mul(10u64.checked_pow(zeros)?);
    scaled(whole, digits).and_then(|whole| whole.checked_add(scaled(part, missing)?)).ok_or(DecimalError::TooLarge)
}

/// Writes what [`parse`] reads, without zeros at the end.
pub fn write(f: &mut fmt::Formatter<'_>, count: u64, digits: u32) -> fmt::Result {
    let unit = 10u64.saturating_pow(digits);
    match count % unit {
        0 => write!(f, "{}", count / unit),
        part => {
            let part = format!("{part:0>width$}", width = digits as usize);
            write!(f, "{}.{}", count / unit, part.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Written(u64, u32);

    impl fmt::Display for Written {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(f, self.0, self.1)
        }
    }

    #[test]
    fn numbers_are_counted_in_their_last_digit() {
        assert_eq!(parse("12.5", 3), Ok(12_500));
        assert_eq!(parse("0", 6), Ok(0));
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e2", "1.2345", "1.2.3", " 1"] {
            assert_eq!(parse(bad, 3), Err(DecimalError::Form), "{bad}");
        }
        assert_eq!(parse("99999999999999999999", 3), Err(DecimalError::TooLarge));
        assert_eq!(parse(&u64::MAX.to_string(), 1), Err(DecimalError::TooLarge));
    }

    proptest! {
        #[test]
        fn text_and_value_agree(count: u64, digits in 1u32..=9) {
            prop_assert_eq!(parse(&Written(count, digits).to_string(), digits), Ok(count));
        }
    }
}
