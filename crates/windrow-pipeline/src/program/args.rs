//! The command line of a local cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use windrow_connect::terminal::eprint_line;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_local::faults::{FaultKind, Faults};
use windrow_local::{CloudSettings, DashboardPort, HostName};

use crate::Functions;

#[derive(Debug, Parser)]
pub(super) struct LocalArgs {
    /// The endpoint's port on 127.0.0.1 and [::1]; 0 for any free port.
    #[arg(long, default_value_t = windrow_local::endpoint::DEFAULT_PORT)]
    port: u16,
    /// Listen on another address too, such as 0.0.0.0 in a container. Whoever can reach it can read and
    /// write everything: no credentials are checked. The dashboard stays on this machine.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Answer requests for another host too, such as host.docker.internal or the name of a service in
    /// a compose file; may be repeated. Allow only names that you control.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<HostName>,
    /// The dashboard's port on 127.0.0.1 and [::1]; 0 for any free port [default: 8080, or any free port if
    /// 8080 is in use]
    #[arg(long, value_name = "PORT")]
    dashboard_port: Option<u16>,
    /// Where everything is kept: the streams, the table, the archive, and where the functions go on.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The length of the tumbling window: whole seconds, 1s to 15m.
    #[arg(long, value_parser = windrow_connect::duration::parse_window)]
    window: Option<Duration>,
    /// Which time decides the window of a reading: its arrival, or its own time.
    #[arg(long, value_enum, default_value_t = WindowTimeArg::Arrival)]
    window_time: WindowTimeArg,
    /// Write the merged rows of each window to a stream of their own once the window is complete:
    /// `wildrydes-finished`, if the stream of readings is `wildrydes`.
    #[arg(long)]
    pub(super) finished_rows: bool,
    /// How many shards each stream starts with.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=200))]
    shards: u32,
    /// How the functions run.
    #[arg(long, value_enum, default_value_t = FunctionsArg::Embedded)]
    functions: FunctionsArg,
    /// With `--functions cargo-lambda`: the address of `cargo lambda watch`.
    #[arg(long, default_value = "127.0.0.1:9000")]
    lambda_address: SocketAddr,
    /// With `--functions bootstrap`: the folder with the functions' binaries [default: the folder
    /// of this program]
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// How many reads per second each shard allows, over all readers: 5 in Kinesis. The local
    /// cloud's own readers do not count [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    reads_per_second: Option<u32>,
    /// The faults to inject, and how often: `throttled=0.1,crash=0.05`, or `all=0.01`.
    #[arg(long, value_name = "SPEC", value_parser = parse_faults, long_help = faults_help())]
    pub(super) faults: Option<String>,
    /// With `--faults`: the seed. The same seed injects the same faults if the same calls are made
    /// [default: a random seed, which is printed at the start]
    #[arg(long, value_name = "N", requires = "faults")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WindowTimeArg {
    Arrival,
    Event,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FunctionsArg {
    /// In this process, on the JSON that Lambda would send.
    Embedded,
    /// As the real binaries, over Lambda's Runtime API.
    Bootstrap,
    /// Under a running `cargo lambda watch`.
    CargoLambda,
}

impl LocalArgs {
    pub(super) fn functions(&self) -> anyhow::Result<Functions> {
        Ok(match self.functions {
            FunctionsArg::Embedded => Functions::Embedded,
            FunctionsArg::CargoLambda => Functions::CargoLambda(self.lambda_address),
            FunctionsArg::Bootstrap => Functions::Bootstrap(match &self.bin_dir {
                Some(folder) => folder.clone(),
                None => own_folder()?,
            }),
        })
    }

    pub(super) fn window_time(&self) -> WindowTime {
        match self.window_time {
            WindowTimeArg::Arrival => WindowTime::Arrival,
            WindowTimeArg::Event => WindowTime::Event,
        }
    }

    /// What to say of an address that others can reach.
    pub(super) fn warning(&self) -> Option<String> {
        let address = self.bind?;
        if [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]
        .contains(&address)
        {
            return None;
        }
        let reach = if address.is_unspecified() {
            "any address of this machine".to_owned()
        } else {
            address.to_string()
        };
        Some(format!(
            "local: warning: whoever can reach {reach} can read and write everything here: no credentials are checked"
        ))
    }

    /// Applies the flags to the default settings.
    pub(super) fn settings(&self, defaults: CloudSettings) -> anyhow::Result<CloudSettings> {
        Ok(CloudSettings {
            port: self.port,
            bind: self.bind,
            allowed_hosts: self.allow_host.clone(),
            data_dir: self.data_dir.clone().unwrap_or(defaults.data_dir),
            shards: self.shards,
            window: self.window.unwrap_or(defaults.window),
            faults: Arc::new(self.faults()?),
            dashboard: Some(DashboardPort::from_flag(self.dashboard_port)),
            reads_per_second: self.reads_per_second,
            ..defaults
        })
    }

    /// The requested faults. Prints them with their seed.
    fn faults(&self) -> anyhow::Result<Faults> {
        let Some(specification) = &self.faults else {
            return Ok(Faults::none());
        };
        // Only 32 bits, so that the seed is short to type.
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        eprint_line(&format!("faults: {specification}, seed {seed}"));
        Ok(Faults::parse(specification, seed)?)
    }
}

/// The value of `--dashboard-port` where there is no page.
pub(super) fn no_page(_port: &str) -> Result<u16, String> {
    Err("this local cloud has no page".to_owned())
}

/// Checks a specification of faults. It is parsed later, when the seed is known.
fn parse_faults(specification: &str) -> Result<String, String> {
    Faults::parse(specification, 0).map_err(|error| error.to_string())?;
    let names = specification
        .split(',')
        .filter_map(|part| part.split_once(['=', '@']));
    for (name, _) in names {
        if let Some(kind) = FaultKind::ALL.into_iter().find(|kind| kind.name() == name)
            && !injected_here(kind)
        {
            return Err(format!("only a soak injects `{name}`"));
        }
    }
    Ok(specification.to_owned())
}

/// Whether the local cloud itself injects this kind. A soak injects the others.
pub(super) fn injected_here(kind: FaultKind) -> bool {
    kind < FaultKind::Split
}

fn faults_help() -> String {
    let kinds: Vec<&str> = FaultKind::ALL
        .into_iter()
        .filter(|kind| injected_here(*kind))
        .map(FaultKind::name)
        .collect();
    format!(
        "The faults to inject, and how often, as comma-separated `name=rate`. A rate is the \
         probability, from 0 to 1, of the fault at each opportunity. `all=0.01` sets every kind; later \
         entries override it, as in `all=0.01,delayed=0`. `name@3` injects a fault at the third \
         opportunity.\n\n\
         The kinds are {}.",
        kinds.join(", ")
    )
}

fn own_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program's own folder")?;
    let folder = program
        .parent()
        .context("this program's path has no folder")?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_can_reach_is_warned_of() {
        let parsed = |flags: &[&str]| {
            let arguments = ["rooms-local"].iter().chain(flags);
            LocalArgs::try_parse_from(arguments).unwrap()
        };
        for flags in [&[][..], &["--bind", "127.0.0.1"], &["--bind", "::1"]] {
            assert_eq!(parsed(flags).warning(), None, "{flags:?}");
        }
        let warning = |address| parsed(&["--bind", address]).warning().unwrap();
        assert!(warning("172.17.0.1").contains("whoever can reach 172.17.0.1 can read and write"));
        assert!(warning("0.0.0.0").contains("any address of this machine"));
        let hosts = parsed(&[
            "--allow-host",
            "host.docker.internal",
            "--allow-host",
            "cloud",
        ]);
        assert_eq!(hosts.allow_host.len(), 2);
        for flags in [["--allow-host", "cloud:4566"], ["--bind", "eth0"]] {
            let arguments = ["rooms-local"].iter().chain(&flags);
            let message = LocalArgs::try_parse_from(arguments)
                .unwrap_err()
                .to_string();
            assert!(message.contains(flags[1]), "{message}");
        }
    }
}
