#pragma once
// NodeProcess: one live process of a node, with its channel and its output.
//
// It is spawned with descriptor 3 as its end of the channel, standard output and error in one pipe (which keeps their
// order), its own process group (so that Ctrl-C reaches only the supervisor, which then stops the nodes in order), and
// SIGKILL as the signal it gets when the supervisor's thread ends. When on_end is called nothing of it is left: neither
// the process, nor its children, nor an unread byte of its output.
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

/// On the io_context's only thread.
class NodeProcess {
 public:
  struct Events {
    std::function<void(const protocol::FromNode&)> on_message;
    std::function<void(std::string_view)> on_log;     // a line of its log, without the line break
    std::function<void(std::string_view)> on_output;  // the same of what its code prints, which may be anything
    std::function<void(std::string)> on_garbage;      // its messages are malformed; none follows
    std::function<void(ProcessEnd)> on_end;           // the last event
  };

  struct Program {
    std::filesystem::path path;
    std::vector<std::string> arguments;
    std::filesystem::path directory;
  };

  static constexpr std::size_t kUnsentBytesMax = 2 * protocol::kSupervisionFrameBytesMax;

  [[nodiscard]] static std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(
      boost::asio::io_context& context, const Program& program, Events events);
  /// Kills it if it is still alive, and waits for its end; there are no more events.
  ~NodeProcess();

  [[nodiscard]] pid_t pid() const;
  /// False if it has not read for so long that the limit is reached.
  [[nodiscard]] bool try_send(const protocol::ToNode& message);
  /// Sends any signal. False if the process has ended.
  [[nodiscard]] bool try_signal(int number) const;
  /// Sends SIGKILL, which also works on a stopped process. on_end follows.
  void kill();

 private:
  struct State;
  explicit NodeProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // shared with Asio handlers that outlive this object
};

}  // namespace epic::cluster
