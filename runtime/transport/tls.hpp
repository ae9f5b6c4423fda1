#pragma once
// Tls: TLS 1.3 over a connected socket that does not block. tls.cpp is the only file that knows OpenSSL.
//
// Both sides prove that they belong to the fabric before anything else is exchanged: by its secret, as an external
// pre-shared key (RFC 8446, 4.2.11), or by certificates of the fabric's own authority. Each connection has a fresh key
// exchange, so a recorded one can be neither read with the secret nor replayed. There are no tickets, no resumption and
// no early data.
//
// The key and its name on the wire are derived from the secret (HKDF with SHA-256), so the secret itself is never used
// or shown. While it is exchanged for another, a process has both: it accepts either, and offers the newest one first.
//
// Not here: sockets and waiting for them (tcp_medium.cpp), which process the other one is (its Hello: peers.cpp).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "transport/refusals.hpp"

namespace epic::transport {

/// One, or two while they are being exchanged; the newest first.
struct Secrets {
  std::vector<std::string> newest_first;
};
/// PEM files. Every holder of a certificate of the authority belongs to the fabric, whatever its name.
struct Certificates {
  std::filesystem::path authority;
  std::filesystem::path certificate;
  std::filesystem::path key;
};
using Credentials = std::variant<Secrets, Certificates>;

/// With fewer bytes a secret can be guessed from a recorded handshake.
inline constexpr std::size_t kSecretBytesMin = 20;

/// What all connections of a process share: its credentials, ready for use. A resource, read-only.
class TlsContext {
 public:
  /// The error is a sentence that names the file.
  [[nodiscard]] static std::expected<std::shared_ptr<const TlsContext>, std::string> make(
      const Credentials& credentials);
  ~TlsContext();

  /// The authority accepts this side's own certificate, as it has to accept those of others. With secrets always true.
  /// The error is why not, a phrase.
  [[nodiscard]] std::expected<void, std::string> check_own_certificate() const;
  /// How many secrets a dialling side may offer, one after the other; 1 with certificates.
  [[nodiscard]] std::size_t offers() const;

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};
/// Shared by the owner and by its open connections, which outlive a change of credentials.
using TlsContextPtr = std::shared_ptr<const TlsContext>;

/// One connection. Never blocks; single-threaded.
class TlsSession {
 public:
  enum class Side : std::uint8_t { dialled, accepted };
  enum class Outcome : std::uint8_t {
    done,
    wants_bytes,  // again when the socket has more to read
    wants_room,   // again when the socket takes more
    ended,        // the other side closed it
    failed,       // fault() has the reason
  };
  struct Fault {
    Refusal reason = Refusal::damaged;
    std::string text;  // "it …", without the address
  };

  /// `socket` is non-blocking and stays the caller's. `offer` < context->offers(): which secret a dialling side uses.
  TlsSession(TlsContextPtr context, int socket, Side side, std::size_t offer = 0);
  ~TlsSession();

  /// The socket has more to read: until then it is not asked again.
  void on_readable();
  [[nodiscard]] Outcome shake_hands();
  /// At most one record; `count` is not 0 only when done.
  struct Read {
    Outcome outcome;
    std::size_t count = 0;
  };
  [[nodiscard]] Read read(std::span<std::byte> room);
  /// How many bytes it took. Some of these may be unsent, see flush(). Failures are reported by read().
  [[nodiscard]] std::size_t write(std::span<const std::byte> bytes);
  /// False while bytes that were taken wait for the socket.
  bool flush();
  [[nodiscard]] const Fault& fault() const;

 private:
  friend class TlsContext;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace epic::transport
