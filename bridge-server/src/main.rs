//! The binary `syncbridge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(bridge_server::cli::main(std::env::args_os()))
}
