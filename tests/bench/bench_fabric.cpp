#include "bench/bench_fabric.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cluster/control/control_client.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "epic/version.hpp"
#include "storage/open_store.hpp"

namespace epic::bench {

namespace {

constexpr std::string_view kReady = "ready";
constexpr int kReportedMs = 500;  // nodes report their counts every 200 ms

cluster::ControlClient control_of(const test::TempDir& directory) {
  auto client = cluster::ControlClient::connect(directory.path() / ".epic" / "control.sock");
  if (!client) throw std::runtime_error(client.error().message);
  return std::move(*client);
}

boost::json::array list_processes(const test::TempDir& directory) {
  const auto ps = control_of(directory).request("ps", boost::json::object{});
  if (!ps) throw std::runtime_error(ps.error().message);
  return ps->at("nodes").as_array();
}

/// In the new process, until it is stopped. Writes "ready", or why it is not, to `starter`.
[[noreturn]] void supervise(cluster::SupervisorOptions options, int starter, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a bench that is killed leaves nothing behind
  if (::getppid() != parent) ::_exit(1);
  const auto say = [&starter](std::string_view text) {  // once
    if (starter >= 0) static_cast<void>(::write(starter, text.data(), text.size()));
    if (starter >= 0) ::close(std::exchange(starter, -1));
  };
  options.on_event = [&say](const cluster::SupervisorEvent& event) {
    if (event.kind == cluster::SupervisorEventKind::setup_done) say(kReady);
  };
  options.on_error = [&say](const cluster::SupervisorError& error) { say(error.message); };
  ::_exit(cluster::run_supervisor(options));
}

std::string read_word(int fd) {
  std::array<char, 4096> bytes;
  const ssize_t count = ::read(fd, bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

}  // namespace

BenchFabric::BenchFabric(std::uint16_t node_count, std::string module, std::string store)
    : node_count_(node_count), module_(std::move(module)), store_(std::move(store)) {
  start();
}

BenchFabric::~BenchFabric() {
  if (supervisor_ >= 0) stop();
}

void BenchFabric::start() {
  cluster::SupervisorOptions options;
  options.project_name = "bench";
  options.project_directory = directory_.path();
  options.module_path = EPIC_BENCH_MODULE_DIR "/" + module_ + ".so";
  options.node_program = EPIC_NODE_PROGRAM;
  options.version = EPIC_VERSION_TEXT;
  options.node_count = node_count_;
  options.store = store();

  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t parent = ::getpid();
  supervisor_ = ::fork();
  if (supervisor_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (supervisor_ == 0) supervise(std::move(options), pipe[1], parent);
  ::close(pipe[1]);
  const std::string word = read_word(pipe[0]);
  ::close(pipe[0]);
  if (word == kReady) return;
  ::waitpid(std::exchange(supervisor_, -1), nullptr, 0);
  throw std::runtime_error(word.empty() ? "the fabric did not start" : word);
}

void BenchFabric::stop() {
  ::kill(supervisor_, SIGTERM);
  ::waitpid(std::exchange(supervisor_, -1), nullptr, 0);
}

void BenchFabric::kill() {
  std::vector<pollfd> nodes;
  for (const auto& node : list_processes(directory_)) {
    if (node.at("pid").is_null()) continue;
    const long fd = ::syscall(SYS_pidfd_open, node.at("pid").to_number<pid_t>(), 0);
    if (fd >= 0) nodes.push_back({.fd = static_cast<int>(fd), .events = POLLIN, .revents = 0});
  }
  ::kill(supervisor_, SIGKILL);
  ::waitpid(std::exchange(supervisor_, -1), nullptr, 0);
  for (pollfd& node : nodes) {
    ::poll(&node, 1, -1);
    ::close(node.fd);
  }
}

storage::StoreAddress BenchFabric::store() const { return storage::locate_store(store_, directory_.path() / ".epic"); }

std::map<std::string, std::string> BenchFabric::list_nodes(std::string_view type) const {
  std::map<std::string, std::string> nodes;
  auto client = control_of(directory_);
  const auto done = client.stream("ls", {{"type", type}}, [&nodes](const boost::json::value& part) {
    nodes[part.at("entity").as_string().c_str()] = part.at("node").as_string().c_str();
    return true;
  });
  if (!done) throw std::runtime_error(done.error().message);
  return nodes;
}

BenchFabric::Saved BenchFabric::count_saved() const {
  ::poll(nullptr, 0, kReportedMs);
  Saved saved;
  for (const auto& node : list_processes(directory_)) {
    saved.commits += node.at("commits").to_number<std::uint64_t>();
    saved.rows += node.at("rows").to_number<std::uint64_t>();
  }
  return saved;
}

std::uint64_t BenchFabric::count_resident_bytes() const {
  ::poll(nullptr, 0, kReportedMs);
  std::uint64_t bytes = 0;
  for (const auto& node : list_processes(directory_)) bytes += node.at("resident_bytes").to_number<std::uint64_t>();
  return bytes;
}

std::uint64_t BenchFabric::count_written_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& node : list_processes(directory_)) {
    if (node.at("pid").is_null()) continue;
    std::ifstream io("/proc/" + std::to_string(node.at("pid").to_number<pid_t>()) + "/io");
    std::string name;
    std::uint64_t value = 0;
    while (io >> name >> value)
      if (name == "write_bytes:") bytes += value;
  }
  return bytes;
}

std::vector<std::string> BenchFabric::list_owners() const {
  const auto nodes = control_of(directory_).request("nodes", boost::json::object{});
  if (!nodes) throw std::runtime_error(nodes.error().message);
  std::vector<std::string> owners;
  for (const auto& owner : nodes->at("map").at("owners").as_array())
    owners.push_back("node-" + std::to_string(owner.to_number<int>()));
  return owners;
}

void BenchFabric::put_file(std::string_view name, std::string_view content) const {
  const std::filesystem::path data = directory_.path() / "data";
  std::filesystem::create_directories(data);
  if (!(std::ofstream(data / name, std::ios::binary) << content))
    throw std::runtime_error("cannot write " + (data / name).string());
}

void BenchFabric::kill_node(std::string_view name) const {
  for (const auto& node : list_processes(directory_))
    if (node.at("node").as_string() == name && !node.at("pid").is_null())
      ::kill(node.at("pid").to_number<pid_t>(), SIGKILL);
}

void BenchFabric::drain_node(std::string_view name) const {
  const auto drained =
      control_of(directory_).request("drain", boost::json::object{{"node", name}}, std::chrono::minutes(2));
  if (!drained) throw std::runtime_error(drained.error().message);
}

void BenchFabric::scale(std::uint16_t node_count) const {
  const auto scaled =
      control_of(directory_).request("scale", boost::json::object{{"nodes", node_count}}, std::chrono::minutes(2));
  if (!scaled) throw std::runtime_error(scaled.error().message);
}

void BenchFabric::restart_rolling() const {
  const auto restarted =
      control_of(directory_).stream("restart", boost::json::object{{"rolling", true}}, [](const boost::json::value&) {
        return true;
      });
  if (!restarted) throw std::runtime_error(restarted.error().message);
}

void BenchFabric::wait_until_level() const {
  const auto is_level = [this] {
    std::int64_t least = INT64_MAX;
    std::int64_t most = 0;
    for (const auto& node : list_processes(directory_)) {
      if (node.at("state").as_string() != "ready") return false;
      least = std::min(least, node.at("shards").to_number<std::int64_t>());
      most = std::max(most, node.at("shards").to_number<std::int64_t>());
    }
    return most - least <= 1;
  };
  while (!is_level()) ::poll(nullptr, 0, 50);
}

}  // namespace epic::bench
