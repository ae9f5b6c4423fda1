#pragma once
// Manifest: the settings of epic.toml, checked key by key.
//
// One table (manifest.cpp) has every key: it reads, checks and documents them; the defaults are those below. An error
// shows line, column, the line itself and the nearest key that exists. An unknown key is an error, because a misspelt
// setting that is silently ignored is worse. Any file gets an answer in words, whatever it contains.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// The first kind of store there is.
std::string default_store();

/// No other machine can join.
inline constexpr const char* kAlone = "local";

struct Manifest {
  std::string name;    // [project] name
  std::string module;  // [modules] load: the NAME given to epic_add_module(); by default the project's

  // [fabric]
  std::int64_t nodes = 4;
  std::int64_t shards = 64;                                       // must be those of the store
  std::string store = default_store();                            // what storage::is_store_setting() takes
  std::string coordination = kAlone;                              // or what cluster::check_coordination() takes
  std::chrono::milliseconds lease = std::chrono::seconds(5);      // of a machine, if there may be several
  std::chrono::milliseconds lease_margin = lease / 5;             // check_lease() accepts the two
  std::chrono::milliseconds idle_age = std::chrono::minutes(15);  // idle entities are saved and deactivated after this
  std::uint64_t memory_budget_bytes =
      0;  // for a node's entities; beyond it the least recently used are deactivated; 0: no limit
  std::chrono::milliseconds call_timeout = std::chrono::seconds(30);  // for calls without their own deadline
  std::chrono::milliseconds turn_report = std::chrono::seconds(1);    // a longer turn is reported
  std::chrono::milliseconds turn_max = std::chrono::seconds(30);      // a longer turn ends the node
  std::chrono::milliseconds silence_max = std::chrono::seconds(5);    // without a heartbeat, the node is killed
  std::chrono::milliseconds grace = std::chrono::seconds(5);          // for running calls, when a node stops
  std::int64_t blocking_threads = 16;                                 // of a node, for epic::blocking
  std::int64_t blocking_queue = 1024;                                 // functions that wait for one of them

  // [cluster]: this machine, for others
  std::string listen;                 // what parse_listen_address() takes; empty: only machines on this host can join
  std::string secret_file;            // of the fabric; relative to the project's directory, as the next one
  std::string certificates;           // a directory, instead of a secret
  bool beacon = false;                // tells the network's other machines where it listens
  std::vector<std::string> machines;  // where supervisors of the fabric may be; what parse_machine_address() takes

  std::string files_folder = "data";  // [files] folder: below the project's directory

  // [restart]: the wait before a dead node is started again
  std::chrono::milliseconds restart_delay_first = std::chrono::milliseconds(100);  // doubled with each failure …
  std::chrono::milliseconds restart_delay_max = std::chrono::seconds(10);
  std::chrono::milliseconds restart_forget_after = std::chrono::minutes(1);  // … and reset after running this long

  std::string log_level = "info";  // [log] level: debug | info | warn | error

  std::string text;  // all of it, as it was read
};

inline constexpr std::int64_t kNodesMax = 64;
inline constexpr std::int64_t kShardsMax = 4096;
inline constexpr std::int64_t kBlockingThreadsMax = 1024;
inline constexpr std::int64_t kBlockingQueueMax = 1'000'000;

/// A setting as `epic help config` lists it.
struct SettingText {
  std::string section;
  std::string name;
  std::string summary;
  std::string accepts;
  std::string fallback;     // as epic.toml would have it; empty: none
  std::string environment;  // a variable that comes before epic.toml; empty: none
};
std::vector<SettingText> list_settings();

Result<Manifest> read_manifest(const std::filesystem::path& file);
/// Like read_manifest, but from text; `file` is only for messages.
Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& file);

/// Why `name` is not a valid project name; empty if it is. Letters, digits, '-' and '_', starting with a letter, at
/// most 64.
std::string why_no_project_name(std::string_view name);

}  // namespace epic::cli
