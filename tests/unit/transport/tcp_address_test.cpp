#include <catch2/catch.hpp>

#include "transport/tcp_medium.hpp"

namespace transport = epic::transport;

TEST_CASE("tcp address: an IP address and a port, and nothing else", "[transport]") {
  for (const std::string good : {"10.0.0.3:7000", "127.0.0.1:0", "[::1]:65535", "[fd00::3]:7000"}) {
    const auto endpoint = transport::parse_tcp_address(good);
    REQUIRE(endpoint);
    CHECK(transport::format_tcp_address(*endpoint) == good);
  }
  for (const std::string bad :
       {"", ":", "10.0.0.3", "10.0.0.3:", ":7000", "10.0.0.3:65536", "10.0.0.3:-1", "10.0.0.3:7x", "::1:7000",
        "[10.0.0.3]:7000", "[::1]", "[]:1", "localhost:7000", "/run/node-1.sock"}) {
    CAPTURE(bad);
    CHECK_FALSE(transport::parse_tcp_address(bad));
  }
}

TEST_CASE("tls: credentials that cannot be used are refused with the reason", "[transport]") {
  const auto refusal = [](const transport::Credentials& credentials) {
    const auto made = transport::TlsContext::make(credentials);
    return made ? std::string() : made.error();
  };
  const std::string secret(transport::kSecretBytesMin, 's');
  CHECK(refusal(transport::Secrets{{secret}}).empty());
  CHECK(refusal(transport::Secrets{{secret, secret}}).empty());
  CHECK(refusal(transport::Secrets{{secret.substr(1)}}) == "the secret has 19 bytes; it needs 20 at least");
  CHECK(refusal(transport::Secrets{}) == "there are 0 secrets; one or two can be used");
  CHECK_THAT(refusal(transport::Secrets{{secret, secret, secret}}), Catch::Contains("there are 3 secrets"));
  CHECK_THAT(refusal(transport::Certificates{"/no/ca.pem", "/no/node.pem", "/no/key.pem"}),
             Catch::Contains("/no/ca.pem cannot be used"));
}
