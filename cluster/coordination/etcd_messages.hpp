#pragma once
// EtcdMessages: what etcd is asked, as the JSON of its gateway, and what it answers.
//
// The gateway writes 64-bit numbers as strings, and leaves out fields that are zero, false or empty: an answer without
// `succeeded` says no, and an event without `type` is a put. Keys and values are base64.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "epic/values.hpp"

namespace epic::cluster::etcd {

struct Header {
  std::string revision;
};
BOOST_DESCRIBE_STRUCT(Header, (), (revision))

struct KeyValue {
  Bytes key;
  Bytes value;
  std::string create_revision;
  std::string mod_revision;
};
BOOST_DESCRIBE_STRUCT(KeyValue, (), (key, value, create_revision, mod_revision))

struct Failure {
  std::string message;
  std::int32_t code = 0;  // of gRPC
};
BOOST_DESCRIBE_STRUCT(Failure, (), (message, code))
inline constexpr std::int32_t kNotFound = 5;

struct LeaseGranted {
  std::string ID;
};
BOOST_DESCRIBE_STRUCT(LeaseGranted, (), (ID))

/// Without `TTL` the lease has ended.
struct LeaseLeft {
  std::string TTL;
};
BOOST_DESCRIBE_STRUCT(LeaseLeft, (), (TTL))

struct LeaseKept {
  LeaseLeft result;
};
BOOST_DESCRIBE_STRUCT(LeaseKept, (), (result))

struct TransactionDone {
  bool succeeded = false;
};
BOOST_DESCRIBE_STRUCT(TransactionDone, (), (succeeded))

struct Range {
  Header header;
  std::vector<KeyValue> kvs;
  std::string count = {};  // of all keys, also beyond a limit
};
BOOST_DESCRIBE_STRUCT(Range, (), (header, kvs, count))

struct Event {
  std::string type;  // DELETE, or empty: put
  KeyValue kv;
};
BOOST_DESCRIBE_STRUCT(Event, (), (type, kv))

struct WatchNews {
  Header header;
  bool created = false;
  bool canceled = false;
  std::string compact_revision;  // the oldest that is left; empty unless it is newer than what was asked for
  std::vector<Event> events;
};
BOOST_DESCRIBE_STRUCT(WatchNews, (), (header, created, canceled, compact_revision, events))

/// One line of a watch.
struct WatchLine {
  std::optional<WatchNews> result;  // none: an error
};
BOOST_DESCRIBE_STRUCT(WatchLine, (), (result))

[[nodiscard]] std::string text_of(const Bytes& bytes);
/// 0 for a field that was left out.
[[nodiscard]] std::uint64_t number_of(std::string_view text);

// Bodies of requests. `prefix`: every key that begins with it.

[[nodiscard]] std::string grant_lease(std::uint64_t seconds);
/// Keep-alive and revoke.
[[nodiscard]] std::string name_lease(std::uint64_t lease);
[[nodiscard]] std::string put_if_absent(std::string_view key, std::string_view value, std::uint64_t lease);
/// In this order, those that the lease holds.
[[nodiscard]] std::string remove_held(const std::vector<std::string>& keys, std::uint64_t lease);
[[nodiscard]] std::string read_all(std::string_view prefix);
/// The key that was put last, without its value, and how many there are.
[[nodiscard]] std::string read_newest(std::string_view prefix);
[[nodiscard]] std::string watch_from(std::string_view prefix, std::uint64_t revision);

}  // namespace epic::cluster::etcd
