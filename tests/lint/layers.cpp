#include "lint/layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

namespace epic::lint {
namespace {

/// A folder and the folders whose files it may include, beside its own.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

const std::vector<Layer>& layers() {
  static const std::vector<Layer> table = {
      {"runtime/include/epic/", {}},
      {"runtime/reflect/", {"runtime/include/epic/"}},
      {"runtime/kernel/routing/",
       {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/assert.hpp", "runtime/kernel/ids.hpp",
        "runtime/kernel/limits.hpp", "runtime/kernel/messages.hpp"}},
      {"runtime/memory/", {}},
      {"runtime/kernel/", {"runtime/include/epic/", "runtime/reflect/", "runtime/memory/"}},
      {"runtime/protocol/", {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/"}},
      {"runtime/codec/", {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/protocol/"}},
      {"runtime/files/", {}},
      {"runtime/storage/", {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/files/"}},
      {"runtime/transport/",
       {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/protocol/", "runtime/codec/",
        "runtime/files/"}},
      {"runtime/io/",
       {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/protocol/", "runtime/codec/",
        "runtime/files/", "runtime/storage/", "runtime/transport/"}},
      {"runtime/sim/",
       {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/protocol/", "runtime/codec/",
        "runtime/storage/", "runtime/transport/"}},
      {"runtime/client/",
       {"runtime/include/epic/", "runtime/reflect/", "runtime/kernel/", "runtime/protocol/", "runtime/codec/",
        "runtime/files/", "runtime/transport/", "runtime/io/"}},
      {"runtime/node/", {"runtime/"}},
      {"cluster/control/", {"runtime/"}},
      {"cluster/coordination/", {"runtime/"}},
      {"cluster/placement/", {"runtime/"}},
      {"cluster/supervisor/", {"runtime/", "cluster/control/", "cluster/coordination/", "cluster/placement/"}},
      {"cluster/sim/",
       {"runtime/", "cluster/control/", "cluster/coordination/", "cluster/placement/", "cluster/supervisor/"}},
      {"cli/output/", {"runtime/"}},
      {"cli/parser/", {"runtime/", "cli/output/"}},
      {"cli/project/", {"runtime/", "cluster/", "cli/output/", "cli/parser/"}},
      {"cli/fabric/", {"runtime/", "cluster/", "cli/output/", "cli/parser/", "cli/project/"}},
      {"cli/completion/", {"runtime/", "cluster/", "cli/output/", "cli/parser/", "cli/project/", "cli/fabric/"}},
      {"cli/machines/", {"runtime/", "cluster/", "cli/output/", "cli/parser/", "cli/project/", "cli/fabric/"}},
      {"cli/commands/",
       {"runtime/", "cluster/", "cli/output/", "cli/parser/", "cli/project/", "cli/fabric/", "cli/completion/",
        "cli/machines/"}},
      {"cli/", {"runtime/", "cluster/"}},
  };
  return table;
}

const Layer* find_layer(std::string_view path) {
  for (const auto& layer : layers())
    if (path.starts_with(layer.folder)) return &layer;
  return nullptr;
}

/// Our file that `included` refers to, looked up like the compiler does; empty if it is not one of ours.
std::string find_own_file(const Tree& tree, std::string_view from, std::string_view included) {
  const std::string beside = std::string(from.substr(0, from.rfind('/') + 1)) + std::string(included);
  if (tree.contains(beside)) return beside;
  for (const std::string_view root : {"", "runtime/", "runtime/include/", "cli/"}) {
    std::string path = std::string(root) + std::string(included);
    if (tree.contains(path)) return path;
  }
  return {};
}

struct LibraryRule {
  std::string_view folder;
  std::vector<std::string_view> banned;  // prefixes that an include must not have
  std::string_view why;
  std::vector<std::string_view> except = {};  // paths that may have them
};

/// The supervisor's files that touch the world, or wire those that do. The others have cluster/supervisor/host.hpp.
const std::vector<std::string_view>& supervisor_world() {
  static const std::vector<std::string_view> files = {
      "cluster/supervisor/beacon.",         "cluster/supervisor/remote_control.", "cluster/supervisor/asio_host.",
      "cluster/supervisor/crash_memory.",   "cluster/supervisor/detach.",         "cluster/supervisor/fabric_runner.",
      "cluster/supervisor/janitor.",        "cluster/supervisor/log_hub.cpp",     "cluster/supervisor/machine_join.",
      "cluster/supervisor/machine_stream.", "cluster/supervisor/machine_runner.", "cluster/supervisor/module_copies.",
      "cluster/supervisor/project_lock.",   "cluster/supervisor/run_paths.cpp",   "cluster/supervisor/spawned_process.",
      "cluster/supervisor/supervisor.cpp"};
  return files;
}

std::vector<std::string_view> join(std::vector<std::string_view> some, const std::vector<std::string_view>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

const std::vector<LibraryRule>& library_rules() {
  static const std::vector<std::string_view> io_libraries = {"boost/asio", "boost/process", "boost/beast", "boost/url",
                                                             "sqlite3",    "libpq",         "capnp/",      "kj/",
                                                             "spdlog/",    "CLI/",          "toml++/"};
  static const std::vector<std::string_view> outside_world = {
      "thread",  "mutex",  "condition_variable", "future", "random",    "fstream", "iostream",       "unistd.h",
      "fcntl.h", "poll.h", "netinet/",           "arpa/",  "pthread.h", "dlfcn.h", "codec/capnp.hpp"};
  static const std::vector<LibraryRule> rules = [] {
    const auto hosted = join(io_libraries, outside_world);
    const auto pure = join(hosted, {"filesystem", "sys/"});
    const auto light = join(pure, {"boost/json", "fmt/format.h", "fmt/chrono.h", "fmt/ostream.h", "fmt/ranges.h",
                                   "regex", "sstream", "catch2/"});
    const auto own_world =
        join(supervisor_world(), {"sys/socket.h", "io/", "transport/", "files/", "cluster/control/control_server.hpp",
                                  "cluster/control/control_client.hpp"});
    return std::vector<LibraryRule>{
        {"runtime/reflect/", pure, "reflect is plain tables"},
        {"runtime/kernel/", pure, "the kernel does no I/O: events in, syscalls out"},
        {"runtime/kernel/events/",
         {"kernel/activations/", "kernel/calls/", "kernel/frames/", "kernel/kernel", "kernel/routing/",
          "kernel/saving/"},
         "events know no other part of the kernel"},
        {"runtime/kernel/saving/",
         {"kernel/activations/activations.hpp", "kernel/calls/calls.hpp", "kernel/frames/", "kernel/kernel"},
         "saving is below calls and activations"},
        {"runtime/kernel/calls/",
         {"kernel/activations/activations.hpp", "kernel/frames/", "kernel/kernel"},
         "calls are below activations"},
        {"runtime/kernel/activations/", {"kernel/frames/", "kernel/kernel"}, "activations are below frames"},
        {"runtime/kernel/frames/", {"kernel/kernel"}, "kernel.hpp connects the parts"},
        {"runtime/include/epic/", light, "public headers are light", {"runtime/include/epic/client_asio.hpp"}},
        {"runtime/transport/peers", pure, "the protocol between processes does no I/O: streams do"},
        {"runtime/transport/connection", pure, "the protocol between processes does no I/O: streams do"},
        {"runtime/transport/stream", pure, "the protocol between processes does no I/O: streams do"},
        {"runtime/transport/transport.", pure, "the protocol between processes does no I/O: streams do"},
        {"cluster/supervisor/", join(hosted, own_world), "the world is behind cluster/supervisor/host.hpp",
         supervisor_world()},
        {"cluster/", {"capnp/", "kj/"}, "Cap'n Proto is included through codec/capnp.hpp only"},
        {"cluster/",
         {"sqlite3", "libpq", "storage/sqlite", "storage/postgres"},
         "stores are opened through storage/open_store.hpp",
         {"cluster/coordination/postgres_"}},
        {"cli/",
         {"sqlite3", "libpq", "storage/sqlite", "storage/postgres"},
         "stores are opened through storage/open_store.hpp"},
        {"runtime/", {"CLI/", "toml++/"}, "the command line belongs to cli"},
        {"runtime/transport/", {"openssl/"}, "TLS is behind transport/tls.hpp", {"runtime/transport/tls.cpp"}},
    };
  }();
  return rules;
}

struct CallRule {
  const char* pattern;
  std::vector<std::string_view> allowed;  // folders that may use it
  std::string_view instead;
};

const std::vector<CallRule>& call_rules() {
  static const std::vector<CallRule> rules = {
      {R"(\b(steady_clock|system_clock|high_resolution_clock)::now\s*\()",
       join(supervisor_world(),
            {"runtime/io/", "runtime/client/", "runtime/testing/catch_main.cpp", "cluster/control/", "cli/", "tests/"}),
       "take the time from the driver, or the host"},
      {R"(\b(clock_gettime|gettimeofday)\s*\()",
       {"runtime/io/", "tests/bench/", "tests/integration/programs/"},
       "take the time from the driver"},
      {R"(\b(random_device|srand|getrandom|getentropy)\b|\brand\s*\()",
       {"runtime/io/", "cli/project/module_habits.cpp", "tests/"},
       "take randomness from the driver"},
      {R"((^|[^\w.>:])(::)?(socket|accept4?|bind|listen|connect|recvmsg|sendmsg|poll|epoll_wait)\s*\()",
       {"runtime/io/", "runtime/transport/", "runtime/client/", "runtime/include/epic/client.hpp", "cluster/", "cli/",
        "runtime/storage/postgres_connection.cpp", "tests/"},
       "go through the transport"},
      {R"(\b(std::jthread|std::thread|pthread_create)\b)",
       join(supervisor_world(), {"runtime/io/", "runtime/node/", "runtime/client/", "cluster/control/",
                                 "cluster/coordination/postgres_", "cli/", "tests/"}),
       "threads are the driver's, or the host's"},
      {R"(\b(sleep_for|sleep_until|usleep|nanosleep)\s*\()", {}, "wait for the event itself"},
      {R"((^|[^\w:.>])::(open|openat|creat|mkdir|mkdirat|unlink|unlinkat|rename|renameat|link|symlink|symlinkat|chmod)\s*\()"
       R"(|\b(fopen|freopen|[io]?fstream)\b)"
       R"(|\b(fs|filesystem)::(create_\w+|copy\w*|rename|remove\w*|resize_file|permissions)\s*\()",
       {"runtime/files/", "runtime/io/resident.cpp", "runtime/node/crash_handler.cpp", "runtime/node/module_abi.cpp",
        "runtime/testing/", "runtime/sim/forgetful_disk.cpp", "runtime/sim/sqlite_disk.cpp",
        "runtime/transport/unix_socket.cpp", "cli/main.cpp", "cli/commands/restart.cpp", "cli/fabric/snapshot_file.cpp",
        "cli/machines/child.cpp", "runtime/storage/sqlite_files.cpp", "cluster/supervisor/detach.cpp",
        "cluster/supervisor/spawned_process.cpp", "cluster/sim/scenario_run.cpp", "cli/output/", "cli/project/",
        "tests/"},
       "files in .epic are opened, made and removed through files/private_files.hpp"},
      {R"(\bjson::(parse|parse_into|serialize|(basic_|stream_)?parser|serializer)\b)",
       {"runtime/protocol/json.cpp", "tests/"},
       "go through protocol/json.hpp"},
  };
  return rules;
}

}  // namespace

Findings find_layer_faults(const Tree& tree) {
  Findings findings;
  for (const auto& [path, content] : tree) {
    const Layer* layer = is_source(path) ? find_layer(path) : nullptr;
    if (layer == nullptr) continue;
    for (const auto& line : lines_of(content)) {
      const std::string target = find_own_file(tree, path, included_file(line.text));
      if (target.empty() || target.starts_with(layer->folder) || starts_with_any(target, layer->may_include)) continue;
      findings.push_back(fmt::format("{}:{}: {} may not include {}", path, line.number, layer->folder, target));
    }
  }
  return findings;
}

Findings find_library_faults(const Tree& tree) {
  Findings findings;
  for (const auto& [path, content] : tree) {
    if (!is_source(path)) continue;
    for (const auto& rule : library_rules()) {
      if (!path.starts_with(rule.folder) || starts_with_any(path, rule.except)) continue;
      for (const auto& line : lines_of(content))
        if (const auto file = included_file(line.text); !file.empty() && starts_with_any(file, rule.banned))
          findings.push_back(fmt::format("{}:{}: includes {}, but {}", path, line.number, file, rule.why));
    }
  }
  return findings;
}

Findings find_impure_calls(const Tree& tree) {
  Findings findings;
  for (const auto& rule : call_rules()) {
    const std::regex pattern(rule.pattern);
    for (const auto& [path, content] : tree) {
      const bool is_ours = starts_with_any(path, {"runtime/", "cluster/", "cli/", "tests/"});
      if (!is_source(path) || !is_ours || starts_with_any(path, rule.allowed)) continue;
      std::size_t number = 0;
      for (const auto& code : code_lines(content)) {
        ++number;
        if (std::smatch match; std::regex_search(code, match, pattern))
          findings.push_back(fmt::format("{}:{}: uses '{}': {}", path, number, match.str(), rule.instead));
      }
    }
  }
  return findings;
}

}  // namespace epic::lint
