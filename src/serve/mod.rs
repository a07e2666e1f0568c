//! The report's page over HTTP, live while a sweep runs.
//!
//! ```text
//! connection -> request (bounded, GET and HEAD alone) -> access (host, token) -> site (paths) -> response
//!                                                                              \-> live (what was read, kept a while)
//! ```
//!
//! Read-only: nothing here writes a file, and no path comes from a request, only keys that are looked up among the runs
//! that were found. A parser of our own for these few lines: every bound is ours, and the small server crates leave
//! them to their users or are no longer kept up.

mod access;
mod connection;
mod error;
mod live;
mod request;
mod response;
mod site;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use access::{Access, Token};
pub(crate) use error::ServeError;
pub(crate) use live::Live;
use site::Site;

/// Connections that are answered at the same time; a browser opens six.
const MOST_CONNECTIONS: usize = 32;

/// A server that has its port.
pub(crate) struct Server {
    listener: TcpListener,
    site: Arc<Site>,
}

impl Server {
    /// Takes the port; 0 is any free one.
    pub(crate) fn bind(address: SocketAddr, live: Live, token: Option<Token>) -> Result<Server, ServeError> {
        let refused = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let access = Access::new(bound, token);
        Ok(Server { listener, site: Arc::new(Site { live, access }) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, ServeError> {
        self.listener.local_addr().map_err(|source| ServeError::Listen { source })
    }

    /// Answers until the process ends.
    pub(crate) fn run(self) {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in self.listener.incoming() {
            // Out of descriptors, say: they come back when connections end.
            let Ok(stream) = stream else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let place = Place::taken_in(&open);
            let site = self.site.clone();
            let answer = move || match place {
                Some(_place) => connection::answer(stream, &site),
                None => connection::turn_away(stream),
            };
            // A machine without room for a thread drops the connection; the page asks again.
            let _ = std::thread::Builder::new().name("connection".to_owned()).spawn(answer);
        }
    }
}

/// One of the connections that are answered; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn taken_in(open: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(open.clone());
        (open.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_connections_have_a_place_and_each_gives_it_back() {
        let open = Arc::new(AtomicUsize::new(0));
        let mut places: Vec<Place> = (0..MOST_CONNECTIONS).filter_map(|_| Place::taken_in(&open)).collect();
        assert_eq!(places.len(), MOST_CONNECTIONS);
        assert!(Place::taken_in(&open).is_none());
        places.pop();
        assert!(Place::taken_in(&open).is_some());
        drop(places);
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}
