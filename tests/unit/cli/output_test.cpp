#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "cli/output/console.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"

using namespace epic::cli;
using namespace std::chrono_literals;

TEST_CASE("output: durations and sizes have one unit, rounded down", "[cli]") {
  CHECK(human_duration(250ms) == "250 ms");
  CHECK(human_duration(3250ms) == "3.2 s");
  CHECK(human_duration(119min) == "119 min");
  CHECK(human_duration(5h) == "5 h");
  CHECK(human_age(3min) == "3 min ago");
  CHECK(human_bytes(873) == "873 B");
  CHECK(human_bytes(1229) == "1.2 KiB");
}

TEST_CASE("output: durations are read as flags and epic.toml have them", "[cli]") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("30d") == 720h);
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5w", "99999999999999999h", "36501d"})
    CHECK_FALSE(parse_duration(text));
}

TEST_CASE("output: RFC 3339 is written and read back, with any zone", "[cli]") {
  const auto time = std::chrono::system_clock::time_point(1'700'000'000'123ms);
  CHECK(to_rfc3339(time) == "2023-11-14T22:13:20.123Z");
  CHECK(from_rfc3339("2023-11-14T22:13:20.123Z") == time);
  CHECK(from_rfc3339("2023-11-14T23:13:20.123+01:00") == time);
  CHECK_FALSE(from_rfc3339("yesterday"));
  CHECK_FALSE(from_rfc3339("2023-11-14T22:13:20"));
}

TEST_CASE("output: a field is shown for people and for programs", "[cli]") {
  const boost::json::value bytes = 2048;
  CHECK(show_field(&bytes, Show::bytes, Reader::person) == "2.0 KiB");
  CHECK(show_field(&bytes, Show::bytes, Reader::program) == "2048");
  CHECK(show_field(nullptr, Show::text, Reader::person) == "-");
  CHECK(show_field(nullptr, Show::text, Reader::program).empty());
}

TEST_CASE("output: data cannot move the cursor or forge a column", "[cli]") {
  const boost::json::value name = "Bob\t\x1b[2JMallory\n";
  CHECK(show_field(&name, Show::text, Reader::program) == "Bob\\t\\x1b[2JMallory\\n");
}
