#pragma once
// CredentialFiles: what a process proves itself by (tls.hpp), from files: the fabric's secret, or certificates.
//
// It looks at the files with each new connection and reads them again when they have changed, so that secrets and
// certificates are exchanged without a restart.

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "transport/tls.hpp"

namespace epic::transport {

/// Where the credentials are; absolute paths.
struct CredentialPlace {
  std::filesystem::path secret_file;  // empty: certificates
  Certificates certificates = {};

  [[nodiscard]] bool is_empty() const { return secret_file.empty() && certificates.certificate.empty(); }
};

/// authority.pem, certificate.pem and key.pem there.
[[nodiscard]] inline Certificates certificates_in(const std::filesystem::path& directory) {
  return {.authority = directory / "authority.pem",
          .certificate = directory / "certificate.pem",
          .key = directory / "key.pem"};
}

/// Whether a process that listens can use them: others would refuse a certificate that is not valid. The error is a
/// sentence.
[[nodiscard]] std::expected<void, std::string> check_for_listening(const CredentialPlace& place);

/// One thread.
class CredentialFiles {
 public:
  explicit CredentialFiles(CredentialPlace place) : place_(std::move(place)) {}

  /// As they are now; the error is a sentence. For TcpMedium::GetContext.
  [[nodiscard]] std::expected<TlsContextPtr, std::string> get();

 private:
  /// What a file was when it was read.
  struct Version {
    dev_t device;
    ino_t inode;
    off_t bytes;
    std::int64_t changed_ns;
    bool operator==(const Version&) const = default;
  };
  [[nodiscard]] std::vector<Version> look() const;
  [[nodiscard]] std::expected<Credentials, std::string> read() const;

  CredentialPlace place_;
  std::vector<Version> read_as_;
  TlsContextPtr context_;
};

}  // namespace epic::transport
