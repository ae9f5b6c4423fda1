#include "io/log_sink.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using epic::io::LogSink;
using epic::protocol::LogLevel;

namespace {

struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
  /// What can be read now.
  std::string read() {
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string text(1 << 20, '\0');
    const ssize_t count = ::read(ends[0], text.data(), text.size());
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
  }
  int ends[2];
};

}  // namespace

TEST_CASE("log sink: a line is written at once, in the shape that supervisors read", "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  log.write(LogLevel::warn, "Player/Bob", "two\nlines");
  const std::string text = pipe.read();
  const auto line = epic::protocol::parse_log_line("node-1", text.substr(0, text.find('\n')), {});
  CHECK(line.level == LogLevel::warn);
  CHECK(line.entity == "Player/Bob");
  CHECK(line.message == "two");
  CHECK(std::ranges::count(text, '\n') == 2);
}

TEST_CASE("log sink: lines below the lowest level are dropped", "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1], LogLevel::warn);
  log.write(LogLevel::info, {}, "unheard");
  CHECK(pipe.read().empty());
  log.set_lowest(LogLevel::debug);
  log.write(LogLevel::debug, {}, "heard");
  CHECK_FALSE(pipe.read().empty());
}

TEST_CASE("log sink: when nobody reads it does not wait, and counts what it drops", "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  const std::string kibibyte(1024, 'x');
  for (int i = 0; i < 3000; ++i) log.write(LogLevel::info, {}, kibibyte);  // 3 MB into a pipe of 64 kB: would block
  CHECK(log.flush());
  std::string text;
  for (bool is_left = true; is_left; is_left = log.flush()) text += pipe.read();
  text += pipe.read();
  log.write(LogLevel::info, {}, "again");
  text += pipe.read();
  CHECK_THAT(text, Catch::Contains("lines were dropped") && Catch::Contains("again"));
  const auto whole = std::ranges::count(text, '\n');
  CHECK(whole > 1000);
  CHECK(whole < 3000);
}

TEST_CASE("log sink: what the reader does not know of yet is counted", "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  std::atomic<std::uint64_t> unwritten{0};
  log.count_in(unwritten);
  const std::string kibibyte(1024, 'x');
  const auto read_on = [&](std::size_t bytes) {
    std::string text;
    while (text.size() < bytes && log.flush()) text += pipe.read();
    return text + pipe.read();
  };
  const auto lines_of = [](const std::string& text) {
    return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
  };
  log.write(LogLevel::info, {}, "two\nlines");
  CHECK(unwritten == 0);
  for (int i = 0; i < 1000; ++i) log.write(LogLevel::info, {}, kibibyte);
  const std::string begun = read_on(100'000);
  log.flush();
  const std::string piped = pipe.read();
  CHECK(unwritten == 1002 - lines_of(begun) - lines_of(piped));  // buffered
  for (int i = 0; i < 1000; ++i) log.write(LogLevel::info, {}, kibibyte);
  const std::string rest = read_on(1u << 30);  // with the report of those that were dropped
  CHECK_THAT(rest, Catch::Contains("lines were dropped"));
  CHECK(unwritten == 0);
}

TEST_CASE("log sink: one line that is dropped is counted as one", "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  std::atomic<std::uint64_t> unwritten{0};
  log.count_in(unwritten);
  const std::string half(600u << 10, 'x');
  log.write(LogLevel::info, {}, half);
  log.write(LogLevel::info, {}, half);
  CHECK(unwritten == 2);
  std::string text;
  for (bool is_left = true; is_left; is_left = log.flush()) text += pipe.read();
  text += pipe.read();
  CHECK_THAT(text, Catch::Contains("1 line was dropped"));
  CHECK(unwritten == 0);
}

TEST_CASE("log sink: a message larger than the buffer is cut, and says by how much", "[io][threads]") {
  const auto written = [](const std::string& message) {
    Pipe pipe;
    LogSink log(pipe.ends[1]);
    log.write(LogLevel::info, "Player/Bob", message);
    std::string text;
    for (bool is_left = true; is_left; is_left = log.flush()) text += pipe.read();
    return text + pipe.read();
  };
  const auto kept_of = [](const std::string& text) {
    const auto line = epic::protocol::parse_log_line("node-1", text, {});
    CHECK(line.entity == "Player/Bob");
    return line.message.find(" [cut: ");
  };
  const std::string fits(1'000'000, 'x');
  CHECK(epic::protocol::parse_log_line("node-1", written(fits), {}).message == fits);

  const std::string text = written(std::string(5'000'000, 'x'));
  const std::size_t kept = kept_of(text);
  REQUIRE(kept != std::string::npos);
  CHECK(kept > 1'000'000);
  CHECK_THAT(text, Catch::EndsWith(" [cut: " + std::to_string(5'000'000 - kept) + " bytes of 5000000 follow]\n"));
  CHECK(text.size() <= 1u << 20);

  std::string euros;
  while (euros.size() < 2'000'000) euros += "\u20ac";
  CHECK(kept_of(written(euros)) % 3 == 0);
  CHECK(kept_of(written("x" + euros)) % 3 == 1);

  const std::string lines = written(std::string(500'000, '\n'));  // each gets time, level and entity
  CHECK(lines.size() <= 1u << 20);
  CHECK(lines.size() > 1'000'000);
  CHECK_THAT(lines, Catch::EndsWith(" bytes of 500000 follow]\n"));
  CHECK(lines.find("dropped") == std::string::npos);
}

TEST_CASE("log sink: a reader that catches up gets new lines again, after the count of those dropped",
          "[io][threads]") {
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  const std::string kibibyte(1024, 'x');
  for (int i = 0; i < 3000; ++i) log.write(LogLevel::info, {}, kibibyte);
  std::string text;
  while (text.size() < (3u << 18)) {
    REQUIRE(log.flush());
    text += pipe.read();
  }
  log.write(LogLevel::info, {}, "again");
  for (bool is_left = true; is_left; is_left = log.flush()) text += pipe.read();
  text += pipe.read();
  CHECK_THAT(text, Catch::Contains("lines were dropped") && Catch::Contains("again"));
  CHECK(text.find("lines were dropped") < text.find("again"));
}

TEST_CASE("log sink: a reader that is gone is no reason to wait", "[io][threads]") {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  LogSink log(pipe.ends[1]);
  ::close(std::exchange(pipe.ends[0], -1));
  log.write(LogLevel::info, {}, "to nobody");
  log.flush_within(30s);
  CHECK_FALSE(log.flush());
  ::signal(SIGPIPE, before);
}
