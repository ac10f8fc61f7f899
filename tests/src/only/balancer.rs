//! nginx in front of two servers, with the file of `deploy/several/`.

use std::{env, fs, path::Path, process, process::Command};

use super::{reverse_proxies, start};
use crate::{
    adapter::{Running as _, Settings},
    clients::succeed,
    programs::ProgramTest,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, EVENTS},
};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("nginx_balances_two_servers", "nginx", balanced)];

const CONFIG: &str = include_str!("../../../deploy/several/nginx.conf");

fn balanced(nginx: &Path) {
    let upstream = Upstream::start();
    let servers = [start(upstream.address(), &[]), start(upstream.address(), &[])];
    let folder = env::temp_dir().join(format!("sparekey-balancer-{}", process::id()));
    fs::create_dir_all(&folder).expect("create a temporary folder");
    let file = folder.join("config");
    let (front, address) = reverse_proxies::on_free_port(reverse_proxies::NGINX_READY, |address| {
        let mut site = CONFIG.to_owned();
        for (from, to) in [
            ("sparekey-1:8080", servers[0].address().to_string()),
            ("sparekey-2:8080", servers[1].address().to_string()),
            ("listen 8080", format!("listen {address}")),
        ] {
            site = reverse_proxies::replace(&site, from, &to);
        }
        let folder = folder.to_str().expect("a UTF-8 path");
        fs::write(&file, reverse_proxies::nginx_file(folder, &site)).expect("write a file");
        let checked = succeed(Command::new(nginx).args(["-t", "-c"]).arg(&file));
        checked.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
        let mut command = Command::new(nginx);
        command.arg("-c").arg(&file);
        (command, Settings::new())
    });
    let passes = || {
        let mut client = RawConnection::connect(address);
        client.send(wire::request("GET", "/v1/models", ""));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        upstream_conn.send(EVENTS);
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            upstream_conn.send_chunk(event);
            client.until(event);
        }
        (client, upstream_conn)
    };
    // All are open, so that the next one goes to the other server.
    drop((0..6).map(|_| passes()).collect::<Vec<_>>());
    for server in &servers {
        server.process.wait_for(|line| line.contains("/v1/models").then_some(()));
    }
    servers[1].process.signal("KILL");
    let open: Vec<_> = (0..6).map(|_| passes()).collect();
    drop((open, front));
    fs::remove_dir_all(folder).expect("remove the folder");
}
