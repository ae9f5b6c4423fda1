#include "cluster/supervisor/call_forest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::cluster {

namespace json = boost::json;

namespace {

struct Link {
  std::string id;
  std::string call;
};

struct Row {
  std::string id;
  std::string call = {};    // "Player/Bob.enter_level"
  std::string entity = {};  // empty: none, such as setup
  std::string method = {};
  std::string node = {};  // empty: known by name only
  std::string state = "waiting";
  std::string caller = {};
  std::optional<std::int64_t> age_ms = {};
  bool is_sent = false;  // as the caller's node sees it
  std::string parent = {};
  std::vector<Row*> children = {};

  [[nodiscard]] std::int64_t age() const { return age_ms.value_or(INT64_MAX); }
};

using Rows = std::map<std::string, Row, std::less<>>;

std::string text_at(const json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

const json::array* array_at(const json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value == nullptr ? nullptr : value->if_array();
}

/// Those who wait, outermost first. A client is no call: it has no number.
std::vector<Link> read_chain(const json::object& call) {
  std::vector<Link> links;
  if (const auto* chain = array_at(call, "waiting"))
    for (const auto& element : *chain)
      if (const auto* link = element.if_object(); link != nullptr && !text_at(*link, "id").ends_with(".0"))
        links.push_back({text_at(*link, "id"), text_at(*link, "call")});
  return links;
}

void add_call(Rows& rows, const json::object& call) {
  Row& row = rows.try_emplace(text_at(call, "id"), Row{.id = text_at(call, "id")}).first->second;
  const auto* age = call.if_contains("age_ms");
  if (age != nullptr && age->is_number()) row.age_ms = std::max(row.age_ms.value_or(0), age->to_number<std::int64_t>());
  const bool is_sent = !text_at(call, "sent_to").empty();
  if (row.node.empty() || row.is_sent) {  // who runs it knows more than who waits
    row.entity = text_at(call, "entity");
    row.method = text_at(call, "method");
    row.call = row.entity.empty() ? row.method : row.entity + "." + row.method;
    row.node = text_at(call, "node");
    row.state = text_at(call, "state");
    row.is_sent = is_sent;
  }
  if (row.caller.empty()) row.caller = text_at(call, "caller");
  std::string* parent = &row.parent;
  const std::vector<Link> chain = read_chain(call);
  for (auto link = chain.rbegin(); link != chain.rend() && link->id != row.id; ++link) {
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

bool fits(const Row& row, const CallFilter& filter) {
  const std::string entity = filter.stored_name ? filter.stored_name(row.entity) : row.entity;
  if (!filter.entity.empty() && entity != filter.entity) return false;
  return entity.starts_with(filter.type_prefix);
}

/// The tree below `root`, with depths; and whether the filter lets it through.
class Tree {
 public:
  Tree(const Row& root, const CallFilter& filter) : filter_(filter) { add(root, 0); }
  [[nodiscard]] bool is_meant() const { return has_fitting_ && age_ms_max_ >= filter_.age_ms_min; }
  [[nodiscard]] std::int64_t age_ms() const { return age_ms_max_; }
  void append_to(json::array& out) {
    for (json::object& row : rows_) out.emplace_back(std::move(row));
  }

 private:
  void add(const Row& row, std::size_t depth) {
    has_fitting_ = has_fitting_ || fits(row, filter_);
    age_ms_max_ = std::max(age_ms_max_, row.age_ms.value_or(0));
    std::string state = row.state;
    if (const std::size_t count = row.children.size(); count > 0 && (state == "running" || state == "waiting"))
      state = fmt::format("waiting for {} call{}", count, count == 1 ? "" : "s");
    rows_.push_back({{"id", row.id},
                     {"parent", row.parent.empty() ? json::value(nullptr) : json::value(row.parent)},
                     {"depth", depth},
                     {"node", row.node.empty() ? json::value(nullptr) : json::value(row.node)},
                     {"entity", row.entity.empty() ? json::value(nullptr) : json::value(row.entity)},
                     {"method", row.method.empty() ? json::value(nullptr) : json::value(row.method)},
                     {"call", row.call},
                     {"state", std::move(state)},
                     {"caller", row.caller.empty() ? json::value(nullptr) : json::value(row.caller)},
                     {"age_ms", row.age_ms ? json::value(*row.age_ms) : json::value(nullptr)}});
    if (depth >= kernel::limits::kChainLengthMax) return;
    for (const Row* child : row.children) add(*child, depth + 1);
  }

  const CallFilter& filter_;
  std::vector<json::object> rows_;
  bool has_fitting_ = false;
  std::int64_t age_ms_max_ = 0;
};

}  // namespace

json::array join_calls(const std::vector<json::object>& answers, const CallFilter& filter) {
  Rows rows;
  for (const json::object& answer : answers)
    if (const auto* calls = array_at(answer, "calls"))
      for (const auto& call : *calls)
        if (const auto* fields = call.if_object(); fields != nullptr && !text_at(*fields, "id").empty())
          add_call(rows, *fields);

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
  json::array out;
  for (const std::size_t i : order) trees[i].append_to(out);
  return out;
}

}  // namespace epic::cluster
