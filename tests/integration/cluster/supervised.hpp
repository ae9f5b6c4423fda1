#pragma once
// A supervisor in its own process with fake nodes, in a directory that is removed afterwards.
//
// Its callbacks write lines to a pipe; tests wait for a line, or poll a condition over the control socket. Every wait
// has a time limit, and prints what it waited for.

#include <sys/types.h>

#include <boost/json/value.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/control/control_client.hpp"
#include "cluster/supervisor/supervisor.hpp"

namespace epic::test {

/// An empty directory with a short path.
class ProjectDirectory {
 public:
  ProjectDirectory();
  ProjectDirectory(const ProjectDirectory&) = delete;
  ProjectDirectory& operator=(const ProjectDirectory&) = delete;
  ~ProjectDirectory();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The names of sockets, module copies and lock below .epic.
  [[nodiscard]] std::vector<std::string> list_left_behind() const;
  void wait_until_nothing_is_left() const;

 private:
  std::filesystem::path path_;
};

[[nodiscard]] inline bool holds(std::string_view text, std::string_view part) { return text.contains(part); }

class Supervised {
 public:
  /// `module`: what the nodes do (see programs/fake_node.cpp). `enter` is called in the new process first.
  Supervised(const ProjectDirectory& project, const std::string& module,
             const std::function<void(cluster::SupervisorOptions&)>& change = {},
             const std::function<void()>& enter = {});
  Supervised(const Supervised&) = delete;
  Supervised& operator=(const Supervised&) = delete;
  /// Kills it if it is still alive, and waits for its end.
  ~Supervised();

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;

  /// Reads lines until one contains `text`, and returns it. Earlier lines are dropped.
  ///   "ready 4 nodes, logs in …"   "event stopping why"   "error message|hint|log"   "log node-2 info - text"
  std::string wait_for(std::string_view text);
  /// The arguments of on_error.
  std::string wait_for_error();
  /// Reads what it has said so far. A supervisor whose lines nobody reads blocks when the pipe is full.
  void listen();
  /// Its exit code; 128 + n if a signal killed it.
  int wait_for_end();
  /// Does not wait. After that only its lines can be asked for.
  [[nodiscard]] bool has_ended();

  [[nodiscard]] cluster::ControlClient connect() const;
  boost::json::object ask(std::string_view verb, boost::json::object body = {});
  [[nodiscard]] cluster::ControlError ask_in_vain(std::string_view verb, boost::json::object body = {});
  [[nodiscard]] std::vector<boost::json::object> stream(std::string_view verb, boost::json::object body = {});
  boost::json::object call(std::string_view entity, std::string_view method, boost::json::array arguments = {});
  /// Polls `ps` until `is_met` returns true.
  boost::json::object wait_for_ps(std::string_view what, const std::function<bool(const boost::json::object&)>& is_met);
  /// All nodes are ready and the shards are spread evenly.
  boost::json::object wait_until_level();
  [[nodiscard]] std::vector<pid_t> list_node_pids();
  /// Every line so far.
  [[nodiscard]] std::string heard() const { return heard_ + unread_; }

 private:
  std::string wait_for_line(std::string_view what, const std::function<bool(std::string_view)>& is_meant);

  std::filesystem::path socket_;
  pid_t pid_ = -1;
  int events_ = -1;
  bool is_reaped_ = false;
  std::string unread_;
  std::string heard_;  // for the message of a timeout
};

/// Fails the test if the process does not end soon.
void wait_for_death(pid_t pid);

/// The options that Supervised starts with.
[[nodiscard]] cluster::SupervisorOptions fake_options(const ProjectDirectory& project, const std::string& module);

}  // namespace epic::test
