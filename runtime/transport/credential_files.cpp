#include "transport/credential_files.hpp"

#include <sys/stat.h>

#include <utility>

#include "files/secret_file.hpp"

namespace epic::transport {

std::expected<void, std::string> check_for_listening(const CredentialPlace& place) {
  const auto usable = CredentialFiles(place).get();
  if (!usable) return std::unexpected(usable.error());
  const auto valid = (*usable)->check_own_certificate();
  if (valid) return {};
  return std::unexpected("No other machine would accept the certificate " + place.certificates.certificate.string() +
                         ", which is checked with " + place.certificates.authority.string() + ": " + valid.error() +
                         ".");
}

std::expected<TlsContextPtr, std::string> CredentialFiles::get() {
  if (place_.is_empty()) return std::unexpected("There is neither a secret nor a certificate.");
  auto version = look();
  if (context_ && version == read_as_) return context_;
  auto credentials = read();
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  auto made = TlsContext::make(*credentials);
  if (!made) {
    if (place_.secret_file.empty()) return std::unexpected(std::move(made.error()));
    return std::unexpected("The secret file " + place_.secret_file.string() + " cannot be used: " + made.error() + ".");
  }
  context_ = *std::move(made);
  read_as_ = std::move(version);
  return context_;
}

std::vector<CredentialFiles::Version> CredentialFiles::look() const {
  std::vector<Version> versions;
  for (const auto* const path : {&place_.secret_file, &place_.certificates.authority, &place_.certificates.certificate,
                                 &place_.certificates.key}) {
    struct stat status{};
    if (path->empty() || ::stat(path->c_str(), &status) != 0) continue;
    versions.push_back({status.st_dev, status.st_ino, status.st_size,
                        std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec});
  }
  return versions;
}

std::expected<Credentials, std::string> CredentialFiles::read() const {
  if (place_.secret_file.empty()) {
    if (auto checked = files::check_key_file(place_.certificates.key); !checked)
      return std::unexpected(std::move(checked.error()));
    return place_.certificates;
  }
  auto secrets = files::read_secret_file(place_.secret_file);
  if (!secrets) return std::unexpected(std::move(secrets.error()));
  return Secrets{*std::move(secrets)};
}

}  // namespace epic::transport
