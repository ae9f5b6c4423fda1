#pragma once
// FailoverPair: a database whose commits are on a synchronous standby, too, which takes over when the server is killed.
//
// Another standby follows then. The URL names both hosts; each is a link to the directory of the server that is there.

#include <poll.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "support/postgres_server.hpp"
#include "support/temp_dir.hpp"

namespace epic::test {

class FailoverPair {
 public:
  FailoverPair() : primary_(std::make_unique<PostgresServer>()), database_(primary_->make_database()) {
    sql("ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'");  // of the standby, which copies the settings
    link(primary_at_, *primary_);
    follow();
  }

  [[nodiscard]] std::string url() const {
    return PostgresServer::url_through(place(0), database_) + "," + place(1).string();
  }
  /// The links.
  [[nodiscard]] std::array<std::filesystem::path, 2> places() const { return {place(0), place(1)}; }
  [[nodiscard]] std::string database() const {
    return database_.substr(database_.find('/', database_.find('@')) + 1,
                            database_.find('?') - database_.find('/', database_.find('@')) - 1);
  }
  /// Of the server that leads, past the links.
  [[nodiscard]] std::string direct_url() const { return PostgresServer::url_through(primary_->directory(), database_); }
  [[nodiscard]] PostgresServer& primary() { return *primary_; }
  [[nodiscard]] PostgresServer& standby() { return *standby_; }
  std::string sql(const std::string& text) { return primary_->run_sql(direct_url(), text); }

  /// Kills the server and lets the standby take over. Commits wait until the next standby follows.
  void fail_over() {
    primary_->stop(PostgresServer::End::kill);
    standby_->promote();
    std::swap(primary_, standby_);
    primary_at_ = 1 - primary_at_;
    follow();
  }
  /// Kills a process of the server while it waits for the standby to confirm its commit; all sessions end with it.
  /// Returns false if nothing was committed within a while.
  bool kill_session_in_commit() {
    standby_->pause();
    bool is_committing = false;
    for (int look = 0; look < kLooksMax && !is_committing; ++look) {
      ::poll(nullptr, 0, 2);
      is_committing = sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'epic' AND "
                          "wait_event = 'SyncRep'") != "0";
    }
    if (is_committing) primary_->kill_session(direct_url());
    standby_->resume();
    return is_committing;
  }

 private:
  static constexpr int kLooksMax = 500;

  [[nodiscard]] std::filesystem::path place(int number) const { return directory_.path() / (number == 0 ? "a" : "b"); }
  void link(int at, const PostgresServer& server) const {
    std::filesystem::remove(place(at));
    std::filesystem::create_directory_symlink(server.directory(), place(at));
  }
  /// From here on a commit waits until the standby has it.
  void follow() {
    sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
    sql("SELECT pg_reload_conf()");
    standby_ = std::make_unique<PostgresServer>(*primary_);
    link(1 - primary_at_, *standby_);
  }

  TempDir directory_;
  std::unique_ptr<PostgresServer> primary_;
  std::unique_ptr<PostgresServer> standby_;
  std::string database_;
  int primary_at_ = 0;
};

}  // namespace epic::test
