//! The address of a client, on the connection and in the fields by which proxies pass it on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Redactor;
use super::pen::{Key, MASK, Pen, Place};
use crate::rules::ClientAction;

/// Fields that hold the addresses of clients: one, or a list of them.
pub(super) const FIELDS: [&[u8]; 10] = [
    b"x-forwarded-for",
    b"forwarded",
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"fastly-client-ip",
    b"x-original-forwarded-for",
    b"x-envoy-external-address",
];

/// Of a truncated address, so many bits stay.
const IPV4_BITS: u32 = 24;
const IPV6_BITS: u32 = 48;

/// The first byte of a hashed address: a unique local one (RFC 4193), which no client on the internet has.
const HASHED_PREFIX: u8 = 0xfd;

impl Redactor {
    pub(super) fn client(&self, client: &mut Option<SocketAddr>, pen: Pen<'_>) {
        let (Some(action), Some(address)) = (self.client, *client) else { return };
        pen.count(Place::Client);
        *client = instead(action, address.ip(), pen.key).map(|ip| SocketAddr::new(ip, 0));
    }

    /// What a field says of clients without their addresses; nothing where it is no such field.
    pub(super) fn client_field(&self, name: &[u8], value: &[u8], pen: Pen<'_>) -> Option<Client> {
        let action = self.client?;
        if !FIELDS.contains(&name) {
            return None;
        }
        pen.count(Place::Client);
        if action == ClientAction::Drop {
            return Some(Client::Dropped);
        }
        let all: Vec<Vec<u8>> = value.split(|b| *b == b',').map(|one| listed(action, one, pen.key)).collect();
        Some(Client::Changed(all.join(&b", "[..])))
    }
}

/// What became of a field.
pub(super) enum Client {
    Changed(Vec<u8>),
    Dropped,
}

/// One member of a list; what is no address by itself is masked.
fn listed(action: ClientAction, member: &[u8], key: Option<&Key>) -> Vec<u8> {
    let text = std::str::from_utf8(member).unwrap_or_default().trim();
    let ip = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    match ip.ok().and_then(|ip| instead(action, ip, key)) {
        Some(ip) => ip.to_string().into_bytes(),
        None => MASK.to_vec(),
    }
}

fn instead(action: ClientAction, ip: IpAddr, key: Option<&Key>) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    match (action, key) {
        (ClientAction::Drop, _) => None,
        (ClientAction::Truncate, _) => Some(match ip {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << (u32::BITS - IPV4_BITS))).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (u128::BITS - IPV6_BITS))).into(),
        }),
        (ClientAction::Hash, Some(key)) => {
            let digest = match ip {
                IpAddr::V4(ip) => key.digest(&ip.octets()),
                IpAddr::V6(ip) => key.digest(&ip.octets()),
            };
            let mut octets = [0; 16];
            octets.copy_from_slice(&digest[..16]);
            octets[0] = HASHED_PREFIX;
            Some(Ipv6Addr::from(octets).into())
        }
        (ClientAction::Mask | ClientAction::Hash, _) => Some(match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }),
    }
}
