// What `epic run` prints never holds up what it does.

#include "cli/output/relay.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

using epic::cli::kRelayBytesMax;
using epic::cli::Relay;

namespace {

struct RelayPipe {
  RelayPipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
  RelayPipe(const RelayPipe&) = delete;
  RelayPipe& operator=(const RelayPipe&) = delete;
  ~RelayPipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  /// All up to this text, and the rest of its line.
  [[nodiscard]] std::string read_until(const std::string& last) const {
    std::string all;
    char bytes[65536];
    for (std::size_t found = 0;
         (found = all.find(last)) == std::string::npos || all.find('\n', found) == std::string::npos;) {
      const ssize_t count = ::read(ends[0], bytes, sizeof bytes);
      REQUIRE(count > 0);
      all.append(bytes, static_cast<std::size_t>(count));
    }
    return all;
  }
  int ends[2] = {-1, -1};
};

std::string numbered(int number) { return fmt::format("line {} of what nobody reads yet\n", number); }

}  // namespace

TEST_CASE("relay: what is printed waits for nobody, and how much was not shown is said when there is room", "[cli]") {
  const RelayPipe pipe;
  Relay relay;
  const int count = static_cast<int>(4 * kRelayBytesMax / numbered(0).size());
  for (int i = 0; i < count; ++i) relay.write(pipe.ends[1], numbered(i));
  const std::string shown = pipe.read_until("lines were not shown");

  int next = 0;
  std::size_t at = 0;
  for (; shown.compare(at, numbered(next).size(), numbered(next)) == 0; ++next) at += numbered(next).size();
  CHECK(at > kRelayBytesMax / 2);
  CHECK(next < count);
  CHECK(shown.substr(at) ==
        fmt::format("({} lines were not shown, as nothing read them; 'epic logs' has them)\n", count - next));

  relay.write(pipe.ends[1], "again\n");
  CHECK(pipe.read_until("again") == "again\n");
}

TEST_CASE("relay: at its end, what is read is shown, and what nobody reads is given up", "[cli]") {
  const RelayPipe read;
  {
    Relay relay;
    for (int i = 0; i < 100; ++i) relay.write(read.ends[1], numbered(i));
  }
  CHECK(read.read_until(numbered(99)).starts_with(numbered(0)));

  const RelayPipe unread;
  Relay relay;
  relay.write(unread.ends[1], std::string(kRelayBytesMax, 'x'));
}
