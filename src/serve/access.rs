//! Who may see the page: the right name for this machine, and the token where one is asked for.
//!
//! In: a request. Out: whether it may go on. A page of somebody else can make a browser ask this server under a name
//! that leads here (DNS rebinding); its requests carry that name as their host and are refused.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use super::error::ServeError;
use super::request::Request;

/// Characters of a token.
pub(super) const LEAST: usize = 16;
pub(super) const MOST: usize = 128;

/// What has to be shown with each request.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// A token that the user chose.
    pub(crate) fn chosen(text: &str) -> Result<Token, ServeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (LEAST..=MOST).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Token(text.to_owned()))
        } else {
            Err(ServeError::Token)
        }
    }

    /// A token that nobody can guess: 128 random bits.
    pub(crate) fn random() -> Result<Token, ServeError> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(|source| ServeError::Random { source })?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text, for the address that is printed.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Compared in a time that says nothing about where they differ: hashes are compared, and blake3's are so in
    /// constant time.
    fn is(&self, shown: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(shown.as_bytes())
    }
}

/// What a request is held to.
pub(crate) struct Access {
    address: SocketAddr,
    /// This machine's own name, where it is reached from elsewhere.
    name: Option<String>,
    token: Option<Token>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is answered.
    Granted,
    /// It brought the token in its address: a cookie takes the token's place, so that it does not stay there.
    Token { cookie: String },
    /// It is refused, with the reason.
    Refused(&'static str),
}

impl Access {
    pub(super) fn new(address: SocketAddr, token: Option<Token>) -> Access {
        let name = (!address.ip().is_loopback())
            .then(|| rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase());
        Access { address, name, token }
    }

    /// Looks at host and token.
    pub(super) fn admit(&self, request: &Request) -> Admission {
        if !self.is_ours(&request.host) {
            return Admission::Refused(
                "this server does not answer to that host name; use the printed address\n",
            );
        }
        let Some(token) = &self.token else { return Admission::Granted };
        if let Some(shown) = request.query("token") {
            return match token.is(shown) {
                true => Admission::Token { cookie: self.cookie(token) },
                false => Admission::Refused("the token is another one; use the printed address\n"),
            };
        }
        let name = self.cookie_name();
        let from_cookie = request.cookies().find(|(key, _)| *key == name).map(|(_, value)| value);
        match from_cookie.or(request.bearer()) {
            Some(shown) if token.is(shown) => Admission::Granted,
            _ => Admission::Refused("a token is needed; use the printed address\n"),
        }
    }

    /// Addresses in digits cannot be made to lead elsewhere; of names, `localhost` and this machine's own are known.
    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return !self.address.ip().is_loopback() || ip.is_loopback();
        }
        let name = name.to_ascii_lowercase();
        name == "localhost"
            || self
                .name
                .as_ref()
                .is_some_and(|own| name == *own || own.split('.').next() == Some(name.as_str()))
    }

    /// Cookies do not tell ports apart: two servers on one machine need two names.
    fn cookie_name(&self) -> String {
        format!("ablate-{}", self.address.port())
    }

    fn cookie(&self, token: &Token) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), token.text())
    }
}

/// The host of a `Host` header; `None` where what follows the colon is no port.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match (host.rfind(':'), host.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| colon > bracket) => {
            (&host[..colon], Some(&host[colon + 1..]))
        }
        _ => (host, None),
    };
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && port.is_none_or(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str, token: Option<&str>) -> Access {
        let token = token.map(|token| Token::chosen(token).unwrap());
        Access { name: Some("gpu1.example".to_owned()), ..Access::new(address.parse().unwrap(), token) }
    }

    fn admit(access: &Access, target: &str, headers: &str) -> Admission {
        let text = format!("GET {target} HTTP/1.1\r\n{headers}\r\n");
        access.admit(&Request::parse(text.as_bytes()).unwrap())
    }

    fn refused(admission: Admission) -> bool {
        matches!(admission, Admission::Refused(_))
    }

    #[test]
    fn loopback_answers_to_its_own_names_alone() {
        let access = Access { name: None, ..access("127.0.0.1:7007", None) };
        for host in ["localhost:7007", "127.0.0.1", "127.0.0.1:9000", "[::1]:7007", "LOCALHOST"] {
            assert_eq!(admit(&access, "/", &format!("Host: {host}\r\n")), Admission::Granted, "{host}");
        }
        for host in [
            "evil.example",
            "192.168.0.7",
            "localhost.evil.example",
            "localhost:x",
            ":80",
            "127.0.0.1.evil.example",
        ] {
            assert!(refused(admit(&access, "/", &format!("Host: {host}\r\n"))), "{host}");
        }
    }

    #[test]
    fn other_addresses_answer_to_digits_and_the_machines_name() {
        let access = access("0.0.0.0:80", None);
        for host in ["10.0.0.3:80", "gpu1.example", "GPU1", "localhost"] {
            assert_eq!(admit(&access, "/", &format!("Host: {host}\r\n")), Admission::Granted, "{host}");
        }
        assert!(refused(admit(&access, "/", "Host: evil.example\r\n")));
    }

    #[test]
    fn a_token_is_taken_from_address_cookie_or_header() {
        let access = access("127.0.0.1:7007", Some("0123456789abcdef"));
        let host = "Host: localhost\r\n";
        assert!(refused(admit(&access, "/", host)));
        assert!(refused(admit(&access, "/?token=0123456789abcdee", host)));
        let Admission::Token { cookie } = admit(&access, "/?token=0123456789abcdef", host) else { panic!() };
        assert_eq!(cookie, "ablate-7007=0123456789abcdef; Path=/; HttpOnly; SameSite=Strict");
        let with = |header: &str| admit(&access, "/", &format!("{host}{header}\r\n"));
        assert_eq!(with("Cookie: a=b; ablate-7007=0123456789abcdef"), Admission::Granted);
        assert_eq!(with("Authorization: Bearer 0123456789abcdef"), Admission::Granted);
        assert!(refused(with("Cookie: ablate-7008=0123456789abcdef")));
        assert!(refused(with("Authorization: Bearer ")));
        // The wrong host is refused whatever it knows.
        assert!(refused(admit(&access, "/?token=0123456789abcdef", "Host: evil.example\r\n")));
    }

    #[test]
    fn a_token_is_long_and_fits_into_an_address() {
        for wrong in ["short", "with space 0123456789", "0123456789abcde&", &"x".repeat(129)] {
            assert!(Token::chosen(wrong).is_err(), "{wrong}");
        }
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(one.text().len() == 32 && one.text() != other.text());
    }
}
