#include "bench/bare_tls.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace epic::bench {

namespace {

constexpr unsigned char kBenchKey[32] = {1, 2, 3};
constexpr unsigned char kBenchCipher[] = {0x13, 0x01};

SSL_SESSION* make_bench_session(SSL* ssl) {
  SSL_SESSION* const session = ::SSL_SESSION_new();
  ::SSL_SESSION_set1_master_key(session, kBenchKey, sizeof kBenchKey);
  ::SSL_SESSION_set_cipher(session, ::SSL_CIPHER_find(ssl, kBenchCipher));
  ::SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
  return session;
}

void require_tls(bool condition) {
  if (!condition) throw std::runtime_error("the bare TLS connection has failed");
}

}  // namespace

struct BareTlsEcho::Line {
  enum class Side : std::uint8_t { dials, accepts };

  Line(int its_socket, Side side) : socket(its_socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    ::SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    ::SSL_CTX_set_num_tickets(context, 0);
    ::SSL_CTX_set_psk_use_session_callback(
        context, [](SSL* one, const EVP_MD*, const unsigned char** name, std::size_t* size, SSL_SESSION** session) {
          *name = reinterpret_cast<const unsigned char*>("bench");
          *size = 5;
          *session = make_bench_session(one);
          return 1;
        });
    ::SSL_CTX_set_psk_find_session_callback(context,
                                            [](SSL* one, const unsigned char*, std::size_t, SSL_SESSION** session) {
                                              *session = make_bench_session(one);
                                              return 1;
                                            });
    ssl = ::SSL_new(context);
    ::SSL_set_fd(ssl, socket);
    require_tls((side == Side::dials ? ::SSL_connect(ssl) : ::SSL_accept(ssl)) == 1);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    ::SSL_free(ssl);
    ::SSL_CTX_free(context);
    ::close(socket);
  }

  /// False at the end of the stream.
  bool read(std::vector<std::byte>& into) {
    for (std::size_t have = 0; have < into.size();) {
      std::size_t count = 0;
      if (::SSL_read_ex(ssl, into.data() + have, into.size() - have, &count) != 1) return false;
      have += count;
    }
    return true;
  }
  bool write(const std::vector<std::byte>& from) {
    std::size_t count = 0;
    return ::SSL_write_ex(ssl, from.data(), from.size(), &count) == 1;
  }

  int socket;
  SSL_CTX* context = ::SSL_CTX_new(::TLS_method());
  SSL* ssl = nullptr;
};

BareTlsEcho::BareTlsEcho(std::size_t message_bytes) : message_(message_bytes) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  require_tls(::bind(listener, generic, size) == 0 && ::listen(listener, 1) == 0 &&
              ::getsockname(listener, generic, &size) == 0);
  echo_.emplace([&](const test::Reporter&) {
    Line line(::accept(listener, nullptr, nullptr), Line::Side::accepts);
    std::vector<std::byte> message(message_bytes);
    while (line.read(message) && line.write(message)) {
    }
  });
  const int dialled = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  require_tls(::connect(dialled, generic, size) == 0);
  ::close(listener);
  line_ = std::make_unique<Line>(dialled, Line::Side::dials);
}

BareTlsEcho::~BareTlsEcho() = default;

void BareTlsEcho::round_trip() { require_tls(line_->write(message_) && line_->read(message_)); }

}  // namespace epic::bench
