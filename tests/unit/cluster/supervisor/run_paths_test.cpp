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
  for (int time = 0; time < 2; ++time) REQUIRE(prepare_directories(paths).has_value());
  CHECK(fs::is_directory(project.path() / ".epic" / "run"));
  CHECK(fs::is_directory(project.path() / ".epic" / "logs"));
  CHECK(paths.node_socket(NodeId{4}) == project.path() / ".epic" / "run" / "node-4.sock");
}

TEST_CASE("run paths: every start of the fabric is counted", "[cluster]") {
  const TempDir project;
  const RunPaths paths(project.path());
  REQUIRE(prepare_directories(paths).has_value());
  for (std::uint64_t run = 1; run <= 3; ++run) CHECK(count_run(paths) == run);
}

TEST_CASE("run paths: a counter file with other content is an error that names it", "[cluster]") {
  const TempDir project;
  const RunPaths paths(project.path());
  REQUIRE(prepare_directories(paths).has_value());
  for (const char* text : {"", "x\n", "3", "3 4\n", "99999999999999999999999\n"}) {
    CAPTURE(text);
    std::ofstream(paths.run_count) << text;
    const auto run = count_run(paths);
    REQUIRE_FALSE(run.has_value());
    CHECK(run.error().message.find(paths.run_count.string()) != std::string::npos);
  }
}
