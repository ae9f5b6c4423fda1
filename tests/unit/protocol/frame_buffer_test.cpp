#include "protocol/frame_buffer.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "support/frames.hpp"

using namespace epic::protocol;

namespace {

std::vector<std::byte> frame(std::uint32_t payload_bytes, std::byte fill) {
  std::vector<std::byte> out(kFrameHeaderBytes + payload_bytes, fill);
  const std::uint32_t header[2] = {payload_bytes, kFrameMagic};
  std::memcpy(out.data(), header, sizeof header);
  return out;
}

void feed(FrameBuffer& buffer, std::span<const std::byte> bytes) {
  const auto room = buffer.prepare(bytes.size());
  REQUIRE(room.size() >= bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  buffer.commit(bytes.size());
}

}  // namespace

TEST_CASE("frame buffer: frames come out whole however the bytes were cut", "[protocol]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::vector<std::byte> stream;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 200; ++i) {
    sizes.push_back(8 * (random() % 500));
    const auto one = frame(static_cast<std::uint32_t>(sizes.back()), static_cast<std::byte>(i));
    stream.insert(stream.end(), one.begin(), one.end());
  }

  FrameBuffer buffer{4096};
  std::size_t seen = 0;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t piece = std::min<std::size_t>(1 + random() % 3000, stream.size() - at);
    feed(buffer, std::span(stream).subspan(at, piece));
    at += piece;
    while (true) {
      const auto next = buffer.next();
      REQUIRE(next.has_value());
      if (!next->has_value()) break;
      const auto payload = **next;
      REQUIRE(payload.size() == sizes[seen]);
      CHECK(reinterpret_cast<std::uintptr_t>(payload.data()) % 8 == 0);
      CHECK(
          std::all_of(payload.begin(), payload.end(), [&](std::byte b) { return b == static_cast<std::byte>(seen); }));
      ++seen;
    }
  }
  CHECK(seen == sizes.size());
  CHECK(buffer.pending_bytes() == 0);
}

TEST_CASE("frame buffer: a frame beyond the bound is an error before its bytes come", "[protocol]") {
  FrameBuffer buffer{64};
  const auto too_long = frame(72, std::byte{0});
  feed(buffer, std::span(too_long).first(kFrameHeaderBytes));
  const auto next = buffer.next();
  REQUIRE_FALSE(next.has_value());
  CHECK(next.error().what == "a frame of 72 bytes; the limit is 64");
  CHECK_FALSE(buffer.next().has_value());
}

TEST_CASE("frame buffer: a stranger is found at its first bytes", "[protocol]") {
  FrameBuffer buffer{1024};
  const std::string_view greeting = "GET / HTTP/1.1\r\n";
  feed(buffer, std::as_bytes(std::span(greeting)));
  REQUIRE_FALSE(buffer.next().has_value());
  CHECK(buffer.next().error().what.starts_with("not an epic frame"));
}

TEST_CASE("frame buffer: a payload is a whole number of words", "[protocol]") {
  FrameBuffer buffer{1024};
  feed(buffer, frame(12, std::byte{0}));
  CHECK_FALSE(buffer.next().has_value());
}

TEST_CASE("frame buffer: a frame that is announced takes memory only as its bytes come", "[wire]") {
  constexpr std::size_t kLarge = 8u << 20;
  FrameBuffer buffer{kLarge};
  const auto large = frame(kLarge, std::byte{7});
  std::size_t arrived = 0;
  while (arrived < large.size()) {
    const auto room = buffer.prepare(1024);
    REQUIRE(room.size() <= std::max<std::size_t>(2 * arrived, 1024));
    const std::size_t count = std::min(room.size(), large.size() - arrived);
    std::memcpy(room.data(), large.data() + arrived, count);
    buffer.commit(count);
    arrived += count;
    const auto next = buffer.next();
    REQUIRE(next.has_value());
    REQUIRE(next->has_value() == (arrived == large.size()));
  }
  CHECK(buffer.prepare(1024).size() == 1024);  // and gives it back
}
