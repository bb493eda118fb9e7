//! The state that a command reads or changes.

use std::future::Future;
use std::path::PathBuf;

use super::{CommandError, Context};
use crate::config::Configuration;
use crate::store::{DATABASE, Durability, Store};

/// Runs `work` to its end on a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot begin to work: {error}")))?;
    runtime.block_on(work)
}

impl Context<'_> {
    /// The state folder: what `--state` names, else what `tidegate.toml` says.
    pub(super) fn state_folder(&self) -> Result<PathBuf, CommandError> {
        match &self.state {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.configuration()?.settings.state),
        }
    }

    /// The configuration that state is read with. A rehearsal of conda packages keeps its own beside its
    /// state; beside another `--state` there may be none: a rehearsal plays the shipped example then.
    pub(super) fn configuration_of_state(&self) -> Result<Configuration, CommandError> {
        match &self.state {
            Some(folder) => {
                let own = folder.join("config");
                let mut configuration = match own.join("tidegate.toml").exists() {
                    true => Configuration::load(&own)
                        .map_err(|mistakes| CommandError::mistakes(&mistakes, self.colour))?,
                    false => self.configuration_or_shipped()?,
                };
                configuration.settings.state.clone_from(folder);
                Ok(configuration)
            }
            None => self.configuration(),
        }
    }

    /// The configuration that jobs run with: what is written, and the state that `--state` names.
    pub(super) fn configuration_in_force(&self) -> Result<Configuration, CommandError> {
        let mut configuration = self.configuration()?;
        configuration.settings.state = self.state.clone().unwrap_or(configuration.settings.state);
        Ok(configuration)
    }

    /// Opens the state for reading, beside whoever writes to it.
    pub(super) async fn read_state(&self) -> Result<Store, CommandError> {
        let folder = self.state_folder()?;
        if !folder.join(DATABASE).exists() {
            let message = format!("there is no state in {}: nothing ran there yet", folder.display());
            let hint = "`tidegate run` makes it; `--state DIR` names another folder, such as a rehearsal's";
            return Err(CommandError::failed(message).hint(hint));
        }
        Ok(Store::open_read_only(&folder).await?)
    }

    /// Opens the state for writing. Fails, naming the holder, where another process writes to it.
    pub(super) async fn write_state(&self) -> Result<Store, CommandError> {
        let folder = self.state_folder()?;
        Ok(Store::open_state(&folder, Durability::PowerFailure, self.clock.now()).await?)
    }
}
