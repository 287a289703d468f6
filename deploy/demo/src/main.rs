//! `umbra-demo`: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use umbra_demo::demo;
use umbra_demo::options::Options;
use umbra_demo::screen::Screen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demo::run(Options::parse(), &Screen::stdout()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
