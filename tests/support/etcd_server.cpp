#include "support/etcd_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "protocol/json.hpp"

namespace epic::test {

namespace {

constexpr const char* kEtcd = "/usr/bin/etcd";
constexpr int kEtcdLooksMax = 600;
constexpr int kEtcdLookEveryMs = 50;

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) throw std::runtime_error("cannot make a socket");
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd_); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// Bound, so that it is given to nobody else while the socket lives.
std::uint16_t bind_free_port(const Socket& socket) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("cannot bind a port");
  return ntohs(address.sin_port);
}

/// The whole answer, with its headers; empty if there is none within 2 s.
std::string exchange(std::uint16_t port, const std::string& request) {
  const Socket socket;
  const sockaddr_in address = loopback(port);
  const timeval patience{2, 0};
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return {};
  std::string answer;
  std::array<char, 4096> part{};
  ssize_t count = 0;
  while ((count = ::recv(socket.fd(), part.data(), part.size(), 0)) > 0)
    answer.append(part.data(), static_cast<std::size_t>(count));
  return answer;
}

std::string field_of(const std::string& json, std::initializer_list<std::string_view> path) {
  const auto parsed = protocol::parse_json(json);
  if (!parsed) throw std::runtime_error("etcd answered " + json);
  const boost::json::value* at = &*parsed;
  for (const std::string_view name : path) {
    const auto* const object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(name);
    if (at == nullptr) throw std::runtime_error("etcd answered " + json);
  }
  return std::string(at->as_string());
}

}  // namespace

EtcdServer::EtcdServer(Members members) {
  if (!std::filesystem::exists(kEtcd))
    throw std::runtime_error(fmt::format("there is no {}: apt-get install etcd-server", kEtcd));
  {
    std::vector<std::pair<Socket, Socket>> held(static_cast<std::size_t>(members));
    for (const auto& [client, peer] : held) members_.push_back({bind_free_port(client), bind_free_port(peer)});
  }
  for (std::size_t member = 0; member < members_.size(); ++member) spawn(member);
  for (std::size_t member = 0; member < members_.size(); ++member) wait_until_up(member);
}

EtcdServer::~EtcdServer() {
  for (std::size_t member = 0; member < members_.size(); ++member) kill(member);
}

EtcdServer& EtcdServer::shared() {
  static EtcdServer server;
  return server;
}

std::vector<std::string> EtcdServer::endpoints() const {
  std::vector<std::string> all;
  for (const Member& member : members_) all.push_back(fmt::format("http://127.0.0.1:{}", member.client_port));
  return all;
}

std::string EtcdServer::directory_of(std::size_t member) const {
  return directory_.path() / fmt::format("member-{}", member);
}

void EtcdServer::spawn(std::size_t member) {
  std::string all;
  for (std::size_t i = 0; i < members_.size(); ++i)
    all += fmt::format("{}m{}=http://127.0.0.1:{}", i == 0 ? "" : ",", i, members_[i].peer_port);
  const std::string client = fmt::format("http://127.0.0.1:{}", members_[member].client_port);
  const std::string peer = fmt::format("http://127.0.0.1:{}", members_[member].peer_port);
  std::vector<std::string> arguments{kEtcd,
                                     "--name=" + fmt::format("m{}", member),
                                     "--data-dir=" + directory_of(member),
                                     "--listen-client-urls=" + client,
                                     "--advertise-client-urls=" + client,
                                     "--listen-peer-urls=" + peer,
                                     "--initial-advertise-peer-urls=" + peer,
                                     "--initial-cluster=" + all};
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const std::string log = directory_of(member) + ".log";
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("cannot fork a process for etcd");
  if (process == 0) {
    ::close_range(STDERR_FILENO + 1, ~0U, 0);  // a socket of the test's that it held would never end for the other side
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || ::chdir("/") != 0) ::_exit(126);
    ::execv(kEtcd, raw.data());
    ::_exit(127);
  }
  members_[member].process = process;
}

void EtcdServer::wait_until_up(std::size_t member) {
  // A linearizable read of any key: it needs a leader.
  for (int look = 0; look < kEtcdLooksMax; ++look) {
    if (post("kv/range", R"({"key":"AA=="})", member).contains("\"header\"")) return;
    if (::waitpid(members_[member].process, nullptr, WNOHANG) == members_[member].process) {
      members_[member].process = -1;
      break;
    }
    ::poll(nullptr, 0, kEtcdLookEveryMs);
  }
  std::ifstream log(directory_of(member) + ".log");
  throw std::runtime_error("etcd does not come up: " + std::string(std::istreambuf_iterator<char>(log), {}));
}

void EtcdServer::kill(std::size_t member) {
  const pid_t process = std::exchange(members_[member].process, -1);
  if (process < 0) return;
  ::kill(process, SIGKILL);
  while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void EtcdServer::restart(std::size_t member) {
  spawn(member);
  wait_until_up(member);
}

void EtcdServer::restart_empty() {
  std::filesystem::remove_all(directory_of(0));
  restart(0);
}

void EtcdServer::pause(std::size_t member) {
  ::kill(members_[member].process, SIGSTOP);
  // Until all its threads have stopped it may still answer.
  while (::waitpid(members_[member].process, nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}
void EtcdServer::go_on(std::size_t member) { ::kill(members_[member].process, SIGCONT); }

std::string EtcdServer::post(const std::string& path, const std::string& body, std::size_t member) const {
  const std::string answer =
      exchange(port(member), fmt::format("POST /v3/{} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                                         "Content-Length: {}\r\n\r\n{}",
                                         path, body.size(), body));
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

void EtcdServer::compact() {
  const std::string revision = field_of(post("kv/range", R"({"key":"AA=="})"), {"header", "revision"});
  const std::string answer = post("kv/compaction", fmt::format(R"({{"revision":"{}","physical":true}})", revision));
  static_cast<void>(field_of(answer, {"header", "revision"}));
}

std::size_t EtcdServer::leader() const {
  for (std::size_t member = 0; member < members_.size(); ++member) {
    const std::string status = post("maintenance/status", "{}", member);
    if (field_of(status, {"leader"}) == field_of(status, {"header", "member_id"})) return member;
  }
  throw std::runtime_error("no member of etcd leads");
}

}  // namespace epic::test
