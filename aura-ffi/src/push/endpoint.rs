//! Where to push to: `http://host[:port][/path]`.

use std::fmt;

use crate::errno::Refusal;

/// The port of HTTP.
const PORT: u16 = 80;
/// Where collectors take metrics.
const PATH: &str = "/v1/metrics";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        // Nothing that could end the line of a request, or hide another part in this one.
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(Refusal::invalid("the endpoint has blanks or control characters"));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or(Refusal::invalid("the endpoint is not http://host…"))?;
        if !scheme.eq_ignore_ascii_case("http") {
            let why = "the endpoint is not http; let a collector nearby speak https";
            return Err(Refusal::Own(libc::EPROTONOSUPPORT, why));
        }
        let (authority, path) = match rest.find(['/', '?', '#']) {
            None => (rest, ""),
            Some(at) => rest.split_at(at),
        };
        if authority.contains('@') || path.contains('#') {
            return Err(Refusal::invalid("the endpoint has a user or a fragment"));
        }
        let (host, port) = split_port(authority)?;
        let path = match path {
            "" | "/" => PATH.into(),
            query if query.starts_with('?') => format!("{PATH}{query}"),
            path => path.to_owned(),
        };
        Ok(Self { host: host.into(), port, path })
    }
}

/// Host without brackets, and port. More than one colon outside brackets could mean anything.
fn split_port(authority: &str) -> Result<(&str, u16), Refusal> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => inner
            .split_once(']')
            .ok_or(Refusal::invalid("the bracket of the IPv6 address is not closed"))?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_address = !authority.starts_with('[') || host.parse::<std::net::Ipv6Addr>().is_ok();
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => Some(PORT),
        None => None,
        // `parse` would take a sign.
        Some(port) if !port.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    match port {
        Some(port) if is_address && !host.is_empty() => Ok((host, port)),
        _ => Err(Refusal::invalid(
            "the endpoint has no host, a port that is none, or an IPv6 address without brackets",
        )),
    }
}

/// As a URL, and `Host:` wants its beginning.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl Endpoint {
    /// Host and port, with the brackets that an IPv6 address needs.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_in_all_their_forms() {
        for (text, host, port, path) in [
            ("http://localhost:4318/v1/metrics", "localhost", 4318, "/v1/metrics"),
            ("http://10.0.0.1", "10.0.0.1", 80, "/v1/metrics"),
            ("HTTP://host:1/", "host", 1, "/v1/metrics"),
            ("http://[::1]:4318/x?y=z", "::1", 4318, "/x?y=z"),
            ("http://[fe80::1]?tenant=a", "fe80::1", 80, "/v1/metrics?tenant=a"),
        ] {
            let found = Endpoint::parse(text).expect(text);
            assert_eq!((&*found.host, found.port, &*found.path), (host, port, path), "{text}");
        }
        let six = Endpoint::parse("http://[::1]:4318").expect("good");
        assert_eq!(six.to_string(), "http://[::1]:4318/v1/metrics");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "localhost:4318",
            "http://",
            "http://:80",
            "http://::1:4318",
            "http://a:b:c",
            "http://[::1",
            "http://[::1]x",
            "http://[no]:1",
            "http://host:0",
            "http://host:65536",
            "http://host:+1",
            "http://host:",
            "http://user@host",
            "http://host/a#b",
            "http://host/a b",
            "http://host/\r\nX: y",
        ] {
            let refusal = Endpoint::parse(text).expect_err(text);
            assert_eq!(refusal.errno(), libc::EINVAL, "{text}");
        }
        let https = Endpoint::parse("https://host").expect_err("TLS is another's business");
        assert_eq!(https.errno(), libc::EPROTONOSUPPORT);
    }
}
