#include "protocol/log_line.hpp"

#include <catch2/catch.hpp>

using namespace epic::protocol;
using namespace std::chrono_literals;

namespace {
const auto kThen = std::chrono::sys_days{std::chrono::year{2024} / 2 / 29} + 23h + 59min + 58s + 7ms;
}

TEST_CASE("log line: what a node writes is what its supervisor reads", "[protocol]") {
  const LogLine line{kThen, "node-2", LogLevel::warn, "Player/Bob: Slayer of 100% armoured\tcylinders", "it  hit me"};
  const std::string text = format_log_line(line);
  CHECK(text == "2024-02-29T23:59:58.007Z WARN Player/Bob:%20Slayer%20of%20100%25%20armoured%09cylinders it  hit me\n");
  CHECK(parse_log_line("node-2", text, {}) == line);
}

TEST_CASE("log line: no entity is a dash, and an empty message is one", "[protocol]") {
  const LogLine line{kThen, "node-1", LogLevel::info, "", ""};
  CHECK(format_log_line(line) == "2024-02-29T23:59:58.007Z INFO - \n");
  CHECK(parse_log_line("node-1", format_log_line(line), {}) == line);
}

TEST_CASE("log line: a message of several lines becomes several log lines", "[protocol]") {
  const LogLine line{kThen, "node-1", LogLevel::error, "A/1", "first\nsecond\n"};
  CHECK(format_log_line(line) ==
        "2024-02-29T23:59:58.007Z ERROR A/1 first\n2024-02-29T23:59:58.007Z ERROR A/1 second\n");
}

TEST_CASE("log line: anything else is output of the user's, as it came", "[protocol]") {
  for (const char* text :
       {"hello", "", "2024-02-29 INFO - x", "2024-02-30T23:59:58.007Z INFO - x", "2024-02-29T23:59:58.007Z LOUD - x",
        "2024-02-29T23:59:58.007Z INFO", "2024-02-29T23:59:5x.007Z INFO - x"}) {
    CAPTURE(text);
    CHECK(parse_log_line("node-1", text, kThen) == LogLine{kThen, "node-1", LogLevel::output, "", text});
  }
}

TEST_CASE("log line: colour codes and control characters do not reach a file", "[protocol]") {
  CHECK(strip_controls("\x1b[1;31mred\x1b[0m \x1b]0;title\aplain\r\x01 tab\t.") == "red plain tab\t.");
  CHECK(strip_controls("c1 \xc2\x9b"
                       "31m, bidi \xe2\x80\xae\xe2\x81\xa6x, \xc3\xa9") == "c1 31m, bidi x, \xc3\xa9");
  CHECK(strip_controls("cut \x1b[3") == "cut ");
  CHECK(strip_controls("cut \x1b") == "cut ");
}
