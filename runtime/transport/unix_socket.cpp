#include "transport/unix_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace epic::transport {

namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::unexpected<std::error_code> fail(int error = errno) {
  return std::unexpected(std::error_code(error, std::generic_category()));
}

/// Creates a socket and lets `use` bind or connect it to the address of `path`.
std::expected<int, std::error_code> with_address(const std::string& path, int (*use)(int, const sockaddr_un&)) {
  Descriptor directory;
  std::string name = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return fail(ENAMETOOLONG);
    directory.fd = ::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory.fd < 0) return fail();
    name = "/proc/self/fd/" + std::to_string(directory.fd) + path.substr(slash);
    if (name.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG);
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket.fd < 0 || use(socket.fd, address) != 0) return fail();
  return std::exchange(socket.fd, -1);
}

}  // namespace

std::expected<int, std::error_code> connect_unix_socket(const std::string& path) {
  // Connects at once or not at all: EAGAIN means that too many connections wait to be accepted there.
  return with_address(path, [](int socket, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(address.sun_path, &status) == 0 && S_ISLNK(status.st_mode)) {
      errno = ELOOP;
      return -1;
    }
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    ucred listener{};
    socklen_t size = sizeof listener;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) return -1;
    if (listener.uid == ::geteuid()) return 0;
    errno = EPERM;
    return -1;
  });
}

std::expected<int, std::error_code> listen_unix_socket(const std::string& path) {
  return with_address(path, [](int socket, const sockaddr_un& address) {
    ::unlink(address.sun_path);
    if (::fchmod(socket, 0600) != 0) return -1;  // of the file that bind() makes, whatever the umask
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    return ::listen(socket, SOMAXCONN);
  });
}

std::string connect_error_text(const std::error_code& error) {
  return error == std::errc::operation_not_permitted ? "what listens there was started by another user"
                                                     : error.message();
}

}  // namespace epic::transport
