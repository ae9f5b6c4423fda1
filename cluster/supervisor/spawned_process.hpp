#pragma once
// SpawnedProcess: a node's process of this machine, with its channel and its output.
//
// It is spawned with descriptor 3 as its end of the channel, standard output and error in one pipe (which keeps their
// order), its own process group (so that Ctrl-C reaches only the supervisor, which then stops the nodes in order), and
// SIGKILL as the signal it gets when the supervisor's thread ends.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "cluster/control/supervisor_error.hpp"
#include "cluster/supervisor/node_process.hpp"

namespace epic::cluster {

/// On the io_context's only thread.
class SpawnedProcess final : public NodeProcess {
 public:
  static constexpr std::size_t kUnsentBytesMax = 2 * protocol::kSupervisionFrameBytesMax;

  [[nodiscard]] static std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(
      boost::asio::io_context& context, const Program& program, Events events);
  ~SpawnedProcess() override;

  [[nodiscard]] pid_t pid() const override;
  [[nodiscard]] bool try_send(const protocol::ToNode& message) override;
  [[nodiscard]] bool try_share(const SharedMessage& message) override;
  [[nodiscard]] bool try_signal(int number) override;
  void kill() override;
  [[nodiscard]] std::expected<std::string, std::string> crash_memory() const override;
  [[nodiscard]] std::optional<Crash> read_crash() const override;
  [[nodiscard]] std::uint64_t count_lost_lines() const override;

 private:
  struct State;
  explicit SpawnedProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // shared with Asio handlers that outlive this object
};

}  // namespace epic::cluster
