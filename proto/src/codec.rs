//! Messages to frames and back, without tonic's default's detour: written byte by byte into its buffer, which checks and
//! grows at each, a small field costs fifty instructions; read from it, each value costs an adjustment of the buffer.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Up to here a message is written on the stack first.
const SMALL_BYTES: usize = 512;

/// Up to here, a frame of a thousand small items, it is written to memory of its own first. A larger one consists of
/// large values, as a rule, which would be copied once more for nothing.
const MIDDLE_BYTES: usize = 256 << 10;

/// The codec of all services.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Codec(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Writer<T>;
    type Decoder = Reader<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Writes messages.
pub(crate) struct Writer<T>(PhantomData<T>);

impl<T: Message> Encoder for Writer<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let length = message.encoded_len();
        buf.reserve(length);
        if length <= SMALL_BYTES {
            let mut bytes = [0; SMALL_BYTES];
            message.encode_raw(&mut &mut bytes[..]);
            bytes::BufMut::put_slice(buf, &bytes[..length]);
        } else if length <= MIDDLE_BYTES {
            let mut bytes = Vec::with_capacity(length);
            message.encode_raw(&mut bytes);
            bytes::BufMut::put_slice(buf, &bytes);
        } else {
            message.encode_raw(buf);
        }
        Ok(())
    }
}

/// Reads messages.
pub(crate) struct Reader<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for Reader<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = bytes::Buf::copy_to_bytes(buf, bytes::Buf::remaining(buf));
        U::decode(message).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
