#include "cluster/supervisor/trail_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cluster/supervisor/call_forest.hpp"
#include "kernel/placement_hash.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace json = boost::json;
using std::chrono::steady_clock;

namespace {

std::string text_at(const json::object& body, std::string_view field) {
  const auto* value = body.if_contains(field);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

std::uint64_t count_at(const json::object& body, std::string_view field, std::uint64_t otherwise) {
  const auto* value = body.if_contains(field);
  if (value == nullptr) return otherwise;
  boost::system::error_code no_number;
  const auto number = value->to_number<std::uint64_t>(no_number);
  return no_number ? otherwise : number;
}

/// Why the request makes no sense; empty when it does.
std::string find_fault(const json::object& body, std::string_view count_field) {
  const std::string entity = text_at(body, "entity");
  if (!entity.empty() && (entity.find('/') == std::string::npos || entity.starts_with('/')))
    return fmt::format("'{}' is no entity's name: it is written Type/Key.", entity);
  const auto* count = body.if_contains(count_field);
  if (count == nullptr || count->is_null() || count->is_uint64() || (count->is_int64() && count->get_int64() >= 0))
    return {};
  return fmt::format("'{}' is a whole number of at least 0, not {}.", count_field, protocol::print_json(*count));
}

bool is_true(const json::object& body, std::string_view field) {
  const auto* value = body.if_contains(field);
  return value != nullptr && value->is_bool() && value->get_bool();
}

json::object describe_silence(const std::string& node) {
  return {{"time", wire::format_time(std::chrono::system_clock::now())},
          {"node", node},
          {"entity", nullptr},
          {"what", "silent"},
          {"why", fmt::format("{} did not answer within {} s; what it has kept is not shown", node,
                              TrailVerbs::kPatience.count())},
          {"version", nullptr},
          {"took_us", nullptr}};
}

}  // namespace

/// Puts the question to all nodes that can answer it.
void TrailVerbs::gather(const std::string& verb, const json::object& body, std::function<void(Gathered)> on_gathered) {
  std::vector<kernel::NodeId> asked;
  std::set<std::string> silent;
  for (const NodeSlot& slot : fleet_.slots()) {
    if (slot.state != NodeState::ready) continue;
    silent.insert(slot.name);
    if (!slot.is_paused) asked.push_back(slot.id);
  }
  if (asked.empty()) return on_gathered({.answers = {}, .silent = {silent.begin(), silent.end()}});
  struct State {
    Gathered gathered;
    std::set<std::string> silent;
  };
  const auto state = std::make_shared<State>();  // owned by the callback, which a std::function must be able to copy
  state->silent = std::move(silent);
  requests_.to_all(asked, verb, protocol::print_json(body), steady_clock::now() + kPatience,
                   [state, on_gathered = std::move(on_gathered)](const wire::Answer& answer) {
                     if (answer.status == wire::AnswerStatus::ok && !answer.body.empty()) {
                       const auto part = protocol::parse_json(answer.body);
                       if (part && part->is_object()) {
                         state->silent.erase(text_at(part->get_object(), "node"));
                         state->gathered.answers.push_back(part->get_object());
                       }
                     }
                     if (!answer.last) return;
                     state->gathered.silent.assign(state->silent.begin(), state->silent.end());
                     on_gathered(std::move(state->gathered));
                   });
}

// ---- events ----

void TrailVerbs::events(const json::object& body, const ControlReply& reply) {
  if (const std::string fault = find_fault(body, "limit"); !fault.empty())
    return reply.fail(ControlStatus::bad_request, fault);
  const auto watch = std::make_shared<Watch>(Watch{.body = body, .reply = reply});
  watch->body["limit"] = std::min(count_at(body, "limit", kEventsMax), kEventsMax);
  if (is_true(body, "follow")) {
    if (followers_.size() >= kFollowersMax)
      return reply.fail(ControlStatus::failed,
                        fmt::format("{} already follow the events; that is the most.", followers_.size()));
    followers_.push_back(watch);
  }
  ask_events(watch);
}

void TrailVerbs::on_tick(steady_clock::time_point now) {
  std::erase_if(followers_, [](const auto& watch) { return !watch->reply.is_open(); });
  for (const auto& watch : followers_)
    if (!watch->is_asking && watch->ask_at <= now) ask_events(watch);
}

void TrailVerbs::end_all() {
  for (const auto& watch : followers_) watch->reply.finish();
  followers_.clear();
}

void TrailVerbs::ask_events(const std::shared_ptr<Watch>& watch) {
  watch->is_asking = true;
  gather("events", watch->body, [this, watch](Gathered gathered) {
    watch->is_asking = false;
    watch->ask_at = steady_clock::now() + kFollowEvery;
    send_events(*watch, std::move(gathered));
    if (!is_true(watch->body, "follow")) watch->reply.finish();
  });
}

/// In the order of their times; the newest, when there are more than asked for.
void TrailVerbs::send_events(Watch& watch, Gathered gathered) const {
  const std::string entity = text_at(watch.body, "entity");
  std::multimap<std::uint64_t, json::object> events;  // by time; what is of one time keeps its order
  const auto add = [&events](json::object event) {
    const std::uint64_t wall_ns = count_at(event, "wall_ns", 0);
    event.erase("wall_ns");
    events.emplace(wall_ns, std::move(event));
  };
  if (text_at(watch.body, "type").empty()) {
    const auto shard =
        entity.empty() ? std::nullopt : std::optional(kernel::shard_of(fleet_.stored_name(entity), shard_count_));
    for (json::object& event : trail_.list(watch.seen, shard)) add(std::move(event));
    watch.seen = trail_.newest();
  }
  if (!watch.body.contains("after")) watch.body["after"] = json::object();
  for (json::object& answer : gathered.answers) {
    if (auto* kept = answer["events"].if_array())
      for (auto& event : *kept)
        if (auto* fields = event.if_object()) add(std::move(*fields));
    watch.body["after"].as_object()[text_at(answer, "node")] = answer["cursor"];
  }
  const std::size_t limit = count_at(watch.body, "limit", kEventsMax);
  std::size_t surplus = events.size() > limit ? events.size() - limit : 0;
  for (const auto& [time, event] : events)
    if (surplus == 0)
      watch.reply.part(event);
    else
      --surplus;
  for (const std::string& node : gathered.silent)
    if (std::ranges::find(watch.silent, node) == watch.silent.end()) watch.reply.part(describe_silence(node));
  watch.silent = std::move(gathered.silent);
  watch.body["limit"] = kEventsMax;  // of what comes from now on nothing is left out
}

// ---- calls ----

void TrailVerbs::calls(const json::object& body, const ControlReply& reply) {
  if (const std::string fault = find_fault(body, "older_than_ms"); !fault.empty())
    return reply.fail(ControlStatus::bad_request, fault);
  CallFilter filter{.entity = fleet_.stored_name(text_at(body, "entity")),
                    .age_ms_min = static_cast<std::int64_t>(std::min<std::uint64_t>(
                        count_at(body, "older_than_ms", 0), static_cast<std::uint64_t>(INT64_MAX)))};
  if (const std::string type = text_at(body, "type"); !type.empty())
    filter.type_prefix = fleet_.stored_name(type) + "/";
  filter.stored_name = [this](const std::string& entity) { return fleet_.stored_name(entity); };
  gather("calls", body, [reply, filter](const Gathered& gathered) {
    std::uint64_t left_off = 0;
    for (const json::object& answer : gathered.answers) left_off += count_at(answer, "left_off", 0);
    json::array silent;
    for (const std::string& node : gathered.silent) silent.emplace_back(node);
    reply.finish(json::object{
        {"calls", join_calls(gathered.answers, filter)}, {"left_off", left_off}, {"silent", std::move(silent)}});
  });
}

}  // namespace epic::cluster
