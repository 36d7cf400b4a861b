//! Failed attempts, counted by this node and, through the store, by all.
//!
//! A node counts an attempt before it looks at the password, the store when it has failed. So a store is written to by failures
//! alone, and what n nodes let through at the same instant, before they know of each other, is n times as much at most.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::accounts::rules::LoginLimit;
use punctual_core::accounts::{FailedLogin, name_key};
use punctual_core::{AccountChange, JobStore};
use tracing::warn;

use crate::limiter::Limiter;
use crate::{AccountsError, secrets};

/// The store remembers so many names and addresses at most.
const MOST: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Attempts {
    store: Arc<dyn JobStore>,
    names: Limiter,
    addresses: Limiter,
}

/// Under which keys an attempt counts.
#[derive(Debug)]
pub(crate) struct Attempt {
    name: String,
    address: Option<String>,
    now: Timestamp,
    /// Those keys of the store under which it counts failures already.
    known: Vec<String>,
}

impl Attempt {
    pub(crate) fn of_name(name: &str, now: Timestamp) -> Self {
        Self { name: name_key(name).chars().take(100).collect(), address: None, now, known: Vec::new() }
    }

    pub(crate) fn at_address(self, address: Option<IpAddr>) -> Self {
        Self { address: Some(network(address)), ..self }
    }

    /// The keys in the store. People type passwords where names belong: what is kept of a name is too little to find out what was
    /// typed, and enough for two names to be taken for each other once in 16 million times.
    fn stored(&self) -> impl Iterator<Item = (String, LoginLimit)> {
        let hash = secrets::hash_of(&self.name);
        let name = format!("name {}", &hash.as_str()[..6]);
        let address = self.address.as_ref().map(|address| (address_key(address), LoginLimit::PER_ADDRESS));
        address.into_iter().chain([(name, LoginLimit::PER_USER)])
    }
}

fn address_key(address: &str) -> String {
    format!("address {address}")
}

/// The address; of IPv6 the network of 64 bits, all addresses of which one machine may have.
fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Attempts {
    pub(crate) fn new(store: Arc<dyn JobStore>) -> Self {
        let (names, addresses) = (Limiter::new(LoginLimit::PER_USER), Limiter::new(LoginLimit::PER_ADDRESS));
        Self { store, names, addresses }
    }

    /// Begins an attempt, which counts as a failure of this node until it succeeds.
    ///
    /// # Errors
    /// [`AccountsError::Wait`] when it is not looked at; then it counts for nothing. And when the store fails.
    pub(crate) async fn begin(&self, attempt: &mut Attempt) -> Result<(), AccountsError> {
        let now = attempt.now;
        // What this node knows costs nothing to ask.
        let here = attempt.address.as_deref().and_then(|address| self.addresses.wait_ms(address, now));
        refuse(here.or_else(|| self.names.wait_ms(&attempt.name, now)))?;
        let (keys, limits): (Vec<_>, Vec<_>) = attempt.stored().unzip();
        let known = self.store.login_failures(&keys).await?;
        let mut all = keys.iter().zip(&limits);
        refuse(all.find_map(|(key, limit)| limit.wait_ms(*known.get(key)?, now)))?;
        attempt.known = known.into_keys().collect();
        // Attempts at once must not all come for free. An address that is kept waiting does not make a name wait longer.
        refuse(attempt.address.as_deref().and_then(|address| self.addresses.begin(address, now)))?;
        refuse(self.names.begin(&attempt.name, now))
    }

    /// Tells the other nodes. A failure that cannot be written counts for this node nevertheless.
    pub(crate) async fn failed(&self, attempt: &Attempt) {
        let count = |(key, limit)| AccountChange::CountFailure(FailedLogin { key, limit, most: MOST });
        let changes: Vec<_> = attempt.stored().map(count).collect();
        if let Err(error) = self.store.apply_accounts(attempt.now, &changes).await {
            warn!("a failed attempt to sign in could not be counted for the other nodes: {error}");
        }
    }

    /// Forgets the failures of somebody who was right at last; returns what makes the store forget them.
    pub(crate) fn succeeded(&self, attempt: Attempt) -> impl Iterator<Item = AccountChange> {
        self.names.succeed(&attempt.name);
        if let Some(address) = &attempt.address {
            self.addresses.succeed(address);
        }
        attempt.known.into_iter().map(AccountChange::ForgetFailures)
    }
}

fn refuse(wait: Option<i64>) -> Result<(), AccountsError> {
    wait.map_or(Ok(()), |millis| Err(AccountsError::Wait(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_that_one_machine_may_have_count_as_one() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network(Some(address.parse().unwrap())), counted);
        }
        assert_eq!(network(None), "unknown");
    }

    #[test]
    fn what_is_stored_tells_no_name() {
        let attempt = Attempt::of_name("Correct Horse", Timestamp::UNIX_EPOCH).at_address(None);
        let keys: Vec<_> = attempt.stored().map(|(key, _)| key).collect();
        assert_eq!(keys[0], "address unknown");
        assert!(keys[1].len() == "name 012345".len() && !keys[1].contains("orse"), "{keys:?}");
        let other = Attempt::of_name("CORRECT horse", Timestamp::UNIX_EPOCH);
        assert_eq!(other.stored().next().unwrap().0, keys[1], "names are the same in any case");
    }
}
