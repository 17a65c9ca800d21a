//! What is not meant for us, or meant ill: an error or a closed connection each, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;

use syncbridge_proto::v1 as pb;
use tonic::Code;

use crate::common::*;

/// A small generator: the same bytes in every run.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as u8
        };
        (0..count).map(|_| next()).collect()
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Sends `bytes` and reads until the server hangs up.
fn throw(address: &str, bytes: &[u8]) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    // A server that has seen enough may reset the connection under us.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut sink = Vec::new();
    let ended = socket.read_to_end(&mut sink);
    assert!(
        !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
        "it did not hang up"
    );
}

#[tokio::test]
async fn random_bytes() {
    let server = serve();
    let address = address(&server);
    let mut noise = Noise(0x5eed);
    for round in 0..40 {
        let bytes = noise.bytes(1 + round * 97);
        let framed = [PREFACE, EMPTY_SETTINGS, &bytes].concat();
        let to = address.clone();
        tokio::task::spawn_blocking(move || {
            throw(&to, &bytes);
            throw(&to, &framed);
        })
        .await
        .unwrap();
    }
    for others in
        [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""]
    {
        throw(&address, others);
    }
    let mut c = connect(&server).await;
    c.queue.put(put("a")).await.unwrap();
}

#[tokio::test]
async fn random_messages() {
    let server = serve();
    let c = connect(&server).await;
    let mut noise = Noise(0xbad);
    for path in [
        "/syncbridge.v1.QueueService/Put",
        "/syncbridge.v1.QueueService/GetMany",
        "/syncbridge.v1.SemaphoreService/Acquire",
        "/syncbridge.v1.SessionService/Open",
        "/syncbridge.v1.SessionService/Attach",
        "/syncbridge.v1.AdminService/ListObjects",
        "/syncbridge.v1.QueueService/NoSuchMethod",
        "/no.such.Service/At",
    ] {
        for round in 0..20 {
            let mut raw = tonic::client::Grpc::new(c.channel.clone());
            raw.ready().await.unwrap();
            let request = tonic::Request::new(bytes::Bytes::from(noise.bytes(1 + round * 31)));
            let answer = raw.unary(request, path.parse().unwrap(), raw_codec::Raw).await;
            let code = answer.expect_err("noise is no message").code();
            assert!(
                matches!(
                    code,
                    Code::Internal | Code::InvalidArgument | Code::Unimplemented | Code::FailedPrecondition
                ),
                "{path}: {code:?}"
            );
        }
    }
    let mut c = connect(&server).await;
    c.queue.put(put("a")).await.unwrap();
}

#[tokio::test]
async fn absurd_values() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    let mine = [("syncbridge-session", session.as_str())];
    let far = Some(prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX });
    let before = Some(prost_types::Duration { seconds: i64::MIN, nanos: i32::MIN });

    let negative = c.queue.get(pb::QueueServiceGetRequest { timeout: before, ..get() }).await.unwrap_err();
    assert_eq!(reason(&negative), "INVALID_ARGUMENT");
    let many = |max, min| pb::QueueServiceGetManyRequest {
        queue: "q".into(),
        timeout: now(),
        max,
        min,
        ..Default::default()
    };
    for (max, min) in [(0, 0), (u32::MAX, 1), (1, 2), (1, u32::MAX)] {
        let error = c.queue.get_many(many(max, min)).await.unwrap_err();
        assert!(["INVALID_ARGUMENT", "LIMIT_EXCEEDED"].contains(&reason(&error).as_str()), "{max} {min}");
    }
    let acquire = pb::SemaphoreServiceAcquireRequest { permits: u32::MAX, ..acquire_now() };
    assert!(c.semaphore.acquire(with(acquire, &mine)).await.is_err());
    let ack = pb::QueueServiceAckRequest { queue: "q".into(), handle: 0, tokens: vec![u64::MAX, 0] };
    assert_eq!(reason(&c.queue.ack(with(ack, &mine)).await.unwrap_err()), "STALE");
    let limit = pb::SemaphoreServiceSetLimitRequest { semaphore: "s".into(), handle: 0, limit: i64::MIN };
    // Whatever it answers, it answers.
    let _ = c.semaphore.set_limit(limit).await;
    let release = |token| pb::SemaphoreServiceReleaseRequest {
        semaphore: "s".into(),
        handle: 0,
        permits: u32::MAX,
        token,
    };
    let _ = c.semaphore.release(with(release(None), &mine)).await;
    assert_eq!(
        reason(&c.semaphore.release(with(release(Some(u64::MAX)), &mine)).await.unwrap_err()),
        "STALE"
    );
    let browse =
        pb::QueueServiceBrowseRequest { queue: "q".into(), page_token: "noise".into(), ..Default::default() };
    assert_eq!(reason(&c.queue.browse(browse).await.unwrap_err()), "INVALID_ARGUMENT");
    let keep_alive = pb::KeepAliveRequest {
        session_id: vec![1; 16].into(),
        accepted: vec![0, u64::MAX],
        refused: vec![0, u64::MAX],
    };
    c.session.keep_alive(keep_alive).await.unwrap();
    let mut setter = c.event.clone();
    let endless = c.event.wait(pb::EventServiceWaitRequest { timeout: far, ..wait_for_event() });
    setter.set(pb::EventServiceSetRequest { event: "e".into(), handle: 0 }).await.unwrap();
    assert!(tokio::time::timeout(SOON, endless).await.unwrap().unwrap().into_inner().is_set);
}

#[tokio::test]
async fn metadata_beyond_the_limit() {
    let server = serve();
    let mut c = connect(&server).await;
    let long = "x".repeat(100 << 10);
    assert!(c.queue.get(with(get_now(), &[("syncbridge-namespace", &long)])).await.is_err());
    let mut c = connect(&server).await;
    c.queue.put(put("a")).await.unwrap();
}

/// Sends bytes as they are.
mod raw_codec {
    use bytes::{Buf, BufMut, Bytes};
    use tonic::Status;
    use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

    #[derive(Default)]
    pub(super) struct Raw;

    impl Codec for Raw {
        type Encode = Bytes;
        type Decode = Bytes;
        type Encoder = Raw;
        type Decoder = Raw;

        fn encoder(&mut self) -> Raw {
            Raw
        }

        fn decoder(&mut self) -> Raw {
            Raw
        }
    }

    impl Encoder for Raw {
        type Item = Bytes;
        type Error = Status;

        fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
            out.put(item);
            Ok(())
        }
    }

    impl Decoder for Raw {
        type Item = Bytes;
        type Error = Status;

        fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
            let remaining = from.remaining();
            Ok(Some(from.copy_to_bytes(remaining)))
        }
    }
}
