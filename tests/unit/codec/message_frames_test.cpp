#include "codec/message_frames.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "support/frames.hpp"

using epic::codec::FrameReader;
using epic::codec::FrameWriter;

// A channel in three versions. A message keeps its name, so it lies in a namespace for each.
namespace older {
struct Order {
  std::string item;
  std::uint16_t count = 1;
  std::uint64_t dropped = 7;
};
BOOST_DESCRIBE_STRUCT(Order, (), (item, count, dropped))
struct Stop {};
BOOST_DESCRIBE_STRUCT(Stop, (), ())
using Message = std::variant<Stop, Order>;
}  // namespace older

namespace today {
enum class Speed : std::uint8_t { slow = 0, fast = 1 };
BOOST_DESCRIBE_ENUM(Speed, slow, fast)
struct Order {
  Speed speed = Speed::fast;
  std::uint32_t count = 1;
  std::string item;
  std::string note = "none";
  bool operator==(const Order&) const = default;
};
BOOST_DESCRIBE_STRUCT(Order, (), (speed, count, item, note))
struct Stop {
  bool operator==(const Stop&) const = default;
};
BOOST_DESCRIBE_STRUCT(Stop, (), ())
using Message = std::variant<Order, Stop>;

std::string find_fault(const Order& order) { return order.count > 100 ? "too many" : ""; }
}  // namespace today

namespace newer {
struct Audit {
  std::string who;
};
BOOST_DESCRIBE_STRUCT(Audit, (), (who))
struct Order {
  std::string item;
  std::uint64_t count = 1;
  std::vector<Audit> audits;
};
BOOST_DESCRIBE_STRUCT(Order, (), (item, count, audits))
struct Stop {};
BOOST_DESCRIBE_STRUCT(Stop, (), ())
struct Pause {};
BOOST_DESCRIBE_STRUCT(Pause, (), ())
using Message = std::variant<Pause, Order, Stop>;
}  // namespace newer

namespace {

template <class Family>
std::vector<std::byte> payload_of(FrameWriter<Family>& writer, const Family& message) {
  std::vector<std::byte> frame;
  writer.append(message, frame);
  return epic::test::payload_of(frame);
}

}  // namespace

TEST_CASE("message frames: an older version's messages are read by the names of their fields", "[codec]") {
  FrameWriter<older::Message> writer;
  FrameReader<today::Message> reader;
  CHECK(reader.read(payload_of<older::Message>(writer, older::Order{"tea", 3, 9})) ==
        today::Message(today::Order{today::Speed::fast, 3, "tea", "none"}));
  CHECK(reader.read(payload_of<older::Message>(writer, older::Stop{})) == today::Message(today::Stop{}));
}

TEST_CASE("message frames: of a newer version what is unknown here is skipped", "[codec]") {
  FrameWriter<newer::Message> writer;
  FrameReader<today::Message> reader;
  CHECK(reader.read(payload_of<newer::Message>(writer, newer::Order{"tea", 3, {{"Ada"}}})) ==
        today::Message(today::Order{today::Speed::fast, 3, "tea", "none"}));
  CHECK(reader.read(payload_of<newer::Message>(writer, newer::Stop{})) == today::Message(today::Stop{}));
}

TEST_CASE("message frames: a kind of message that is unknown here is an error that names it", "[codec]") {
  FrameWriter<newer::Message> writer;
  FrameReader<today::Message> reader;
  const auto read = reader.read(payload_of<newer::Message>(writer, newer::Pause{}));
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().what.find("Pause") != std::string::npos);
}

TEST_CASE("message frames: the first frame states the schema, and nothing is read before it", "[codec]") {
  FrameWriter<today::Message> writer;
  const auto first = payload_of<today::Message>(writer, today::Stop{});
  const auto second = payload_of<today::Message>(writer, today::Stop{});
  CHECK(second.size() < first.size());

  FrameReader<today::Message> reader;
  CHECK_FALSE(reader.read(second).has_value());
  CHECK(reader.read(first).has_value());
  CHECK(reader.read(second).has_value());
}

TEST_CASE("message frames: what is beyond a message's own bounds is refused", "[codec]") {
  FrameWriter<today::Message> writer;
  const auto read = FrameReader<today::Message>().read(
      payload_of<today::Message>(writer, today::Order{today::Speed::slow, 101, "tea", ""}));
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().what == "too many");
}

TEST_CASE("message frames: a number that no enumerator has is refused", "[codec]") {
  FrameWriter<today::Message> writer;
  CHECK_FALSE(FrameReader<today::Message>()
                  .read(payload_of<today::Message>(writer, today::Order{static_cast<today::Speed>(7), 1, "tea", ""}))
                  .has_value());
}

TEST_CASE("message frames: another format, a schema beyond the frame or of no messages are refused", "[codec]") {
  FrameWriter<today::Message> writer;
  auto payload = payload_of<today::Message>(writer, today::Stop{});
  SECTION("format") { payload[0] = std::byte{9}; }
  SECTION("schema size") {
    const auto size_bytes = static_cast<std::uint32_t>(payload.size());
    std::memcpy(payload.data() + 4, &size_bytes, sizeof size_bytes);
  }
  SECTION("schema") { payload[8] = std::byte{'#'}; }
  SECTION("kind") { payload[2] = std::byte{2}; }
  CHECK_FALSE(FrameReader<today::Message>().read(payload).has_value());
}

TEST_CASE("message frames: damaged bytes give an error or another message, never a crash", "[codec]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  FrameWriter<newer::Message> writer;
  epic::test::for_damaged(payload_of<newer::Message>(writer, newer::Order{"tea", 3, {{"Ada"}, {"Bob"}}}),
                          std::mt19937_64(seed),
                          [](std::span<const std::byte> bytes) { (void)FrameReader<today::Message>().read(bytes); });
}
