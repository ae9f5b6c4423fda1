#include "files/digest.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace epic::files {

namespace {

constexpr std::size_t kDigestReadBytes = 256 * 1024;

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};

Refusal refuse_digest(const std::filesystem::path& path, int error) {
  return {error, "Cannot read " + path.string() + ": " + std::strerror(error) + ".", "Check its permissions."};
}

}  // namespace

std::expected<std::string, Refusal> digest_of(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::unexpected(refuse_digest(path, errno));
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(::EVP_MD_CTX_new());
  if (!context || ::EVP_DigestInit_ex(context.get(), ::EVP_sha256(), nullptr) != 1)
    return std::unexpected(refuse_digest(path, ENOMEM));
  std::vector<unsigned char> piece(kDigestReadBytes);
  while (true) {
    const ssize_t count = ::read(file.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(refuse_digest(path, errno));
    if (count == 0) break;
    ::EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(count));
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  ::EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace epic::files
