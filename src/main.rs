//! Mirrors public complaints into chat threads and carries the answers back.

use clap::Parser as _;
use hearback::cli::{Cli, Exit, complain};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let done = runtime.block_on(hearback::runtime::run(cli));
            // What is still there hangs, and must not hold up the end.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(format_args!("hearback: {error:#}"));
            Exit::Failed.into()
        }
    }
}
