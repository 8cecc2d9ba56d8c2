//! `model explore`.

use crate::check::find;
use crate::output::say;
use anyhow::{Context, Result};
use clap::Args;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Explore {
    /// The model to walk through.
    name: String,
    /// Where the explorer is served.
    #[arg(long, default_value = "127.0.0.1:3000")]
    address: SocketAddr,
}

impl Explore {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let model = find(&self.name)?;
        // The explorer takes any failure to listen for a bug: say what is wrong before it does.
        let free = TcpListener::bind(self.address);
        drop(free.with_context(|| format!("cannot listen on {}", self.address))?);
        say(&format!("walk through {} at http://{}/\n", model.name(), self.address))?;
        model.explore(self.address);
        Ok(ExitCode::SUCCESS)
    }
}
