//! By which names the server may be called.

use std::net::IpAddr;

use super::Security;

impl Security {
    /// Whether `Host` may hold this.
    pub(crate) fn answers_to(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        if is_loopback(name)
            || self.hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
        {
            return true;
        }
        // A page cannot point a number elsewhere. Without accounts it still must not be another machine's.
        self.accounts.is_some() && name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    }
}

/// The name of a host; `None` when what follows is no port.
fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        // The colons within an IPv6 address are no port.
        Some((name, port)) if !host.ends_with(']') => port.parse::<u16>().is_ok().then_some(name),
        _ => Some(host),
    }
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use crate::Security;

    #[test]
    fn only_loopback_names_are_answered_unless_others_are_given() {
        let security = Security::default();
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
            assert!(security.answers_to(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "127.0.0.1:80:80",
            "[::2]:80",
            "10.0.0.1",
            "localhost:x",
            "::1",
            "evil@localhost",
        ] {
            assert!(!security.answers_to(host), "{host}");
        }
        let named = Security { hosts: vec!["jobs.example.com".to_owned()], ..Security::default() };
        assert!(named.answers_to("JOBS.example.com:443") && !named.answers_to("example.com"));
        let every = Security { hosts: vec!["*".to_owned()], ..Security::default() };
        assert!(every.answers_to("example.com") && !every.answers_to("example.com:x"));
    }
}
