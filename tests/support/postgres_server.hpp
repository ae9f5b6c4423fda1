#pragma once
// PostgresServer: a PostgreSQL server for tests, in a directory of its own, on a unix socket only.
//
// The server refuses to run as root; then it runs as `postgres`, whom its Debian package has made. It ends with the
// test process, however that ends. Nothing is synced, unless a test is about what a crash leaves.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace epic::test {

class PostgresServer {
 public:
  PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  /// The server of this process, started when it is first used.
  static PostgresServer& shared();

  /// An empty database of a new name; its URL.
  [[nodiscard]] std::string make_database();
  /// Runs SQL in that database; fails the test if the server refuses it. Returns the first column of the first row.
  std::string run_sql(const std::string& url, const std::string& sql);

  enum class End { fast, crash };
  void stop(End how);
  /// Fails the test unless it accepts connections within 30 s.
  void start();
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  /// Runs a program as the server's user, and waits for it. Returns its exit code.
  int run(const std::vector<std::string>& arguments) const;
  pid_t spawn(const std::vector<std::string>& arguments) const;
  [[nodiscard]] std::string url_of(const std::string& database) const;

  TempDir directory_;
  pid_t process_ = -1;
  int databases_ = 0;
};

}  // namespace epic::test
