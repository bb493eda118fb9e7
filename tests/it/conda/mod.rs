//! Conda channels: archives of strangers, indexes, published channels, and readers that are not ours.

mod archives;
mod channels;
mod command;
mod indexes;
mod made;
mod readers;
