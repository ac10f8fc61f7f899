//! The WebSockets: realtime sends `session.created`, then echoes every event; responses streams a response.

use http::{Response, header, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tungstenite::handshake::derive_accept_key;

use super::{
    body::{self, Body},
    shapes,
};

/// Opcodes ([RFC 6455 §11.8](https://www.rfc-editor.org/rfc/rfc6455#section-11.8)).
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

pub(super) fn open(head: &request::Parts, upgrade: OnUpgrade) -> Response<Body> {
    let text = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(key) = text(header::SEC_WEBSOCKET_KEY) else { return body::teapot("no Sec-WebSocket-Key") };
    let mut response = Response::builder()
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()));
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    if offered.split(',').any(|item| item.trim() == "realtime") {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, "realtime");
    }
    let model = head.uri.query().and_then(|query| query.strip_prefix("model=")).unwrap_or_default().to_owned();
    let responses = head.uri.path().ends_with("/responses");
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = TokioIo::new(upgraded);
            let _ = if responses { stream_responses(socket).await } else { echo_events(socket, &model).await };
        }
    });
    body::switch(response)
}

async fn echo_events(mut socket: TokioIo<hyper::upgrade::Upgraded>, model: &str) -> std::io::Result<()> {
    let session = json!({"type": "realtime", "model": model, "object": "realtime.session", "id": "sess_1"});
    send(&mut socket, &json!({"type": "session.created", "event_id": "event_1", "session": session})).await?;
    while let Some(event) = receive(&mut socket).await? {
        let echo = json!({"type": "conversation.item.added", "event_id": "event_2", "item": event["item"]});
        send(&mut socket, &echo).await?;
    }
    Ok(())
}

async fn stream_responses(mut socket: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    while let Some(event) = receive(&mut socket).await? {
        let events = shapes::response_events(&event).concat();
        for event in events.lines().filter_map(|line| line.strip_prefix("data: ")) {
            send(&mut socket, &serde_json::from_str(event)?).await?;
        }
    }
    Ok(())
}

/// One unfragmented frame from a server ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
async fn send(socket: &mut TokioIo<hyper::upgrade::Upgraded>, event: &Value) -> std::io::Result<()> {
    let text = event.to_string();
    let length = u16::try_from(text.len()).map_err(std::io::Error::other)?;
    let mut frame = vec![0x80 | TEXT, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(text.as_bytes());
    socket.write_all(&frame).await
}

/// The client's next event; `None` once it closes.
async fn receive(socket: &mut TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<Option<Value>> {
    loop {
        match frame(socket).await? {
            (TEXT, data) => return Ok(Some(serde_json::from_slice(&data)?)),
            (CLOSE, _) => {
                socket.write_all(&[0x80 | CLOSE, 0]).await?;
                socket.shutdown().await?;
                return Ok(None);
            }
            _ => {}
        }
    }
}

/// One masked frame from a client.
async fn frame(socket: &mut TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<(u8, Vec<u8>)> {
    let kind = socket.read_u8().await? & 0x0f;
    let length = match socket.read_u8().await? & 0x7f {
        126 => usize::from(socket.read_u16().await?),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    socket.read_exact(&mut mask).await?;
    let mut data = vec![0; length];
    socket.read_exact(&mut data).await?;
    data.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((kind, data))
}
