#include "bench/bench_fabric.hpp"

#include <stdexcept>

#include "cluster/control_client.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "epic/version.hpp"

namespace epic::bench {

namespace {

cluster::ControlClient control_of(const test::TempDir& directory) {
  auto client = cluster::ControlClient::connect(directory.path() / ".epic" / "control.sock");
  if (!client) throw std::runtime_error(client.error().message);
  return std::move(*client);
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
    [[maybe_unused]] const auto stopped = control_of(directory_).request("stop", {});
  } catch (const std::exception&) {  // it is gone already
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

}  // namespace epic::bench
