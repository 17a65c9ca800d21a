//! Atomic arithmetic: integers of 64 bits and reals.

use crate::command::value::Datum;
use crate::error::Error;

/// What is stored, plus `by`. Nothing stored counts as 0. Two integers make an integer, all else a real, as in Python.
pub(crate) fn sum(stored: Option<&Datum>, by: &Datum) -> Result<Datum, Error> {
    match (stored, by) {
        (_, Datum::Payload(payload)) => {
            let kind = payload.content_type.as_str();
            let message = format!("by is {kind}; give a number: an integer of 64 bits or a real");
            Err(Error::invalid("by", message))
        }
        (Some(Datum::Payload(payload)), _) => {
            let kind = payload.content_type.as_str();
            let message = format!("what is stored is {kind} and no number; set a number first");
            Err(Error::invalid("by", message).with("stored", kind))
        }
        (None, by) => Ok(by.clone()),
        (Some(Datum::Integer(stored)), Datum::Integer(by)) => {
            let sum = stored.checked_add(*by).map(Datum::Integer);
            sum.ok_or_else(|| {
                let message = format!(
                    "{stored} + {by} does not fit into 64 bits, and nothing was changed; count with a real, or set a \
                     payload of your own with compare-and-set"
                );
                Error::invalid("by", message).with("stored", stored.to_string())
            })
        }
        (Some(stored), by) => Ok((as_real(stored) + as_real(by)).into()),
    }
}

fn as_real(number: &Datum) -> f64 {
    match number {
        Datum::Integer(integer) => *integer as f64,
        Datum::Real(real) => real.get(),
        Datum::Payload(_) => f64::NAN,
    }
}
