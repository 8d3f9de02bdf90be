//! Addresses to listen on, as Go writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

/// Where to listen; `None`: nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress(pub(crate) Option<SocketAddr>);

/// Reads `:8080` (every address), `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`; `0` or nothing is off.
///
/// # Errors
/// One line that says what to write.
pub(crate) fn parse(text: &str) -> Result<ListenAddress, String> {
    if text.is_empty() || text == "0" {
        return Ok(ListenAddress(None));
    }
    let usage =
        |why: &str| format!("`{text}` is no address to listen on: {why}; write :8080, 127.0.0.1:8080, or 0 for none");
    let (host, port) = text.rsplit_once(':').ok_or_else(|| usage("it has no port"))?;
    let port: u16 = port.parse().map_err(|_| usage("the port is not a number up to 65535"))?;
    if host.is_empty() {
        return Ok(ListenAddress(Some(SocketAddr::new(every_address(), port))));
    }
    if let Ok(address) = text.parse() {
        return Ok(ListenAddress(Some(address)));
    }
    let mut found = text.to_socket_addrs().map_err(|error| usage(&error.to_string()))?;
    found.next().map(|address| ListenAddress(Some(address))).ok_or_else(|| usage("the name has no address"))
}

/// `[::]` serves IPv4 as well, but cannot be bound where IPv6 is switched off.
fn every_address() -> IpAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_every_address() {
        let address = parse(":8080").expect("Go accepts it").0.expect("it is not off");
        assert!(address.ip().is_unspecified());
        assert_eq!(address.port(), 8080);
    }

    #[test]
    fn an_address_is_taken_as_it_is() {
        assert_eq!(parse("0.0.0.0:8080"), Ok(ListenAddress(Some(([0, 0, 0, 0], 8080).into()))));
        assert_eq!(parse("[::1]:1"), Ok(ListenAddress(Some((Ipv6Addr::LOCALHOST, 1).into()))));
    }

    #[test]
    fn zero_or_nothing_is_off() {
        assert_eq!(parse("0"), Ok(ListenAddress(None)));
        assert_eq!(parse(""), Ok(ListenAddress(None)));
    }

    #[test]
    fn a_mistake_is_answered_with_what_to_write() {
        for text in ["8080", ":http", ":65536", "host:", "[::1"] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("write :8080"), "{text}: {error}");
        }
    }
}
