#include "cluster/supervisor/run_paths.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "support/store_fixtures.hpp"

using namespace epic::cluster;
using epic::kernel::NodeId;
using epic::storage::test::TempDir;
namespace fs = std::filesystem;

TEST_CASE("run paths: directories are created, and kept if they exist", "[cluster]") {
  const TempDir project;
  const RunPaths paths(project.path());
  for (int time = 0; time < 2; ++time) REQUIRE(prepare_directories(paths, NodeId{4}).has_value());
  CHECK(fs::is_directory(project.path() / ".epic" / "run"));
  CHECK(fs::is_directory(project.path() / ".epic" / "logs"));
  CHECK(paths.node_socket(NodeId{4}) == project.path() / ".epic" / "run" / "node-4.sock");
}

TEST_CASE("run paths: the longest socket path decides, to the byte", "[cluster]") {
  const TempDir directory;
  const auto with_length = [&](std::size_t bytes) {
    // <project>/.epic/run/node-4.sock
    const std::size_t tail = std::string("/.epic/run/node-4.sock").size();
    const std::size_t name = bytes - tail - directory.path().native().size() - 1;
    return RunPaths(directory.path() / std::string(name, 'x'));
  };
  CHECK(prepare_directories(with_length(107), NodeId{4}).has_value());
  const auto refused = prepare_directories(with_length(108), NodeId{4});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("has 108 bytes, and the system takes 107") != std::string::npos);
  CHECK(refused.error().hint.find("at least 1 bytes shorter") != std::string::npos);
}

TEST_CASE("run paths: every start of the fabric is counted", "[cluster]") {
  const TempDir project;
  const RunPaths paths(project.path());
  REQUIRE(prepare_directories(paths, NodeId{1}).has_value());
  for (std::uint64_t run = 1; run <= 3; ++run) CHECK(count_run(paths) == run);
}

TEST_CASE("run paths: a counter file with other content is an error that names it", "[cluster]") {
  const TempDir project;
  const RunPaths paths(project.path());
  REQUIRE(prepare_directories(paths, NodeId{1}).has_value());
  for (const char* text : {"", "x\n", "3", "3 4\n", "99999999999999999999999\n"}) {
    CAPTURE(text);
    std::ofstream(paths.run_count) << text;
    const auto run = count_run(paths);
    REQUIRE_FALSE(run.has_value());
    CHECK(run.error().message.find(paths.run_count.string()) != std::string::npos);
  }
}
