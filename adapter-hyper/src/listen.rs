//! Listeners, client connections, and the service that each request goes through.

mod connection;
mod guarded_body;
mod idle;
mod lingering_close;
mod request_body;
mod server;
mod service;

pub(crate) use self::{
    connection::HttpServer,
    idle::ClientTimeouts,
    server::{Server, bind},
};
