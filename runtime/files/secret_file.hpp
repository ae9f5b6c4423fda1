#pragma once
// The fabric's secret, as a file that an operator has made: one line, or two while one secret is exchanged for another.
//
// Those who can read it can join the fabric and run code there. So a file that others may read is refused, not used
// with a warning: by then the secret may be known.

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace epic::files {

/// The secrets in the order of their lines: the newest first. The file belongs to this user or to root, nobody else
/// may read it (a group may if it is root's), and it is at most 4 KiB. The error is a sentence with the file's name and
/// what to do.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> read_secret_file(const std::filesystem::path& path);
/// The same rules for a certificate's private key, which is not read here.
[[nodiscard]] std::expected<void, std::string> check_key_file(const std::filesystem::path& path);

}  // namespace epic::files
