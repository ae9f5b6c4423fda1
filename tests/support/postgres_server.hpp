#pragma once
// PostgresServer: a PostgreSQL server for tests, in a directory of its own, on a unix socket only.
//
// The server refuses to run as root; then it runs as `postgres`, whom its Debian package has made. It ends with the
// test process, however that ends. Nothing is synced, unless a test is about what a crash leaves.

#include <signal.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace epic::test {

class PostgresServer {
 public:
  /// `settings`: "name=value", more than what all servers of tests have, or instead.
  explicit PostgresServer(std::vector<std::string> settings = {});
  /// A standby of `primary` with its settings, which follows it while both run. It is no standby any more after
  /// promote().
  explicit PostgresServer(const PostgresServer& primary);
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  /// The server of this process, started when it is first used.
  static PostgresServer& shared();

  /// A database of a new name, in which the role `kRole` owns the schema `epic` and may do nothing else; its URL for
  /// that role.
  [[nodiscard]] std::string make_database();
  static constexpr const char* kRole = "clerk";
  /// The same through a link to the server's directory, as through an address that a standby takes over.
  [[nodiscard]] static std::string url_through(const std::filesystem::path& link, const std::string& url);
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }
  /// Runs SQL in that database, as one who may do everything; fails the test if the server refuses it. Returns the
  /// first column of the first row.
  std::string run_sql(const std::string& url, const std::string& sql);

  enum class End { fast, crash, kill };
  void stop(End how);
  /// Fails the test unless it accepts connections within 30 s.
  void start();
  /// Kills one of the processes that serve sessions of epic, if there is one: all others end with it.
  void kill_session(const std::string& url);
  void promote();
  /// Stops all its processes like SIGSTOP; connections stay open, and are not answered.
  void pause() { signal_all(SIGSTOP); }
  void resume() { signal_all(SIGCONT); }
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  /// Runs a program as the server's user, and waits for it. Returns its exit code.
  int run(const std::vector<std::string>& arguments) const;
  pid_t spawn(const std::vector<std::string>& arguments) const;
  void wait_until_up();
  /// Returns which they are.
  std::vector<pid_t> signal_all(int signal) const;
  [[nodiscard]] std::string url_of(const std::string& role, const std::string& database) const;
  void make_data_directory();

  TempDir directory_;
  std::vector<std::string> settings_;
  pid_t process_ = -1;
  int databases_ = 0;
};

}  // namespace epic::test
