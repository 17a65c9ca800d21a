//! The link to an engine of this process.

use std::sync::Arc;

use bridge_core::ids::Name;
use bridge_core::{Error, Reason};

use super::Link;
use crate::bridge::ConnectOptions;

/// Opens a session with the engine of that name.
pub(crate) fn connect(name: &Name, _options: &ConnectOptions) -> Result<Arc<dyn Link>, Error> {
    Err(Error::new(Reason::Unavailable, format!("mem:{name} cannot be opened: this build has no engine")))
}
