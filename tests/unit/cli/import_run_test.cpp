#include "cli/fabric/import_run.hpp"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace epic::cli;

namespace {

/// Puts entities into three parts, and gives the configured answers.
class FakeTarget final : public ImportTarget {
 public:
  struct Sent {
    std::uint32_t part;
    std::vector<std::string> lines;
  };

  FakeTarget() { set_types(catalog_from(boost::json::parse(R"({"types":[{"type":"Player","formerly":["Hero"]}]})"))); }

  [[nodiscard]] std::uint32_t part_of(const EntityName& name) const override {
    return static_cast<std::uint32_t>(name.key.back() % 3);
  }
  [[nodiscard]] std::size_t group_lines_max() const override { return 4; }
  [[nodiscard]] std::string_view words() const override { return "nowhere"; }
  [[nodiscard]] bool goes_on() const override { return is_of_many; }
  Result<ImportAnswer> send(ImportMode, std::uint32_t part, const std::vector<std::string>& lines) override {
    sent.push_back({part, lines});
    if (lines.front() == "lost") return fail({.what = "node-2 ended before it had answered"});
    ImportAnswer answer{.outcomes = {}, .ignored_fields = 1};
    for (const std::string& line : lines)
      answer.outcomes.push_back(line == "bad" ? ImportOutcome{.what = {}, .error = "it is bad"}
                                              : ImportOutcome{.what = line, .error = {}});
    return answer;
  }

  std::vector<Sent> sent;
  bool is_of_many = true;
};

struct ImportRunFixture {
  explicit ImportRunFixture(ImportMode mode = ImportMode::check) : run(target, mode, progress) {}

  Console console;
  Progress progress{console, 100};
  FakeTarget target;
  ImportRun run;

  void add(const std::string& key, const std::string& line, std::uint64_t number, const std::string& type = "Player") {
    REQUIRE(run.add({type, key}, line, number));
  }
  void finish() {
    REQUIRE(run.finish([](std::uint64_t line) { return fmt::format("line {}", line); }));
  }
};

}  // namespace

TEST_CASE("import run: lines go in full groups of one part, and the rest at the end", "[cli]") {
  ImportRunFixture f;
  for (int i = 0; i < 24; ++i) f.add(fmt::format("{:02}", i), "new", static_cast<std::uint64_t>(i));
  const std::size_t before = f.target.sent.size();
  CHECK(before >= 3);
  f.finish();
  std::size_t lines = 0;
  for (std::size_t i = 0; i < f.target.sent.size(); ++i) {
    CHECK(f.target.sent[i].lines.size() <= 4);
    if (i < before) CHECK(f.target.sent[i].lines.size() == 4);
    lines += f.target.sent[i].lines.size();
  }
  CHECK(lines == 24);
}

TEST_CASE("import run: outcomes are counted by type, a former name under the present one", "[cli]") {
  ImportRunFixture f;
  f.add("1", "new", 1);
  f.add("2", "changed", 2);
  f.add("3", "equal", 3, "Hero");
  f.add("4", "done", 4, "Other");
  f.finish();
  CHECK(f.run.counts().size() == 2);
  CHECK(f.run.counts().at("Player").added == 1);
  CHECK(f.run.counts().at("Player").changed == 1);
  CHECK(f.run.counts().at("Player").equal == 1);
  CHECK(f.run.total().done == 1);
  CHECK(f.run.problem_count() == 0);
  CHECK(f.run.ignored_fields() == f.target.sent.size());
}

TEST_CASE("import run: problems are reported by line, whichever side found them", "[cli]") {
  ImportRunFixture f;
  f.add("1", "bad", 7);
  f.run.add_problem(5, {}, "not JSON");
  f.add("2", "new", 9);
  f.add("2", "new", 8, "Hero");
  f.finish();
  REQUIRE(f.run.problems().size() == 3);
  CHECK(f.run.problems()[0].place == "line 5");
  CHECK(f.run.problems()[1].place == "line 7");
  CHECK(f.run.problems()[1].entity == "Player/1");
  CHECK(f.run.problems()[1].what == "it is bad");
  CHECK(f.run.problems()[2].what == "the same entity was on line 8 already: leave one of the two out");
}

TEST_CASE("import run: a group whose node died is told line by line, and the others go on", "[cli]") {
  ImportRunFixture f(ImportMode::apply);
  f.add("0", "lost", 1);
  f.add("3", "done", 2);
  f.add("1", "done", 3);
  f.finish();
  CHECK(f.run.total().done == 1);
  REQUIRE(f.run.problems().size() == 2);
  CHECK(f.run.problems()[0].entity == "Player/0");
  CHECK(f.run.problems()[1].what == "node-2 ended before it had answered");
}

TEST_CASE("import run: when there is but one to take the groups, its failure is the end", "[cli]") {
  ImportRunFixture f(ImportMode::apply);
  f.target.is_of_many = false;
  f.add("0", "lost", 1);
  const auto ended = f.run.finish([](std::uint64_t) { return std::string(); });
  REQUIRE_FALSE(ended);
  CHECK(ended.error().what == "node-2 ended before it had answered");
}
