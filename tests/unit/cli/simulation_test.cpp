#include "cli/project/simulation.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace epic::cli;
namespace fs = std::filesystem;

namespace {

class ReportFile {
 public:
  ReportFile() : path_(fs::temp_directory_path() / "epic-seed-reports") { fs::remove(path_); }
  ~ReportFile() { fs::remove(path_); }
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;

  void append(std::string_view text) const { std::ofstream(path_, std::ios::app) << text; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("simulation: a report is read line by line as it grows, and unknown fields are ignored", "[cli]") {
  const ReportFile file;
  std::size_t offset = 0;
  CHECK(read_seed_reports(file.path(), offset)->empty());

  file.append(R"({"seed":7,"digest":"1f","faults":[{"number":3,"at_ms":12,"what":"a pause"}],"mood":1})"
              "\n"
              R"({"seed":)");
  auto reports = read_seed_reports(file.path(), offset);
  REQUIRE(reports);
  REQUIRE(reports->size() == 1);
  CHECK(reports->front().seed == 7);
  CHECK(fault_numbers(reports->front()) == FaultNumbers{3});
  CHECK_FALSE(reports->front().has_failed());

  file.append("8,\"failure\":\"too much\"}\n");
  reports = read_seed_reports(file.path(), offset);
  REQUIRE(reports->size() == 1);
  CHECK(reports->front().seed == 8);
  CHECK(reports->front().has_failed());
  CHECK(read_seed_reports(file.path(), offset)->empty());
}

TEST_CASE("simulation: a line that is no report is an error", "[cli]") {
  const ReportFile file;
  file.append("seed 7 is fine\n");
  std::size_t offset = 0;
  const auto reports = read_seed_reports(file.path(), offset);
  REQUIRE_FALSE(reports);
  CHECK(reports.error().excerpt == "seed 7 is fine");
}

TEST_CASE("simulation: of several seeds that fail, the lowest counts", "[cli]") {
  SeedTally tally;
  tally.add({.seed = 1, .calls = 5, .simulated_ms = 30});
  tally.add({.seed = 4, .calls = 5, .simulated_ms = 30, .failure = "b"});
  tally.add({.seed = 3, .calls = 5, .simulated_ms = 30, .failure = "a"});
  CHECK(tally.seeds == 3);
  CHECK(tally.calls == 15);
  CHECK(tally.simulated_ms == 90);
  CHECK(tally.failed->failure == "a");
  CHECK(tally.last->seed == 3);
}
