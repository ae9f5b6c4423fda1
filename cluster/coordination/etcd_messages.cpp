#include "cluster/coordination/etcd_messages.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <span>

#include "codec/json_scalars.hpp"
#include "protocol/json.hpp"

namespace epic::cluster::etcd {

namespace {

namespace json = boost::json;

std::string encode(std::string_view bytes) { return codec::format_base64(std::as_bytes(std::span(bytes))); }

/// The first key beyond those that begin with `prefix`, which is not empty and no row of 0xff.
std::string end_of(std::string_view prefix) {
  std::string end(prefix);
  while (static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

json::object keys_below(std::string_view prefix) {
  return {{"key", encode(prefix)}, {"range_end", encode(end_of(prefix))}};
}

json::object remove_one(const std::string& key, std::uint64_t lease) {
  const json::object is_held{
      {"key", encode(key)}, {"target", "LEASE"}, {"result", "EQUAL"}, {"lease", std::to_string(lease)}};
  const json::object removal{{"request_delete_range", json::object{{"key", encode(key)}}}};
  return {{"request_txn", json::object{{"compare", json::array{is_held}}, {"success", json::array{removal}}}}};
}

}  // namespace

std::string text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string grant_lease(std::uint64_t seconds) {
  return protocol::print_json(json::object{{"TTL", std::to_string(seconds)}});
}

std::string name_lease(std::uint64_t lease) {
  return protocol::print_json(json::object{{"ID", std::to_string(lease)}});
}

std::string put_if_absent(std::string_view key, std::string_view value, std::uint64_t lease) {
  const json::object is_absent{
      {"key", encode(key)}, {"target", "CREATE"}, {"result", "EQUAL"}, {"create_revision", "0"}};
  const json::object put{
      {"request_put", json::object{{"key", encode(key)}, {"value", encode(value)}, {"lease", std::to_string(lease)}}}};
  return protocol::print_json(json::object{{"compare", json::array{is_absent}}, {"success", json::array{put}}});
}

std::string remove_held(const std::vector<std::string>& keys, std::uint64_t lease) {
  json::array removals;
  for (const std::string& key : keys) removals.push_back(remove_one(key, lease));
  return protocol::print_json(json::object{{"success", std::move(removals)}});
}

std::string read_all(std::string_view prefix) { return protocol::print_json(keys_below(prefix)); }

std::string read_newest(std::string_view prefix) {
  json::object request = keys_below(prefix);
  request["sort_order"] = "DESCEND";
  request["sort_target"] = "MOD";
  request["limit"] = "1";
  request["keys_only"] = true;
  return protocol::print_json(request);
}

std::string watch_from(std::string_view prefix, std::uint64_t revision) {
  json::object request = keys_below(prefix);
  request["start_revision"] = std::to_string(revision);
  return protocol::print_json(json::object{{"create_request", std::move(request)}});
}

}  // namespace epic::cluster::etcd
