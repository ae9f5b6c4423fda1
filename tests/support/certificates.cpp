#include "support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace epic::test {

namespace {

void require(bool is_done, const char* what) {
  if (!is_done) throw std::runtime_error(std::string("OpenSSL cannot ") + what);
}

struct Pair {
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  Pair() = default;
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
  }
};

/// Signed by `issuer`, or by itself.
void make(Pair& pair, const std::string& name, std::chrono::seconds valid_for, const Pair* issuer) {
  pair.key = EVP_EC_gen("P-256");
  pair.certificate = ::X509_new();
  X509* const certificate = pair.certificate;
  require(pair.key != nullptr && certificate != nullptr, "make a key");
  ::X509_set_version(certificate, 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), 1);
  const std::chrono::seconds begins = std::min(std::chrono::seconds(0), valid_for) - std::chrono::hours(1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), begins.count());
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), valid_for.count());
  ::X509_set_pubkey(certificate, pair.key);
  X509_NAME* const subject = ::X509_get_subject_name(certificate);
  ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
  const Pair& signer = issuer == nullptr ? pair : *issuer;
  ::X509_set_issuer_name(certificate, ::X509_get_subject_name(signer.certificate));
  if (issuer == nullptr) {
    X509_EXTENSION* const is_authority =
        ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    ::X509_add_ext(certificate, is_authority, -1);
    ::X509_EXTENSION_free(is_authority);
  }
  require(::X509_sign(certificate, signer.key, ::EVP_sha256()) > 0, "sign a certificate");
}

template <class Write>
std::filesystem::path write_pem(const std::filesystem::path& path, Write write) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  require(file != nullptr && write(file) == 1, "write a file");
  std::fclose(file);
  return path;
}

}  // namespace

struct Authority::Impl : Pair {};

Authority::Authority(std::filesystem::path directory, const std::string& name)
    : directory_(std::move(directory)), impl_(std::make_unique<Impl>()) {
  make(*impl_, name, std::chrono::hours(24), nullptr);
}

Authority::~Authority() = default;

transport::Certificates Authority::issue(const std::string& name, std::chrono::seconds valid_for) {
  Pair issued;
  make(issued, name, valid_for, impl_.get());
  transport::Certificates files;
  files.authority = write_pem(directory_ / (name + "-authority.pem"),
                              [&](std::FILE* file) { return ::PEM_write_X509(file, impl_->certificate); });
  files.certificate = write_pem(directory_ / (name + ".pem"),
                                [&](std::FILE* file) { return ::PEM_write_X509(file, issued.certificate); });
  files.key = write_pem(directory_ / (name + "-key.pem"), [&](std::FILE* file) {
    return ::PEM_write_PrivateKey(file, issued.key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  std::filesystem::permissions(files.key, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return files;
}

}  // namespace epic::test
