//! Keys of dicts: order-preserving bytes, as `docs/priority-keys.md` says, so that every language means the same entry.

use bytes::Bytes;

const NEGATIVE_INFINITY: u8 = 0x01;
const NEGATIVE: u8 = 0x02;
const ZERO: u8 = 0x03;
const POSITIVE: u8 = 0x04;
const INFINITY: u8 = 0x05;
const BYTES: u8 = 0x10;
const TEXT: u8 = 0x20;
const TUPLE: u8 = 0x30;
const END: u8 = 0x00;
const EXPONENT_BIAS: i64 = 1 << 31;

/// The key of an entry: a number, text, bytes, or a tuple of these. Numbers are equal by value: `1` and `1.0` are one
/// key, and `"1"` is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// One that has been encoded before, or elsewhere.
    pub fn from_encoded(encoded: Bytes) -> Self {
        Key(encoded)
    }

    /// Its encoding.
    pub fn as_encoded(&self) -> &Bytes {
        &self.0
    }

    /// A floating-point number; `None` for NaN, which has no place in an order.
    pub fn real(number: f64) -> Option<Self> {
        let bits = number.abs().to_bits();
        let (exponent, fraction) = ((bits >> 52) as i64, bits & ((1 << 52) - 1));
        Some(match number {
            _ if number.is_nan() => return None,
            f64::INFINITY => Key(Bytes::from_static(&[INFINITY])),
            f64::NEG_INFINITY => Key(Bytes::from_static(&[NEGATIVE_INFINITY])),
            _ if exponent == 0 => scaled(number < 0.0, fraction, -1074),
            _ => scaled(number < 0.0, fraction | 1 << 52, exponent - 1075),
        })
    }

    /// Several in one, compared from the first on.
    pub fn tuple<'a>(elements: impl IntoIterator<Item = &'a Key>) -> Self {
        let mut out = vec![TUPLE];
        elements.into_iter().for_each(|element| out.extend_from_slice(&element.0));
        out.push(END);
        Key(out.into())
    }
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        scaled(number < 0, number.unsigned_abs(), 0)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        escaped(TEXT, text.as_bytes())
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        escaped(BYTES, bytes)
    }
}

fn escaped(kind: u8, bytes: &[u8]) -> Key {
    let mut out = vec![kind];
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
    out.push(END);
    Key(out.into())
}

/// ± `magnitude` × 2^`shift`.
fn scaled(negative: bool, magnitude: u64, shift: i64) -> Key {
    if magnitude == 0 {
        return Key(Bytes::from_static(&[ZERO]));
    }
    let top = i64::from(magnitude.ilog2());
    let mut out = vec![if negative { NEGATIVE } else { POSITIVE }];
    out.extend_from_slice(&((top + shift + EXPONENT_BIAS) as u32).to_be_bytes());
    // What stands behind the leading one, from the left.
    let mut fraction = if top == 0 { 0 } else { magnitude << (64 - top) };
    loop {
        let group = (fraction >> 57) as u8;
        fraction <<= 7;
        out.push(group << 1 | u8::from(fraction != 0));
        if fraction == 0 {
            break;
        }
    }
    if negative {
        out[1..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Key(out.into())
}
