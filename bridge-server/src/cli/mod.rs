//! The command line `syncbridge`, as a function: the cargo binary, the wheel's script and the jar run the same.

mod graph;
mod serve;
mod status;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::options::ServeOptions;

/// Queues, events and semaphores shared by programs in any language.
#[derive(Parser)]
#[command(name = "syncbridge", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server until SIGTERM or Ctrl-C.
    ///
    /// Prints `listening grpc://HOST:PORT` (and `listening unix:///PATH`) on stdout once it accepts connections, and
    /// logs to stderr. Everything is kept in memory: nothing is written to disk.
    Serve(Box<ServeOptions>),
    /// Ask a server how it is.
    Status(status::StatusOptions),
    /// Who waits for whom in a namespace, which deadlocks were found, and whether everybody waits.
    Graph(graph::GraphOptions),
    /// Why a call has not been answered: SESSION/OP, as `graph` and the server's log name it.
    Explain(graph::ExplainOptions),
}

/// Runs the command line with `args`, the program's name first; answers with the exit code: 0, 1 where something
/// failed (one line on stderr says what), 2 where the arguments are wrong.
pub fn main(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" with code 0. Where stderr is closed nobody can be told.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let result = match cli.command {
        Command::Serve(options) => serve::run(*options),
        Command::Status(options) => status::run(options),
        Command::Graph(options) => graph::run(options),
        Command::Explain(options) => graph::explain(options),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("syncbridge: {error:#}");
            1
        }
    }
}
