//! The syncbridge contract: the messages and services of `syncbridge/v1/*.proto`.
//!
//! With the feature `grpc` (the default) the tonic clients and servers of each service are there too; without
//! it only the messages are, which is all that the engine needs.

#[cfg(feature = "grpc")]
mod codec;
pub mod pieces;

// Generated code: its documentation stands in the proto files.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/syncbridge.v1.rs"));
}

/// The encoded `FileDescriptorSet` of all files, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The protocol version that this crate describes. Open and Attach carry it.
pub const PROTOCOL_VERSION: u32 = 1;

/// The name of the local socket at which a server on Linux serves, too, what it serves at that TCP address: an abstract
/// one, which is as far as its network namespace reaches and goes with the process. Where the server listens at every
/// address of its host, so does the name.
pub fn local_name(listens_at: std::net::SocketAddr) -> String {
    format!("syncbridge/{listens_at}")
}
