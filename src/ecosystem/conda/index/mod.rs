//! The index of a channel: `repodata.json` of each sub-directory, also compressed, made from the
//! archives that lie in it and from its patch instructions. Equal folders give equal bytes.

mod cache;
mod folder;
mod repodata;

pub use self::cache::CACHE_FILE;
pub use self::folder::{FolderIndex, IndexError, IndexedSubdir};
pub use self::repodata::{INDEX_FILES, SubdirIndex};
