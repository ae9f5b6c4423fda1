#include "cli/fabric/live_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "protocol/json.hpp"

namespace epic::cli {
namespace json = boost::json;
namespace {

/// What a node says beside its rows.
class Bookkeeper {
 public:
  explicit Bookkeeper(std::uint64_t shard_count) : counts_(shard_count) {}

  void on_cut(const json::object& cut) {
    cuts_.push_back({.node = std::string(std::string_view(cut.at("node").as_string())),
                     .commit = cut.at("commit").to_number<std::uint64_t>()});
  }
  void on_end(const json::object& end) {
    for (const json::value& shard : end.at("shards").as_array())
      if (const auto number = shard.to_number<std::size_t>(); number < counts_.size()) ++counts_[number];
  }
  [[nodiscard]] Result<std::vector<NodeCut>> close() {
    const auto missing = std::ranges::count(counts_, 0U);
    const auto twice = std::ranges::count_if(counts_, [](unsigned count) { return count > 1; });
    if (missing == 0 && twice == 0) {
      std::ranges::sort(cuts_, {}, &NodeCut::node);
      return std::move(cuts_);
    }
    return fail(
        {.what = "the export is not whole",
         .why = missing > 0
                    ? fmt::format("{} of {} shards are missing: a node ended, or they were on their way between "
                                  "nodes",
                                  missing, counts_.size())
                    : fmt::format("{} of {} shards moved meanwhile and are in it twice", twice, counts_.size()),
         .help = {"look at the nodes with 'epic ps', then export again"}});
  }

 private:
  std::vector<unsigned> counts_;  // by shard
  std::vector<NodeCut> cuts_;
};

}  // namespace

Result<std::vector<NodeCut>> export_live(LiveFabric& fabric, const EntityName& only,
                                         const std::function<void(std::string_view row)>& on_row,
                                         const std::function<void(const std::string&)>& on_damage) {
  const auto ping = fabric.ask("ping", json::object());
  if (!ping) return std::unexpected(ping.error());
  const auto* shards = ping->is_object() ? ping->get_object().if_contains("shards") : nullptr;
  Bookkeeper books(shards != nullptr && shards->is_number() ? shards->to_number<std::uint64_t>() : 0);
  json::object body{{"type", only.type}};
  if (!only.key.empty()) body["key"] = only.key;
  bool is_understood = true;
  auto done = fabric.stream_text("export", std::move(body), [&](std::string_view text) {
    if (text.starts_with(R"({"entity":)")) {
      on_row(text);
      return true;
    }
    const auto part = protocol::parse_json(text);
    const auto* object = part ? part->if_object() : nullptr;
    const auto* cut = object == nullptr ? nullptr : object->if_contains("cut");
    const auto* end = object == nullptr ? nullptr : object->if_contains("end");
    const auto* damaged = object == nullptr ? nullptr : object->if_contains("damaged");
    if (cut != nullptr && cut->is_object())
      books.on_cut(cut->get_object());
    else if (end != nullptr && end->is_object())
      books.on_end(end->get_object());
    else if (damaged != nullptr && damaged->is_string())
      on_damage(std::string(std::string_view(damaged->get_string())));
    else
      is_understood = false;
    return is_understood;
  });
  if (!done) return std::unexpected(std::move(done.error()));
  if (!is_understood)
    return fail({.code = ExitCode::unreachable,
                 .what = "the fabric exports in another language than this epic reads",
                 .help = {"start it anew with 'epic stop' and 'epic run'"}});
  return books.close();
}

std::string cut_text(const std::vector<NodeCut>& cuts) {
  std::string text = "commit ";
  for (const NodeCut& cut : cuts)
    text += fmt::format("{}{} of {}", &cut == &cuts.front() ? "" : ", ", cut.commit, cut.node);
  return text;
}

}  // namespace epic::cli
