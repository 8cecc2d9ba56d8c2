//! States as few bytes: numbers of seven bits a byte, the lowest first.

/// A state that can be written as bytes and read back.
pub trait Packed: Sized {
    /// Appends the bytes. Equal states must give equal bytes, different ones different bytes.
    fn pack(&self, bytes: &mut Vec<u8>);
    /// Reads what [`Packed::pack`] wrote; nothing if these are not such bytes.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

/// Appends a number: one byte below 128, two below 16,384.
pub fn put_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Reads a number off the front; nothing if there is none.
pub fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut bytes = Vec::new();
        let numbers = (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit]).chain([u32::MAX]);
        let numbers: Vec<u32> = numbers.collect();
        for &number in &numbers {
            put_number(&mut bytes, number);
        }
        let mut rest = &bytes[..];
        let read = std::iter::from_fn(|| take_number(&mut rest));
        assert_eq!(read.take(numbers.len()).collect::<Vec<_>>(), numbers);
        assert!(rest.is_empty());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bytes in [&[][..], &[0x80], &[0xFF; 4], &[0xFF; 6], &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]] {
            assert_eq!(take_number(&mut &bytes[..]), None, "{bytes:?}");
        }
    }
}
