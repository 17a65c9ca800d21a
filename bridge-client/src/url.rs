//! Bridge URLs: `mem:`, `mem:name`, `grpc://host:port/namespace`, `unix:///path#namespace`.

use std::fmt;
use std::path::PathBuf;

use bridge_core::Error;
use bridge_core::ids::Name;

/// The namespace where none is named.
const DEFAULT_NAMESPACE: &str = "default";

/// The port where none is named.
const DEFAULT_PORT: u16 = 7420;

/// Where a bridge leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Url {
    /// An engine of this process, found by its name.
    Mem(Name),
    /// A server's TCP port.
    Tcp { host: String, port: u16, namespace: Name },
    /// A server's unix socket.
    Unix { path: PathBuf, namespace: Name },
}

fn wrong(url: &str, what: &str) -> Error {
    Error::invalid(
        "url",
        format!(
            "{url:?} is not a bridge URL: {what}; \
             use mem:, mem:NAME, grpc://HOST:PORT/NAMESPACE or unix:///PATH#NAMESPACE"
        ),
    )
}

fn namespace(name: &str) -> Result<Name, Error> {
    Name::parse("namespace", if name.is_empty() { DEFAULT_NAMESPACE } else { name })
}

impl fmt::Display for Url {
    /// With nothing left out: equal places have equal texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Url::Mem(name) => write!(f, "mem:{name}"),
            Url::Tcp { host, port, namespace } if host.contains(':') => {
                write!(f, "grpc://[{host}]:{port}/{namespace}")
            }
            Url::Tcp { host, port, namespace } => write!(f, "grpc://{host}:{port}/{namespace}"),
            Url::Unix { path, namespace } => write!(f, "unix://{}#{namespace}", path.display()),
        }
    }
}

impl Url {
    /// Reads `url`. `INVALID_ARGUMENT` says which part is wrong.
    pub(crate) fn parse(url: &str) -> Result<Url, Error> {
        if let Some(name) = url.strip_prefix("mem:") {
            return Ok(Url::Mem(namespace(name)?));
        }
        if let Some(rest) = url.strip_prefix("unix://") {
            let (path, name) = rest.split_once('#').unwrap_or((rest, ""));
            if !path.starts_with('/') {
                return Err(wrong(url, "the path of a unix socket is absolute"));
            }
            return Ok(Url::Unix { path: path.into(), namespace: namespace(name)? });
        }
        if url.starts_with("grpcs://") {
            return Err(wrong(url, "this version does not speak TLS yet"));
        }
        let Some(rest) = url.strip_prefix("grpc://") else {
            return Err(wrong(url, "its scheme is unknown"));
        };
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = Self::authority(authority).ok_or_else(|| wrong(url, "HOST:PORT is not valid"))?;
        Ok(Url::Tcp { host, port, namespace: namespace(name)? })
    }

    /// `host`, `host:port` or `[v6]:port`; the host without brackets.
    fn authority(authority: &str) -> Option<(String, u16)> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = if port.is_empty() { DEFAULT_PORT } else { port.parse().ok()? };
        (!host.is_empty() && !host.contains(['@', '?', '#'])).then(|| (host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse("namespace", text).unwrap()
    }

    #[test]
    fn urls_are_read() {
        let tcp = |host: &str, port, ns| Url::Tcp { host: host.into(), port, namespace: name(ns) };
        for (url, expected) in [
            ("mem:", Url::Mem(name("default"))),
            ("mem:tests", Url::Mem(name("tests"))),
            ("grpc://127.0.0.1:7420", tcp("127.0.0.1", 7420, "default")),
            ("grpc://localhost/jobs", tcp("localhost", 7420, "jobs")),
            ("grpc://[::1]:99/jobs", tcp("::1", 99, "jobs")),
            ("unix:///run/s.sock", Url::Unix { path: "/run/s.sock".into(), namespace: name("default") }),
            ("unix:///run/s.sock#a", Url::Unix { path: "/run/s.sock".into(), namespace: name("a") }),
        ] {
            assert_eq!(Url::parse(url).unwrap(), expected, "{url}");
            assert_eq!(Url::parse(&expected.to_string()).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for url in [
            "",
            "http://x",
            "grpc://",
            "grpc://h:99999",
            "unix://run/s",
            "grpcs://h:1",
            "mem:a/b",
            "grpc://[::1",
        ] {
            let error = Url::parse(url).unwrap_err();
            assert_eq!(error.reason, bridge_core::Reason::InvalidArgument, "{url}: {error}");
        }
    }
}
