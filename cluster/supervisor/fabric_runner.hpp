#pragma once
// FabricRunner: the parts of a supervisor wired on one thread and one io_context. It decides when the fabric is ready,
// when it stops, and how it ends.
//
// Not here: what each part does; what must be there before a fabric runs, such as the project's lock (supervisor.cpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/control/control_server.hpp"
#include "cluster/coordination/local_coordination.hpp"
#include "cluster/supervisor/control_verbs.hpp"
#include "cluster/supervisor/departures.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/module_copies.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "cluster/supervisor/quarantine_runner.hpp"
#include "cluster/supervisor/restart_runner.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_orders.hpp"
#include "cluster/supervisor/shard_table.hpp"

namespace epic::cluster {

/// Single-threaded.
class FabricRunner {
 public:
  FabricRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
               std::uint64_t run, LogHub& logs, ModuleCopies& modules, ModuleCopy module);
  [[nodiscard]] int run();

 private:
  void listen_to_signals();
  void tick();
  void on_member_change(const CoordinationChange& change);
  void on_node_message(kernel::NodeId node, const protocol::FromNode& message);
  void on_node_ready(kernel::NodeId node);
  void on_node_exit(kernel::NodeId node, const std::optional<Crash>& crash);
  void on_node_ended(kernel::NodeId node);
  void open_shards();
  void advance();
  void on_directory_gone();
  void on_grants_delayed(const std::string& why);
  void on_deposed(const std::string& why);
  void check_ready();
  void on_setup_ended();
  [[nodiscard]] std::expected<void, SupervisorError> check_may_change() const;
  [[nodiscard]] std::expected<void, SupervisorError> drain(kernel::NodeId node);
  [[nodiscard]] std::expected<void, SupervisorError> scale(std::uint16_t node_count);
  [[nodiscard]] std::expected<void, SupervisorError> restart(RestartWay way, ControlReply reply);
  void stop(const std::string& why);
  void tell_slow_stop(const NodeSlot& slot);
  void kill(const std::string& why);
  void fail(SupervisorError error);
  void finish();

  void say(protocol::LogLevel level, std::string message);
  void tell(SupervisorEventKind kind, std::string text) const;

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  const files::Directory& directory_;  // .epic
  LogHub& logs_;
  boost::asio::io_context context_{1};
  std::chrono::steady_clock::time_point begun_at_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_tick_ = begun_at_;
  LocalCoordination coordination_{
      [] { return std::chrono::steady_clock::now(); },
      [this](std::move_only_function<void()> work) { boost::asio::post(context_, std::move(work)); }};
  ShardTable shards_;
  FabricTrail trail_;
  ShardOrders orders_;
  SetupRunner setup_;
  Fleet fleet_;
  NodeRequests requests_;
  QuarantineRunner quarantine_;
  Departures departures_;
  RestartRunner restart_;
  ControlVerbs verbs_;
  std::unique_ptr<ControlServer> server_;
  boost::asio::signal_set signals_{context_};
  boost::asio::steady_timer tick_{context_};
  boost::asio::steady_timer end_timer_{context_};

  bool is_ready_ = false;  // the fabric has been ready once
  bool is_stopping_ = false;
  std::chrono::steady_clock::time_point stopping_since_ = {};
  bool is_slow_told_ = false;
  bool is_finished_ = false;
  std::vector<std::string> unsaved_;  // nodes that ended before they had saved everything, when all were to stop
  std::optional<SupervisorError> error_;
  int exit_code_ = kExitOk;
};

}  // namespace epic::cluster
