//! The server's configuration: flags, environment and files in, validated settings out.

pub(crate) mod command_line;
pub(crate) mod ledger;
pub(crate) mod loaded;
pub(crate) mod prices;
pub(crate) mod server_tls;
pub(crate) mod settings;
pub(crate) mod sources;
pub(crate) mod table;
pub(crate) mod temporary_key;
pub(crate) mod users;
pub(crate) mod warnings;
