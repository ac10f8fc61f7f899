//! Listeners, client connections, and the service that each request goes through.

mod client_socket;
mod connection;
mod connection_state;
mod eager_executor;
mod guarded_body;
mod header_blocks;
mod http2_stream;
mod places;
mod raw_head;
mod refused_head;
mod request_body;
mod request_guard;
mod server;
mod service;
mod trusted_proxies;

pub(crate) use self::{
    connection::HttpServer,
    connection_state::{ClientTimeouts, HEAD_MEMORY},
    places::{PlaceLimits, Places},
    server::{Server, bind, bind_all, inherited},
    trusted_proxies::TrustedProxies,
};
