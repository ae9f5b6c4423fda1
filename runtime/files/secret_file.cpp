#include "files/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "files/private_files.hpp"

namespace epic::files {

namespace {

constexpr std::size_t kSecretFileBytesMax = 4096;
constexpr std::size_t kSecretsMax = 2;

std::string_view without_spaces(std::string_view line) {
  constexpr std::string_view kSpaces = " \t\r";
  const std::size_t begin = line.find_first_not_of(kSpaces);
  return begin == std::string_view::npos ? std::string_view()
                                         : line.substr(begin, line.find_last_not_of(kSpaces) + 1 - begin);
}

std::expected<void, std::string> check_secrecy(const struct stat& status, const std::string& kind,
                                               const std::string& name) {
  if (!S_ISREG(status.st_mode)) return std::unexpected("The " + kind + " file " + name + " is not a regular file.");
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return std::unexpected("The " + kind + " file " + name + " belongs to another user, who could exchange it.");
  const mode_t readers = status.st_uid == 0 ? mode_t{S_IRWXO | S_IWGRP} : mode_t{S_IRWXO | S_IRWXG};
  if ((status.st_mode & readers) != 0)
    return std::unexpected("Others may read the " + kind + " file " + name + ": run 'chmod 600 " + name +
                           "', and use a new " + kind + " if they may have read it.");
  return {};
}

}  // namespace

std::expected<void, std::string> check_key_file(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0)
    return std::unexpected("Cannot read the key file " + path.string() + ": " + std::strerror(errno) + ".");
  return check_secrecy(status, "key", path.string());
}

std::expected<std::vector<std::string>, std::string> read_secret_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return std::unexpected("Cannot read the secret file " + name + ": " + std::strerror(errno) + ".");
  if (auto checked = check_secrecy(status, "secret", name); !checked)
    return std::unexpected(std::move(checked.error()));
  std::array<char, kSecretFileBytesMax + 1> room;
  const ssize_t count = ::read(file.get(), room.data(), room.size());
  if (count < 0) return std::unexpected("Cannot read the secret file " + name + ": " + std::strerror(errno) + ".");
  std::string_view text(room.data(), static_cast<std::size_t>(count));
  if (text.size() > kSecretFileBytesMax) return std::unexpected("The secret file " + name + " is larger than 4 KiB.");

  std::vector<std::string> secrets;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (const auto line = without_spaces(text.substr(0, end)); !line.empty()) secrets.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (secrets.empty())
    return std::unexpected("The secret file " + name + " is empty: 'openssl rand -hex 32 > " + name +
                           "' makes a secret.");
  if (secrets.size() > kSecretsMax)
    return std::unexpected("The secret file " + name +
                           " has more than two lines: the newest secret, and the one before.");
  return secrets;
}

}  // namespace epic::files
