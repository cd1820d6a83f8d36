//! Mirrors public complaints into chat threads and carries the answers back.

use clap::Parser as _;
use hearback::cli::{Cli, Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(hearback::runtime::run(cli)));
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("hearback: {error:#}");
            Exit::Failed.into()
        }
    }
}
