#pragma once
// UNIX sockets by path, however long: the system's address has room for 107 bytes, so a longer path goes through a
// descriptor of its directory (/proc/self/fd/N/name). Only the user may open what listens here, and what listens
// elsewhere must be the user's: it would get all requests, and answer them.

#include <expected>
#include <string>
#include <system_error>

namespace epic::transport {

/// A descriptor, non-blocking and close-on-exec, connected to the process that listens at `path`. A link there is not
/// followed, and EPERM means that the process is another user's.
[[nodiscard]] std::expected<int, std::error_code> connect_unix_socket(const std::string& path);

/// A descriptor, non-blocking and close-on-exec, that listens at `path` with mode 0600. Replaces what was there.
[[nodiscard]] std::expected<int, std::error_code> listen_unix_socket(const std::string& path);

/// Why connect_unix_socket() has failed, for the end of a sentence.
[[nodiscard]] std::string connect_error_text(const std::error_code& error);

}  // namespace epic::transport
