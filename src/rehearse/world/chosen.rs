//! The world that somebody asks for: by the name of a bundled one, or by its folder.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::problem::nearest;
use super::reading::{in_file, parse_toml, read_text};
use super::settings::spanned;
use super::{CondaWorld, World, WorldProblem};

const WORLD: &str = "world.toml";
const CONDA: &str = "conda";
const ECOSYSTEMS: [&str; 2] = ["r-universe", CONDA];

/// A world of either ecosystem.
#[derive(Clone, Debug)]
pub enum ChosenWorld {
    /// R packages.
    R(Box<World>),
    /// conda packages.
    Conda(Box<CondaWorld>),
}

impl ChosenWorld {
    /// The bundled quarter of R-multiverse.
    pub const R_MULTIVERSE: &str = "r-multiverse";
    /// The bundled week of a small conda distribution.
    pub const QIIME2: &str = "qiime2";

    /// The bundled world of that name, else the one in the folder of that path: `./qiime2` is always a
    /// folder.
    ///
    /// # Errors
    /// As [`World::load`] and [`CondaWorld::load`], and where `world.toml` names an unknown ecosystem.
    pub fn open(name_or_folder: &Path) -> Result<Self, WorldProblem> {
        match name_or_folder.to_str() {
            Some(Self::R_MULTIVERSE) => return World::bundled().map(|world| Self::R(Box::new(world))),
            Some(Self::QIIME2) => return CondaWorld::bundled().map(|world| Self::Conda(Box::new(world))),
            _ => {}
        }
        match ecosystem(name_or_folder)?.as_deref() {
            Some(CONDA) => CondaWorld::load(name_or_folder).map(|world| Self::Conda(Box::new(world))),
            _ => World::load(name_or_folder).map(|world| Self::R(Box::new(world))),
        }
    }
}

/// What the world's own file says of its ecosystem; nothing where the file is missing or malformed, which
/// whoever reads the world says better.
fn ecosystem(folder: &Path) -> Result<Option<String>, WorldProblem> {
    #[derive(Deserialize)]
    struct Header {
        ecosystem: Option<Spanned<String>>,
    }
    if !folder.join(WORLD).exists() {
        return Ok(None);
    }
    let origin = folder.display().to_string();
    let located = |mistake| in_file(&origin, WORLD, mistake);
    let text = read_text(folder, WORLD, &[]).map_err(located)?;
    let header: Result<Header, _> = parse_toml(&text);
    let Some(named) = header.ok().and_then(|header| header.ecosystem) else { return Ok(None) };
    if !ECOSYSTEMS.contains(&named.get_ref().as_str()) {
        let message =
            format!("there is no ecosystem `{}`; expected `r-universe` or `conda`", named.get_ref());
        let meant = nearest(named.get_ref(), ECOSYSTEMS.into_iter());
        return Err(located(spanned(&text, &named, message).meant(meant)));
    }
    Ok(Some(named.into_inner()))
}
