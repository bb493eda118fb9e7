//! Conda channels: archives of strangers, indexes, published channels, and readers that are not ours.

mod archives;
mod indexes;
mod made;
