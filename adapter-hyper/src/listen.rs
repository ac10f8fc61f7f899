//! Listeners, client connections, and the service that each request goes through.

mod client_socket;
mod connection;
mod connection_state;
mod eager_executor;
mod guarded_body;
mod places;
mod raw_head;
mod refused_head;
mod request_body;
mod server;
mod service;
mod trusted_proxies;

pub(crate) use self::{
    connection::HttpServer,
    connection_state::ClientTimeouts,
    places::{Limits, Places},
    server::{Server, bind},
    trusted_proxies::TrustedProxies,
};
