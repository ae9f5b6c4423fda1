#include "bench/bench_fabric.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <stdexcept>

#include "cluster/control/control_client.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "epic/version.hpp"

namespace epic::bench {

namespace {

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

}  // namespace

BenchFabric::BenchFabric(std::uint16_t node_count) {
  cluster::SupervisorOptions options;
  options.project_name = "bench";
  options.project_directory = directory_.path();
  options.module_path = EPIC_BENCH_MODULE;
  options.node_program = EPIC_NODE_PROGRAM;
  options.version = EPIC_VERSION_TEXT;
  options.node_count = node_count;
  options.store_path = directory_.path() / ".epic" / "state.sqlite";
  std::string why = "the fabric did not start";
  options.on_error = [&why](const cluster::SupervisorError& error) { why = error.message; };
  if (cluster::run_supervisor_detached(options) != cluster::kExitOk) throw std::runtime_error(why);
}

BenchFabric::~BenchFabric() {
  try {
    [[maybe_unused]] const auto stopped = control_of(directory_).request("stop", boost::json::object{});
  } catch (const std::exception&) {  // it has already ended
  }
}

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
  Saved saved;
  for (const auto& node : list_processes(directory_)) {
    saved.commits += node.at("commits").to_number<std::uint64_t>();
    saved.rows += node.at("rows").to_number<std::uint64_t>();
  }
  return saved;
}

std::vector<std::string> BenchFabric::list_owners() const {
  const auto nodes = control_of(directory_).request("nodes", boost::json::object{});
  if (!nodes) throw std::runtime_error(nodes.error().message);
  std::vector<std::string> owners;
  for (const auto& owner : nodes->at("map").at("owners").as_array())
    owners.push_back("node-" + std::to_string(owner.to_number<int>()));
  return owners;
}

void BenchFabric::kill_node(std::string_view name) const {
  for (const auto& node : list_processes(directory_))
    if (node.at("node").as_string() == name) ::kill(node.at("pid").to_number<pid_t>(), SIGKILL);
}

void BenchFabric::drain_node(std::string_view name) const {
  const auto drained =
      control_of(directory_).request("drain", boost::json::object{{"node", name}}, std::chrono::minutes(2));
  if (!drained) throw std::runtime_error(drained.error().message);
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
