#pragma once
// EtcdServer: etcd for tests, one member or three, each a process with a directory of its own, on free loopback ports.
//
// The processes end with the test process, however that ends.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace epic::test {

class EtcdServer {
 public:
  enum class Members : std::uint8_t { one = 1, three = 3 };
  /// Fails the test unless the server answers reads within 30 s.
  explicit EtcdServer(Members members = Members::one);
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer();

  /// The server of this process, with one member, started when it is first used.
  static EtcdServer& shared();

  /// The members' addresses, in their order.
  [[nodiscard]] std::vector<std::string> endpoints() const;
  [[nodiscard]] std::uint16_t port(std::size_t member = 0) const { return members_.at(member).client_port; }

  void kill(std::size_t member = 0);
  /// A member that was killed, with what it had stored.
  void restart(std::size_t member = 0);
  /// A member that was killed, which has lost what it had stored. Only if it is the only one.
  void restart_empty();
  void pause(std::size_t member = 0);
  void go_on(std::size_t member = 0);

  /// What the gateway for HTTP answers to `body`, posted to `path`, such as "kv/range".
  [[nodiscard]] std::string post(const std::string& path, const std::string& body, std::size_t member = 0) const;
  /// Forgets every change so far, after which a watch from an earlier revision is refused.
  void compact();
  /// The member that leads the others.
  [[nodiscard]] std::size_t leader() const;

 private:
  struct Member {
    std::uint16_t client_port = 0;
    std::uint16_t peer_port = 0;
    pid_t process = -1;
  };
  void spawn(std::size_t member);
  void wait_until_up(std::size_t member);
  [[nodiscard]] std::string directory_of(std::size_t member) const;

  TempDir directory_;
  std::vector<Member> members_;
};

}  // namespace epic::test
