#include "transport/tls.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace epic::transport {

namespace {

constexpr std::size_t kTlsBatchBytes = 64 * 1024;  // encrypted before they are sent
constexpr std::size_t kTlsKeptBytes = 16 * 1024;   // of a buffer, while there is nothing to send
constexpr long kCertificateBytesMax = 32 * 1024;   // of the other side's chain
constexpr unsigned char kAes128GcmSha256[] = {0x13, 0x01};
constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kAlertRecord = 21;

template <class T, auto kFree>
struct FreeBy {
  void operator()(T* object) const { kFree(object); }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, FreeBy<T, kFree>>;
using OwnedContext = Owned<SSL_CTX, &SSL_CTX_free>;
using OwnedSsl = Owned<SSL, &SSL_free>;
using OwnedSession = Owned<SSL_SESSION, &SSL_SESSION_free>;
using OwnedBioMethod = Owned<BIO_METHOD, &BIO_meth_free>;
using OwnedKdf = Owned<EVP_KDF, &EVP_KDF_free>;
using OwnedKdfContext = Owned<EVP_KDF_CTX, &EVP_KDF_CTX_free>;

std::string tls_error_text() {
  const unsigned long error = ::ERR_peek_error();
  if (ERR_SYSTEM_ERROR(error)) return std::generic_category().message(ERR_GET_REASON(error));
  const char* const reason = ::ERR_reason_error_string(error);
  return reason == nullptr ? "unknown error" : reason;
}

/// What a secret becomes on the wire.
struct PreSharedKey {
  std::array<unsigned char, 32> key{};
  std::string name;
};

bool derive(std::string_view secret, std::string_view purpose, std::span<unsigned char> out) {
  const OwnedKdf kdf(::EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const OwnedKdfContext context(kdf ? ::EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  char digest[] = "SHA256";
  char salt[] = "epic fabric";
  const std::array<OSSL_PARAM, 5> parameters{
      ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<char*>(secret.data()), secret.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof salt - 1),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(purpose.data()), purpose.size()),
      ::OSSL_PARAM_construct_end()};
  return ::EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1;
}

std::expected<PreSharedKey, std::string> make_key(const std::string& secret) {
  if (secret.size() < kSecretBytesMin)
    return std::unexpected(
        fmt::format("the secret has {} bytes; it needs {} at least", secret.size(), kSecretBytesMin));
  PreSharedKey made;
  std::array<unsigned char, 8> name{};
  if (!derive(secret, "tls 1.3 key, v1", made.key) || !derive(secret, "tls 1.3 key name, v1", name))
    return std::unexpected(fmt::format("no key can be derived from the secret: {}", tls_error_text()));
  for (const unsigned char byte : name) made.name += fmt::format("{:02x}", byte);
  return made;
}

/// The socket of a session, as OpenSSL sees it.
struct Wire {
  int socket;
  bool is_readable = true;
  bool is_ended = false;
  int read_error = 0;
  std::uint8_t first_byte = 0;      // that arrived; of a TLS record: its type
  std::vector<std::byte> out = {};  // encrypted
  std::size_t sent = 0;             // of `out`
  bool is_write_broken = false;
};

int read_wire(BIO* bio, char* data, int size) {
  auto& wire = *static_cast<Wire*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  if (wire.is_readable && !wire.is_ended && wire.read_error == 0) {
    ssize_t count = 0;
    do count = ::recv(wire.socket, data, static_cast<std::size_t>(size), 0);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
      wire.is_readable = count == size;
      if (wire.first_byte == 0) wire.first_byte = static_cast<std::uint8_t>(data[0]);
      return static_cast<int>(count);
    }
    if (count == 0)
      wire.is_ended = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
      wire.read_error = errno;
    wire.is_readable = false;
  }
  if (wire.is_ended) return 0;
  if (wire.read_error == 0) ::BIO_set_retry_read(bio);
  return -1;
}

int write_wire(BIO* bio, const char* data, int size) {
  auto& wire = *static_cast<Wire*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  if (!wire.is_write_broken) wire.out.insert(wire.out.end(), bytes, bytes + size);
  return size;
}

long control_wire(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return static_cast<Wire*>(::BIO_get_data(bio))->is_ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

bool is_one_of(int reason, std::initializer_list<int> reasons) {
  return std::ranges::find(reasons, reason) != reasons.end();
}

}  // namespace

struct TlsContext::Impl {
  OwnedContext ssl;
  OwnedBioMethod wire;
  std::vector<PreSharedKey> keys;  // newest first; empty: certificates

  [[nodiscard]] std::expected<void, std::string> use(const Secrets& secrets);
  [[nodiscard]] std::expected<void, std::string> use(const Certificates& files);
};

struct TlsSession::Impl {
  TlsContextPtr context;
  Side side;
  std::size_t offer;
  Wire wire;
  OwnedSsl ssl = {};
  Fault fault = {};

  [[nodiscard]] bool has_secret() const { return !context->impl_->keys.empty(); }
  [[nodiscard]] Fault explain() const;
  [[nodiscard]] Fault explain_reason(int reason) const;
};

namespace {

/// A session that has never been: what OpenSSL takes for an external key.
SSL_SESSION* make_session(SSL* ssl, const PreSharedKey& key) {
  OwnedSession session(::SSL_SESSION_new());
  const SSL_CIPHER* const cipher = ::SSL_CIPHER_find(ssl, kAes128GcmSha256);
  const bool is_made = session && cipher != nullptr &&
                       ::SSL_SESSION_set1_master_key(session.get(), key.key.data(), key.key.size()) == 1 &&
                       ::SSL_SESSION_set_cipher(session.get(), cipher) == 1 &&
                       ::SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) == 1;
  return is_made ? session.release() : nullptr;
}

}  // namespace

// ---- context ----

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

std::size_t TlsContext::offers() const { return std::max<std::size_t>(1, impl_->keys.size()); }

std::expected<void, std::string> TlsContext::check_own_certificate() const {
  SSL_CTX* const ssl = impl_->ssl.get();
  X509* const certificate = ::SSL_CTX_get0_certificate(ssl);
  if (certificate == nullptr) return {};
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(ssl, &chain);
  const Owned<X509_STORE_CTX, &X509_STORE_CTX_free> check(::X509_STORE_CTX_new());
  if (!check || ::X509_STORE_CTX_init(check.get(), ::SSL_CTX_get_cert_store(ssl), certificate, chain) != 1)
    return std::unexpected(fmt::format("OpenSSL cannot be used: {}", tls_error_text()));
  if (::X509_verify_cert(check.get()) == 1) return {};
  const int error = ::X509_STORE_CTX_get_error(check.get());
  return std::unexpected(::X509_verify_cert_error_string(error));
}

std::expected<TlsContextPtr, std::string> TlsContext::make(const Credentials& credentials) {
  ::ERR_clear_error();
  auto impl = std::make_unique<Impl>();
  impl->ssl.reset(::SSL_CTX_new(::TLS_method()));
  impl->wire.reset(::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "epic socket"));
  SSL_CTX* const ssl = impl->ssl.get();
  const bool is_made = ssl != nullptr && impl->wire && ::BIO_meth_set_read(impl->wire.get(), &read_wire) == 1 &&
                       ::BIO_meth_set_write(impl->wire.get(), &write_wire) == 1 &&
                       ::BIO_meth_set_ctrl(impl->wire.get(), &control_wire) == 1 &&
                       SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                       SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                       ::SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256") == 1 &&
                       SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1 && ::SSL_CTX_set_num_tickets(ssl, 0) == 1;
  if (!is_made) return std::unexpected(fmt::format("OpenSSL cannot be used: {}", tls_error_text()));
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  ::SSL_CTX_clear_options(ssl, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ssl, 1);  // one read of the socket takes all records that are there
  SSL_CTX_set_max_cert_list(ssl, kCertificateBytesMax);
  auto used = std::visit([&](const auto& one) { return impl->use(one); }, credentials);
  if (!used) return std::unexpected(std::move(used.error()));
  return TlsContextPtr(new TlsContext(std::move(impl)));
}

std::expected<void, std::string> TlsContext::Impl::use(const Secrets& secrets) {
  if (secrets.newest_first.empty() || secrets.newest_first.size() > 2)
    return std::unexpected(fmt::format("there are {} secrets; one or two can be used", secrets.newest_first.size()));
  for (const std::string& secret : secrets.newest_first) {
    auto key = make_key(secret);
    if (!key) return std::unexpected(std::move(key.error()));
    keys.push_back(*std::move(key));
  }
  ::SSL_CTX_set_psk_use_session_callback(ssl.get(), [](SSL* one, const EVP_MD* digest, const unsigned char** name,
                                                       std::size_t* name_size, SSL_SESSION** session) {
    const auto& self = *static_cast<const TlsSession::Impl*>(SSL_get_app_data(one));
    *session = nullptr;
    if (digest != nullptr && ::EVP_MD_get_size(digest) != 32) return 1;
    const PreSharedKey& key = self.context->impl_->keys.at(self.offer);
    *name = reinterpret_cast<const unsigned char*>(key.name.data());
    *name_size = key.name.size();
    *session = make_session(one, key);
    return *session == nullptr ? 0 : 1;
  });
  ::SSL_CTX_set_psk_find_session_callback(
      ssl.get(), [](SSL* one, const unsigned char* name, std::size_t name_size, SSL_SESSION** session) {
        const auto& self = *static_cast<const TlsSession::Impl*>(SSL_get_app_data(one));
        const std::string_view wanted(reinterpret_cast<const char*>(name), name_size);
        const auto& known = self.context->impl_->keys;
        const auto key = std::ranges::find(known, wanted, &PreSharedKey::name);
        *session = nullptr;
        if (key == known.end()) return 1;
        *session = make_session(one, *key);
        return *session == nullptr ? 0 : 1;
      });
  return {};
}

std::expected<void, std::string> TlsContext::Impl::use(const Certificates& files) {
  ::SSL_CTX_set_verify(ssl.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const auto fail = [](std::string_view what, const std::filesystem::path& path) {
    return std::unexpected(fmt::format("The {} {} cannot be used: {}.", what, path.string(), tls_error_text()));
  };
  if (::SSL_CTX_load_verify_file(ssl.get(), files.authority.c_str()) != 1)
    return fail("authority's certificate", files.authority);
  if (::SSL_CTX_use_certificate_chain_file(ssl.get(), files.certificate.c_str()) != 1)
    return fail("certificate", files.certificate);
  if (::SSL_CTX_use_PrivateKey_file(ssl.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) return fail("key", files.key);
  return {};
}

// ---- session ----

TlsSession::TlsSession(TlsContextPtr context, int socket, Side side, std::size_t offer)
    : impl_(new Impl{.context = std::move(context), .side = side, .offer = offer, .wire = {.socket = socket}}) {
  const TlsContext::Impl& shared = *impl_->context->impl_;
  impl_->ssl.reset(::SSL_new(shared.ssl.get()));
  BIO* const wire = ::BIO_new(shared.wire.get());
  if (!impl_->ssl || wire == nullptr) throw std::bad_alloc();
  ::BIO_set_data(wire, &impl_->wire);
  ::BIO_set_init(wire, 1);
  SSL* const ssl = impl_->ssl.get();
  ::SSL_set_bio(ssl, wire, wire);
  SSL_set_app_data(ssl, impl_.get());
  if (side == Side::dialled)
    ::SSL_set_connect_state(ssl);
  else
    ::SSL_set_accept_state(ssl);
}

TlsSession::~TlsSession() = default;

void TlsSession::on_readable() { impl_->wire.is_readable = true; }

const TlsSession::Fault& TlsSession::fault() const { return impl_->fault; }

TlsSession::Outcome TlsSession::shake_hands() {
  if (!flush()) return Outcome::wants_room;
  SSL* const ssl = impl_->ssl.get();
  ::ERR_clear_error();
  const int result = ::SSL_do_handshake(ssl);
  const int error = result == 1 ? SSL_ERROR_NONE : ::SSL_get_error(ssl, result);
  const bool is_sent = flush();
  if (error == SSL_ERROR_WANT_READ) return is_sent ? Outcome::wants_bytes : Outcome::wants_room;
  if (error != SSL_ERROR_NONE) {
    impl_->fault = impl_->explain();
    return Outcome::failed;
  }
  if (impl_->has_secret() && ::SSL_session_reused(ssl) != 1) {
    impl_->fault = {Refusal::wrong_secret, "it has proved itself without the fabric's secret"};
    return Outcome::failed;
  }
  return Outcome::done;
}

TlsSession::Read TlsSession::read(std::span<std::byte> room) {
  SSL* const ssl = impl_->ssl.get();
  ::ERR_clear_error();
  std::size_t count = 0;
  const int result = ::SSL_read_ex(ssl, room.data(), room.size(), &count);
  if (result == 1) return {Outcome::done, count};
  const int error = ::SSL_get_error(ssl, result);
  flush();  // an answer of TLS itself
  if (error == SSL_ERROR_WANT_READ) return {Outcome::wants_bytes};
  // The end is not signed: frames have a length, and a peer whose connection has ended is lost in any case.
  if (error == SSL_ERROR_ZERO_RETURN || impl_->wire.is_ended) return {Outcome::ended};
  impl_->fault = impl_->explain();
  return {Outcome::failed};
}

std::size_t TlsSession::write(std::span<const std::byte> bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && flush()) {
    ::ERR_clear_error();
    std::size_t count = 0;
    if (impl_->wire.is_write_broken || ::SSL_write_ex(impl_->ssl.get(), bytes.data() + taken,
                                                      std::min(bytes.size() - taken, kTlsBatchBytes), &count) != 1)
      return bytes.size();
    taken += count;
  }
  flush();
  return taken;
}

bool TlsSession::flush() {
  Wire& wire = impl_->wire;
  while (wire.sent < wire.out.size()) {
    const ssize_t count = ::send(wire.socket, wire.out.data() + wire.sent, wire.out.size() - wire.sent, MSG_NOSIGNAL);
    if (count > 0) {
      wire.sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return false;
    } else if (errno != EINTR) {
      wire.is_write_broken = true;
      break;
    }
  }
  wire.sent = 0;
  wire.out.clear();
  if (wire.out.capacity() > kTlsKeptBytes) wire.out = {};
  return true;
}

// ---- faults ----

TlsSession::Fault TlsSession::Impl::explain() const {
  const bool is_tls = wire.first_byte == 0 || wire.first_byte == kHandshakeRecord || wire.first_byte == kAlertRecord;
  if (!is_tls) return {Refusal::not_tls, "it does not speak TLS"};
  if (wire.read_error != 0) return {Refusal::cut_off, std::generic_category().message(wire.read_error)};
  const long verified = has_secret() ? X509_V_OK : ::SSL_get_verify_result(ssl.get());
  if (verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID)
    return {Refusal::expired_certificate, ::X509_verify_cert_error_string(verified)};
  if (verified != X509_V_OK)
    return {Refusal::wrong_certificate,
            fmt::format("its certificate is refused: {}", ::X509_verify_cert_error_string(verified))};
  if (const unsigned long error = ::ERR_peek_error(); error != 0 && !wire.is_ended)
    return explain_reason(ERR_GET_REASON(error));
  return {Refusal::cut_off, "it closed the connection during the handshake"};
}

TlsSession::Fault TlsSession::Impl::explain_reason(int reason) const {
  if (is_one_of(reason, {SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST,
                         SSL_R_HTTPS_PROXY_REQUEST, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION}))
    return {Refusal::not_tls, "it does not speak TLS 1.3"};
  if (has_secret()) {
    const bool is_refused = is_one_of(reason, {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, SSL_R_TLSV1_ALERT_DECRYPT_ERROR,
                                               SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY});
    if (is_refused) return {Refusal::wrong_secret, "it does not accept this side's secret"};
    const bool is_unknown =
        is_one_of(reason, {SSL_R_BINDER_DOES_NOT_VERIFY, SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
                           SSL_R_NO_CERTIFICATE_SET, SSL_R_NO_CERTIFICATE_ASSIGNED});
    if (side == Side::accepted && is_unknown) return {Refusal::wrong_secret, "it does not have the fabric's secret"};
  } else {
    if (reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED)
      return {Refusal::expired_certificate, "it says that this side's certificate has expired"};
    if (is_one_of(reason, {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, SSL_R_NO_SHARED_CIPHER}))
      return {Refusal::wrong_certificate, "it has no certificate"};
    if (is_one_of(reason, {SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
                           SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
                           SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED}))
      return {Refusal::wrong_certificate, "it does not accept this side's certificate"};
  }
  const char* const text = ::ERR_reason_error_string(::ERR_peek_error());
  return {Refusal::damaged, fmt::format("its bytes do not fit TLS: {}", text == nullptr ? "damaged" : text)};
}

}  // namespace epic::transport
