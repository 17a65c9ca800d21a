//! A command or an answer that is too large for one message of a session stream leaves in pieces, so that what comes behind
//! it need not wait for all of it: others go between them.
//!
//! The sender does not copy large values for it; the receiver copies each piece once, into the whole.

use std::collections::VecDeque;
use std::fmt;

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::{DecodeError, Message};

use crate::v1::Piece;

/// Values of this size are not copied into what is written.
const SHARED_BYTES: usize = 4 << 10;

/// What leaves in pieces, and of which size.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What is larger when it is written.
    pub large: usize,
    /// The bytes of a piece; at least 1.
    pub piece: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes { large: 1 << 20, piece: 256 << 10 }
    }
}

/// What is left to be sent of something large.
#[derive(Debug)]
pub struct Pieces {
    left: VecDeque<Bytes>,
    total: u64,
    sent: u64,
    piece: usize,
}

impl Pieces {
    /// All of that command or answer.
    pub fn of(message: &impl Message, sizes: Sizes) -> Self {
        let mut written = Written::default();
        message.encode_raw(&mut written);
        let total = message.encoded_len() as u64;
        Pieces { left: written.all(), total, sent: 0, piece: sizes.piece.max(1) }
    }

    /// The next one.
    pub fn take(&mut self) -> Piece {
        let (offset, total) = (self.sent, self.total);
        let data = self.take_bytes();
        self.sent += data.len() as u64;
        Piece { offset, total, data }
    }

    fn take_bytes(&mut self) -> Bytes {
        if let Some(first) = self.left.front_mut().filter(|first| first.len() > self.piece) {
            return first.split_to(self.piece);
        }
        let mut data = BytesMut::new();
        while data.len() < self.piece
            && let Some(mut first) = self.left.pop_front()
        {
            data.extend_from_slice(&first.split_to(first.len().min(self.piece - data.len())));
            if !first.is_empty() {
                self.left.push_front(first);
            }
        }
        data.freeze()
    }

    /// Whether all of it has been taken.
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }
}

/// What has come of something large.
#[derive(Debug, Default)]
pub struct Assembly {
    bytes: BytesMut,
    total: u64,
}

impl Assembly {
    /// One more piece: the whole, if it was the last. The whole may have `max` bytes.
    pub fn add<M: Message + Default>(&mut self, piece: Piece, max: usize) -> Result<Option<M>, BadPiece> {
        if piece.offset == 0 {
            *self = Assembly { bytes: BytesMut::new(), total: piece.total };
        }
        if self.total > max as u64 {
            return Err(BadPiece::TooLarge { total: self.total, max });
        }
        let has = self.bytes.len() as u64;
        if piece.offset != has || piece.total != self.total || piece.data.len() as u64 > self.total - has {
            return Err(BadPiece::Misplaced { offset: piece.offset, expected: has });
        }
        if has == 0 {
            // Memory that is not written to costs nothing; growing by and by would copy what has come.
            self.bytes.reserve(self.total as usize);
        }
        self.bytes.extend_from_slice(&piece.data);
        if self.total == 0 || (self.bytes.len() as u64) < self.total {
            return Ok(None);
        }
        let whole = std::mem::take(self).bytes.freeze();
        M::decode(whole).map(Some).map_err(BadPiece::Unreadable)
    }
}

/// A piece that nothing can be done with.
#[derive(Debug)]
pub enum BadPiece {
    /// The whole would be too large.
    TooLarge {
        /// So many bytes.
        total: u64,
        /// At most so many.
        max: usize,
    },
    /// It is not the one that follows.
    Misplaced {
        /// Where it begins.
        offset: u64,
        /// Where the next one begins.
        expected: u64,
    },
    /// The whole is not what it should be.
    Unreadable(DecodeError),
}

impl fmt::Display for BadPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPiece::TooLarge { total, max } => {
                write!(f, "pieces of {total} bytes altogether were announced; at most {max} are allowed here")
            }
            BadPiece::Misplaced { offset, expected } => {
                write!(f, "a piece begins at byte {offset}, and the next one begins at {expected}")
            }
            BadPiece::Unreadable(error) => write!(f, "what came in pieces cannot be read: {error}"),
        }
    }
}

/// A message as it is written, with large values as they are.
#[derive(Default)]
struct Written {
    before: VecDeque<Bytes>,
    tail: BytesMut,
}

impl Written {
    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.before.push_back(self.tail.split().freeze());
        }
    }

    fn all(mut self) -> VecDeque<Bytes> {
        self.end_tail();
        self.before
    }
}

// SAFETY: where bytes are written, and how many, is what `tail` itself says.
unsafe impl BufMut for Written {
    fn remaining_mut(&self) -> usize {
        self.tail.remaining_mut()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: the caller has written so many bytes to `chunk_mut`, which is that of `tail`.
        unsafe { self.tail.advance_mut(count) }
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.tail.chunk_mut()
    }

    fn put<T: Buf>(&mut self, mut value: T) {
        if value.remaining() < SHARED_BYTES {
            return self.tail.put(value);
        }
        self.end_tail();
        self.before.push_back(value.copy_to_bytes(value.remaining()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Command, command};

    fn command(bytes: usize) -> Command {
        let data = Bytes::from(vec![7; bytes]);
        let item = crate::v1::NewItem {
            payload: Some(crate::v1::Payload { data, ..Default::default() }),
            ..Default::default()
        };
        let put = crate::v1::QueueServicePutRequest { item: Some(item), ..Default::default() };
        Command { op: 5, body: Some(command::Body::QueuePut(put)), ..Default::default() }
    }

    fn sent(whole: &Command, piece: usize) -> Vec<Piece> {
        let mut pieces = Pieces::of(whole, Sizes { large: 0, piece });
        std::iter::from_fn(|| (!pieces.is_over()).then(|| pieces.take())).collect()
    }

    #[test]
    fn the_pieces_make_the_whole_again() {
        for (bytes, piece) in [(0, 1), (10, 3), (5_000, 4_096), (100_000, 777), (1 << 20, 1 << 18)] {
            let whole = command(bytes);
            let mut assembly = Assembly::default();
            let mut pieces = sent(&whole, piece).into_iter().peekable();
            while let Some(one) = pieces.next() {
                assert!(one.data.len() <= piece);
                let made = assembly.add::<Command>(one, usize::MAX).expect("it fits");
                assert_eq!(made, pieces.peek().is_none().then(|| whole.clone()), "whole with the last");
            }
        }
    }

    #[test]
    fn large_values_are_not_copied() {
        let whole = command(1 << 20);
        let Some(command::Body::QueuePut(put)) = &whole.body else { panic!("it is a put") };
        let data = put
            .item
            .as_ref()
            .and_then(|item| item.payload.as_ref())
            .map(|payload| payload.data.as_ptr_range());
        let data = data.expect("it has a payload");
        let shared = sent(&whole, 1 << 18).iter().filter(|one| data.contains(&one.data.as_ptr())).count();
        assert!(shared >= 3, "{shared} pieces lie where the value does");
    }

    #[test]
    fn a_new_beginning_drops_what_was_begun() {
        let whole = command(100);
        let mut assembly = Assembly::default();
        let pieces = sent(&whole, 50);
        assert!(assembly.add::<Command>(pieces[0].clone(), 1_000).expect("it fits").is_none());
        assert!(assembly.add::<Command>(Piece::default(), 1_000).expect("nothing is begun").is_none());
        assert!(matches!(assembly.add::<Command>(pieces[1].clone(), 1_000), Err(BadPiece::Misplaced { .. })));
        let mut made = None;
        for one in pieces {
            made = assembly.add::<Command>(one, 1_000).expect("it fits");
        }
        assert_eq!(made, Some(whole));
    }

    #[test]
    fn what_would_be_too_large_is_refused_with_its_first_piece() {
        let first = sent(&command(100), 50).swap_remove(0);
        let refused = Assembly::default().add::<Command>(first, 99).expect_err("it is too large");
        assert!(matches!(refused, BadPiece::TooLarge { max: 99, .. }), "{refused}");
    }
}
