#pragma once
// UNIX sockets by path, however long: the system's address has room for 107 bytes, so a longer path goes through a
// descriptor of its directory (/proc/self/fd/N/name). Only the user may open what listens here.

#include <expected>
#include <string>
#include <system_error>

namespace epic::transport {

/// A descriptor, non-blocking and close-on-exec, connected to the process that listens at `path`. A link there is not
/// followed.
[[nodiscard]] std::expected<int, std::error_code> connect_unix_socket(const std::string& path);

/// A descriptor, non-blocking and close-on-exec, that listens at `path` with mode 0600. Replaces what was there.
[[nodiscard]] std::expected<int, std::error_code> listen_unix_socket(const std::string& path);

}  // namespace epic::transport
