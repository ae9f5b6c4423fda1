#include "cli/project/test_run.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;
using State = TestResult::State;

TEST_CASE("test run: a filter selects by a part of the name, in upper or lower case", "[cli]") {
  const std::vector<TestCase> tests{{"a", "Barrel: explodes"}, {"a", "player: shoots"}, {"b", "match: one barrel"}};
  const auto selected = [&](std::string_view filter) {
    std::vector<std::string> names;
    for (const TestCase& test : select_tests(tests, filter)) names.push_back(test.name);
    return names;
  };
  CHECK(selected("barrel") == std::vector<std::string>{"Barrel: explodes", "match: one barrel"});
  CHECK(selected("SHOOTS") == std::vector<std::string>{"player: shoots"});
  CHECK(selected("").size() == 3);
  CHECK(selected("leaderboard").empty());
}

TEST_CASE("test run: a whole name selects that test alone", "[cli]") {
  const std::vector<TestCase> tests{{"a", "bank: opens"}, {"a", "bank: opens late"}};
  REQUIRE(select_tests(tests, "bank: opens").size() == 1);
  CHECK(select_tests(tests, "bank: opens").front().name == "bank: opens");
  CHECK(select_tests(tests, "Bank: opens").size() == 2);
}

TEST_CASE("test run: each test has its time, its own output and its failed checks", "[cli]") {
  const auto report = parse_test_report(
      "start\t0\ta: adds, [up]\nend\tpassed\t153\t6\n"
      "start\t6\tb: adds\ntext\tb.cpp:3: FAILED\ntext\t  CHECK( 1 == 2 )\nend\tfailed\t20\t15\n",
      "from a\nfrom bbb\n");
  REQUIRE(report.results.size() == 2);
  CHECK(report.last_has_ended);
  CHECK(report.results[0].test == "a: adds, [up]");
  CHECK(report.results[0].result == State::passed);
  CHECK(report.results[0].took_us == 153);
  CHECK(report.results[0].output == "from a\n");
  CHECK(report.results[1].result == State::failed);
  CHECK(report.results[1].output == "\nfrom bbb\nb.cpp:3: FAILED\n  CHECK( 1 == 2 )\n");
}

TEST_CASE("test run: a test that ended its process has failed, with all that was printed last", "[cli]") {
  const auto report =
      parse_test_report("start\t0\ta\nend\tpassed\t1\t0\nstart\t0\tb\ntext\tb.cpp:3: FAI", "last words");
  REQUIRE(report.results.size() == 2);
  CHECK_FALSE(report.last_has_ended);
  CHECK(report.results[1].result == State::failed);
  CHECK(report.results[1].output == "last words\n");
}

TEST_CASE("test run: a report that makes no sense is harmless", "[cli]") {
  CHECK(parse_test_report("", "").results.empty());
  CHECK(parse_test_report("end\tpassed\t1\t2\n\n\t\nnoise\n", "x").results.empty());
  CHECK(parse_test_report("start\t99\ta\nend\tpassed\t1\t3\n", "short").results.front().output.empty());
}
