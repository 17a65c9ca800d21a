//! The link to a server over gRPC.

use std::sync::Arc;

use bridge_core::{Error, Reason};

use super::Link;
use crate::bridge::ConnectOptions;
use crate::url::Url;

/// Connects, opens the session and returns when it is welcome. `UNAVAILABLE` after `connect_timeout`.
pub(crate) fn connect(url: &Url, _options: &ConnectOptions) -> Result<Arc<dyn Link>, Error> {
    Err(Error::new(Reason::Unavailable, format!("{url:?} cannot be reached: this build has no gRPC link")))
}
