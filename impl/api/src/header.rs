//! What every answer carries in its headers.

/// The media type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// What stands before the operation's name in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810.";
/// Random bytes for one request id: 52 characters of 5 bits.
pub const REQUEST_ID_SEED_LENGTH: usize = 33;

const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const REQUEST_ID_LENGTH: usize = 52;

/// A request id, `x-amzn-RequestId`: 52 characters of 0-9A-Z made of the caller's random bytes.
#[must_use]
pub fn request_id(random: [u8; REQUEST_ID_SEED_LENGTH]) -> String {
    (0..REQUEST_ID_LENGTH)
        .map(|at| {
            let bit = at * 5;
            let high = u16::from(random[bit / 8]) << 8;
            let low = random.get(bit / 8 + 1).copied().map_or(0, u16::from);
            let five = (high | low) >> (11 - bit % 8) & 0x1F;
            char::from(ALPHABET[usize::from(five)])
        })
        .collect()
}

/// `x-amz-crc32`: the CRC-32 of the body as it is sent.
#[must_use]
pub fn body_checksum(body: &[u8]) -> u32 {
    crc32fast::hash(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_uses_all_of_its_seed_and_its_alphabet() {
        assert_eq!(request_id([0; 33]), "0".repeat(52));
        assert_eq!(request_id([0xFF; 33]), "V".repeat(52));
        let mut seed = [0; 33];
        seed[32] = 0x10; // bits 256..264; the last character holds bits 255..260
        assert_eq!(request_id(seed), format!("{}{}", "0".repeat(51), "1"));
    }

    #[test]
    fn the_checksum_is_the_common_crc32() {
        assert_eq!(body_checksum(b"123456789"), 0xCBF4_3926);
    }
}
