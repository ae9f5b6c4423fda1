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
  for (const char* text : {"250ms", "5m", "2h", "30d", "90s", "1500ms"})
    CHECK(duration_text(*parse_duration(text)) == text);
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5w", "99999999999999999h", "36501d"})
    CHECK_FALSE(parse_duration(text));
}

TEST_CASE("output: what could move the cursor or turn the writing round is escaped, as JSON escapes it", "[cli]") {
  CHECK(printable("plain, ärena, 日本") == "plain, ärena, 日本");
  CHECK(printable("\x1b[31mred\x07") == "\\u001b[31mred\\u0007");
  CHECK(printable("a\xc2\x9b"
                  "b\xe2\x80\xae"
                  "c") == "a\\u009bb\\u202ec");
  CHECK(printable("\xff\xfe") == "\\xff\\xfe");
  CHECK(printable("one\ntwo\t3") == "one\\ntwo\\t3");
  CHECK(printable_lines("one\ntwo\t\x1b[31mred\x1b[0m\r", true) == "one\ntwo\t\x1b[31mred\x1b[0m\\u000d");
  CHECK(printable_lines("\x1b[31mred", false) == "\\u001b[31mred");
  CHECK(printable_lines("\x1b]0;title", true) == "\\u001b]0;title");
}

TEST_CASE("output: widths are those of a terminal", "[cli]") {
  CHECK(display_width("ärena") == 5);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("\x1b[31mred\x1b[0m") == 3);
  CHECK(display_width("e\xcc\x81") == 1);  // e and a combining accent
  CHECK(shortened("Player/Bob", 7) == "Player…");
  CHECK(shortened("日本語", 5) == "日本…");
  CHECK(shortened("short", 5) == "short");
}

TEST_CASE("output: paragraphs are wrapped, and keep their blank lines", "[cli]") {
  CHECK(wrapped("one two\nthree four", 9, 0) == "one two\nthree\nfour");
  CHECK(wrapped("one two three", 10, 4) == "one\n    two\n    three");
  CHECK(wrapped("one\n\ntwo", 80, 0) == "one\n\ntwo");
}

TEST_CASE("output: a table fits the terminal as far as its numbers allow", "[cli]") {
  const std::vector<ColumnNeed> columns{{4, 30, false}, {3, 20, false}, {10, 2, true}, {3, 9, true}};
  CHECK(fit_widths(columns, 100) == std::vector<std::size_t>{30, 20, 10, 9});
  CHECK(fit_widths(columns, 60) == std::vector<std::size_t>{15, 20, 10, 9});
  CHECK(fit_widths(columns, 45) == std::vector<std::size_t>{8, 12, 10, 9});
  CHECK(fit_widths(columns, 36) == std::vector<std::size_t>{8, 8, 5, 9});
  for (const std::size_t room : {0u, 1u, 10u, 34u})
    CHECK(fit_widths(columns, room) == std::vector<std::size_t>{8, 8, 4, 9});  // no less
  CHECK(fit_widths(std::vector<ColumnNeed>{{9, 1, false}, {2, 19, false}}, 20) == std::vector<std::size_t>{9, 9});
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
  CHECK(show_field(&name, Show::text, Reader::program) == "Bob\\t\\u001b[2JMallory\\n");
}
