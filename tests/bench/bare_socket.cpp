#include "bench/bare_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace epic::bench {

namespace {

/// False at the end of the stream.
bool read_all(int socket, std::vector<std::byte>& into) {
  for (std::size_t have = 0; have < into.size();) {
    const ssize_t size = ::read(socket, into.data() + have, into.size() - have);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    have += static_cast<std::size_t>(size);
  }
  return true;
}

bool write_all(int socket, const std::vector<std::byte>& from) {
  for (std::size_t sent = 0; sent < from.size();) {
    const ssize_t size = ::send(socket, from.data() + sent, from.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    sent += static_cast<std::size_t>(size);
  }
  return true;
}

}  // namespace

BareSocketEcho::BareSocketEcho(std::size_t message_bytes) : message_(message_bytes) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::runtime_error("cannot create a socket pair");
  echo_.emplace([&](const test::Reporter&) {
    ::close(ends[0]);
    std::vector<std::byte> message(message_bytes);
    while (read_all(ends[1], message) && write_all(ends[1], message)) {
    }
  });
  ::close(ends[1]);
  socket_ = ends[0];
}

BareSocketEcho::~BareSocketEcho() { ::close(socket_); }

void BareSocketEcho::round_trip() {
  if (!write_all(socket_, message_) || !read_all(socket_, message_))
    throw std::runtime_error("the echo process has died");
}

}  // namespace epic::bench
