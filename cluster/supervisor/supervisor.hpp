#pragma once
// Supervisor: one process that keeps a project's fabric running.
//
// It spawns the nodes and restarts them, keeps coordination and the shard map, collects their logs, answers the control
// socket, runs the module's setup, and stops everything in order. `epic run` becomes it by calling run_supervisor() on
// its main thread (a node dies with the thread that spawned it). It prints nothing itself: it reports through the
// callbacks.
//
// Files, all under <project>/.epic: supervisor.lock (held while it lives), run_count, control.sock, run/node-N.sock and
// node-N.last (io/last_words.hpp), logs/<run>/{supervisor,node-N}.log with logs/latest pointing there.
//
// Not here: building the module, reading epic.toml, colours and prefixes (the CLI).

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/control/supervisor_error.hpp"
#include "cluster/supervisor/backoff.hpp"
#include "protocol/log_line.hpp"
#include "protocol/machine_place.hpp"
#include "protocol/supervision.hpp"
#include "storage/open_store.hpp"

namespace epic::cluster {

/// Reported once, when every shard has an owner that has taken it; setup starts after that.
struct FabricReady {
  struct Node {
    std::string name;  // "node-1"
    pid_t pid;
    std::filesystem::path socket;
  };
  pid_t pid;
  std::vector<Node> nodes;
  std::filesystem::path control_socket;
  std::filesystem::path store;          // a file, or a URL; empty: nothing is kept
  std::filesystem::path log_directory;  // of this run
  std::chrono::milliseconds took;
  std::string address = {};  // where other machines reach this one; empty: nowhere
};

enum class SupervisorEventKind : std::uint8_t {
  setup_done,    // the module's setup returned
  setup_failed,  // it threw; `text` is the reason
  stopping,      // when an ordered stop starts; `text` is the reason
  killing,       // after the second request to stop, or the grace period
  stopped,       // all nodes have ended, nothing is left behind
  setting_up,    // to the starter of a detached fabric: it no longer waits for the setup, which goes on
};

struct SupervisorEvent {
  SupervisorEventKind kind;
  std::string text;
};

/// Where the supervisor of a machine listens for others. Its nodes use the ports after it.
inline constexpr std::uint16_t kMachinePort = 7420;
inline constexpr std::uint16_t kNodePortsMax = 100;
/// Of this program, and of the modules that its nodes load.
#if defined(__x86_64__)
inline constexpr std::string_view kArchitecture = "x86_64";
#elif defined(__aarch64__)
inline constexpr std::string_view kArchitecture = "aarch64";
#else
#error "this processor has no name here yet"
#endif

enum class AfterSetup : std::uint8_t { keep_running, exit };

struct SupervisorOptions {
  std::string project_name;
  std::filesystem::path project_directory;  // absolute
  std::filesystem::path module_path;        // absolute
  std::filesystem::path node_program;       // epic-node; absolute
  std::string version;                      // of epic; nodes must have the same
  std::uint16_t node_count = 4;
  /// Where `.epic` is; absolute. Empty: in the project's directory. A machine that joins has one of its own.
  std::filesystem::path run_directory = {};
  /// The text of epic.toml, for machines that join; not read here.
  std::string manifest = {};
  std::uint16_t port = kMachinePort;  // of its supervisor; 0: the system chooses one
  bool beacon = false;                // says so to the local network (beacon.hpp)
  std::string coordination = {};      // of several machines, as check_coordination() takes it; empty: this one is alone
  std::string machine_name = {};      // its start; empty: the host's
  bool joins = false;                 // a fabric that runs, with more nodes
  std::string evicted = {};     // why this machine was evicted just now, and waits to be let in; empty: it was not
  protocol::TcpPlace tcp = {};  // how processes of other machines reach the nodes of this one
  std::chrono::milliseconds lease{std::chrono::seconds(5)};         // after which a machine that is silent is gone
  std::chrono::milliseconds lease_margin{std::chrono::seconds(1)};  // as LeaseSettings has it
  std::uint32_t shard_count = 64;
  storage::StoreAddress store{.kind = std::string(storage::store_kinds().front()), .location = {}};  // absolute
  protocol::FabricOptions fabric;

  AfterSetup after_setup = AfterSetup::keep_running;
  RestartPolicy restart;
  std::chrono::milliseconds start_timeout{std::chrono::seconds(30)};  // from spawn to Ready; then it is killed
  /// How long the starter of a detached fabric waits for the module's setup, whose failure it reports.
  std::chrono::milliseconds setup_wait{std::chrono::seconds(10)};
  std::chrono::milliseconds silence_max{std::chrono::seconds(5)};  // without a heartbeat; then it is killed
  std::chrono::milliseconds turn_max{std::chrono::seconds(30)};    // a longer turn ends the node; 0: never
  std::chrono::milliseconds quiet{std::chrono::seconds(3)};        // without a change, before shards are rebalanced

  /// All are called on the supervisor's thread, and may be empty.
  std::function<void(const protocol::LogLine&)> on_log;
  std::function<void(const FabricReady&)> on_ready;
  std::function<void(const SupervisorEvent&)> on_event;
  std::function<void(const SupervisorError&)> on_error;
};

/// The results of run_supervisor(); the CLI exits with them.
inline constexpr int kExitOk = 0;      // stopped in order (`epic stop`, SIGTERM, first Ctrl-C), or setup returned
inline constexpr int kExitFailed = 1;  // did not start, or setup failed under AfterSetup::exit; on_error has the reason
inline constexpr int kExitInterrupted = 130;  // a second SIGINT or SIGTERM cut the ordered stop short

/// Runs the fabric until it is stopped. Call it on the main thread, while no other thread of the caller forks. While it
/// runs it owns SIGINT, SIGTERM and SIGHUP (unless that is ignored), and ignores SIGPIPE.
[[nodiscard]] int run_supervisor(const SupervisorOptions& options);

/// Runs the fabric in its own process and session, which outlive the caller and its terminal; waits until the fabric is
/// ready or has failed. Until then on_log gets warnings and errors; on_event is not used. Returns kExitOk once the
/// fabric is ready (with AfterSetup::exit: what run_supervisor would return). Call it before the process has threads.
[[nodiscard]] int run_supervisor_detached(const SupervisorOptions& options);

}  // namespace epic::cluster
