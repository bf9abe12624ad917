//! The client's address, which places of streams are counted by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::HttpRequest;

/// Bits of an IPv6 address that name a client's network; the others it may choose freely.
const IPV6_NETWORK_BITS: u32 = 64;

/// Returns the client's address: the last one in the header `trusted`, which the proxy in front of us has added, or else
/// the connection's peer. Addresses of one IPv6 network count as one client.
pub fn client(request: &HttpRequest, trusted: Option<&str>) -> IpAddr {
    let told = trusted.and_then(|name| request.headers().get_all(name).last()?.to_str().ok()?.rsplit(',').next());
    let told = told.and_then(|text| text.trim().parse().ok());
    let peer = || request.peer_addr().map(|peer| peer.ip());
    match told.or_else(peer).unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_NETWORK_BITS))).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_header_counts_only_where_it_is_trusted_and_only_its_end() {
        let request = |peer: &str, forwarded: &str| {
            let request = TestRequest::get().peer_addr(peer.parse().unwrap());
            request.insert_header(("X-Forwarded-For", forwarded)).to_http_request()
        };
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let forged = request("10.0.0.1:80", "1.1.1.1, 2.2.2.2");
        assert_eq!(client(&forged, None), address("10.0.0.1"));
        assert_eq!(client(&forged, Some("x-forwarded-for")), address("2.2.2.2"));
        assert_eq!(client(&request("10.0.0.1:80", "unknown"), Some("x-forwarded-for")), address("10.0.0.1"));
        for peer in ["[2001:db8::1]:80", "[2001:db8::2]:80"] {
            assert_eq!(client(&request(peer, ""), None), address("2001:db8::"));
        }
        assert_eq!(client(&request("[::ffff:10.0.0.1]:80", ""), None), address("10.0.0.1"));
    }
}
