//! Who processes completions while an example's future runs: `--driver`.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use aura::Engine;

use super::{Failure, Outcome};

/// The end of the usage of every example that leaves its `main` to [`main_with_driver`].
const OPTION: &str = "
  --driver DRIVER   who processes completions: block_on (default), poller, tokio (a runtime on one
                    thread), tokio-multi (on several), or all of them, one after the other
";

/// Who processes completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The thread that runs the future.
    BlockOn,
    /// A thread of its own. The future may be on any executor: here, that of the `futures` crate.
    Poller,
    /// A tokio runtime on one thread.
    Tokio,
    /// A tokio runtime on several threads.
    TokioMulti,
}

const DRIVERS: [(&str, Driver); 4] = [
    ("block_on", Driver::BlockOn),
    ("poller", Driver::Poller),
    ("tokio", Driver::Tokio),
    ("tokio-multi", Driver::TokioMulti),
];

impl Driver {
    /// Runs a future that uses the engine to its end.
    pub(crate) fn run<T: Send + 'static>(
        self,
        engine: &Engine,
        future: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match self {
            Self::BlockOn => aura::block_on(engine, future),
            Self::Poller => {
                let _poller = engine.start_poller()?;
                futures_executor::block_on(future)
            }
            Self::Tokio | Self::TokioMulti => self.run_on_tokio(engine, future),
        }
    }

    #[cfg(feature = "tokio")]
    fn run_on_tokio<T: Send + 'static>(
        self,
        engine: &Engine,
        future: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let runtime = match self {
            Self::TokioMulti => tokio::runtime::Builder::new_multi_thread(),
            _ => tokio::runtime::Builder::new_current_thread(),
        }
        .enable_all()
        .build()?;
        runtime.block_on(async {
            let _driver = engine.drive_with_tokio()?;
            tokio::spawn(future).await?
        })
    }

    #[cfg(not(feature = "tokio"))]
    fn run_on_tokio<T>(self, _engine: &Engine, _future: impl Future) -> Result<T, Failure> {
        Err("this program was built without tokio: add `--features tokio`".into())
    }
}

/// Runs an example, as [`main`](super::main), with the driver or drivers of the command line.
pub(crate) fn main_with_driver(
    usage: &str,
    example: impl Fn(Driver, &[OsString]) -> Outcome,
) -> ExitCode {
    super::main(&format!("{}\n{OPTION}", usage.trim_end()), |arguments| {
        let mut arguments = arguments.to_vec();
        let drivers = take_drivers(&mut arguments)?;
        for &(name, driver) in &drivers {
            if drivers.len() == 1 {
                return example(driver, &arguments);
            }
            println!("--- {name}");
            example(driver, &arguments).map_err(|failure| failure.with_driver(name))?;
        }
        Ok(())
    })
}

/// Takes `--driver NAME` or `--driver=NAME` out of the arguments.
fn take_drivers(arguments: &mut Vec<OsString>) -> Result<Vec<(&'static str, Driver)>, Failure> {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"--driver");
    let Some(place) = arguments.iter().position(is_option) else {
        return Ok(vec![DRIVERS[0]]);
    };
    let option = arguments.remove(place);
    let name = match option.to_str().and_then(|option| option.strip_prefix("--driver=")) {
        Some(name) => name.into(),
        None if option == "--driver" && place < arguments.len() => arguments.remove(place),
        None => return Err("--driver needs a name; try --help".into()),
    };
    if name == "all" {
        return Ok(DRIVERS.to_vec());
    }
    match DRIVERS.iter().find(|(known, _)| name == *known) {
        Some(driver) => Ok(vec![*driver]),
        None => Err(format!("there is no driver {}; try --help", name.display()).into()),
    }
}
