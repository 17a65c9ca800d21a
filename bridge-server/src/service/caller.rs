//! Who makes a unary call, as its metadata says.

use std::sync::Arc;

use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Name, Op, OpRange, ParticipantId, SessionId, SessionKey};
use bridge_core::wire;
use bridge_node::{Namespace, Node};
use tonic::metadata::MetadataMap;

/// The session, as 32 hexadecimal digits.
pub(crate) const SESSION: &str = "syncbridge-session";
/// The namespace, for calls without a session; with one it says where to look for it.
pub(crate) const NAMESPACE: &str = "syncbridge-namespace";
/// In a request: the caller's own number for the call. In a response: the number of a grant.
pub(crate) const OP: &str = "syncbridge-op";
/// Numbers of grants that the caller has, separated by commas.
pub(crate) const ACCEPT: &str = "syncbridge-accept";
/// Who in the session.
pub(crate) const PARTICIPANT: &str = "syncbridge-participant";

/// The namespace of those who name none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// The caller of one unary call.
pub(crate) struct Caller {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) session: Option<SessionKey>,
    pub(crate) op: Option<Op>,
    pub(crate) participant: ParticipantId,
}

impl Caller {
    /// Reads it, and accepts what it says it has.
    pub(crate) fn read(node: &Node, metadata: &MetadataMap) -> Result<Self, Error> {
        let op = number(OP, metadata)?.map(wire::op).transpose()?;
        let participant = number(PARTICIPANT, metadata)?.unwrap_or(0);
        let participant = u32::try_from(participant).map(ParticipantId).map_err(|_| {
            Error::invalid(PARTICIPANT, format!("{PARTICIPANT} is {participant}; give a number below 2^32"))
        })?;
        let accepted = accepted(metadata)?;
        let Some(id) = text(SESSION, metadata)? else {
            if op.is_some() || !accepted.is_empty() {
                return Err(Error::new(
                    Reason::SessionRequired,
                    format!("{OP} and {ACCEPT} belong to a session; send {SESSION} too"),
                ));
            }
            let name = Name::parse(NAMESPACE, text(NAMESPACE, metadata)?.unwrap_or(DEFAULT_NAMESPACE))?;
            let namespace = node.namespace(&name)?;
            return Ok(Caller { namespace, session: None, op, participant });
        };
        let id = parse_session(id)?;
        let (namespace, key) = find(node, metadata, id)?;
        if !accepted.is_empty() {
            namespace.settle(key, accepted, Vec::new())?;
        }
        Ok(Caller { namespace, session: Some(key), op, participant })
    }
}

/// The session of that id: in the namespace that the metadata names, or wherever it is.
pub(crate) fn find(
    node: &Node,
    metadata: &MetadataMap,
    id: SessionId,
) -> Result<(Arc<Namespace>, SessionKey), Error> {
    let name = text(NAMESPACE, metadata)?.map(|name| Name::parse(NAMESPACE, name)).transpose()?;
    node.session(id, name.as_ref()).ok_or_else(|| {
        Error::new(
            Reason::SessionExpired,
            format!("session {id} is not known here or has expired: what it held has been given back; open a new one"),
        )
    })
}

fn parse_session(text: &str) -> Result<SessionId, Error> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = if digits { u128::from_str_radix(text, 16).ok() } else { None };
    id.map(SessionId).ok_or_else(|| {
        Error::invalid(
            SESSION,
            format!("{SESSION} is {text:?}; give the session's id as 32 hexadecimal digits"),
        )
    })
}

fn accepted(metadata: &MetadataMap) -> Result<Vec<OpRange>, Error> {
    let Some(text) = text(ACCEPT, metadata)? else { return Ok(Vec::new()) };
    let parse = |number: &str| match number.trim().parse() {
        Ok(number) if number > 0 => Ok(OpRange { first: Op(number), last: Op(number) }),
        _ => Err(Error::invalid(ACCEPT, format!("{ACCEPT} contains {number:?}; give op numbers"))),
    };
    text.split(',').map(parse).collect()
}

fn number(name: &'static str, metadata: &MetadataMap) -> Result<Option<u64>, Error> {
    let Some(text) = text(name, metadata)? else { return Ok(None) };
    let number =
        text.parse().map_err(|_| Error::invalid(name, format!("{name} is {text:?}; give a number")))?;
    Ok(Some(number))
}

fn text<'a>(name: &'static str, metadata: &'a MetadataMap) -> Result<Option<&'a str>, Error> {
    let Some(value) = metadata.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::invalid(name, format!("{name} is not ASCII text")))?;
    Ok(Some(text))
}
