//! `ablate serve [DIR]`: the report's page in a browser, live while a sweep runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::{ExitCode, Failure};
use super::output::{note, tell};
use super::report;
use crate::guard::printable;
use crate::serve::{Live, ServeError, Server, Token};

/// Arguments of `ablate serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments.
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,

    /// Address to listen on; any other than loopback lets other machines see the page and needs a token.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,

    /// Port to listen on; 0 takes any free one.
    #[arg(long, value_name = "N", default_value_t = 7007)]
    port: u16,

    /// Ask for this token; made and printed where --address needs one and none is given. Other users of this machine
    /// may see a command line.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// Serves until a signal comes.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    report::read(&args.folder)?.notes().for_each(note);
    // Before the first line is printed: who reads it may end us at once.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::internal(format!("cannot listen to signals: {error}")))?;
    let token = match &args.token {
        Some(text) => Some(Token::chosen(text).map_err(|error| failure(&error))?),
        None if args.address.is_loopback() => None,
        None => Some(Token::random().map_err(|error| failure(&error))?),
    };
    let address = SocketAddr::new(args.address, args.port);
    // Absolute, so that the page stays when the folder we were started in goes.
    let folder = args.folder.canonicalize().unwrap_or(args.folder.clone());
    let server =
        Server::bind(address, Live::new(vec![folder]), token.clone()).map_err(|error| failure(&error))?;
    let bound = server.address().map_err(|error| failure(&error))?;
    tell(printable(&format!("{} is at {}", args.folder.display(), location(bound, token.as_ref()))));
    tell("Ctrl-C ends it.");
    std::thread::Builder::new()
        .name("listener".to_owned())
        .spawn(move || server.run())
        .map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))?;
    // The end of the process closes every connection; nothing is written that could be left half done.
    signals.forever().next();
    Ok(ExitCode::SUCCESS)
}

/// What to open in a browser. An address that stands for all of them is given by the machine's name.
fn location(bound: SocketAddr, token: Option<&Token>) -> String {
    let scheme = "http";
    let host = if bound.ip().is_unspecified() {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{name}:{}", bound.port())
    } else {
        bound.to_string()
    };
    let query = token.map(|token| format!("?token={}", token.text())).unwrap_or_default();
    format!("{scheme}://{host}/{query}")
}

fn failure(error: &ServeError) -> Failure {
    match error {
        ServeError::Bind { .. } => {
            Failure::internal(error).with_help("--port N takes another port, --port 0 any free one")
        }
        ServeError::Token => Failure::user(error).with_help("leave --token out to have one made"),
        _ => Failure::internal(error),
    }
}
