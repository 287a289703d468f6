//! How many connections there may be: of all clients, and of one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Parting;
use crate::config::EdgeConfig;

/// Connections that are turned away with an answer at once; each holds a file descriptor for as long as its client lets
/// it. Beyond them a connection is closed without a word.
const MOST_FAREWELLS: usize = 256;

/// Who has the upper half of an IPv6 address usually has the lower one to choose from.
const IPV6_CLIENT: u32 = 64;

/// The connections of all workers.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    most_of_client: Option<NonZeroUsize>,
    open: AtomicUsize,
    farewells: AtomicUsize,
    /// Those with a limit for each client alone; locked for one look-up when a connection begins and when it ends.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, held for as long as it is open.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    client: Option<IpAddr>,
}

/// Leave to answer a connection that is turned away.
#[derive(Debug)]
pub(super) struct Farewell(Arc<Admission>);

impl Admission {
    pub(crate) fn new(edge: &EdgeConfig) -> Arc<Self> {
        Arc::new(Self {
            most: edge.max_connections,
            most_of_client: edge.max_connections_per_client,
            open: AtomicUsize::new(0),
            farewells: AtomicUsize::new(0),
            clients: Mutex::default(),
        })
    }

    /// A place among all connections.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Place, Parting> {
        let place = Place { admission: Arc::clone(self), client: None };
        // The place gives back what was taken, also where that was one too many.
        if self.open.fetch_add(1, Ordering::Relaxed) < self.most { Ok(place) } else { Err(Parting::Full) }
    }

    /// Leave to answer one that has no place; nothing where too many are being answered.
    pub(super) fn farewell(self: &Arc<Self>) -> Option<Farewell> {
        let farewell = Farewell(Arc::clone(self));
        (self.farewells.fetch_add(1, Ordering::Relaxed) < MOST_FAREWELLS).then_some(farewell)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A place among the connections of one client, once it is known who that is.
    pub(super) fn of_client(&mut self, address: IpAddr) -> Result<(), Parting> {
        let Some(most) = self.admission.most_of_client else { return Ok(()) };
        let client = network_of(address);
        let mut clients = self.admission.clients();
        let open = clients.entry(client).or_default();
        if *open >= most.get() {
            return Err(Parting::ClientFull);
        }
        *open += 1;
        drop(clients);
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut clients = self.admission.clients();
        if let Some(open) = clients.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.farewells.fetch_sub(1, Ordering::Relaxed);
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> IPV6_CLIENT << IPV6_CLIENT).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(most: usize, most_of_client: usize) -> Arc<Admission> {
        Arc::new(Admission {
            most,
            most_of_client: NonZeroUsize::new(most_of_client),
            open: AtomicUsize::new(0),
            farewells: AtomicUsize::new(0),
            clients: Mutex::default(),
        })
    }

    #[test]
    fn places_are_given_back() {
        let admission = admission(2, 0);
        let places = [admission.admit(), admission.admit()];
        assert_eq!(admission.admit().err(), Some(Parting::Full));
        assert_eq!(admission.admit().err(), Some(Parting::Full));
        drop(places);
        assert!(admission.admit().is_ok());
        assert_eq!(admission.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        let admission = admission(9, 1);
        let mut first = admission.admit().unwrap();
        let mut second = admission.admit().unwrap();
        for (one, another, full) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("fd00::1", "fd00::2", true),
            ("fd00::1", "fd00:0:0:1::1", false),
        ] {
            first.of_client(one.parse().unwrap()).unwrap();
            let outcome = second.of_client(another.parse().unwrap());
            assert_eq!(outcome.err(), full.then_some(Parting::ClientFull), "{one} {another}");
            drop(std::mem::replace(&mut first, admission.admit().unwrap()));
            drop(std::mem::replace(&mut second, admission.admit().unwrap()));
            assert!(admission.clients().is_empty());
        }
    }

    #[test]
    fn farewells_are_bounded() {
        let admission = admission(0, 0);
        let farewells: Vec<_> = std::iter::from_fn(|| admission.farewell()).take(MOST_FAREWELLS + 1).collect();
        assert_eq!(farewells.len(), MOST_FAREWELLS);
        drop(farewells);
        assert!(admission.farewell().is_some());
    }
}
