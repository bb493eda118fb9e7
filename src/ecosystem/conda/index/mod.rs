//! The index of a channel: `repodata.json` of each sub-directory, also compressed, made from the
//! archives that lie in it and from its patch instructions. Equal folders give equal bytes.

mod folder;
mod repodata;

pub use self::folder::{FolderIndex, IndexError, IndexedSubdir};
pub use self::repodata::{INDEX_FILES, SubdirIndex};
pub use crate::ecosystem::index_memory::IndexMemory;
