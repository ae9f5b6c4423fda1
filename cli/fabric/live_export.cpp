#include "cli/fabric/live_export.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::cli {
namespace {

/// What a node reports besides its rows.
class Bookkeeper {
 public:
  explicit Bookkeeper(std::uint64_t shard_count) : counts_(shard_count) {}

  void on_cut(control::ExportCut cut) { cuts_.push_back({std::move(cut.node), cut.commit}); }
  void on_end(const control::ExportEnd& end) {
    for (const std::uint32_t shard : end.shards)
      if (shard < counts_.size()) ++counts_[shard];
    for (NodeCut& cut : cuts_)
      if (cut.node == end.node) cut.moments = end.moments;
  }
  [[nodiscard]] Result<std::vector<NodeCut>> close() {
    const auto missing = std::ranges::count(counts_, 0U);
    const auto twice = std::ranges::count_if(counts_, [](unsigned count) { return count > 1; });
    if (missing == 0 && twice == 0) {
      std::ranges::sort(cuts_, {}, &NodeCut::node);
      return std::move(cuts_);
    }
    return fail(
        {.what = "the export is incomplete",
         .why = missing > 0
                    ? fmt::format("{} of {} shards are missing: a node ended, or the shards were moving between nodes",
                                  missing, counts_.size())
                    : fmt::format("{} of {} shards moved meanwhile and were exported twice", twice, counts_.size()),
         .help = {"check the nodes with 'epic ps', then export again"}});
  }

 private:
  std::vector<unsigned> counts_;  // by shard
  std::vector<NodeCut> cuts_;
};

}  // namespace

Result<std::vector<NodeCut>> export_live(LiveFabric& fabric, const EntityName& only,
                                         const std::function<void(std::string_view row)>& on_row,
                                         const std::function<void(const Damage&)>& on_damage) {
  const auto ping = EPIC_TRY(fabric.ask<control::Ping>());
  Bookkeeper books(ping.shards);
  bool is_understood = true;
  const control::Export::Request request{.type = only.type, .key = only.key};
  EPIC_TRY(fabric.stream_text(control::Export::kVerb, codec::describe_json(request), [&](std::string_view text) {
    if (text.starts_with(R"({"entity":)")) {
      on_row(text);
      return true;
    }
    auto part = codec::read_described_text<control::Export::Answer>(text);
    is_understood = part && (part->cut || part->end || part->damaged);
    if (!is_understood) return false;
    if (part->cut) books.on_cut(*std::move(part->cut));
    if (part->end) books.on_end(*part->end);
    if (part->damaged) on_damage({part->damaged_entity.value_or(""), *part->damaged});
    return true;
  }));
  if (!is_understood)
    return fail({.code = ExitCode::unreachable,
                 .what = "the fabric's export format is not the one that this epic reads",
                 .help = {"restart it with 'epic stop' and 'epic run'"}});
  return books.close();
}

std::string cut_text(const std::vector<NodeCut>& cuts) {
  std::string text = "commit ";
  for (const NodeCut& cut : cuts)
    text += fmt::format("{}{} of {}{}", &cut == &cuts.front() ? "" : ", ", cut.commit, cut.node,
                        cut.moments == 1 ? "" : ", and later ones, as it took too long");
  return text;
}

}  // namespace epic::cli
