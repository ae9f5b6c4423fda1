#include "cluster/supervisor/call_forest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::cluster {

namespace control = protocol::control;

namespace {

struct Row {
  std::string id;
  std::string call = {};    // "Player/Bob.enter_level"
  std::string entity = {};  // empty: no entity, for example setup
  std::string method = {};
  std::string node = {};  // empty: known by name only
  std::string state = "waiting";
  std::string caller = {};
  std::optional<std::int64_t> age_ms = {};
  bool is_sent = false;  // as seen by the caller's node
  std::string parent = {};
  std::vector<Row*> children = {};

  [[nodiscard]] std::int64_t age() const { return age_ms.value_or(INT64_MAX); }
};

using Rows = std::map<std::string, Row, std::less<>>;

void add_call(Rows& rows, const control::Calls::Known& call) {
  Row& row = rows.try_emplace(call.id, Row{.id = call.id}).first->second;
  row.age_ms = std::max(row.age_ms.value_or(0), call.age_ms);
  if (row.node.empty() || row.is_sent) {  // the callee's node knows more than the caller's
    row.entity = call.entity;
    row.method = call.method;
    row.call = row.entity.empty() ? row.method : row.entity + "." + row.method;
    row.node = call.node;
    row.state = call.state;
    row.is_sent = call.sent_to.has_value();
  }
  if (row.caller.empty()) row.caller = call.caller;
  std::string* parent = &row.parent;
  for (auto link = call.waiting.rbegin(); link != call.waiting.rend() && link->id != row.id; ++link) {
    if (link->id.ends_with(".0")) continue;  // a client is not a call: it has no number
    if (parent->empty()) *parent = link->id;
    Row& above = rows.try_emplace(link->id, Row{.id = link->id}).first->second;
    if (above.call.empty()) {
      above.call = link->call;
      const std::size_t dot = link->call.rfind('.');
      if (link->call.find('/') != std::string::npos && dot != std::string::npos) {
        above.entity = link->call.substr(0, dot);
        above.method = link->call.substr(dot + 1);
      }
    }
    parent = &above.parent;
  }
}

std::optional<std::string> text_or_none(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

bool fits(const Row& row, const CallFilter& filter) {
  const std::string entity = filter.stored_name ? filter.stored_name(row.entity) : row.entity;
  if (!filter.entity.empty() && entity != filter.entity) return false;
  return entity.starts_with(filter.type_prefix);
}

/// The tree below `root`, with depths, and whether it passes the filter.
class Tree {
 public:
  Tree(const Row& root, const CallFilter& filter) : filter_(filter) { add(root, 0); }
  [[nodiscard]] bool is_meant() const { return has_fitting_ && age_ms_max_ >= filter_.age_ms_min; }
  [[nodiscard]] std::int64_t age_ms() const { return age_ms_max_; }
  void append_to(std::vector<control::Calls::Row>& out) { std::ranges::move(rows_, std::back_inserter(out)); }

 private:
  void add(const Row& row, std::size_t depth) {
    has_fitting_ = has_fitting_ || fits(row, filter_);
    age_ms_max_ = std::max(age_ms_max_, row.age_ms.value_or(0));
    std::string state = row.state;
    if (const std::size_t count = row.children.size(); count > 0 && (state == "running" || state == "waiting"))
      state = fmt::format("waiting for {} call{}", count, count == 1 ? "" : "s");
    rows_.push_back({.id = row.id,
                     .parent = text_or_none(row.parent),
                     .depth = depth,
                     .node = text_or_none(row.node),
                     .entity = text_or_none(row.entity),
                     .method = text_or_none(row.method),
                     .call = row.call,
                     .state = std::move(state),
                     .caller = text_or_none(row.caller),
                     .age_ms = row.age_ms});
    if (depth >= kernel::limits::kChainLengthMax) return;
    for (const Row* child : row.children) add(*child, depth + 1);
  }

  const CallFilter& filter_;
  std::vector<control::Calls::Row> rows_;
  bool has_fitting_ = false;
  std::int64_t age_ms_max_ = 0;
};

}  // namespace

std::vector<control::Calls::Row> join_calls(const std::vector<control::Calls::NodeAnswer>& answers,
                                            const CallFilter& filter) {
  Rows rows;
  for (const control::Calls::NodeAnswer& answer : answers)
    for (const control::Calls::Known& call : answer.calls)
      if (!call.id.empty()) add_call(rows, call);

  std::vector<Row*> roots;
  for (auto& [id, row] : rows) (row.parent.empty() ? roots : rows.find(row.parent)->second.children).push_back(&row);
  const auto by_age = [](const Row* row) { return std::pair(-row->age(), row->id); };
  for (auto& [id, row] : rows) std::ranges::sort(row.children, {}, by_age);

  std::vector<Tree> trees;
  for (const Row* root : roots)
    if (Tree tree(*root, filter); tree.is_meant()) trees.push_back(std::move(tree));
  std::vector<std::size_t> order(trees.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(-trees[i].age_ms(), i); });
  std::vector<control::Calls::Row> out;
  for (const std::size_t i : order) trees[i].append_to(out);
  return out;
}

}  // namespace epic::cluster
