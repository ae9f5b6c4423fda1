#pragma once
// NodeProcess: one living process of a node, with its channel and its output.
//
// It is spawned with descriptor 3 as its end of the channel, standard output and error in one pipe (which keeps their
// order), a process group of its own (so that Ctrl-C reaches the supervisor only, which then stops nodes in order), and
// SIGKILL as the signal that it gets when the supervisor's thread ends. Nothing of it is left when on_end is called:
// not the process, not its children, not a byte that it wrote.
//
// Not here: when to start and restart (fleet.hpp), what messages mean.

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/control/supervisor_error.hpp"
#include "cluster/supervisor/node_exit.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

/// On the io_context's one thread.
class NodeProcess {
 public:
  struct Events {
    std::function<void(const protocol::FromNode&)> on_message;
    std::function<void(std::string_view)> on_line;  // of its output, without the line break
    std::function<void(std::string)> on_garbage;    // its messages make no sense; none comes after this
    std::function<void(ProcessEnd)> on_end;         // the last event
  };

  struct Program {
    std::filesystem::path path;
    std::vector<std::string> arguments;
    std::filesystem::path directory;
  };

  static constexpr std::size_t kUnsentBytesMax = 2 * protocol::kSupervisionFrameBytesMax;

  [[nodiscard]] static std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(
      boost::asio::io_context& context, const Program& program, Events events);
  /// Kills it if it still lives, and waits for its end; no event comes any more.
  ~NodeProcess();

  [[nodiscard]] pid_t pid() const;
  /// False when it has not read for so long that the bound is reached.
  [[nodiscard]] bool try_send(const protocol::ToNode& message);
  /// Any signal. False when the process has ended.
  [[nodiscard]] bool try_signal(int number) const;
  /// SIGKILL, which also a stopped process obeys. on_end follows.
  void kill();

 private:
  struct State;
  explicit NodeProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // shared with handlers that Asio still holds when this goes
};

}  // namespace epic::cluster
