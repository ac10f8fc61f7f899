//! The hosts of an address, each with the rest of it.

use tokio_postgres::{Config, config::Host};

const DEFAULT_PORT: u16 = 5432;

/// Returns an address for each host, so that each is tried on its own.
///
/// # Errors
/// A sentence without a part of the address.
pub(super) fn each(all: &Config) -> Result<Vec<Config>, &'static str> {
    let (names, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let count = names.len().max(addresses.len());
    if count == 0 {
        return Err("it has no host");
    }
    let fits = |length: usize, other: usize| length == count || length == other;
    if !fits(names.len(), 0) || !fits(addresses.len(), 0) || ports.len() > 1 && ports.len() != count {
        return Err("the numbers of hosts, addresses and ports differ");
    }
    Ok((0..count).map(|index| of_host(all, index)).collect())
}

/// Returns the port of an address with one host.
pub(super) fn port(config: &Config) -> u16 {
    config.get_ports().first().copied().unwrap_or(DEFAULT_PORT)
}

/// A [`Config`] can get hosts, but not lose them, so its values are copied.
fn of_host(all: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        Some(Host::Unix(folder)) => drop(one.host_path(folder)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(index).or(all.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
    one.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
    one.target_session_attrs(all.get_target_session_attrs()).channel_binding(all.get_channel_binding());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str) -> Result<Vec<Config>, &'static str> {
        each(&address.parse().unwrap())
    }

    #[test]
    fn each_host_has_the_rest_of_the_address() {
        let rest = "user=me password=secret dbname=db options='-c a=b' application_name=x sslmode=require \
                    sslnegotiation=direct connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 \
                    keepalives_interval=6 keepalives_retries=7 target_session_attrs=read-write channel_binding=disable";
        let found = hosts(&format!("host=a,/run/b,c hostaddr=::1,::2,::3 port=1,2,3 {rest}")).unwrap();
        let expected = ["host=a hostaddr=::1 port=1", "host=/run/b hostaddr=::2 port=2", "host=c hostaddr=::3 port=3"];
        let expected: Vec<Config> = expected.iter().map(|host| format!("{host} {rest}").parse().unwrap()).collect();
        assert_eq!(found, expected);
        let one_port: Vec<Config> =
            ["host=a port=1", "host=b port=1"].iter().map(|host| host.parse().unwrap()).collect();
        assert_eq!(hosts("host=a,b port=1").unwrap(), one_port);
        assert_eq!(hosts("host=a").unwrap().iter().map(port).collect::<Vec<_>>(), [DEFAULT_PORT]);
    }

    #[test]
    fn numbers_of_hosts_and_ports_differ() {
        for address in ["host=a,b hostaddr=::1", "host=a,b port=1,2,3", "user=me"] {
            assert!(hosts(address).is_err(), "{address}");
        }
    }
}
